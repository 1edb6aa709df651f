//! What a person, or `health`, wants to know of the queue.

use std::borrow::Cow;
use std::time::Duration;

use spindle_protocol::error::WireError;
use spindle_protocol::methods::control::{Running, State};

use crate::keys::Ticket;

/// How many finished requests are kept for the panel.
pub const RECENT: usize = 8;

/// The alert of a main thread that is blocked.
pub const UNHEALTHY: &str = "unhealthy";

/// The alert of a queue that is deep.
pub const QUEUE_DEPTH: &str = "queue_depth";

/// The alert of a request log that cannot be written.
pub const LOG_FAILING: &str = "log_failing";

/// The alert of a request that an earlier Blender did not survive.
pub const PREVIOUS_CRASH: &str = "previous_crash";

/// The alert of pages for monitoring programs that cannot be served.
pub const METRICS_PORT: &str = "metrics_port";
/// The alert that other add-ons' clients are not served, and the setting's name.
pub const COMPAT_PORT: &str = "compat_port";

/// The alert of scripts that wait for the user.
pub const ASKING: &str = "asking";

/// The names of all alerts.
pub const ALERTS: [&str; 7] = [UNHEALTHY, QUEUE_DEPTH, ASKING, LOG_FAILING, PREVIOUS_CRASH, METRICS_PORT, COMPAT_PORT];

/// How a request ended, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `ok`, the kind of its error, or how its script ended.
    pub outcome: Cow<'static, str>,
    /// What its error says; empty when it ended well.
    pub text: String,
}

impl Verdict {
    /// It ended well.
    pub fn ok() -> Verdict {
        Verdict { outcome: Cow::Borrowed("ok"), text: String::new() }
    }

    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }

    /// It ended with this error.
    pub fn of(error: &WireError) -> Verdict {
        Verdict { outcome: Cow::Borrowed(error.data.kind.name()), text: error.message.clone() }
    }
}

/// A finished request, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its method.
    pub method: &'static str,
    /// The client's name.
    pub client: String,
    /// Its label, or empty.
    pub label: String,
    /// How it ended.
    pub verdict: Verdict,
    /// From the start on the main thread to the end; zero when it never started.
    pub duration: Duration,
}

/// What a person or `health` wants to know.
#[derive(Clone, Debug)]
pub struct Overview {
    /// What the main thread does.
    pub state: State,
    /// Since the main thread last asked for work; zero while it waits for some.
    pub since_tick: Duration,
    /// The started requests, oldest first, each with its ticket.
    pub running: Vec<(Ticket, Running)>,
    /// Requests that are not running.
    pub queued: usize,
    /// Those of them that wait for the user's decision.
    pub asking: usize,
    /// Requests answered.
    pub answered: u64,
    /// The last finished requests, newest last.
    pub recent: Vec<Finished>,
}

/// What the main thread does. It counts as blocked only where nothing is known to keep it.
pub fn state(closed: bool, running: bool, since_tick: Duration, blocked_after: Duration) -> State {
    match () {
        () if closed => State::Stopping,
        () if running => State::Busy,
        () if since_tick > blocked_after => State::Blocked,
        () => State::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HEALTH: only a main thread that stands still for no known cause is blocked.
    #[test]
    fn states() {
        let limit = Duration::from_secs(10);
        let long = limit + Duration::from_millis(1);
        assert_eq!(state(false, false, Duration::ZERO, limit), State::Ready);
        assert_eq!(state(false, false, limit, limit), State::Ready);
        assert_eq!(state(false, false, long, limit), State::Blocked);
        assert_eq!(state(false, true, long, limit), State::Busy);
        assert_eq!(state(true, false, long, limit), State::Stopping);
    }
}
