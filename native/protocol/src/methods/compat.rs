//! What clients of other add-ons ask for on the compatibility listener, where no method of ours answers in their words.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::script::{Exception, Status};
use crate::finding::Finding;
use crate::limits::SCRIPT_BYTES;
use crate::method::{Effect, Method};
use crate::value::{FreeObject, Name, Text};

/// `compat.read`.
pub struct Read;

/// A command of `mcp-for-blender`'s add-on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadParams {
    /// Its name there, such as `get_scene_info`.
    pub command: Name,
    /// Its parameters there.
    #[serde(default)]
    pub params: FreeObject,
}

/// What that add-on answers, of the shape that it has there.
pub type ReadResult = FreeObject;

impl Method for Read {
    const NAME: &'static str = "compat.read";
    const SUMMARY: &'static str =
        "Answer a command of mcp-for-blender's add-on that changes nothing, as that add-on does.";
    const EFFECT: Effect = Effect::Read;
    type Params = ReadParams;
    type Result = ReadResult;
}

/// `compat.execute`.
pub struct Execute;

/// A script for Blender's own MCP add-on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecuteParams {
    /// Python source, which leaves a dictionary in the variable `result`. Where it leaves a function
    /// `check_is_finished`, that is called again and again until it returns one.
    pub code: Text<SCRIPT_BYTES>,
    /// Whether the dictionary must be plain JSON; else `repr()` stands for what is not.
    #[serde(default)]
    pub strict_json: bool,
}

/// What the script came to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteResult {
    /// How it ended.
    pub status: Status,
    /// The dictionary.
    #[serde(default)]
    pub result: Value,
    /// What it printed, as in `script.run`.
    pub stdout: String,
    /// The same for standard error.
    pub stderr: String,
    /// Characters of standard output beyond the limit.
    #[serde(default)]
    pub stdout_omitted: u64,
    /// Characters of standard error beyond the limit.
    #[serde(default)]
    pub stderr_omitted: u64,
    /// What it raised, unless it ended well.
    #[serde(default)]
    pub exception: Option<Exception>,
    /// The name of the undo step that holds its changes; null when it changed nothing.
    #[serde(default)]
    pub undo_step: Option<String>,
    /// What the guard found in it, and let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Method for Execute {
    const NAME: &'static str = "compat.execute";
    const SUMMARY: &'static str = "Run Python that leaves its result in a variable, as Blender's own MCP add-on does.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(180));
    const CARRIES_CODE: bool = true;
    type Params = ExecuteParams;
    type Result = ExecuteResult;
}
