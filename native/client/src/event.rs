//! What a client does, told as it happens: for logs and traces, in whichever library a program uses for them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::discovery::Server;
use crate::error::Error;

/// One thing that happened. Connections are known by a number that is given once in a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection was made.
    Opened {
        /// Its number.
        connection: u64,
        /// Who is on the other side.
        server: &'a Server,
    },
    /// A call has a connection.
    Taken {
        /// Its number.
        connection: u64,
        /// How long that took, connecting included.
        waited: Duration,
    },
    /// A connection is free again.
    Returned {
        /// Its number.
        connection: u64,
    },
    /// A connection was closed.
    Closed {
        /// Its number.
        connection: u64,
        /// Why.
        why: &'a str,
    },
    /// Another server is in the place of the one before: Blender was restarted.
    ServerChanged {
        /// The one before.
        before: &'a Server,
        /// The one now.
        now: &'a Server,
    },
    /// A request had been sent and has no answer: it may have run.
    Lost {
        /// The connection that it was sent over.
        connection: u64,
        /// Its method.
        method: &'a str,
        /// Why there is no answer.
        error: &'a Error,
    },
    /// A call will be tried again.
    Retrying {
        /// The method.
        method: &'a str,
        /// The number of the attempt that failed, counted from 1.
        attempt: u32,
        /// The pause before the next one.
        pause: Duration,
        /// Why it failed.
        error: &'a Error,
    },
    /// The breaker opened: nothing is tried for a while.
    BreakerOpened {
        /// The failure that opened it.
        error: &'a Error,
    },
    /// The breaker closed: all is well again.
    BreakerClosed,
    /// A health probe failed. The next one runs all the same.
    ProbeFailed {
        /// How many in a row have.
        in_a_row: u32,
        /// Why.
        why: &'a str,
    },
    /// A probe's connection could not be closed in order. It is closed all the same, and the probe's outcome stands.
    CloseFailed {
        /// What the system says.
        why: &'a str,
    },
    /// The published state of health is another one.
    HealthChanged {
        /// The state now.
        healthy: bool,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Opened { connection, server } => write!(formatter, "connection {connection} opened to {server}"),
            Event::Taken { connection, waited } => write!(formatter, "connection {connection} taken after {waited:?}"),
            Event::Returned { connection } => write!(formatter, "connection {connection} returned"),
            Event::Closed { connection, why } => write!(formatter, "connection {connection} closed: {why}"),
            Event::ServerChanged { before, now } => write!(formatter, "another server: {now}; before: {before}"),
            Event::Lost { connection, method, error } => {
                write!(formatter, "the outcome of {method} over connection {connection} is unknown: {error}")
            }
            Event::Retrying { method, attempt, pause, error } => {
                write!(formatter, "{method} failed, attempt {attempt}; again in {pause:?}: {error}")
            }
            Event::BreakerOpened { error } => write!(formatter, "breaker opened: {error}"),
            Event::BreakerClosed => formatter.write_str("breaker closed"),
            Event::ProbeFailed { in_a_row, why } => {
                write!(formatter, "health probe failed, {in_a_row} in a row: {why}")
            }
            Event::CloseFailed { why } => write!(formatter, "a health probe's connection: {why}"),
            Event::HealthChanged { healthy } => {
                write!(formatter, "the server is {}", if *healthy { "healthy" } else { "unhealthy" })
            }
        }
    }
}

/// Somebody who is told of [`Event`]s, on the thread where they happen, so it must be quick. A function is one.
pub trait Observer: Send + Sync {
    /// An event happened.
    fn observe(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event<'_>) {
        self(event);
    }
}

/// The observer, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Teller(pub Option<Arc<dyn Observer>>);

impl Teller {
    /// Tell it. An observer that panics is no reason for a connection to be lost, or a probe to end; the panic has
    /// been reported by its hook.
    pub fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.0 {
            drop(catch_unwind(AssertUnwindSafe(|| observer.observe(event))));
        }
    }
}
