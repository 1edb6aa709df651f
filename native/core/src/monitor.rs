//! Whether all is well: a probe of the main thread every few seconds, and what a person should know of.

use std::time::{Duration, Instant};

use spindle_protocol::methods::control::{Alert, State};

use crate::limits::Limits;
use crate::overview::{ASKING, LOG_FAILING, Overview, QUEUE_DEPTH, UNHEALTHY};

/// So many failed probes in a row make the server unhealthy: one may fall into a long redraw.
const FAILURES: u32 = 3;

/// Something that is wrong, since when, and what to tell.
struct Raised {
    since: Instant,
    text: String,
}

/// What the monitor has seen (RUNTIME_001, ALERTS).
pub struct Monitor {
    interval: Duration,
    deep: usize,
    next_probe: Instant,
    failures: u32,
    unhealthy: Option<Raised>,
    queue_depth: Option<Raised>,
    asking: Option<Raised>,
    log_failing: Option<Raised>,
    /// What was so from the start, and stays.
    known: Vec<(&'static str, Raised)>,
}

impl Monitor {
    /// A monitor that has seen nothing yet; what is known from the start are alerts of these names and texts.
    pub fn new(limits: &Limits, known: Vec<(&'static str, String)>, now: Instant) -> Monitor {
        Monitor {
            interval: limits.health_interval(),
            deep: limits.alert_queue_depth as usize,
            next_probe: now + limits.health_interval(),
            failures: 0,
            unhealthy: None,
            queue_depth: None,
            asking: None,
            log_failing: None,
            known: known.into_iter().map(|(name, text)| (name, Raised { since: now, text })).collect(),
        }
    }

    /// When the next probe is due.
    pub fn next_probe(&self) -> Instant {
        self.next_probe
    }

    /// Probe the main thread. Returns whether it is well; however this one ends, the next one comes.
    pub fn probe(&mut self, overview: &Overview, now: Instant) -> bool {
        self.next_probe = now + self.interval;
        let well = overview.state != State::Blocked;
        self.failures = if well { 0 } else { self.failures.saturating_add(1) };
        if well {
            self.unhealthy = None;
        } else if self.failures >= FAILURES && self.unhealthy.is_none() {
            let seconds = overview.since_tick.as_secs();
            let text = format!("Blender's main thread has not asked for work for {seconds} s, for no known cause");
            self.unhealthy = Some(Raised { since: now, text });
        }
        well
    }

    /// Look at what may be wrong this very moment.
    pub fn observe(&mut self, overview: &Overview, log_fault: Option<String>, now: Instant) {
        let deep = overview.queued > self.deep;
        let text = deep.then(|| format!("{} requests wait, more than {}", overview.queued, self.deep));
        renew(&mut self.queue_depth, text, now);
        let asking = overview.asking;
        let text = (asking > 0).then(|| format!("waiting for the decision of the user in Blender: {asking}"));
        renew(&mut self.asking, text, now);
        renew(&mut self.log_failing, log_fault, now);
    }

    /// Whether the last probes found the main thread well.
    pub fn healthy(&self) -> bool {
        self.unhealthy.is_none()
    }

    /// What a person should know of, oldest first.
    pub fn alerts(&self, now: Instant) -> Vec<Alert> {
        let now_and_then = [
            (UNHEALTHY, &self.unhealthy),
            (QUEUE_DEPTH, &self.queue_depth),
            (ASKING, &self.asking),
            (LOG_FAILING, &self.log_failing),
        ];
        let now_and_then = now_and_then.into_iter().filter_map(|(name, raised)| Some((name, raised.as_ref()?)));
        let known = self.known.iter().map(|(name, raised)| (*name, raised));
        let describe = |(name, Raised { since, text }): (&str, &Raised)| {
            let for_ms = now.saturating_duration_since(*since).as_millis() as u64;
            Alert { name: name.to_owned(), text: text.clone(), for_ms }
        };
        let mut alerts: Vec<Alert> = known.chain(now_and_then).map(describe).collect();
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.for_ms));
        alerts
    }
}

fn renew(raised: &mut Option<Raised>, text: Option<String>, now: Instant) {
    *raised = text.map(|text| Raised { since: raised.as_ref().map_or(now, |raised| raised.since), text });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::PREVIOUS_CRASH;

    fn overview(state: State, queued: usize) -> Overview {
        let since_tick = Duration::from_secs(11);
        Overview { state, since_tick, running: Vec::new(), queued, asking: 0, answered: 0, recent: Vec::new() }
    }

    fn names(monitor: &Monitor, now: Instant) -> Vec<String> {
        monitor.alerts(now).into_iter().map(|alert| alert.name).collect()
    }

    /// RUNTIME_001: probes go on whatever they find; three failures in a row are unhealthy, one that is well ends it.
    #[test]
    fn three_failures_in_a_row() {
        let start = Instant::now();
        let limits = Limits { health_interval_s: 2.0, ..Limits::default() };
        let mut monitor = Monitor::new(&limits, Vec::new(), start);
        let rows = [
            (State::Blocked, true),
            (State::Blocked, true),
            (State::Busy, true),
            (State::Blocked, true),
            (State::Blocked, true),
            (State::Blocked, false),
            (State::Blocked, false),
            (State::Ready, true),
        ];
        for (index, (state, healthy)) in rows.into_iter().enumerate() {
            let now = start + Duration::from_secs(2 * (index as u64 + 1));
            assert_eq!(monitor.next_probe(), now, "probe {index}");
            assert_eq!(monitor.probe(&overview(state, 0), now), state != State::Blocked);
            assert_eq!((monitor.healthy(), names(&monitor, now).is_empty()), (healthy, healthy), "probe {index}");
        }
    }

    /// ALERTS: each is a state that begins and ends.
    #[test]
    fn alerts_begin_and_end() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut monitor = Monitor::new(&Limits::default(), vec![(PREVIOUS_CRASH, "it died".to_owned())], start);
        monitor.observe(&overview(State::Busy, 10), None, later(1));
        assert_eq!(names(&monitor, later(1)), ["previous_crash"]);
        monitor.observe(&overview(State::Busy, 11), Some("disk full".to_owned()), later(2));
        monitor.observe(&overview(State::Busy, 12), None, later(5));
        let alerts = monitor.alerts(later(5));
        assert_eq!(alerts[1].for_ms, 3000, "{alerts:?}");
        assert_eq!(names(&monitor, later(5)), ["previous_crash", "queue_depth"]);
        monitor.observe(&overview(State::Busy, 0), None, later(6));
        assert_eq!(names(&monitor, later(6)), ["previous_crash"]);
    }
}
