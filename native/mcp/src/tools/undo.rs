//! Undo and redo.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spindle_client::Options;
use spindle_protocol::methods::edit;

use super::{Effect, Tool};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;

pub struct Undo;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// How many, 1 when absent
    #[serde(default)]
    steps: Option<u16>,
    /// Redo instead
    #[serde(default)]
    redo: bool,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// Steps taken
    steps: i64,
}

impl Tool for Undo {
    const NAME: &'static str = "undo";
    const TITLE: &'static str = "Undo or redo";
    const DESCRIPTION: &'static str =
        "Take steps of Blender's undo history back (the user's own steps, too), or redo them.";
    const EFFECT: Effect = Effect::Changes;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let blender = call.blender(params.instance.as_deref())?;
        let asked = json!({"steps": params.steps.unwrap_or(1)});
        let steps = if params.redo {
            call.ask::<edit::Redo>(&blender, &asked, Options::default())?.result.steps
        } else {
            call.ask::<edit::Undo>(&blender, &asked, Options::default())?.result.steps
        };
        Ok(Answer::data(&Data { steps: i64::from(steps) }))
    }
}
