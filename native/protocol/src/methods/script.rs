//! Scripts: any Python, run as in Blender's Text Editor.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::SCRIPT_BYTES;
use crate::method::{Effect, Method};
use crate::value::{FreeObject, Name, Text};

/// `script.run`.
pub struct Run;

/// A script and its arguments.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunParams {
    /// Python source. It runs in a fresh `__main__` with `bpy` and `args` predefined; nothing is
    /// kept between runs. The value of a last expression is the result's `value`.
    pub code: Text<SCRIPT_BYTES>,
    /// Available to the script as the dictionary `args`. An object with the key `$blob` arrives as
    /// a `memoryview` of those bytes, or a numpy array where `dtype` is given.
    #[serde(default)]
    pub args: FreeObject,
    /// The file name in tracebacks; `<spindle>` when absent.
    #[serde(default)]
    pub name: Option<Name>,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It reached its end.
    Ok,
    /// It raised, `SystemExit` with a nonzero code included.
    Raised,
    /// Its deadline passed.
    TimedOut,
    /// It was cancelled.
    Cancelled,
}

/// What a script raised.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// The type's qualified name.
    pub r#type: String,
    /// `str()` of it.
    pub message: String,
    /// The traceback from the script's own first frame on, at most 20,000 characters.
    pub traceback: String,
    /// The script's line that was running, counted from 1; for a syntax error, its line.
    #[serde(default)]
    pub line: Option<u32>,
}

/// Why a value could not be sent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ValueError {
    /// Where in the value, such as `value["points"][3]`.
    pub path: String,
    /// What is there.
    pub reason: String,
}

/// What a script did. A script that started never answers with an error, as an error would invite
/// a retry that runs it twice.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// How it ended.
    pub status: Status,
    /// What it printed, at most 256 KiB; the rest is counted in `stdout_omitted`.
    pub stdout: String,
    /// The same for standard error.
    pub stderr: String,
    /// Characters of standard output beyond the limit.
    #[serde(default)]
    pub stdout_omitted: u64,
    /// Characters of standard error beyond the limit.
    #[serde(default)]
    pub stderr_omitted: u64,
    /// The last expression's value as JSON: vectors, matrices and colours as arrays, data-blocks as
    /// `{"type": …, "name": …}`, bytes and numpy arrays as blob references. Null when there is none.
    #[serde(default)]
    pub value: Value,
    /// `repr()` of the value, at most 1,000 characters.
    #[serde(default)]
    pub value_repr: Option<String>,
    /// Set when the value has no JSON form; `value` is null then.
    #[serde(default)]
    pub value_error: Option<ValueError>,
    /// What it raised, unless it ended well.
    #[serde(default)]
    pub exception: Option<Exception>,
    /// The name of the undo step that holds its changes; null when it changed nothing.
    #[serde(default)]
    pub undo_step: Option<String>,
    /// Milliseconds on the main thread.
    pub duration_ms: f64,
}

impl Method for Run {
    const NAME: &'static str = "script.run";
    const SUMMARY: &'static str = "Run Python in Blender and return its output, its value or its exception.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(180));
    const CARRIES_CODE: bool = true;
    type Params = RunParams;
    type Result = RunResult;
}
