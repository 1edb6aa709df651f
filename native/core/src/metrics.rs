//! What the server counts, for Prometheus and for people. A counter costs an atomic addition, so any thread
//! may count at any time.
//!
//! A label's value is always one of a set that this code knows: the methods of the table, the kinds of
//! errors, the classes of refusals. Whatever else arrives counts as `other`; so no client can make a page
//! grow, and no script, path, label or client's name is ever told to whoever reads it.

mod guard;
mod refusal;

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::method;
use spindle_protocol::methods::control::State;

use crate::overview::ALERTS;

pub use guard::{AskEnd, GuardCounters};
pub use refusal::{DropClass, drop_class, is_not_finite};
use refusal::{OUT_OF_RANGE, VALIDATION};

/// The media type of [`Metrics::text`]: the Prometheus text format.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds in seconds. A read takes tens of microseconds, a render minutes: seven decades, three steps
/// each, as Prometheus can only interpolate within one.
const DURATIONS: [f64; 22] = [
    10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 25.0, 50.0, 100.0,
];

/// What stands for every name that is not known here.
const OTHER: &str = "other";

/// A frame on its way to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A greeting, or an answer of native code.
    Control,
    /// An answer from the main thread, or one in its place.
    Main,
    /// Output or progress.
    Notification,
}

impl FrameKind {
    const ALL: [FrameKind; 3] = [FrameKind::Control, FrameKind::Main, FrameKind::Notification];

    const fn name(self) -> &'static str {
        match self {
            FrameKind::Control => "control",
            FrameKind::Main => "main",
            FrameKind::Notification => "notification",
        }
    }
}

/// What is so now, looked up when somebody asks.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// What the main thread does.
    pub state: State,
    /// False once three probes in a row found the main thread blocked, until one finds it well.
    pub healthy: bool,
    /// The names of what a person should know of; those of [`ALERTS`] are told.
    pub alerts: Vec<String>,
    /// Requests that wait, those in check included.
    pub queued: usize,
    /// Those of them that wait for the user's decision.
    pub asking: usize,
    /// Requests that have started and are not answered.
    pub running: usize,
    /// Authenticated connections.
    pub connections: usize,
    /// Known clients, connected or lately so.
    pub sessions: usize,
    /// A number that grows whenever Blender reports a change of the scene.
    pub generation: u64,
    /// Bytes of the outcomes that are kept: jobs, idempotency keys and cached answers.
    pub kept_bytes: usize,
    /// Cached answers.
    pub cache_entries: usize,
    /// Since the server started.
    pub uptime: Duration,
}

/// Everything that is counted. Share it in an `Arc`.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    frames: Frames,
    refusals: Refusals,
    /// Counters of the guard's work.
    pub guard: GuardCounters,
    cache: Cache,
    ttl_capped: IntCounter,
    health_failures: IntCounter,
    now: Now,
}

struct Requests {
    ended: IntCounterVec,
    waiting: Histogram,
    /// By method, as the mean of a read's time and a render's tells nothing.
    running: HistogramVec,
}

struct Frames {
    received: IntCounter,
    received_bytes: IntCounter,
    sent: [IntCounter; FrameKind::ALL.len()],
    sent_bytes: IntCounter,
}

struct Refusals {
    classes: [IntCounter; DropClass::ALL.len()],
    invalid: [IntCounter; VALIDATION.len()],
    not_finite: IntCounter,
    rate_limited: IntCounter,
}

struct Cache {
    hits: IntCounter,
    misses: IntCounter,
    injection_blocked: IntCounter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All counters at zero. Whatever can be on the page from the start is there: in a series that appears
    /// with its first count Prometheus sees no increase.
    pub fn new() -> Metrics {
        let set = Families(Registry::new());
        Metrics {
            requests: Requests::new(&set),
            frames: Frames::new(&set),
            refusals: Refusals::new(&set),
            guard: GuardCounters::new(&set),
            cache: Cache::new(&set),
            ttl_capped: set
                .counter("validation_ttl_capped_total", "Times to live that were cut to the longest allowed."),
            health_failures: set
                .counter("health_check_failures_total", "Probes that found Blender's main thread blocked."),
            now: Now::new(&set),
            registry: set.0,
        }
    }

