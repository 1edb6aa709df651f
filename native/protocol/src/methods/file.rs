//! The open .blend file.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::FilePath;

/// The file that is open afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OpenFile {
    /// Its path, empty for a file that was never saved.
    pub file: String,
}

/// `file.new`.
pub struct New;

/// Parameters of `file.new`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewParams {
    /// Whether to start without the default objects.
    #[serde(default)]
    pub empty: bool,
    /// Whether unsaved changes may be lost.
    #[serde(default)]
    pub discard_changes: bool,
}

impl Method for New {
    const NAME: &'static str = "file.new";
    const SUMMARY: &'static str = "Start a new file.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = None;
    type Params = NewParams;
    type Result = OpenFile;
}

/// `file.open`.
pub struct Open;

/// Parameters of `file.open`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenParams {
    /// A .blend file in an allowed folder.
    pub path: FilePath,
    /// Whether unsaved changes may be lost.
    #[serde(default)]
    pub discard_changes: bool,
}

impl Method for Open {
    const NAME: &'static str = "file.open";
    const SUMMARY: &'static str = "Open a .blend file. Its scripts do not run unless the preferences allow it.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = None;
    type Params = OpenParams;
    type Result = OpenFile;
}

/// `file.save`.
pub struct Save;

/// Parameters of `file.save`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveParams {
    /// A path ending in .blend, in an allowed folder; the open file's own when absent.
    #[serde(default)]
    pub path: Option<FilePath>,
    /// Whether to leave the open file as it is and write a copy.
    #[serde(default)]
    pub copy: bool,
    /// Whether an existing other file may be replaced.
    #[serde(default)]
    pub overwrite: bool,
}

/// The result of `file.save`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// What was written.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Method for Save {
    const NAME: &'static str = "file.save";
    const SUMMARY: &'static str = "Save the open file, or a copy of it.";
    const EFFECT: Effect = Effect::Write;
    const DEADLINE: Option<Duration> = None;
    type Params = SaveParams;
    type Result = Saved;
}
