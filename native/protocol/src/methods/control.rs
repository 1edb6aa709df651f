//! What native code answers without Blender.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Nothing;
use crate::envelope::RequestId;
use crate::finding::Level;
use crate::method::{Effect, Method};
use crate::notification::Progress;

/// `ping`.
pub struct Ping;

/// The server is there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pong {
    /// Always true.
    pub pong: bool,
}

impl Method for Ping {
    const NAME: &'static str = "ping";
    const SUMMARY: &'static str = "Answer at once, whatever Blender does.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = Pong;
}

/// `health`.
pub struct Health;

/// What the main thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It takes requests.
    Ready,
    /// It runs a request, see `running`.
    Busy,
    /// It has not asked for work for 10 s, for a cause that Spindle does not know.
    Blocked,
    /// The server stops.
    Stopping,
}

/// A request that has started and is not answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    /// Its method.
    pub method: String,
    /// Its label, or empty.
    pub label: String,
    /// The client's name.
    pub client: String,
    /// Milliseconds since it started.
    pub for_ms: u64,
    /// Milliseconds since it was told to stop, by a cancel or its deadline. Python stops at once; what runs in native
    /// code goes on until that returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_ms: Option<u64>,
    /// How far it has come, by its own account.
    #[serde(default)]
    pub progress: Option<Progress>,
}

/// Something that a person should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// Its stable name: `unhealthy`, `queue_depth`, `asking`, `log_failing`, `previous_crash`, `metrics_port`
    /// or `compat_port`.
    pub name: String,
    /// What is wrong, for people.
    pub text: String,
    /// Milliseconds since it began.
    pub for_ms: u64,
}

/// How the server and Blender's main thread are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HealthReport {
    /// What the main thread does.
    pub state: State,
    /// False once three probes in a row found the main thread blocked, until one finds it well.
    pub healthy: bool,
    /// What a person should know of, oldest first.
    pub alerts: Vec<Alert>,
    /// Milliseconds since the main thread last asked for work; 0 while it waits for some.
    pub last_tick_ms: u64,
    /// The requests that have started, oldest first.
    pub running: Vec<Running>,
    /// Requests that wait, those in check included.
    pub queued: u64,
    /// Authenticated connections.
    pub connections: u64,
    /// Known clients, connected or lately so.
    pub sessions: u64,
    /// Requests answered since the start.
    pub answered: u64,
    /// Milliseconds since the server started.
    pub uptime_ms: u64,
    /// A number that grows whenever Blender reports a change of the scene.
    pub generation: u64,
    /// How strict the guard is with scripts.
    pub guard: Level,
    /// The version of the guard's rules.
    pub policy: String,
    /// Scripts that wait for the user's decision.
    pub asking: u64,
    /// Every limit by its name; the method `limits` tells more of each.
    pub limits: BTreeMap<String, f64>,
    /// Spindle's version.
    pub version: String,
    /// Blender's version.
    pub blender: String,
    /// Whether Blender has a window.
    pub window: bool,
}

impl Method for Health {
    const NAME: &'static str = "health";
    const SUMMARY: &'static str = "Tell what the main thread does, and how much waits.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = HealthReport;
}

/// `methods`.
pub struct Methods;

/// Every method with its schemas.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MethodList {
    /// Name, summary, effect, default deadline, and JSON schemas of parameters and result.
    pub methods: Vec<Value>,
}

impl Method for Methods {
    const NAME: &'static str = "methods";
    const SUMMARY: &'static str = "List every method with the schemas of its parameters and result.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = MethodList;
}

/// `cancel`.
pub struct Cancel;

/// Which request to cancel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelParams {
    /// The id of a request of this connection.
    pub id: RequestId,
}

/// What the cancel achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// It had not started and never will; it is answered `cancelled`.
    Dequeued,
    /// It runs and has been told to stop; its answer follows.
    Interrupting,
    /// It runs and cannot be stopped; its answer follows when it ends.
    NotInterruptible,
    /// No request with this id is in flight on this connection: it is answered, or never was.
    Finished,
}

/// The result of `cancel`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Cancelled {
    /// What the cancel achieved.
    pub outcome: CancelOutcome,
}

impl Method for Cancel {
    const NAME: &'static str = "cancel";
    const SUMMARY: &'static str = "Cancel a request of this connection.";
    const EFFECT: Effect = Effect::Control;
    type Params = CancelParams;
    type Result = Cancelled;
}