    /// A request for the main thread was answered: with `ok`, `raised` or the name of an error's kind. `ran`
    /// is `None` when it never started; it has waited all the same.
    pub fn request_ended(&self, method: &'static str, outcome: &str, waited: Duration, ran: Option<Duration>) {
        let method = known_method(method);
        self.requests.ended.with_label_values(&[method, known_outcome(outcome)]).inc();
        self.requests.waiting.observe(waited.as_secs_f64());
        if let Some(ran) = ran {
            self.requests.running.with_label_values(&[method]).observe(ran.as_secs_f64());
        }
    }

    /// A request was answered by native code. Its time is not told: it is that of a few map look-ups.
    pub fn control_ended(&self, method: &str, outcome: &str) {
        self.requests.ended.with_label_values(&[known_method(method), known_outcome(outcome)]).inc();
    }

    /// A whole frame has arrived, of this many bytes.
    pub fn frame_in(&self, bytes: usize) {
        self.frames.received.inc();
        self.frames.received_bytes.inc_by(bytes as u64);
    }

    /// A frame of this many bytes was put on its way.
    pub fn frame_out(&self, kind: FrameKind, bytes: usize) {
        self.frames.sent[kind as usize].inc();
        self.frames.sent_bytes.inc_by(bytes as u64);
    }

    /// A message was refused; call it once for each. Foreign first bytes are a `parse_error`, a frame with
    /// too large a length is `too_large`.
    pub fn refused(&self, kind: Kind) {
        self.refusals.classes[drop_class(kind) as usize].inc();
        if let Some(index) = VALIDATION.iter().position(|other| *other == kind) {
            self.refusals.invalid[index].inc();
        }
        if kind == Kind::RateLimited {
            self.refusals.rate_limited.inc();
        }
    }

    /// [`Metrics::refused`] where the JSON at fault is at hand, the message or its parameters: whether it
    /// was a number that is not finite is looked up, and counted.
    pub fn refused_json(&self, kind: Kind, json: &[u8]) {
        self.refused(kind);
        if matches!(kind, Kind::ParseError | Kind::InvalidRequest | Kind::InvalidParams) && is_not_finite(json) {
            self.refusals.not_finite.inc();
        }
    }

    /// [`Metrics::refused`] where only the error is at hand: of the parameters it says itself when a number was
    /// not finite.
    pub fn refused_error(&self, error: &WireError) {
        self.refused(error.data.kind);
        if error.data.kind == Kind::InvalidParams && error.message.ends_with(OUT_OF_RANGE) {
            self.refusals.not_finite.inc();
        }
    }

    /// A time to live was longer than allowed, and was cut.
    pub fn ttl_capped(&self) {
        self.ttl_capped.inc();
    }

    /// A request was answered from the cache.
    pub fn cache_hit(&self) {
        self.cache.hits.inc();
    }

    /// A request would have taken a kept answer, and there was none, or none so young.
    pub fn cache_miss(&self) {
        self.cache.misses.inc();
    }

    /// The cache was cleared by a text; one that looks like a pattern is counted (BUG-002).
    pub fn cache_cleared_by(&self, text: &str) {
        // What every honest text may hold, as in `object.get {"name":"A.001"}`, is left out.
        if text.contains(|character| "*+?|^$\\".contains(character)) {
            self.cache.injection_blocked.inc();
        }
    }

    /// A probe found the main thread blocked.
    pub fn health_check_failed(&self) {
        self.health_failures.inc();
    }

    /// Everything in the Prometheus text format, see [`CONTENT_TYPE`].
    pub fn text(&self, gauges: &Gauges) -> String {
        self.now.set(gauges);
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("each family has a name and a metric")
    }
}

impl Requests {
    fn new(set: &Families) -> Requests {
        let (method, outcome) = ("method", "outcome");
        Requests {
            ended: set.counters("requests_total", "Requests answered, those refused included.", &[method, outcome]),
            waiting: set.histogram("request_waiting_seconds", "From acceptance to the start on Blender's main thread."),
            running: set.histograms(
                "request_running_seconds",
                "From the start on Blender's main thread to the end.",
                &[method],
            ),
        }
    }
}

impl Frames {
    fn new(set: &Families) -> Frames {
        let help = "Frames in and out; all that come in are of the kind request.";
        let frames = set.counters("frames_total", help, &["direction", "kind"]);
        Frames {
            received: frames.with_label_values(&["in", "request"]),
            received_bytes: set.counter("received_bytes_total", "Bytes of frames received."),
            sent: FrameKind::ALL.map(|kind| frames.with_label_values(&["out", kind.name()])),
            sent_bytes: set.counter("sent_bytes_total", "Bytes of frames sent."),
        }
    }
}

