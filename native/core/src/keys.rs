//! What things are known by. Numbers are never used again.

use std::fmt;
use std::sync::Arc;

use spindle_protocol::envelope::RequestId;
use spindle_protocol::error::{Kind, WireError};

/// A connection's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub usize);

/// A session's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u64);

/// A request's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A job's number; clients see it as `job-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey(pub u64);

impl fmt::Display for JobKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "job-{}", self.0)
    }
}

/// A kept answer: the method and its parameters, with defaults filled in, as `scene.get {…}`.
pub type CacheKey = Arc<str>;

/// Where a reply goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The connection that the request came by.
    pub connection: ConnectionKey,
    /// The request's id there.
    pub id: RequestId,
}

impl Address {
    /// What a second request under an id in flight is answered.
    pub fn duplicate(&self) -> WireError {
        let text = format!("the id {} is in flight on this connection; use another", self.id);
        WireError::new(Kind::DuplicateId, text)
    }
}
