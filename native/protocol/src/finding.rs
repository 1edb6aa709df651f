//! What the guard says of a script, and how strict it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How strict the guard is. The user chooses it in the preferences; no request can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every script runs; findings are told and logged.
    Trusted,
    /// A script with a finding of the severity `danger` is refused; all others run.
    #[default]
    Guarded,
    /// What `guarded` would refuse waits until the user has decided.
    Ask,
    /// No scripts; typed methods only.
    Locked,
}

impl Level {
    /// Every level, the laxest first.
    pub const ALL: &'static [Level] = &[Level::Trusted, Level::Guarded, Level::Ask, Level::Locked];

    /// Its name, as on the wire and in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Trusted => "trusted",
            Level::Guarded => "guarded",
            Level::Ask => "ask",
            Level::Locked => "locked",
        }
    }
}

/// What a finding means at the level `guarded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing: the script runs, and the finding is told and logged.
    Caution,
    /// The script is refused.
    Danger,
}

/// One thing that the guard found in a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's stable id, such as `process.os_system`.
    pub rule: String,
    /// What it means at the level `guarded`.
    pub severity: Severity,
    /// Where it begins: the line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// That line, or the part of it around the column, at most 120 characters.
    pub excerpt: String,
    /// Why the rule exists, in one sentence.
    pub reason: String,
    /// What to write instead, or whom to ask.
    pub remedy: String,
}

/// Why a script could not be read at all. Python would refuse it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// Where reading ended: the line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// What is wrong there.
    pub message: String,
}
