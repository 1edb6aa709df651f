//! The request log: what a line of it holds, and where it is. The server writes it, clients read it.
//!
//! A line is a JSON object. Readers ignore members that they do not know: one folder may hold the
//! lines of several versions.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, TryFromFloatSecsError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Overrides the log folder, for tests and unusual systems.
pub const LOG_DIR_VARIABLE: &str = "SPINDLE_LOG_DIR";

/// The extension of the log's files: JSON lines. Their names sort by the time they were begun.
pub const LOG_EXTENSION: &str = "jsonl";

/// The folder of the log: `$SPINDLE_LOG_DIR`, else `spindle/log` in the user's folder for the state of
/// programs, else in the user's local data folder. `system` is that folder, as found by the caller.
pub fn log_dir(system: Option<PathBuf>) -> Option<PathBuf> {
    match std::env::var_os(LOG_DIR_VARIABLE) {
        Some(dir) if !dir.is_empty() => Some(PathBuf::from(dir)),
        _ => system.map(|dir| dir.join("spindle").join("log")),
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written: for a request, its end.
    pub t: Moment,
    /// Counts what this server began, from 1. Requests end in another order, and a gap is a lost line.
    pub seq: u64,
    /// The server's id, new at each start.
    pub instance: String,
    /// Blender's process id.
    pub pid: u32,
    /// What the line tells.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// A request that reached Blender's main thread.
    Request {
        /// What was asked for.
        #[serde(flatten)]
        call: Box<Call>,
        /// How it ended.
        #[serde(flatten)]
        end: End,
    },
    /// Something else.
    Event {
        /// Its kind, such as `start`.
        event: String,
        /// More of it, for people.
        #[serde(default)]
        text: String,
    },
}

/// What was asked for, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The client's name.
    pub client: String,
    /// The client's session in this server.
    pub session: u64,
    /// The method.
    pub method: Cow<'static, str>,
    /// The request's label, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The open .blend file, empty for an unsaved one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The script that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Script>,
    /// From its arrival to its start on the main thread.
    #[serde(rename = "waited_ms")]
    pub waited: Millis,
}

/// Which script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The SHA-256 of its source, 64 hexadecimal digits.
    pub digest: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The file name that it came with, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How it begins. Only of a script that runs, or ran when Blender died.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

/// How much of a script tells a person which one it was, in characters.
const EXCERPT_CHARS: usize = 200;

impl Script {
    /// What the log says of this script. Takes about as long as hashing it: a few ns a byte.
    pub fn of(name: &str, code: &str) -> Script {
        Script {
            digest: hex::encode(Sha256::digest(code)),
            bytes: code.len() as u64,
            name: name.to_owned(),
            excerpt: code.chars().take(EXCERPT_CHARS).collect(),
        }
    }
}

/// The outcome of a request that ended well. The others are kinds of error, how a script ended, and
/// those below.
pub const OK: &str = "ok";

/// The outcome of a request that has not ended: only in the file of what runs.
pub const RUNNING: &str = "running";

/// The outcome of a request that Blender did not survive.
pub const BLENDER_DIED: &str = "blender_died";

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// `ok`, the kind of its error, how its script ended, or `blender_died`.
    pub outcome: Cow<'static, str>,
    /// What its error says; empty when it ended well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// From its start on the main thread to its end; absent where that is unknown.
    #[serde(rename = "ms", default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<Millis>,
    /// The undo step that holds its changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_step: Option<String>,
    /// The rules of the guard that its script met, `watch:` and an event for what the runtime watch refused, and
    /// `left:` and a kind for what it left behind; sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When it began, of a request that Blender did not survive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Moment>,
}

impl End {
    /// An end of which no more is known.
    pub fn new(outcome: impl Into<Cow<'static, str>>) -> End {
        End { outcome: outcome.into(), text: String::new(), ran: None, undo_step: None, notes: Vec::new(), began: None }
    }
}

impl LogLine {
    /// Whether it tells of a request that did not end well.
    pub fn failed(&self) -> bool {
        matches!(&self.entry, Entry::Request { end, .. } if end.outcome != OK)
    }
}

