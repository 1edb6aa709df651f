//! Connects AI clients to Blender: an MCP server named `blender` in each client's own configuration, which starts
//! `spindle mcp`. Everything else in those files stays byte for byte, and what was done can be undone.
//!
//! - [`system`]: whose home this is, and which system;
//! - [`clients`]: the table of clients: where each keeps its configuration, in which format, and who says so;
//! - [`entry`]: what is written, and what an entry that is there already amounts to;
//! - `json` and `toml`: an entry in a text of that format, by edits in place;
//! - [`document`]: a configuration in memory: bytes in, bytes out;
//! - `file`: the same on the disk, whole or not at all;
//! - [`diff`]: what changes, for people;
//! - [`binary`]: the place of the program that clients start, which outlives updates;
//! - [`plan`]: what is there, what would change, and doing it.
//!
//! No network, no threads. A client that runs may write its file at any time: what has changed between reading and
//! writing is told, and not overwritten.

#![forbid(unsafe_code)]

pub mod binary;
pub mod clients;
pub mod diff;
pub mod document;
pub mod entry;
pub mod error;
mod file;
mod json;
pub mod plan;
pub mod system;
mod toml;

pub use crate::binary::Binary;
pub use crate::clients::{CLIENTS, Client};
pub use crate::entry::{Launch, State};
pub use crate::error::Error;
pub use crate::plan::{Action, Goal, Plan, Survey};
pub use crate::system::System;
