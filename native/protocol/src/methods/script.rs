//! Scripts: any Python, run as in Blender's Text Editor.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::finding::{Finding, Level, Unreadable};
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
    /// Save a copy of the open file first, to which `edit.restore` can return. The preferences may ask for one before
    /// each script that changes something.
    #[serde(default)]
    pub checkpoint: bool,
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

/// What a script tried that the runtime watch knows of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Watched {
    /// Python's name of the audit event, such as `os.system` or `open`.
    pub event: String,
    /// The first argument, at most 200 characters: a path, a command.
    pub detail: String,
    /// Whether it was refused; else it was only noted.
    pub refused: bool,
    /// How often it happened.
    pub count: u64,
}

/// What a script left behind that works on after its end, or outlives undo. Names, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Aftermath {
    /// Functions added to `bpy.app.handlers`, as `list: function`.
    pub handlers: Vec<String>,
    /// Functions registered in `bpy.app.timers`, as far as they can be known.
    pub timers: Vec<String>,
    /// Drivers added, as `data-block: path`.
    pub drivers: Vec<String>,
    /// Drivers that were valid before the script and are not any more.
    pub broken_drivers: Vec<String>,
    /// Text data-blocks added or changed.
    pub texts: Vec<String>,
    /// Classes registered with Blender.
    pub classes: Vec<String>,
    /// Preferences changed, by their path.
    pub preferences: Vec<String>,
    /// Entries added to `sys.path`.
    pub sys_path: Vec<String>,
    /// Modules that were loaded for the first time or replaced, at most 50.
    pub modules: Vec<String>,
    /// Threads that still run.
    pub threads: Vec<String>,
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
    /// The driver, handler or drawing method in which it was stopped, as it had not left that 500 ms later; that may
    /// be half done. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke_into: Option<String>,
    /// The name of the undo step that holds its changes; null when it changed nothing.
    #[serde(default)]
    pub undo_step: Option<String>,
    /// Milliseconds on the main thread.
    pub duration_ms: f64,
    /// What the guard found in it, and let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the runtime watch saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
    /// How often the watch saw something else, when 50 different things had been told.
    #[serde(default, skip_serializing_if = "is_none")]
    pub watched_omitted: u64,
    /// What it left behind; absent when it left nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aftermath: Option<Aftermath>,
    /// The checkpoint that was saved before it, for `edit.restore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
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

/// `script.check`.
pub struct Check;

/// A script to look at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckParams {
    /// Python source.
    pub code: Text<SCRIPT_BYTES>,
}

/// What would become of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would run.
    Runs,
    /// It would wait for the user.
    Asks,
    /// It would be refused.
    Refused,
    /// Python could not read it.
    Unreadable,
}

/// What the guard says of a script.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// What would become of it now, at this level.
    pub verdict: Verdict,
    /// How strict the guard is.
    pub level: Level,
    /// The version of the rules.
    pub policy: String,
    /// What it found, at most 50, in the order of the script's lines.
    pub findings: Vec<Finding>,
    /// How many more there are.
    #[serde(default)]
    pub findings_omitted: u64,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<Unreadable>,
}

impl Method for Check {
    const NAME: &'static str = "script.check";
    const SUMMARY: &'static str = "Tell what the guard finds in a script, without running it.";
    const EFFECT: Effect = Effect::Control;
    type Params = CheckParams;
    type Result = CheckResult;
}
