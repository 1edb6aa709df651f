//! Jobs: requests whose outcome is kept, so that it can be asked for later. A job belongs to the session that
//! started it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Nothing;
use super::control::CancelOutcome;
use crate::error::WireError;
use crate::limits::JOB_WAIT_MS;
use crate::method::{Effect, Method};
use crate::notification::Progress;
use crate::value::{Count, Text};

/// The result of any request that was sent with `detach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detached {
    /// The job's id, for `job.get`, `job.wait` and `job.cancel`.
    pub job: String,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It has ended, and its outcome is kept for a while.
    Done,
}

/// What is known of a job.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Its id.
    pub job: String,
    /// The request's method.
    pub method: String,
    /// The request's label, or empty.
    pub label: String,
    /// How far it has come.
    pub state: JobState,
    /// How far it has come, by its own account.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// Milliseconds since it was accepted.
    pub age_ms: u64,
}

/// A job and its outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobReport {
    /// What is known of it.
    #[serde(flatten)]
    pub job: Job,
    /// The method's own result, once it has ended well. Blob references in it point into this frame's blob.
    #[serde(default)]
    pub result: Value,
    /// The error that it ended with: code, message and data as in an error reply.
    #[serde(default)]
    #[schemars(with = "Value")]
    pub error: Option<WireError>,
}

/// Which job.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobParams {
    /// Its id.
    pub job: Text<64>,
}

/// `job.get`.
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "job.get";
    const SUMMARY: &'static str = "Tell how far a job has come, and its outcome once it has ended.";
    const EFFECT: Effect = Effect::Control;
    type Params = JobParams;
    type Result = JobReport;
}

/// `job.wait`.
pub struct Wait;

/// Which job, and how long to wait for it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitParams {
    /// Its id.
    pub job: Text<64>,
    /// After how long to answer though it has not ended, in milliseconds.
    #[serde(default = "a_minute")]
    pub timeout_ms: Count<0, { JOB_WAIT_MS as i64 }>,
}

fn a_minute() -> Count<0, { JOB_WAIT_MS as i64 }> {
    Count(60_000)
}

impl Method for Wait {
    const NAME: &'static str = "job.wait";
    const SUMMARY: &'static str = "Wait for a job's end; its output and progress are told meanwhile.";
    const EFFECT: Effect = Effect::Control;
    type Params = WaitParams;
    type Result = JobReport;
}

/// `job.cancel`.
pub struct Cancel;

/// The result of `job.cancel`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobCancelled {
    /// What the cancel achieved.
    pub outcome: CancelOutcome,
}

impl Method for Cancel {
    const NAME: &'static str = "job.cancel";
    const SUMMARY: &'static str = "Cancel a job.";
    const EFFECT: Effect = Effect::Control;
    type Params = JobParams;
    type Result = JobCancelled;
}

/// `job.list`.
pub struct ListAll;

/// The jobs of a session.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// Oldest first.
    pub jobs: Vec<Job>,
}

impl Method for ListAll {
    const NAME: &'static str = "job.list";
    const SUMMARY: &'static str = "List this client's jobs, those that have ended included while they are kept.";
    const EFFECT: Effect = Effect::Control;
    type Params = Nothing;
    type Result = Jobs;
}
