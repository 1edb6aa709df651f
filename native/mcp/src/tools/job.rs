//! What goes on in the background.

use std::time::Duration;

use rmcp::model::Resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spindle_client::{Client, Options};
use spindle_protocol::method::Method;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::job::{Cancel, Job as Protocol, JobReport, JobState, ListAll, Wait};
use spindle_protocol::methods::render::{Animation, Image, Rendered, RenderedAnimation};
use spindle_protocol::notification::Progress;

use super::{Effect, Tool, cut, render};
use crate::answer::Answer;
use crate::call::{Answered, Call};
use crate::failure::Failure;
use crate::picture::{USUAL_PIXELS, jpeg};
use crate::resources;

pub struct Job;

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Wait,
    Cancel,
    List,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The job's id; not for list
    #[serde(default)]
    job: Option<String>,
    /// wait when absent
    #[serde(default)]
    action: Option<Action>,
    /// Seconds to wait, 0 to 240; 30 when absent
    #[serde(default)]
    wait_s: Option<f64>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Default, Serialize, JsonSchema)]
pub struct Data {
    /// Its id
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// queued, running, done, failed, cancelling; list
    state: &'static str,
    /// Done, of total
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<String>>,
}

impl Tool for Job {
    const NAME: &'static str = "job";
    const TITLE: &'static str = "Wait for a job";
    const DESCRIPTION: &'static str = "Wait for a render's job, cancel it, or list the jobs.";
    const EFFECT: Effect = Effect::Changes;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let blender = call.blender(params.instance.as_deref())?;
        let id =
            || params.job.clone().ok_or_else(|| Failure::Arguments("`job` is missing: the id of a job".to_owned()));
        match params.action.unwrap_or(Action::Wait) {
            Action::Wait => wait(call, &blender, &id()?, render::wait(params.wait_s)?),
            Action::Cancel => {
                let job = id()?;
                let cancelled = call.ask::<Cancel>(&blender, &json!({"job": job}), Options::default())?.result;
                let result = Some(json!({"outcome": cancelled.outcome}));
                Ok(Answer::data(&Data { job: Some(job), state: "cancelling", result, ..Data::default() }))
            }
            Action::List => {
                let jobs = call.ask::<ListAll>(&blender, &Nothing {}, Options::default())?.result.jobs;
                Ok(Answer::data(&Data {
                    state: "list",
                    jobs: Some(jobs.iter().map(line).collect()),
                    ..Data::default()
                }))
            }
        }
    }
}

/// Wait for a job, and tell how it ended or how far it has come.
pub fn wait(call: &Call, blender: &Client, job: &str, wait: Duration) -> Result<Answer, Failure> {
    let asked = json!({"job": job, "timeout_ms": wait.as_millis() as u64});
    // The method's own deadline is shorter than the longest wait.
    let answered = call.ask::<Wait>(blender, &asked, Options::within(wait + Duration::from_secs(10)))?;
    let JobReport { job: state, error, .. } = &answered.result;
    if let Some(error) = error {
        let result = Some(json!({"error": error.message}));
        return Ok(
            Answer::data(&Data { job: Some(job.to_owned()), state: "failed", result, ..Data::default() }).failed()
        );
    }
    match state.state {
        JobState::Done if state.method == Image::NAME => picture(call, job, &answered),
        JobState::Done => {
            let result = Some(files(&state.method, &answered.result.result));
            Ok(Answer::data(&Data { job: Some(job.to_owned()), state: "done", result, ..Data::default() }))
        }
        JobState::Queued | JobState::Running => {
            let progress = state.progress.as_ref().map(so_far);
            let text = format!("{}; call job with job {job:?} to wait for it", line(state));
            let data = Data { job: Some(job.to_owned()), state: name(state.state), progress, ..Data::default() };
            Ok(Answer::told(text, &data))
        }
    }
}

/// A rendered picture: a small copy to be seen at once, and where the whole one is.
fn picture(call: &Call, job: &str, answered: &Answered<Wait>) -> Result<Answer, Failure> {
    let rendered: Rendered = serde_json::from_value(answered.result.result.clone())
        .map_err(|error| Failure::Arguments(format!("the job's result is not a render's: {error}")))?;
    let Rendered { image, width, height, engine, seconds, path } = rendered;
    let result = json!({"width": width, "height": height, "engine": engine, "seconds": seconds, "path": path});
    let data = Data { job: Some(job.to_owned()), state: "done", result: Some(result), ..Data::default() };
    let Some(image) = image else { return Ok(Answer::data(&data)) };
    let png = answered.bytes(&image)?;
    let number = call.kept.picture(png);
    let uri = resources::render_uri(number);
    let text = format!("{width} x {height} pixels by {engine} in {seconds:.1} s; the full picture is {uri}");
    let link = Resource::new(uri, format!("render {number}")).with_mime_type("image/png").with_size(png.len() as u64);
    Ok(Answer::told(text, &data).with_jpeg(&jpeg(png, USUAL_PIXELS)?).with_link(link))
}

/// An animation's result without a name for each frame.
fn files(method: &str, result: &Value) -> Value {
    match serde_json::from_value::<RenderedAnimation>(result.clone()) {
        Ok(rendered) if method == Animation::NAME => json!({
            "files": rendered.files.len(), "first": rendered.files.first(), "last": rendered.files.last(),
            "width": rendered.width, "height": rendered.height, "seconds": rendered.seconds,
        }),
        _ => json!(cut(&result.to_string(), 4_000)),
    }
}

fn line(job: &Protocol) -> String {
    let progress = job.progress.as_ref().map(|progress| format!(", {}", so_far(progress))).unwrap_or_default();
    format!("{} ({} {}) {}{progress}", job.job, job.method, job.label, name(job.state))
}

fn so_far(progress: &Progress) -> String {
    let total = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
    format!("{}{total} {}", progress.done, progress.message).trim_end().to_owned()
}

const fn name(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
    }
}
