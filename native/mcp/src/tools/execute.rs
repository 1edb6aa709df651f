//! Run Python in Blender.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spindle_client::{Error, Options};
use spindle_protocol::methods::script::{Exception, Run, RunParams, RunResult, Status};
use spindle_protocol::value::{FreeObject, Text};

use super::{Effect, Tool, cut};
use crate::answer::{Answer, TEXT_CHARS};
use crate::call::{Call, deadline};
use crate::failure::{Failure, finding};

/// Characters of a traceback: its end is what counts.
const TRACEBACK_CHARS: usize = 2_000;

/// Characters of the value and of its text.
const VALUE_CHARS: usize = 4_000;

/// Characters of output in one answer, whatever stands around it.
const OUTPUT_CHARS: usize = 2_000;

pub struct Execute;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Python source. `bpy` is imported; nothing is kept between calls but Blender's own data. The last expression's value comes back.
    #[serde(default)]
    code: Option<String>,
    /// Seconds until it is stopped; 180 when absent
    #[serde(default)]
    timeout_s: Option<f64>,
    /// What the undo history calls it
    #[serde(default)]
    label: Option<String>,
    /// Instead of code: `next_cursor` of an answer whose output was cut
    #[serde(default)]
    cursor: Option<String>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// ok, raised, timed_out, cancelled; more: a further page of output
    status: &'static str,
    /// What it printed
    output: String,
    /// The last expression's value
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// Type, message, line
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The undo step that takes its changes back
    #[serde(skip_serializing_if = "Option::is_none")]
    undo_step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Tool for Execute {
    const NAME: &'static str = "execute";
    const TITLE: &'static str = "Run Python in Blender";
    const DESCRIPTION: &'static str = "Run Python in the open Blender; its changes are one undo step. Returns output, the last \
        expression's value, or the traceback with its line. Prefer bpy.data to bpy.ops where both do, and one script to many. \
        A guard refuses scripts that start processes, use the network or write files, and says what to change.";
    const EFFECT: Effect = Effect::MayDestroy;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let code = match (params.code, params.cursor) {
            (Some(code), None) => code,
            (None, Some(cursor)) => return more(call, &cursor),
            _ => return Err(Failure::Arguments("pass `code`, or a `cursor`, and not both".to_owned())),
        };
        let blender = call.blender(params.instance.as_deref())?;
        let run = RunParams { code: Text(code), args: FreeObject::default(), name: None, checkpoint: false };
        let options = Options { timeout: deadline(params.timeout_s)?, label: params.label, ..Options::default() };
        match call.ask::<Run>(&blender, &run, options) {
            Ok(answered) => Ok(tell(call, &run.code.0, answered.result)),
            Err(Failure::Blender(error)) => match *error {
                Error::ScriptFailed(result) => Ok(tell(call, &run.code.0, *result)),
                other => Err(other.into()),
            },
            Err(other) => Err(other),
        }
    }
}

fn more(call: &Call, cursor: &str) -> Result<Answer, Failure> {
    let page = call.kept.go_on(cursor, TEXT_CHARS - 500)?;
    let (output, next_cursor) = (page.text, page.next_cursor);
    let text = next_cursor.as_ref().map_or(output.clone(), |next| format!("{output}\n[more: cursor {next:?}]"));
    let data = Data { status: "more", output, value: None, error: None, undo_step: None, next_cursor };
    Ok(Answer::told(text, &data))
}

/// How a script ended, for a model to read from top to bottom. The output has the room that the rest leaves.
fn tell(call: &Call, code: &str, result: RunResult) -> Answer {
    let around = around(&result, code);
    let taken: usize = around.iter().map(|part| part.chars().count() + 1).sum::<usize>() + 200;
    let page = call.kept.begin(output(&result), TEXT_CHARS.saturating_sub(taken).max(OUTPUT_CHARS));
    let mut parts = vec![heading(&result)];
    if !page.text.is_empty() {
        parts.push(format!("output:\n{}", page.text.trim_end()));
    }
    if let Some(next) = &page.next_cursor {
        parts.push(format!("[the output goes on: call execute with cursor {next:?}]"));
    }
    parts.extend(around);
    let ended_well = result.status == Status::Ok;
    let data = Data {
        status: name(result.status),
        output: page.text,
        value: Some(result.value).filter(|value| !value.is_null() && value.to_string().len() <= VALUE_CHARS),
        error: result.exception.as_ref().map(|exception| cut(&summary(exception), 500)),
        undo_step: result.undo_step,
        next_cursor: page.next_cursor,
    };
    let answer = Answer::told(cut(&parts.join("\n"), TEXT_CHARS - 50), &data);
    if ended_well { answer } else { answer.failed() }
}

