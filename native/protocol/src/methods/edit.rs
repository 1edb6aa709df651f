//! Undo, redo, and groups of changes that are one undo step.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::limits::LABEL_CHARS;
use crate::method::{Effect, Method};
use crate::value::{Count, Name, Text};

/// How many steps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepParams {
    /// How many steps.
    #[serde(default = "one")]
    pub steps: Count<1, 256>,
}

fn one() -> Count<1, 256> {
    Count(1)
}

/// How many steps were taken; fewer than asked for when the history ends.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stepped {
    /// Steps taken.
    pub steps: u32,
}

/// `edit.undo`.
pub struct Undo;

impl Method for Undo {
    const NAME: &'static str = "edit.undo";
    const SUMMARY: &'static str = "Undo, as the user would.";
    const EFFECT: Effect = Effect::Write;
    type Params = StepParams;
    type Result = Stepped;
}

/// `edit.redo`.
pub struct Redo;

impl Method for Redo {
    const NAME: &'static str = "edit.redo";
    const SUMMARY: &'static str = "Redo, as the user would.";
    const EFFECT: Effect = Effect::Write;
    type Params = StepParams;
    type Result = Stepped;
}

/// `edit.group_begin`.
pub struct GroupBegin;

/// Parameters of `edit.group_begin`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupParams {
    /// What the undo history shows.
    pub label: Text<LABEL_CHARS>,
    /// The group ends by itself after this long, in milliseconds.
    #[serde(default = "minute")]
    pub timeout_ms: Count<100, 600_000>,
}

fn minute() -> Count<100, 600_000> {
    Count(60_000)
}

/// The group's state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// What the undo history shows, or will show.
    pub label: String,
    /// How many requests have changed something in it.
    pub changes: u32,
}

impl Method for GroupBegin {
    const NAME: &'static str = "edit.group_begin";
    const SUMMARY: &'static str = "Make this session's changes one undo step until edit.group_end.";
    const EFFECT: Effect = Effect::Write;
    type Params = GroupParams;
    type Result = Group;
}

/// `edit.group_end`.
pub struct GroupEnd;

impl Method for GroupEnd {
    const NAME: &'static str = "edit.group_end";
    const SUMMARY: &'static str = "End the group and push its undo step.";
    const EFFECT: Effect = Effect::Write;
    type Params = Nothing;
    type Result = Group;
}

/// `edit.restore`.
pub struct Restore;

/// Which checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreParams {
    /// The checkpoint's name, from a script's result or `edit.checkpoints`; the last one when absent.
    #[serde(default)]
    pub checkpoint: Option<Name>,
    /// Restore even where that loses unsaved changes made since. Without it they are an error, `unsaved_changes`.
    #[serde(default)]
    pub discard_changes: bool,
}

/// A copy of the file that was saved before a script.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Its name.
    pub name: String,
    /// When it was saved, RFC 3339 in UTC.
    pub saved: String,
    /// The file that was open, empty for an unsaved one.
    pub file: String,
    /// The script before which it was saved: the client and its label.
    pub before: String,
    /// Bytes on the disk.
    pub bytes: u64,
}

impl Method for Restore {
    const NAME: &'static str = "edit.restore";
    const SUMMARY: &'static str = "Return to the file as it was at a checkpoint.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = None;
    type Params = RestoreParams;
    type Result = Checkpoint;
}

/// `edit.checkpoints`.
pub struct Checkpoints;

/// The checkpoints that are kept, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointList {
    /// Newest first.
    pub checkpoints: Vec<Checkpoint>,
}

impl Method for Checkpoints {
    const NAME: &'static str = "edit.checkpoints";
    const SUMMARY: &'static str = "List the copies of the file that were saved before scripts.";
    const EFFECT: Effect = Effect::Read;
    type Params = Nothing;
    type Result = CheckpointList;
}
