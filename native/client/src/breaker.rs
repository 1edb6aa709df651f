//! After so many failures in a row nothing is tried for a while; then one request is let through to see
//! (CIRCUIT_BREAKER). It knows neither requests nor clocks, so that `models` can check every interleaving.

#[cfg(all(loom, test))]
mod models;

use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// One request, whose outcome decides.
    HalfOpen,
    /// Nothing.
    Open,
}

enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One request is on its way.
    Probing,
}

struct Record {
    state: State,
    /// How many failed in a row, and what the last ended with; kept for those who are refused.
    failures: u32,
    last: String,
}

/// The breaker of one client.
pub(crate) struct Breaker {
    record: Mutex<Record>,
    limit: u32,
    rest: Duration,
}

/// Why nothing is tried.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub failures: u32,
    pub last: String,
    pub retry_after: Duration,
}

/// Leave to try once. Dropping it without a verdict says nothing of the server.
#[must_use = "the breaker waits for a verdict"]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    /// Whether this is the one request that is let through while the breaker is half open.
    probes: bool,
    decided: bool,
}

impl Breaker {
    /// Closed; opens after `limit` failures in a row, for as long as `rest`.
    pub fn new(limit: u32, rest: Duration) -> Breaker {
        let record = Record { state: State::Closed { failures: 0 }, failures: 0, last: String::new() };
        Breaker { record: Mutex::new(record), limit, rest }
    }

    /// Whether a request may be tried now.
    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Refusal> {
        let mut record = lock(&self.record);
        let probes = match record.state {
            State::Closed { .. } => false,
            State::Open { until } if now >= until => true,
            State::Open { until } => return Err(record.refusal(until - now)),
            State::Probing => return Err(record.refusal(self.rest)),
        };
        if probes {
            record.state = State::Probing;
        }
        drop(record);
        Ok(Permit { breaker: self, probes, decided: false })
    }

    /// What it lets through now.
    pub fn state(&self, now: Instant) -> BreakerState {
        match lock(&self.record).state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open,
            State::Open { .. } | State::Probing => BreakerState::HalfOpen,
        }
    }

    fn settle(&self, probes: bool, change: impl FnOnce(&mut Record)) {
        let mut record = lock(&self.record);
        // Whoever was let through before the breaker opened knows nothing of what came after.
        if probes == matches!(record.state, State::Probing) {
            change(&mut record);
        }
    }
}

impl Record {
    fn refusal(&self, retry_after: Duration) -> Refusal {
        Refusal { failures: self.failures, last: self.last.clone(), retry_after }
    }
}

impl Permit<'_> {
    /// The server answered; whether that closed the breaker.
    pub fn succeed(mut self) -> bool {
        self.decided = true;
        let mut closed = false;
        self.breaker.settle(self.probes, |record| {
            if !matches!(record.state, State::Open { .. }) {
                record.state = State::Closed { failures: 0 };
                closed = self.probes;
            }
        });
        closed
    }

    /// It did not; whether that opened the breaker.
    pub fn fail(mut self, now: Instant, why: impl FnOnce() -> String) -> bool {
        self.decided = true;
        let mut opened = false;
        self.breaker.settle(self.probes, |record| {
            let failures = match record.state {
                State::Closed { failures } => failures + 1,
                State::Probing => record.failures.saturating_add(1),
                State::Open { .. } => return,
            };
            opened = self.probes || failures >= self.breaker.limit;
            record.state =
                if opened { State::Open { until: now + self.breaker.rest } } else { State::Closed { failures } };
            (record.failures, record.last) = (failures, why());
        });
        opened
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probes && !self.decided {
            // The next one may try at once: nothing was learned, and the rest is over.
            self.breaker.settle(true, |record| record.state = State::Open { until: Instant::now() });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(5);

    fn fail(breaker: &Breaker, now: Instant) -> bool {
        breaker.admit(now).expect("admitted").fail(now, || "it broke".to_owned())
    }

    /// CIRCUIT_BREAKER: closed, open, half open with one probe, and what each outcome leads to.
    #[test]
    fn the_way_round() {
        let (breaker, start) = (Breaker::new(3, REST), Instant::now());
        assert_eq!([fail(&breaker, start), fail(&breaker, start)], [false, false]);
        assert!(!breaker.admit(start).expect("admitted").succeed(), "a success starts the count anew");
        assert_eq!([0; 3].map(|_| fail(&breaker, start)), [false, false, true]);
        let refusal = breaker.admit(start + REST / 5).err().expect("open");
        assert_eq!((refusal.failures, refusal.last.as_str(), refusal.retry_after), (3, "it broke", REST * 4 / 5));
        assert_eq!(breaker.state(start), BreakerState::Open);
        let later = start + REST;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        let probe = breaker.admit(later).expect("one");
        assert!(breaker.admit(later).is_err(), "and no other");
        assert!(probe.fail(later, || "still".to_owned()));
        assert_eq!(breaker.admit(later).err().map(|refusal| refusal.failures), Some(4));
        assert!(breaker.admit(later + REST).expect("one").succeed());
        assert_eq!(breaker.state(later), BreakerState::Closed);
    }

    /// Who was let through before decides nothing afterwards, and a probe without a verdict leaves room for the next.
    #[test]
    fn late_and_undecided() {
        let (breaker, start) = (Breaker::new(1, REST), Instant::now());
        let [late, later, latest] = [0; 3].map(|_| breaker.admit(start).expect("closed"));
        assert!(fail(&breaker, start));
        assert!(!late.succeed());
        assert_eq!(breaker.state(start), BreakerState::Open);
        let probe = breaker.admit(start + REST).expect("one");
        assert!(!later.fail(start + REST, || "late".to_owned()));
        assert!(!latest.succeed());
        assert!(breaker.admit(start + REST).is_err(), "the probe is still on its way");
        drop(probe);
        assert!(breaker.admit(Instant::now() + REST).expect("the next one").succeed());
    }
}
