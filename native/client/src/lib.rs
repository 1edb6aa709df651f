//! The client side: find a running Blender, connect to it, call its methods. Blocking, and every
//! wait has a deadline.
//!
//! In the order data flows; each module uses only those above it:
//! - [`error`]: the closed list of what can go wrong, and whether anything ran;
//! - [`request`]: what a caller may choose for one request, and how it is written;
//! - `wire`: a socket that carries frames, with deadlines;
//! - `handshake`: greeting, hello and the mutual proof;
//! - [`discovery`]: the servers of this user, and the choice of one;
//! - [`connection`]: requests in flight, and their replies;
//! - [`log`]: what the servers have written into the request log.
//!
//! ```no_run
//! use spindle_client::{Connection, Options, Settings, find};
//! use spindle_protocol::methods::{Nothing, scene};
//!
//! let instance = find(None)?;
//! let mut blender = Connection::open(&instance, &Settings::default())?;
//! let (scene, _) = blender.call_typed::<scene::Get>(&Nothing {}, &[], &Options::default())?;
//! # let _: String = scene.name;
//! # Ok::<(), spindle_client::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod connection;
pub mod discovery;
pub mod error;
mod handshake;
pub mod log;
pub mod request;
mod wire;

pub use connection::{Connection, Reply, Ticket};
pub use discovery::{Selector, Server, find};
pub use error::Error;
pub use request::{Listener, Notice, Options};
pub use wire::{Interrupt, Settings};
