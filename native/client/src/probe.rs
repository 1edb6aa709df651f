//! A thread that asks the server how it is, over a connection of its own, at intervals. Nothing that happens to a
//! probe ends the process, or the thread before its time (RUNTIME_001).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{Health, HealthReport};

use crate::error::Error;
use crate::event::{Event, Teller};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::request::Options;
use crate::source::Source;
use crate::state::UNHEALTHY_AFTER;
use crate::wire::Settings;

/// What the probes have found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Probes that failed in a row.
    pub failed: u32,
    /// What the server last said of itself, and when.
    pub report: Option<(Instant, HealthReport)>,
}

impl Found {
    /// Whether the server counts as healthy.
    pub fn is_healthy(&self) -> bool {
        self.failed < UNHEALTHY_AFTER && self.report.as_ref().is_none_or(|(_, report)| report.healthy)
    }
}

/// What a probe needs, and leaves.
pub(crate) struct Prober {
    source: Arc<Source>,
    pool: Arc<Pool>,
    settings: Settings,
    /// Of one health check, connecting included.
    deadline: Duration,
    metrics: Arc<Metrics>,
    teller: Teller,
    found: Mutex<Found>,
}

impl Prober {
    /// Nothing is found yet; `deadline` is that of one health check.
    pub fn new(source: Arc<Source>, pool: Arc<Pool>, settings: Settings, deadline: Duration) -> Prober {
        let (metrics, teller) = (Arc::clone(&source.metrics), source.teller.clone());
        Prober { source, pool, settings, deadline, metrics, teller, found: Mutex::default() }
    }

    /// What the probes have found.
    pub fn found(&self) -> Found {
        self.lock().clone()
    }

    /// Ask once, and publish what comes of it.
    pub fn probe(&self, stopped: &Arc<AtomicBool>) {
        let asked = catch_unwind(AssertUnwindSafe(|| self.ask(stopped)));
        let outcome = match asked {
            // What a stop breaks off says nothing of the server.
            Ok(Err(Error::Interrupted { .. })) => return,
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("the probe panicked".to_owned()),
        };
        let mut found = self.lock();
        let was_healthy = found.is_healthy();
        match &outcome {
            Ok(report) => *found = Found { failed: 0, report: Some((Instant::now(), report.clone())) },
            Err(_) => found.failed = found.failed.saturating_add(1),
        }
        let (failed, healthy) = (found.failed, found.is_healthy());
        drop(found);
        if let Err(why) = outcome {
            self.metrics.health_failures.inc();
            self.teller.tell(&Event::ProbeFailed { in_a_row: failed, why: &why });
        }
        if healthy != was_healthy {
            self.teller.tell(&Event::HealthChanged { healthy });
        }
    }

    /// Fresh figures, over a connection that is closed whatever comes (ASYNC_RACE_003).
    fn ask(&self, stopped: &Arc<AtomicBool>) -> Result<HealthReport, Error> {
        let until = Instant::now() + self.deadline;
        let stopped = Arc::clone(stopped);
        let settings = Settings {
            connect: self.deadline,
            grace: Duration::from_millis(1),
            interrupt: Some(Arc::new(move || stopped.load(Ordering::Relaxed))),
            ..self.settings.clone()
        };
        let mut connection = self.source.open(&settings)?;
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let asked = connection.call_typed::<Health>(&Nothing {}, &[], &Options::within(left));
        if let Err(error) = connection.close() {
            self.teller.tell(&Event::CloseFailed { why: &error.to_string() });
        }
        asked.map(|(report, _)| report)
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        // Nothing panics while it is locked.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread. Dropping it ends it, within a moment.
pub(crate) struct Probe {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    /// For a probe that is under way.
    said: Arc<AtomicBool>,
    /// For the pause between two.
    gate: Mutex<()>,
    bell: Condvar,
}

impl Probe {
    /// Probe each `interval`, first after one of them.
    pub fn start(prober: Arc<Prober>, interval: Duration) -> Result<Probe, Error> {
        let stop = Arc::new(Stop::default());
        let shared = Arc::clone(&stop);
        let thread = thread::Builder::new().name("spindle-probe".to_owned()).spawn(move || {
            while !shared.comes_within(interval) {
                prober.probe(&shared.said);
                prober.pool.trim();
            }
        });
        let thread = thread.map_err(|error| Error::Invalid(format!("no thread for health probes: {error}")))?;
        Ok(Probe { stop, thread: Some(thread) })
    }
}

impl Stop {
    fn comes_within(&self, interval: Duration) -> bool {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |_: &mut ()| !self.said.load(Ordering::Relaxed);
        drop(self.bell.wait_timeout_while(gate, interval, quiet).unwrap_or_else(PoisonError::into_inner));
        self.said.load(Ordering::Relaxed)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let gate = self.stop.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.said.store(true, Ordering::Relaxed);
        self.stop.bell.notify_all();
        drop(gate);
        if let Some(thread) = self.thread.take() {
            // It catches its panics, so there is none to pass on.
            drop(thread.join());
        }
    }
}