impl Refusals {
    fn new(set: &Families) -> Refusals {
        let classes = set.counters("messages_refused_total", "Messages refused, each under one class.", &["class"]);
        let invalid = set.counters("validation_failures_total", "Messages that break a written rule.", &["kind"]);
        Refusals {
            classes: DropClass::ALL.map(|class| classes.with_label_values(&[class.name()])),
            invalid: VALIDATION.map(|kind| invalid.with_label_values(&[kind.name()])),
            not_finite: set.counter(
                "validation_nan_infinity_blocked_total",
                "Messages refused for NaN, an infinity or a number beyond a double.",
            ),
            rate_limited: set.counter("rate_limit_rejected_total", "Requests refused for their session's rate."),
        }
    }
}

impl Cache {
    fn new(set: &Families) -> Cache {
        Cache {
            hits: set.counter("cache_hits_total", "Requests answered from the cache."),
            misses: set.counter("cache_misses_total", "Requests that would have taken a kept answer, and found none."),
            injection_blocked: set.counter(
                "cache_injection_blocked_total",
                "Texts to clear the cache by that look like a pattern, and were taken literally.",
            ),
        }
    }
}

/// The page's gauges.
struct Now {
    state: GaugeVec,
    alert: GaugeVec,
    healthy: Gauge,
    queued: Gauge,
    asking: Gauge,
    running: Gauge,
    connections: Gauge,
    sessions: Gauge,
    generation: Gauge,
    kept_bytes: Gauge,
    cache_entries: Gauge,
    uptime: Gauge,
}

impl Now {
    fn new(set: &Families) -> Now {
        Now {
            state: set.gauges("state", "What Blender's main thread does: 1 for one of the states.", &["state"]),
            alert: set.gauges("alert", "What a person should know of: 1 while it is so.", &["alert"]),
            healthy: set.gauge("healthy", "0 once three probes in a row found the main thread blocked, else 1."),
            queued: set.gauge("queued_requests", "Requests that wait for Blender's main thread."),
            asking: set.gauge("asking_requests", "Those of them that wait for the user's decision."),
            running: set.gauge("running_requests", "Requests that have started and are not answered."),
            connections: set.gauge("connections", "Authenticated connections."),
            sessions: set.gauge("sessions", "Known clients, connected or lately so."),
            generation: set.gauge("scene_generation", "Grows whenever Blender reports a change of the scene."),
            kept_bytes: set.gauge("kept_bytes", "Bytes of kept outcomes: jobs, idempotency keys and cached answers."),
            cache_entries: set.gauge("cache_entries", "Cached answers."),
            uptime: set.gauge("uptime_seconds", "Since the server started."),
        }
    }

    fn set(&self, now: &Gauges) {
        let flag = |yes: bool| f64::from(u8::from(yes));
        for state in [State::Ready, State::Busy, State::Blocked, State::Stopping] {
            self.state.with_label_values(&[state_name(state)]).set(flag(state == now.state));
        }
        for alert in ALERTS {
            self.alert.with_label_values(&[alert]).set(flag(now.alerts.iter().any(|name| name == alert)));
        }
        self.healthy.set(flag(now.healthy));
        self.queued.set(now.queued as f64);
        self.asking.set(now.asking as f64);
        self.running.set(now.running as f64);
        self.connections.set(now.connections as f64);
        self.sessions.set(now.sessions as f64);
        self.generation.set(now.generation as f64);
        self.kept_bytes.set(now.kept_bytes as f64);
        self.cache_entries.set(now.cache_entries as f64);
        self.uptime.set(now.uptime.as_secs_f64());
    }
}

/// The families of one page.
struct Families(Registry);

impl Families {
    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let family = made.expect("names and labels are written as Prometheus has them");
        self.0.register(Box::new(family.clone())).expect("each name is used once");
        family
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(opts(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(opts(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        self.add(Histogram::with_opts(durations(name, help)))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.add(HistogramVec::new(durations(name, help), labels))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("spindle")
}

fn durations(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::from(opts(name, help)).buckets(DURATIONS.to_vec())
}

/// The method as the table has it, `hello` and whatever else is asked for as `other`.
fn known_method(method: &str) -> &'static str {
    method::find(method).map_or(OTHER, |method| method.name)
}

fn known_outcome(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "ok",
        "raised" => "raised",
        _ => Kind::from_name(outcome).map_or(OTHER, Kind::name),
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::Busy => "busy",
        State::Blocked => "blocked",
        State::Stopping => "stopping",
    }
}
