//! How much is in flight, in all and of each session, and what is refused for it.

use std::collections::HashMap;
use std::time::Duration;

use spindle_protocol::error::{Kind, WireError};

use crate::keys::SessionKey;
use crate::limits::Limits;

/// How full the queue may be.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Requests that are not running, over all sessions.
    pub queued: usize,
    /// Requests in flight of one connection.
    pub in_flight: usize,
    /// Requests in flight of one session.
    pub session_in_flight: usize,
    /// Requests of one session that are not running.
    pub session_queued: usize,
    /// Bytes of parameters and blobs of the requests that are not running.
    pub bytes: usize,
    /// Ended requests that are kept for percentiles.
    pub samples: usize,
    /// Requests that wait for the user's decision.
    pub asking: usize,
    /// How long the user has for one.
    pub patience: Duration,
    /// The main thread counts as blocked after this long without asking for work.
    pub blocked_after: Duration,
}

impl From<&Limits> for InboxLimits {
    fn from(limits: &Limits) -> InboxLimits {
        InboxLimits {
            queued: limits.max_queued as usize,
            in_flight: limits.max_in_flight as usize,
            session_in_flight: limits.max_session_in_flight as usize,
            session_queued: limits.max_session_queued as usize,
            bytes: limits.max_queued_mib as usize * 1024 * 1024,
            samples: limits.max_samples as usize,
            asking: limits.max_asking as usize,
            patience: limits.ask_timeout(),
            blocked_after: limits.blocked_after(),
        }
    }
}

/// What one session has in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that are not answered.
    pub in_flight: usize,
    /// Those of them that are not running.
    pub queued: usize,
}

/// What all sessions have in flight. A session without any has no entry.
#[derive(Default)]
pub struct Loads {
    sessions: HashMap<SessionKey, Load>,
    queued: usize,
    queued_bytes: usize,
    /// A moving average, which tells when a place may be free.
    usual_run: Duration,
    underflows: u64,
}

impl Loads {
    /// Refuse a request for which there is no room.
    ///
    /// # Errors
    /// `queue_full`, with the limit, its setting, and when to try again.
    pub fn refuse(
        &self,
        session: SessionKey,
        bytes: usize,
        in_flight: usize,
        limits: &InboxLimits,
    ) -> Result<(), WireError> {
        let Load { in_flight: of_session, queued: waiting } = self.of(session);
        let all_bytes = self.queued_bytes.saturating_add(bytes);
        let rows = [
            (in_flight + 1, limits.in_flight, "max_in_flight", "requests of this connection in flight"),
            (of_session + 1, limits.session_in_flight, "max_session_in_flight", "requests of this client in flight"),
            (waiting + 1, limits.session_queued, "max_session_queued", "waiting requests of this client"),
            (self.queued + 1, limits.queued, "max_queued", "waiting requests of all clients"),
            (all_bytes, limits.bytes, "max_queued_mib", "bytes of all waiting requests"),
        ];
        match rows.into_iter().find(|(count, limit, ..)| count > limit) {
            None => Ok(()),
            Some((count, limit, setting, what)) => {
                let text =
                    format!("this would make {count} {what}, the limit is {limit} ({setting}); wait for replies");
                let wait = self.usual_run.as_millis().clamp(1, 10_000) as u64;
                let error = WireError::new(Kind::QueueFull, text).with("limit", limit).with("setting", setting);
                Err(error.with("retry_after_ms", wait))
            }
        }
    }

    /// A request takes its place.
    pub fn enter(&mut self, session: SessionKey, bytes: usize) {
        let load = self.sessions.entry(session).or_default();
        load.in_flight += 1;
        load.queued += 1;
        self.queued += 1;
        self.queued_bytes += bytes;
    }

    /// A request starts.
    pub fn start(&mut self, session: SessionKey, bytes: usize) {
        self.queued = self.less(self.queued, 1);
        self.queued_bytes = self.less(self.queued_bytes, bytes);
        let queued = self.less(self.of(session).queued, 1);
        self.set(session, |load| load.queued = queued);
    }

