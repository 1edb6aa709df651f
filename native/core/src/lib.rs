//! Spindle's server: everything between a socket and Blender's main thread.
//!
//! In the order data flows; each module uses only those above it:
//! - [`settings`]: what a user may choose, checked as a whole;
//! - [`descriptors`]: how many connections this process can hold;
//! - [`instance_file`]: how clients find the server;
//! - [`session`]: the handshake, and the record of each client;
//! - [`admit`]: a request becomes [`admit::Admitted`], or is refused;
//! - [`overview`]: what people want to know of it;
//! - [`inbox`]: the queue that the main thread pulls from;
//! - [`outbox`]: answers on their way back to the I/O thread;
//! - [`checker`]: the thread that does slow admissions;
//! - [`control`]: what is answered without Blender;
//! - [`connection`]: one peer's bytes, without knowing what a socket is;
//! - [`router`]: what one message leads to;
//! - [`server`]: the only poll loop;
//! - [`handle`]: what the add-on holds.
//!
//! Nothing here knows Python. The I/O thread never waits for Blender; the main thread never waits for
//! a socket.

#![forbid(unsafe_code)]

pub mod admit;
pub mod checker;
pub mod connection;
pub mod control;
pub mod descriptors;
pub mod handle;
pub mod inbox;
pub mod instance_file;
pub mod outbox;
pub mod overview;
pub mod router;
pub mod server;
pub mod session;
pub mod settings;
