//! Render pictures.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use spindle_client::Options;
use spindle_protocol::method::Method;
use spindle_protocol::methods::job::Detached;
use spindle_protocol::methods::render;

use super::{Effect, Tool, job};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;

/// How long is waited for a render before its job is handed out, seconds: no client gives up before a minute.
const USUAL_WAIT_S: f64 = 30.0;

/// The longest that a call may wait, seconds.
pub const MOST_WAIT_S: f64 = 240.0;

pub struct Render;

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Engine {
    Cycles,
    Eevee,
    Workbench,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The scene's when absent
    #[serde(default)]
    engine: Option<Engine>,
    /// Pixels; the scene's when absent
    #[serde(default)]
    width: Option<u32>,
    /// Pixels
    #[serde(default)]
    height: Option<u32>,
    /// Samples per pixel; few are quick
    #[serde(default)]
    samples: Option<u32>,
    /// A camera's name
    #[serde(default)]
    camera: Option<String>,
    /// One frame; the current one when absent
    #[serde(default)]
    frame: Option<i32>,
    /// First and last frame of an animation, with `folder`
    #[serde(default)]
    frames: Option<[i32; 2]>,
    /// Where an animation's PNG files go, in a folder that the user has allowed
    #[serde(default)]
    folder: Option<String>,
    /// Seconds to wait before the job's handle comes back instead, 0 to 240; 30 when absent
    #[serde(default)]
    wait_s: Option<f64>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

impl Tool for Render {
    const NAME: &'static str = "render";
    const TITLE: &'static str = "Render";
    const DESCRIPTION: &'static str = "Render a picture (small copy returned, full size as a resource) or an animation into files. \
        A long render comes back as a job: wait for it with the tool `job`.";
    const EFFECT: Effect = Effect::Changes;
    type Params = Params;
    type Data = job::Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let wait = wait(params.wait_s)?;
        let start = Instant::now();
        let blender = call.blender(params.instance.as_deref())?;
        let (method, asked) = asked(&params)?;
        let asked = serde_json::value::to_raw_value(&asked).expect("a map of plain values is JSON");
        let options = Options { detach: true, label: Some("Render".to_owned()), ..Options::default() };
        let detached: Detached = blender.call(method, &asked, &[], &options)?.read()?;
        job::wait(call, &blender, &detached.job, wait.saturating_sub(start.elapsed()))
    }
}

/// How long a call may wait.
///
/// # Errors
/// Beyond the range.
pub fn wait(seconds: Option<f64>) -> Result<Duration, Failure> {
    let seconds = seconds.unwrap_or(USUAL_WAIT_S);
    if !(0.0..=MOST_WAIT_S).contains(&seconds) {
        return Err(Failure::Arguments(format!("wait_s is {seconds}; the allowed range is 0 to {MOST_WAIT_S}")));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// The method and its parameters: what was asked for only, as Blender has the defaults.
fn asked(params: &Params) -> Result<(&'static str, Map<String, Value>), Failure> {
    let common = [
        ("engine", params.engine.map(|engine| json!(engine))),
        ("width", params.width.map(|width| json!(width))),
        ("height", params.height.map(|height| json!(height))),
        ("samples", params.samples.map(|samples| json!(samples))),
        ("camera", params.camera.as_ref().map(|camera| json!(camera))),
    ];
    let (method, own) = match (&params.frames, &params.folder) {
        (None, None) => (render::Image::NAME, vec![("frame", params.frame.map(|frame| json!(frame)))]),
        (Some([first, last]), Some(folder)) => {
            let own = [("frame_start", json!(first)), ("frame_end", json!(last)), ("folder", json!(folder))];
            (render::Animation::NAME, own.map(|(key, value)| (key, Some(value))).to_vec())
        }
        _ => {
            return Err(Failure::Arguments(
                "an animation needs both `frames` and `folder`, a picture neither".to_owned(),
            ));
        }
    };
    let given = common.into_iter().chain(own).filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Ok((method, given.collect()))
}