    /// A request that ran has ended.
    pub fn end_running(&mut self, session: SessionKey, ran: Duration) {
        self.usual_run = (self.usual_run * 7 + ran) / 8;
        let in_flight = self.less(self.of(session).in_flight, 1);
        self.set(session, |load| load.in_flight = in_flight);
    }

    /// A request has ended that never ran.
    pub fn end_queued(&mut self, session: SessionKey, bytes: usize) {
        self.start(session, bytes);
        let in_flight = self.less(self.of(session).in_flight, 1);
        self.set(session, |load| load.in_flight = in_flight);
    }

    /// What a session has in flight.
    pub fn of(&self, session: SessionKey) -> Load {
        self.sessions.get(&session).copied().unwrap_or_default()
    }

    /// Requests that are not running.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// How often a counter would have gone below zero, which is a fault of ours (BUG-010).
    pub fn underflows(&self) -> u64 {
        self.underflows
    }

    fn set(&mut self, session: SessionKey, change: impl FnOnce(&mut Load)) {
        let load = self.sessions.entry(session).or_default();
        change(load);
        if *load == Load::default() {
            self.sessions.remove(&session);
        }
    }

    fn less(&mut self, from: usize, count: usize) -> usize {
        from.checked_sub(count).unwrap_or_else(|| {
            self.underflows += 1;
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: InboxLimits = InboxLimits {
        queued: 4,
        in_flight: 3,
        session_in_flight: 3,
        session_queued: 2,
        bytes: 100,
        samples: 1000,
        asking: 1,
        patience: Duration::from_secs(1),
        blocked_after: Duration::MAX,
    };

    /// Every refusal names its limit, its value and when to try again.
    #[test]
    fn refusals_name_their_limit() {
        let (a, b, c) = (SessionKey(1), SessionKey(2), SessionKey(3));
        let mut loads = Loads::default();
        let refused = |loads: &Loads, session, bytes, in_flight| {
            let error = loads.refuse(session, bytes, in_flight, &LIMITS).expect_err("refused");
            assert!(error.data.details["retry_after_ms"].as_u64() >= Some(1), "{error:?}");
            error.data.details["setting"].as_str().map(str::to_owned).expect("a setting")
        };
        loads.refuse(a, 100, 2, &LIMITS).expect("room");
        assert_eq!(refused(&loads, a, 0, 3), "max_in_flight");
        assert_eq!(refused(&loads, a, 101, 0), "max_queued_mib");
        loads.enter(a, 60);
        loads.enter(a, 0);
        assert_eq!(refused(&loads, a, 0, 0), "max_session_queued");
        assert_eq!(refused(&loads, b, 41, 0), "max_queued_mib");
        loads.enter(b, 0);
        loads.enter(b, 0);
        assert_eq!(refused(&loads, c, 0, 0), "max_queued");
        loads.start(a, 60);
        loads.start(a, 0);
        loads.enter(a, 0);
        assert_eq!(refused(&loads, a, 0, 0), "max_session_in_flight");
        assert_eq!(loads.of(a), Load { in_flight: 3, queued: 1 });
    }

    /// BUG-010: a counter never goes below zero, and an attempt is told.
    #[test]
    fn counters_stop_at_zero() {
        let (mut loads, session) = (Loads::default(), SessionKey(1));
        loads.enter(session, 5);
        loads.start(session, 5);
        loads.end_running(session, Duration::from_millis(80));
        assert_eq!((loads.underflows(), loads.queued(), loads.sessions.len()), (0, 0, 0));
        loads.end_running(session, Duration::ZERO);
        assert_eq!((loads.underflows(), loads.of(session)), (1, Load::default()));
        loads.end_queued(session, 1);
        assert_eq!((loads.underflows(), loads.queued()), (5, 0));
    }
}
