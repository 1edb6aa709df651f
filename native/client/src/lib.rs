//! The client side: find a running Blender, connect to it, call its methods. Blocking, and every
//! wait has a deadline.
//!
//! A program that lives longer than one question has a [`Client`]: threads share it, it finds Blender again after a
//! restart, and tries again what is safe to try again. Underneath, a [`Connection`] is one socket to one server, for
//! one thread, with many requests in flight.
//!
//! In the order data flows; each module uses only those above it:
//! - [`error`]: the closed list of what can go wrong, and whether anything ran; with it [`fate`]: what
//!   became of a request whose caller was interrupted;
//! - [`request`]: what a caller may choose for one request, and how it is written;
//! - `wire`: a socket that carries frames, with deadlines;
//! - `handshake`: greeting, hello and the mutual proof;
//! - [`discovery`]: the servers of this user, and the choice of one;
//! - [`connection`]: requests in flight, and their replies;
//! - [`log`]: what the servers have written into the request log;
//! - [`check`]: rules for vectors, colours and search queries;
//! - [`event`]: what a client does, told as it happens;
//! - [`settings`]: what a user may choose, from a file, the environment and the program;
//! - `sync`: the locks of the next two;
//! - `line`: places that are taken and given back, first come, first served;
//! - `breaker`: when nothing is tried for a while;
//! - [`state`]: how a client is, as it publishes it;
//! - `metrics`: what a client counts, for Prometheus;
//! - `cache`: replies that a caller asked to keep;
//! - `source`: where connections come from, also after a restart of Blender;
//! - [`pool`]: connections that calls share;
//! - `probe`: a thread that asks the server how it is;
//! - `retry`: what may be tried again, and when;
//! - `caller`: one call, in as many attempts as it takes;
//! - [`client`]: the front door.
//!
//! ```no_run
//! use spindle_client::{Client, ClientSettings, Options};
//! use spindle_protocol::methods::{Nothing, scene};
//!
//! let blender = Client::new(ClientSettings::from_environment()?)?;
//! let (scene, _) = blender.call_typed::<scene::Get>(&Nothing {}, &[], &Options::default())?;
//! let (result, _) = blender.run("len(bpy.data.objects)", Default::default(), &Options::default())?;
//! println!("{} has {} objects", scene.name, result.value);
//! # Ok::<(), spindle_client::Error>(())
//! ```

#![forbid(unsafe_code)]

mod breaker;
mod cache;
mod caller;
pub mod check;
pub mod client;
pub mod connection;
pub mod discovery;
pub mod error;
pub mod event;
pub mod fate;
mod handshake;
mod line;
pub mod log;
mod metrics;
pub mod pool;
mod probe;
pub mod request;
mod retry;
pub mod settings;
mod source;
pub mod state;
mod sync;
mod wire;

pub use breaker::BreakerState;
pub use check::SearchQuery;
pub use client::Client;
pub use connection::{Connection, Reply, Ticket};
pub use discovery::{Selector, Server, find};
pub use error::Error;
pub use event::{Event, Observer};
pub use fate::Fate;
pub use pool::Taken;
pub use request::{Listener, Notice, Options};
pub use settings::ClientSettings;
pub use state::{Alert, State};
pub use wire::{Interrupt, Settings};
