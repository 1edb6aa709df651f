//! What is on its way to the I/O thread. Any thread puts, the I/O thread takes.

use std::sync::Arc;

use mio::Waker;
use parking_lot::Mutex;
use spindle_protocol::error::WireError;
use spindle_protocol::methods::script::CheckResult;

use crate::cache::Answer;
use crate::feed::News;
use crate::jobs::Outcome;
use crate::keys::{Address, CacheKey, ConnectionKey, JobKey};

/// Whether a frame may overtake others on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Greeting and control replies: they go first.
    Control,
    /// Replies from the main thread, in order.
    Main,
    /// Output and progress, in order with the replies.
    News,
}

/// A frame for one connection.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub connection: ConnectionKey,
    /// What it may overtake.
    pub lane: Lane,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// What other threads leave for the I/O thread.
#[derive(Debug)]
pub enum Parcel {
    /// A frame, ready to be sent.
    Frame(Outgoing),
    /// What a job has told before its end.
    News(JobKey, News),
    /// What a job came to.
    Outcome(JobKey, Outcome),
    /// An answer to keep.
    Answer(CacheKey, Answer),
    /// What a `script.check` came to.
    Looked(Address, Result<CheckResult, WireError>),
}

/// Where other threads leave parcels for the I/O thread.
#[derive(Debug)]
pub struct Outbox {
    parcels: Mutex<Vec<Parcel>>,
    waker: Arc<Waker>,
}

impl Outbox {
    /// An empty outbox that wakes its reader by `waker`.
    pub fn new(waker: Arc<Waker>) -> Outbox {
        Outbox { parcels: Mutex::new(Vec::new()), waker }
    }

    /// Leave parcels, in order, and wake the I/O thread.
    pub fn put(&self, new: impl IntoIterator<Item = Parcel>) {
        let wake = {
            let mut parcels = self.parcels.lock();
            let was_empty = parcels.is_empty();
            parcels.extend(new);
            was_empty && !parcels.is_empty()
        };
        if wake {
            self.wake();
        }
    }

    /// Wake the I/O thread.
    pub fn wake(&self) {
        // The one way this fails is a full pipe, and then a wake-up is pending already.
        self.waker.wake().ok();
    }

    /// All parcels so far, in order.
    pub fn take(&self) -> Vec<Parcel> {
        std::mem::take(&mut self.parcels.lock())
    }
}
