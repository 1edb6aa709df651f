//! Spindle's server: everything between a socket and Blender's main thread.
//!
//! In the order data flows; each module uses only those above it:
//! - [`limits`]: every limit, with its range and its reason;
//! - [`memory`]: what the limits amount to;
//! - [`settings`]: what a user may choose, checked as a whole;
//! - [`descriptors`]: how many connections this process can hold;
//! - [`private`]: folders and files of the user's own;
//! - [`instance_file`]: how clients find the server;
//! - [`sequence`]: numbers that are given once;
//! - [`keys`]: what things are known by;
//! - [`overview`]: what people want to know of the queue;
//! - [`listeners`]: where clients come in;
//! - [`bucket`]: so much a minute;
//! - [`handshake`]: how a client gets in;
//! - [`session`]: the record of each client, and its budget;
//! - [`metrics`]: what is counted;
//! - [`judge`]: what the guard says of scripts, and how strict it is;
//! - [`admit`]: a request becomes [`admit::Admitted`], or is refused;
//! - [`load`]: how much is in flight, and what is refused for it;
//! - [`turns`]: whose turn it is;
//! - [`consent`]: what the user is asked, and has allowed;
//! - [`samples`]: how long the last requests took;
//! - `queue`: the requests in flight, each in one stage;
//! - [`inbox`]: the queue that the main thread pulls from;
//! - [`jobs`]: requests whose outcome is kept;
//! - [`feed`]: what a running request tells before its answer;
//! - [`cache`]: the last answers of read-only methods;
//! - [`journal`]: the request log;
//! - [`outbox`]: what is on its way back to the I/O thread;
//! - [`frames`]: what the server says, as frames;
//! - [`monitor`]: whether all is well;
//! - [`shared`]: what the threads share;
//! - [`checker`]: the thread that does slow admissions;
//! - [`looks`]: which large scripts it looks at for `script.check`;
//! - [`job_desk`]: what clients ask about jobs;
//! - [`control`]: what is answered without Blender;
//! - [`intake`]: who is read while large frames come in;
//! - [`boundary`]: where a message without a frame ends;
//! - [`dialect`]: what other add-ons' clients say, and our replies in their words;
//! - [`interpreter`]: one conversation with such a client;
//! - [`input`]: what a peer sends, as frames;
//! - [`connection`]: one peer's bytes, without knowing what a socket is;
//! - [`http`]: one exchange with a monitoring program;
//! - [`pages`]: what its pages tell;
//! - [`endpoint`]: where such programs come in;
//! - [`router`]: what one message leads to;
//! - [`server`]: the only poll loop;
//! - [`handle`]: what the add-on holds.
//!
//! Nothing here knows Python. The I/O thread never waits for Blender; the main thread never waits for
//! a socket.

#![forbid(unsafe_code)]

pub mod admit;
pub mod boundary;
pub mod bucket;
pub mod cache;
pub mod checker;
pub mod connection;
pub mod consent;
pub mod control;
pub mod descriptors;
pub mod dialect;
pub mod endpoint;
pub mod feed;
pub mod frames;
pub mod handle;
pub mod handshake;
pub mod http;
pub mod inbox;
pub mod input;
pub mod instance_file;
pub mod intake;
pub mod interpreter;
pub mod job_desk;
pub mod jobs;
pub mod journal;
pub mod judge;
pub mod keys;
pub mod limits;
pub mod listeners;
pub mod load;
pub mod looks;
pub mod memory;
pub mod metrics;
pub mod monitor;
pub mod outbox;
pub mod overview;
pub mod pages;
pub mod private;
mod queue;
pub mod router;
pub mod samples;
pub mod sequence;
pub mod server;
pub mod session;
pub mod settings;
pub mod shared;
pub mod turns;
