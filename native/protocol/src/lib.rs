//! What travels between a client and Spindle, without any I/O.
//!
//! In reading order:
//! - [`limits`]: every number of the wire, with its reason;
//! - [`error`]: the closed list of what can go wrong;
//! - [`frame`]: bytes to frames and back;
//! - [`json`]: the written rules for JSON;
//! - [`envelope`]: requests, replies and notifications;
//! - [`notification`]: what the server tells unasked;
//! - [`hello`]: greeting and mutual proof;
//! - [`instance`]: how a client finds a server;
//! - [`finding`]: what the guard says of a script;
//! - [`log`]: what a line of the request log holds;
//! - [`value`]: the types that parameters are made of;
//! - [`method`]: what a method is, and the table of all of them;
//! - [`methods`]: each method's parameters and result, a file per noun.

#![forbid(unsafe_code)]

pub mod envelope;
pub mod error;
pub mod finding;
pub mod frame;
pub mod hello;
pub mod instance;
pub mod json;
pub mod limits;
pub mod log;
pub mod method;
pub mod methods;
pub mod notification;
pub mod received;
pub mod value;
