//! What people and programs watch a server by: its limits, its counters, and what it does right now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nothing;
use super::control::Running;
use crate::method::{Effect, Method};
use crate::value::Count;

/// `limits`.
pub struct Limits;

/// A limit, as it is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitRow {
    /// The setting's name.
    pub name: String,
    /// What it is now.
    pub value: f64,
    /// What it is unless somebody sets it.
    pub default: f64,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
    /// What it counts: requests, MiB, s.
    pub unit: String,
    /// Where the value comes from: `default`, `preferences`, `environment` or `arguments`.
    pub source: String,
    /// What it limits, in one sentence or two.
    pub summary: String,
}

/// The result of `limits`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LimitList {
    /// In the order of the documentation.
    pub limits: Vec<LimitRow>,
}

impl Method for Limits {
    const NAME: &'static str = "limits";
    const SUMMARY: &'static str = "List every limit: its value, its range, and where the value comes from.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = LimitList;
}

/// `metrics`.
pub struct Metrics;

/// The result of `metrics`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MetricsText {
    /// All counters and histograms in the Prometheus text format.
    pub text: String,
}

impl Method for Metrics {
    const NAME: &'static str = "metrics";
    const SUMMARY: &'static str = "Return all counters and histograms in the Prometheus text format.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = MetricsText;
}

/// `stats`.
pub struct Stats;

/// Over which time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatsParams {
    /// The last so many seconds.
    #[serde(default = "ten_seconds")]
    pub window_s: Count<1, 3600>,
}

fn ten_seconds() -> Count<1, 3600> {
    Count(10)
}

/// A connected client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientStats {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its connections now.
    pub connections: u64,
    /// Its requests that are not answered.
    pub in_flight: u64,
    /// Requests of it that were accepted since its session began.
    pub requests: u64,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// Its method.
    pub method: String,
    /// Its label, or empty.
    pub label: String,
    /// The client's name.
    pub client: String,
    /// Milliseconds since it was accepted.
    pub for_ms: u64,
}

/// How long requests took from acceptance to reply, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// The result of `stats`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Activity {
    /// Requests that ended in the window.
    pub requests: u64,
    /// Those of them that did not end well.
    pub failed: u64,
    /// Requests per second in the window.
    pub rate: f64,
    /// From acceptance to reply.
    pub latency: Latency,
    /// The connected clients.
    pub clients: Vec<ClientStats>,
    /// What runs, oldest first.
    pub running: Vec<Running>,
    /// What waits, oldest first; at most 100.
    pub waiting: Vec<Waiting>,
}

impl Method for Stats {
    const NAME: &'static str = "stats";
    const SUMMARY: &'static str = "Tell how busy the server was lately: rate, latency, clients, and what waits.";
    const EFFECT: Effect = Effect::Control;
    type Params = StatsParams;
    type Result = Activity;
}