/// What is told besides the output.
fn around(result: &RunResult, code: &str) -> Vec<String> {
    let mut parts = Vec::new();
    // The same as the data has, and not only the 1,000 characters of its text.
    let value = Some(&result.value).filter(|value| !value.is_null()).map(ToString::to_string);
    if let Some(text) = value.filter(|text| text.len() <= VALUE_CHARS).or_else(|| result.value_repr.clone()) {
        parts.push(format!("value: {text}"));
    }
    if let Some(error) = &result.value_error {
        parts.push(format!("the value is not data: {} is {}", error.path, error.reason));
    }
    if let Some(exception) = &result.exception {
        parts.push(traceback(exception, code));
    }
    if let Some(left) = &result.aftermath {
        let names = serde_json::to_string(left).expect("names are plain JSON");
        parts.push(cut(&format!("it leaves behind: {names}"), 1_000));
    }
    if !result.findings.is_empty() {
        let findings: Vec<String> = result.findings.iter().take(5).map(finding).collect();
        parts.push(format!("the guard notes:\n{}", findings.join("\n")));
    }
    parts
}

const fn name(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Raised => "raised",
        Status::TimedOut => "timed_out",
        Status::Cancelled => "cancelled",
    }
}

fn heading(result: &RunResult) -> String {
    let took = format!("{} after {:.0} ms", name(result.status), result.duration_ms);
    match &result.undo_step {
        Some(step) => format!("{took}; its changes are the undo step {step:?}"),
        None => format!("{took}; it changed nothing"),
    }
}

fn output(result: &RunResult) -> String {
    let mut text = result.stdout.clone();
    if !result.stderr.is_empty() {
        text += &format!("[stderr]\n{}", result.stderr);
    }
    match result.stdout_omitted + result.stderr_omitted {
        0 => text,
        omitted => text + &format!("\n[{omitted} more characters were written, and are lost]"),
    }
}

fn summary(exception: &Exception) -> String {
    let place = exception.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    format!("{}: {}{place}", exception.r#type, exception.message)
}

/// The end of the traceback, with the line that failed, and a hint where the cause is a known one.
fn traceback(exception: &Exception, code: &str) -> String {
    let length = exception.traceback.chars().count();
    let end: String = exception.traceback.chars().skip(length.saturating_sub(TRACEBACK_CHARS)).collect();
    let line = exception.line.and_then(|line| Some((line, code.lines().nth((line as usize).checked_sub(1)?)?)));
    let line = line.map(|(line, text)| format!("\nline {line}: {}", cut(text.trim(), 200))).unwrap_or_default();
    let hint = hint(exception).map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{}{line}{hint}", end.trim_end())
}

/// What models get wrong most often, by what Blender says then.
fn hint(exception: &Exception) -> Option<&'static str> {
    let text = &exception.message;
    let kind = exception.r#type.as_str();
    if text.contains("poll() failed") || text.contains("context is incorrect") {
        return Some(
            "the operator needs another mode, selection or area: set them first, use bpy.context.temp_override, or bpy.data",
        );
    }
    if kind == "AttributeError" && text.contains("object has no attribute") {
        return Some("names differ between Blender's versions: ask the tool `docs` for the type");
    }
    if kind == "KeyError" && text.contains("bpy_prop_collection") {
        return Some("no item of this name: list them with the tool `scene`, or use .get()");
    }
    if kind == "TypeError" && text.contains("enum") {
        return Some("the allowed values stand in the message; `docs` tells what each means");
    }
    if kind == "ReferenceError" {
        return Some("the data was removed or moved by an undo or a load: look it up again by name");
    }
    None
}
