//! What AI clients see of Blender: tools and resources of the Model Context Protocol, on the official SDK, over
//! `spindle-client`. The SDK is asynchronous and needs tokio, which lives here only; the client's calls wait, so each
//! has a thread of its own for as long as it takes.
//!
//! In the order data flows:
//! - `failure`: what a model is told when a tool could not do its work, and what to do about it;
//! - `blenders`: the connections to Blender, one for each client and choice;
//! - `kept`: long texts, of which a model gets page by page, and the last pictures;
//! - `call`: what a tool has at hand: Blender, progress, cancellation;
//! - `answer`: what a tool says, within the clients' limits;
//! - `picture`: Blender's PNG files as small JPEGs;
//! - `schema`: schemas in as few tokens as they can be said;
//! - `tools`: the tools;
//! - `resources`: the scene, its objects and the last render, by URI;
//! - `work`: a call under way: progress, cancellation, and tasks for what takes long;
//! - [`server`]: the protocol's requests to these, in every revision of it;
//! - `signals`: what the system says when it wants a process to end;
//! - [`stdio`]: a server for one client, on its standard input and output;
//! - [`token`]: the secret that clients of the other kind show;
//! - [`http`]: a server for many clients of this machine, by a URL.

#![forbid(unsafe_code)]

mod answer;
mod blenders;
mod call;
mod failure;
pub mod http;
mod kept;
mod picture;
mod resources;
mod schema;
pub mod server;
mod signals;
pub mod stdio;
pub mod token;
mod tools;
mod work;

pub use server::SpindleServer;