/// A point in time, written as RFC 3339 in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Moment(pub Timestamp);

impl Moment {
    /// This moment.
    pub fn now() -> Moment {
        Moment(Timestamp::now())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.0)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Moment, jiff::Error> {
        text.parse().map(Moment)
    }
}

/// A duration, written in milliseconds, to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "f64", try_from = "f64")]
pub struct Millis(pub Duration);

impl From<Millis> for f64 {
    fn from(Millis(duration): Millis) -> f64 {
        duration.as_micros() as f64 / 1e3
    }
}

impl TryFrom<f64> for Millis {
    type Error = TryFromFloatSecsError;

    fn try_from(milliseconds: f64) -> Result<Millis, TryFromFloatSecsError> {
        Duration::try_from_secs_f64(milliseconds / 1e3).map(Millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &LogLine, json: &str) {
        assert_eq!(serde_json::to_string(line).expect("JSON"), json);
        assert_eq!(&serde_json::from_str::<LogLine>(json).expect("reads back"), line);
    }

    fn line(entry: Entry) -> LogLine {
        let t = Moment("2026-07-25T10:11:12.34Z".parse().expect("a time"));
        LogLine { t, seq: u64::MAX, instance: "0123".to_owned(), pid: 42, entry }
    }

    /// REQUEST_LOG: time, client, method, digest of the script, outcome, duration.
    #[test]
    fn lines_survive_the_file() {
        let mut script = Script::of("a.py", "import bpy");
        assert_eq!(std::mem::take(&mut script.excerpt), "import bpy");
        let call = Call {
            client: "agent".to_owned(),
            session: 3,
            method: "script.run".into(),
            label: "make a chair".to_owned(),
            script: Some(script),
            waited: Millis(Duration::from_micros(34)),
            ..Call::default()
        };
        let end = End { ran: Some(Millis(Duration::from_micros(12_345))), ..End::new(OK) };
        let head = r#"{"t":"2026-07-25T10:11:12.340Z","seq":18446744073709551615,"instance":"0123","pid":42,"#;
        let digest = "1758386a6121d189da394e94487f913d1a893cc2a8929d588015b14e04e8cd63";
        let script = format!(r#""script":{{"digest":"{digest}","bytes":10,"name":"a.py"}}"#);
        let asked = format!(
            r#""client":"agent","session":3,"method":"script.run","label":"make a chair",{script},"waited_ms":0.034,"#
        );
        check(
            &line(Entry::Request { call: Box::new(call.clone()), end }),
            &format!(r#"{head}{asked}"outcome":"ok","ms":12.345}}"#),
        );
        let began = Some(Moment("2026-07-25T10:11:11Z".parse().expect("a time")));
        check(
            &line(Entry::Request { call: Box::new(call), end: End { began, ..End::new(BLENDER_DIED) } }),
            &format!(r#"{head}{asked}"outcome":"blender_died","began":"2026-07-25T10:11:11.000Z"}}"#),
        );
        check(
            &line(Entry::Event { event: "stop".to_owned(), text: String::new() }),
            &format!(r#"{head}"event":"stop","text":""}}"#),
        );
    }

    #[test]
    fn what_is_no_line_is_refused_and_what_is_new_is_ignored() {
        let head = r#""t":"2026-07-25T10:11:12Z","seq":1,"instance":"a","pid":1"#;
        let newer = format!(r#"{{{head},"event":"e","colour":"red"}}"#);
        serde_json::from_str::<LogLine>(&newer).expect("a member of a later version");
        let rows = [
            "{".to_owned(),
            format!("{{{head}}}"),
            format!(r#"{{{head},"client":"c","session":1,"method":"m","waited_ms":-1,"outcome":"ok"}}"#),
            format!(r#"{{{head},"client":"c","session":1,"method":"m","waited_ms":1}}"#),
            newer.replace("2026-07-25T10", "yesterday"),
        ];
        for row in rows {
            serde_json::from_str::<LogLine>(&row).expect_err(&row);
        }
    }
}
