//! What a client counts, for Prometheus. Labels have values of closed sets only: the kinds of errors, and the words
//! below.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use crate::breaker::BreakerState;
use crate::check::Fault;
use crate::error::Error;
use crate::state::State;

/// Upper bounds in seconds: taking an idle connection takes microseconds, waiting for one up to half a minute.
const DURATIONS: [f64; 16] =
    [1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 100e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 50e-3, 0.25, 1.0, 5.0, 15.0, 60.0];

const BREAKER: [(BreakerState, &str); 3] =
    [(BreakerState::Closed, "closed"), (BreakerState::HalfOpen, "half_open"), (BreakerState::Open, "open")];

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    pub retries: IntCounter,
    pub lost: IntCounter,
    pub acquire: Histogram,
    pub opened: IntCounter,
    pub closed: IntCounter,
    pub servers_changed: IntCounter,
    pub breaker_opened: IntCounter,
    pub health_failures: IntCounter,
    invalid: IntCounter,
    not_finite: IntCounter,
    pub query_sanitized: IntCounter,
    pub ttl_capped: IntCounter,
    pub cache_hits: IntCounter,
    pub cache_misses: IntCounter,
    injection_blocked: IntCounter,
    connections: GaugeVec,
    queue_size: Gauge,
    breaker: GaugeVec,
    healthy: Gauge,
    cache_entries: Gauge,
}

struct Families(Registry);

impl Families {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("the names are sound");
        self.0.register(Box::new(metric.clone())).expect("each name is there once");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::with_opts(opts(name, help)))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("spindle_client")
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Metrics {
        let set = Families(Registry::new());
        let acquire =
            HistogramOpts::from(opts("pool_acquire_duration_seconds", "From asking for a connection to having it."));
        Metrics {
            calls: set.add(IntCounterVec::new(opts("calls_total", "Calls, by how they ended."), &["outcome"])),
            retries: set.counter("retries_total", "Attempts that were made again."),
            lost: set.counter("lost_total", "Requests that were sent and have no answer, so that they may have run."),
            acquire: set.add(Histogram::with_opts(acquire.buckets(DURATIONS.to_vec()))),
            opened: set.counter("connections_opened_total", "Connections made."),
            closed: set.counter("connections_closed_total", "Connections closed."),
            servers_changed: set.counter(
                "servers_changed_total",
                "Times that another server was found in the place of the one before.",
            ),
            breaker_opened: set.counter("breaker_opened_total", "Times that the breaker opened."),
            health_failures: set.counter("health_check_failures_total", "Health probes that failed."),
            invalid: set.counter("validation_failures_total", "Calls and values refused before anything was sent."),
            not_finite: set.counter("validation_nan_infinity_blocked_total", "Values refused for NaN or an infinity."),
            query_sanitized: set.counter("validation_query_sanitized_total", "Queries whose spaces were put in order."),
            ttl_capped: set
                .counter("validation_ttl_capped_total", "Times to live that were cut to the longest allowed."),
            cache_hits: set.counter("cache_hits_total", "Calls answered from the cache."),
            cache_misses: set
                .counter("cache_misses_total", "Calls that would have taken a kept answer, and found none."),
            injection_blocked: set.counter(
                "cache_injection_blocked_total",
                "Texts to forget answers by that look like a pattern, and were taken literally.",
            ),
            connections: set
                .add(GaugeVec::new(opts("pool_connections", "Connections, by whether they are in use."), &["state"])),
            queue_size: set.gauge("pool_queue_size", "Calls that wait for a connection."),
            breaker: set.add(GaugeVec::new(opts("breaker_state", "1 for the state of the breaker."), &["state"])),
            healthy: set.gauge("healthy", "0 once three health probes in a row failed, until one succeeds; else 1."),
            cache_entries: set.gauge("cache_entries", "Kept answers."),
            registry: set.0,
        }
    }

    /// A call ended.
    pub fn called<T>(&self, outcome: &Result<T, Error>) {
        let name = outcome.as_ref().map_or_else(Error::kind, |_| "ok");
        self.calls.with_label_values(&[name]).inc();
        if matches!(outcome, Err(Error::Invalid(_) | Error::TooLarge(_))) {
            self.invalid.inc();
        }
    }

    /// A value was looked at.
    pub fn checked<T>(&self, outcome: &Result<T, Fault>) {
        match outcome {
            Ok(_) => {}
            Err(fault) => {
                self.invalid.inc();
                self.not_finite.inc_by(u64::from(matches!(fault, Fault::NotFinite(_))));
            }
        }
    }

    /// A connection was taken.
    pub fn acquired(&self, after: Duration) {
        self.acquire.observe(after.as_secs_f64());
    }

    /// Answers were forgotten by a text; one that looks like a pattern is counted (BUG-002).
    pub fn forgot_by(&self, text: &str) {
        // What every honest text may hold, as in `object.get {"name":"A.001"}`, is left out.
        if text.contains(|character| "*+?|^$\\".contains(character)) {
            self.injection_blocked.inc();
        }
    }

    /// The page, with how things stand.
    pub fn text(&self, state: &State, cached: usize) -> String {
        self.connections.with_label_values(&["taken"]).set(state.taken as f64);
        self.connections.with_label_values(&["idle"]).set(state.idle as f64);
        self.queue_size.set(state.waiting as f64);
        for (possible, name) in BREAKER {
            self.breaker.with_label_values(&[name]).set(f64::from(u8::from(state.breaker == possible)));
        }
        self.healthy.set(f64::from(u8::from(state.healthy)));
        self.cache_entries.set(cached as f64);
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("text can be written to memory")
    }
}
