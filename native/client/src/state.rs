//! How a client is, as it publishes it: what a person should know of is a state, not only a line in a log (ALERTS).

use std::time::{Duration, Instant};

use spindle_protocol::methods::control::HealthReport;

use crate::breaker::BreakerState;

/// Taking a connection should not take longer.
pub(crate) const SLOW_ACQUIRE: Duration = Duration::from_millis(10);

/// For so long after a slow one, taking connections counts as slow.
pub(crate) const SLOW_FOR: Duration = Duration::from_secs(60);

/// More calls than this should not wait for a connection.
pub(crate) const DEEP_QUEUE: usize = 10;

/// So many probes in a row have to fail before the server counts as unhealthy.
pub(crate) const UNHEALTHY_AFTER: u32 = 3;

/// Something that a person should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alert {
    /// Three health probes in a row failed, or the server says so of itself.
    Unhealthy,
    /// Nothing is tried, as too much failed.
    BreakerOpen,
    /// In the last minute a call waited longer than 10 ms for a connection.
    SlowAcquire,
    /// More than 10 calls wait for a connection.
    QueueDepth,
}

/// How a client is at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// False once three health probes in a row failed, until one succeeds; also while the server says that it is not.
    pub healthy: bool,
    /// Health probes that failed in a row.
    pub failed_probes: u32,
    /// What the server last said of itself, and when; none before the first probe that succeeds.
    pub report: Option<(Instant, HealthReport)>,
    /// What the breaker lets through.
    pub breaker: BreakerState,
    /// Connections in use.
    pub taken: usize,
    /// Connections that are open and free.
    pub idle: usize,
    /// Calls that wait for a connection.
    pub waiting: usize,
    /// What a person should know of.
    pub alerts: Vec<Alert>,
}
