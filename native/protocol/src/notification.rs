//! What the server tells a client unasked, while a request of that client is in flight.

use serde::{Deserialize, Serialize};

use crate::envelope::RequestId;

/// `output`: what a script has written since the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The request that waits for the script.
    pub id: RequestId,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written.
    pub text: String,
    /// Characters that were left out before this text, as more was written than was read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// `progress`: how far a request has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgressOf {
    /// The request that waits for it.
    pub id: RequestId,
    /// How far.
    #[serde(flatten)]
    pub progress: Progress,
}

/// How far something has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Progress {
    /// What is done, in units of whoever reports it: frames, samples, files.
    pub done: f64,
    /// What there is to do in all, where that is known.
    #[serde(default)]
    pub total: Option<f64>,
    /// For people; may be empty.
    #[serde(default)]
    pub message: String,
}

/// A notification as it goes out.
#[derive(Serialize)]
pub struct Notification<'a, T> {
    jsonrpc: &'static str,
    /// `output` or `progress`.
    pub method: &'a str,
    /// Its content.
    pub params: &'a T,
}

impl<'a, T> Notification<'a, T> {
    /// A notification with its fixed member in place.
    pub fn new(method: &'a str, params: &'a T) -> Notification<'a, T> {
        Notification { jsonrpc: "2.0", method, params }
    }
}
