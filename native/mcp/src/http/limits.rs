//! What a client may cost, and how long it may take. All of it is per process, and none of it is a setting: clients of one
//! user on one machine have no honest use for more.

use std::time::Duration;

/// The limits. Tests use smaller ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; one more is told so and closed. A client holds one for each call that runs and, in the older
    /// revisions, one more to be notified.
    pub connections: usize,
    /// Connections more that are told that there are too many; beyond, they are only closed.
    pub refused: usize,
    /// Sessions of the older revisions; for one more the one that was not used for the longest time ends. Clients seldom
    /// end theirs, and make a new one with each start.
    pub sessions: usize,
    /// How long a session is kept unused, and how long a call in it may be silent: longer than any render.
    pub session_idle: Duration,
    /// The lines before the body, in bytes; what Node and nginx allow, too.
    pub header_bytes: usize,
    /// Header fields.
    pub header_fields: usize,
    /// From a connection's start, or the last answer, to the last line before the body: so idle connections end, too.
    pub header_time: Duration,
    /// A body, in bytes: forty times the longest script that is allowed by default.
    pub body_bytes: usize,
    /// From the last line before the body to its end.
    pub body_time: Duration,
    /// How long what a refused client still sends is read: else the system would take back the refusal with a reset.
    pub linger: Duration,
    /// How long calls that run when the server is told to end are waited for.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 64,
            refused: 32,
            sessions: 64,
            session_idle: Duration::from_hours(24),
            header_bytes: 16 * 1024,
            header_fields: 100,
            header_time: Duration::from_secs(15),
            body_bytes: 4 * 1024 * 1024,
            body_time: Duration::from_secs(15),
            linger: Duration::from_secs(1),
            farewell: Duration::from_secs(3),
        }
    }
}
