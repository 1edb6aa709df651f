//! Streamable HTTP through real sockets.

mod end;
mod requests;
mod support;
