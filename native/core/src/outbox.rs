//! Answers on their way to the I/O thread. Any thread puts, the I/O thread takes.

use std::sync::Arc;

use mio::Waker;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use spindle_protocol::envelope::{Outcome, Reply, RequestId};
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::frame;

use crate::admit::ConnectionKey;

/// Whether a frame may overtake others on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Greeting and control replies: they go first.
    Control,
    /// Replies from the main thread, in order.
    Main,
}

/// A frame for one connection.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub connection: ConnectionKey,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// Where other threads leave frames for the I/O thread.
#[derive(Debug)]
pub struct Outbox {
    frames: Mutex<Vec<Outgoing>>,
    waker: Arc<Waker>,
}

impl Outbox {
    /// An empty outbox that wakes its reader by `waker`.
    pub fn new(waker: Arc<Waker>) -> Outbox {
        Outbox { frames: Mutex::new(Vec::new()), waker }
    }

    /// Leave a frame and wake the I/O thread.
    pub fn put(&self, outgoing: Outgoing) {
        let first = {
            let mut frames = self.frames.lock();
            frames.push(outgoing);
            frames.len() == 1
        };
        if first {
            self.wake();
        }
    }

    /// Wake the I/O thread.
    pub fn wake(&self) {
        // The one way this fails is a full pipe, and then a wake-up is pending already.
        self.waker.wake().ok();
    }

    /// All frames so far, in order.
    pub fn take(&self) -> Vec<Outgoing> {
        std::mem::take(&mut self.frames.lock())
    }
}

/// The frame of a result. One that is too large for a frame becomes the error that says so.
pub fn result_frame(id: &RequestId, result: &RawValue, blob: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(&Reply::new(Some(id), Outcome::Result(result)));
    let framed = json
        .map_err(|error| error.to_string())
        .and_then(|json| frame::encode(&json, blob).map_err(|error| error.to_string()));
    framed.unwrap_or_else(|text| {
        let text = format!("the request ran, but its result cannot be sent: {text}");
        error_frame(Some(id), &WireError::started(Kind::BadResult, Started::Yes, text))
    })
}

/// The frame of an error.
pub fn error_frame(id: Option<&RequestId>, error: &WireError) -> Vec<u8> {
    let json = serde_json::to_vec(&Reply::new(id, Outcome::Error(error))).expect("an error is always JSON");
    frame::encode(&json, &[]).expect("an error's text is bounded, and its details are small")
}
