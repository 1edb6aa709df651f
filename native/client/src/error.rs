//! What can go wrong between a caller and Blender: one closed list, each with a stable name, and for
//! each whether the request may have run.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::finding::Finding;
use spindle_protocol::frame::FrameError;
use spindle_protocol::limits::PROTOCOL_VERSIONS;
use spindle_protocol::methods::script::{RunResult, Status};
use thiserror::Error;

use crate::discovery::{Ignored, Server};
use crate::fate::Fate;

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nobody listens on the port.
    Refused,
    /// Nobody answered within this many milliseconds.
    TimedOut(u64),
    /// What the system says.
    Other(String),
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectFailure::Refused => {
                formatter.write_str("nobody listens there; Blender may have quit, or stopped Spindle")
            }
            ConnectFailure::TimedOut(ms) => write!(formatter, "nobody answered within {ms} ms"),
            ConnectFailure::Other(text) => formatter.write_str(text),
        }
    }
}

/// What can go wrong, in the order in which it can happen.
#[derive(Debug, Error)]
pub enum Error {
    /// The request or the choice of a server is wrong in itself; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// A setting cannot be used, so nothing was started (BUG-007).
    #[error("the setting {key}{place} is {value}; {allowed}")]
    Setting {
        /// The setting's name.
        key: String,
        /// What it is, at most 100 characters.
        value: String,
        /// What it may be.
        allowed: String,
        /// Where it comes from, such as " in the file /home/ada/client.json"; empty for the program itself.
        place: String,
    },
    /// The client was shut down; nothing was sent.
    #[error("this client is shut down; nothing ran")]
    ShutDown,
    /// The breaker is open: so many attempts failed in a row that nothing is tried for a while.
    #[error(
        "nothing is tried for another {:.1} s, as {failures} attempts in a row failed, the last like this: {last}",
        retry_after.as_secs_f64()
    )]
    BreakerOpen {
        /// Attempts that failed in a row.
        failures: u32,
        /// What the last of them ended with.
        last: String,
        /// When one request will be let through to see.
        retry_after: Duration,
    },
    /// All connections of the pool were in use until the deadline; nothing was sent.
    #[error("none of the {size} connections became free within {:.1} s; nothing ran", waited.as_secs_f64())]
    PoolTimedOut {
        /// How many connections the pool may have.
        size: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// The runtime folder cannot be read.
    #[error("the folder {folder} cannot be read: {reason}")]
    Folder {
        /// The folder of the instance files.
        folder: String,
        /// What the system says.
        reason: String,
    },
    /// No Blender with Spindle runs, or none that the choice names.
    #[error("{}", no_server(folder, wanted.as_deref(), running, ignored))]
    NoServer {
        /// The folder of the instance files.
        folder: String,
        /// The choice, if one was made.
        wanted: Option<String>,
        /// What runs, and is not what was wanted.
        running: Vec<Server>,
        /// Files that were not read, and why.
        ignored: Vec<Ignored>,
    },
    /// More than one Blender fits the choice.
    #[error("{}", several_servers(wanted.as_deref(), running))]
    SeveralServers {
        /// The choice, if one was made.
        wanted: Option<String>,
        /// Those that fit.
        running: Vec<Server>,
    },
    /// No connection.
    #[error("cannot connect to port {port} on this machine: {failure}")]
    Connect {
        /// The port that was dialled.
        port: u16,
        /// Why.
        failure: ConnectFailure,
    },
    /// Who listens on the port does not speak as Spindle does.
    #[error("who listens on port {port} is not Spindle: {heard}")]
    NotSpindle {
        /// The port that was dialled.
        port: u16,
        /// What came instead of a greeting, at most its first 100 characters.
        heard: String,
    },
    /// It is a Spindle, but not the one that was meant; nothing was sent to it.
    #[error("the server on port {port} is not the one that was meant: {why}")]
    WrongServer {
        /// The port that was dialled.
        port: u16,
        /// What does not fit.
        why: String,
    },
    /// The server does not accept the token.
    #[error("the server on port {port} does not accept the token; connect again to read its present one")]
    BadToken {
        /// The port that was dialled.
        port: u16,
    },
    /// No protocol version is spoken by both sides.
    #[error("{}", version_mismatch(*theirs))]
    VersionMismatch {
        /// The lowest and the highest version that the server speaks.
        theirs: [u32; 2],
    },
    /// The request is above a limit of the wire; nothing was sent.
    #[error("the request is too large: {0}")]
    TooLarge(FrameError),
    /// The request would wait for the thread that makes it.
    #[error(
        "{method} runs on Blender's main thread, and this call is made on that very thread, so it would wait for itself; \
         call bpy directly, or call from another thread or process"
    )]
    WouldDeadlock {
        /// The method that was refused.
        method: String,
    },
    /// A deadline passed.
    #[error("{what}; {}", outcome(*sent))]
    TimedOut {
        /// What was waited for, and how long.
        what: String,
        /// Whether the whole request had been sent, so that it may have run.
        sent: bool,
    },
    /// The connection ended.
    #[error("the connection ended {what}; {}", outcome(*sent))]
    Disconnected {
        /// When it ended.
        what: String,
        /// Whether the whole request had been sent, so that it may have run.
        sent: bool,
    },
    /// What came is no reply, or no reply to this method.
    #[error("not a usable reply: {reason}; it begins with {shown:?}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
        /// At most its first 100 characters.
        shown: String,
    },
    /// The caller's interrupt (Ctrl-C) ended the wait.
    #[error("interrupted; {fate}")]
    Interrupted {
        /// What became of the request.
        fate: Fate,
    },
    /// The server's answer is an error.
    #[error("{}", .0.message)]
    Server(Box<WireError>),
    /// The script ran, and did not reach its end; the result has its output and its traceback.
    #[error("{}", script_failed(.0))]
    ScriptFailed(Box<RunResult>),
}

impl Error {
    /// The stable name; for the server's errors, theirs.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Invalid(_) => "invalid_call",
            Error::Setting { .. } => "invalid_setting",
            Error::ShutDown => "client_shut_down",
            Error::BreakerOpen { .. } => "breaker_open",
            Error::PoolTimedOut { .. } => "pool_timed_out",
            Error::Folder { .. } => "folder_unreadable",
            Error::NoServer { .. } => "no_server",
            Error::SeveralServers { .. } => "several_servers",
            Error::Connect { .. } => "connect_failed",
            Error::NotSpindle { .. } => "not_spindle",
            Error::WrongServer { .. } => "wrong_server",
            Error::BadToken { .. } => "bad_token",
            Error::VersionMismatch { .. } => Kind::VersionMismatch.name(),
            Error::TooLarge(_) => Kind::TooLarge.name(),
            Error::WouldDeadlock { .. } => "would_deadlock",
            Error::TimedOut { .. } => Kind::TimedOut.name(),
            Error::Disconnected { .. } => "disconnected",
            Error::Malformed { .. } => "malformed_reply",
            Error::Interrupted { .. } => "interrupted",
            Error::Server(error) => error.data.kind.name(),
            Error::ScriptFailed(_) => "script_failed",
        }
    }

    /// The kind of the server's error, if it is one: `cancelled`, `busy`, `script_refused` and so on.
    pub fn server_kind(&self) -> Option<Kind> {
        match self {
            Error::Server(error) => Some(error.data.kind),
            _ => None,
        }
    }

    /// Why the guard refused a script; empty for every other error.
    pub fn findings(&self) -> Vec<Finding> {
        let findings = self.details().remove("findings");
        // A newer server may tell of findings in a form that this client does not know; the message holds the first.
        findings.and_then(|findings| serde_json::from_value(findings).ok()).unwrap_or_default()
    }

    /// After how long a repeat may succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::BreakerOpen { retry_after, .. } => Some(*retry_after),
            Error::Server(error) => {
                error.data.details.get("retry_after_ms").and_then(Value::as_u64).map(Duration::from_millis)
            }
            _ => None,
        }
    }

    /// Whether any of the request's work may have begun.
    pub fn started(&self) -> Started {
        match self {
            Error::Server(error) => error.data.started,
            Error::ScriptFailed(_) => Started::Yes,
            Error::Interrupted { fate } => fate.started(),
            Error::TimedOut { sent: true, .. } | Error::Disconnected { sent: true, .. } | Error::Malformed { .. } => {
                Started::Unknown
            }
            _ => Started::No,
        }
    }

    /// Whether the same call may succeed later, with nothing changed by the caller. A request that
    /// may have run is not one to repeat, whatever this says: see [`Error::started`].
    pub fn retryable(&self) -> bool {
        match self {
            Error::Server(error) => error.data.retryable,
            Error::Connect { .. } | Error::TimedOut { .. } | Error::Disconnected { .. } => true,
            Error::PoolTimedOut { .. } | Error::BreakerOpen { .. } => true,
            _ => false,
        }
    }

    /// Whether there was no usable connection, as opposed to a request that failed.
    pub fn is_connection_problem(&self) -> bool {
        !matches!(
            self,
            Error::Server(_)
                | Error::ScriptFailed(_)
                | Error::Invalid(_)
                | Error::Setting { .. }
                | Error::ShutDown
                | Error::PoolTimedOut { .. }
                | Error::TooLarge(_)
                | Error::WouldDeadlock { .. }
        )
    }

    /// What else is known, for programs.
    pub fn details(&self) -> Map<String, Value> {
        let details = match self {
            Error::Server(error) => return error.data.details.clone(),
            Error::Interrupted { fate } => return fate.details(),
            Error::NoServer { running, .. } | Error::SeveralServers { running, .. } => json!({"servers": running}),
            Error::Connect { port, .. }
            | Error::NotSpindle { port, .. }
            | Error::WrongServer { port, .. }
            | Error::BadToken { port } => json!({"port": port}),
            Error::Setting { key, value, allowed, .. } => json!({"key": key, "value": value, "allowed": allowed}),
            Error::BreakerOpen { failures, retry_after, .. } => {
                json!({"failures": failures, "retry_after_ms": retry_after.as_millis() as u64})
            }
            Error::PoolTimedOut { size, waited } => json!({"size": size, "waited_ms": waited.as_millis() as u64}),
            Error::VersionMismatch { theirs } => json!({"server": theirs, "client": PROTOCOL_VERSIONS}),
            _ => return Map::new(),
        };
        match details {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn script_failed(result: &RunResult) -> String {
    match (result.status, &result.exception) {
        (_, Some(exception)) => format!("the script raised {}: {}", exception.r#type, exception.message),
        (Status::TimedOut, None) => "the script was stopped at its deadline".to_owned(),
        (Status::Cancelled, None) => "the script was cancelled while it ran".to_owned(),
        (status, None) => format!("the script ended as {status:?}"),
    }
}

/// What may have become of a request without an answer.
pub(crate) fn outcome(sent: bool) -> &'static str {
    if sent { "the request had been sent and may have run" } else { "nothing ran" }
}

fn no_server(folder: &str, wanted: Option<&str>, running: &[Server], ignored: &[Ignored]) -> String {
    let mut text = match wanted {
        Some(wanted) if !running.is_empty() => {
            format!("no running Blender fits {wanted:?}; these run:{}", table(running))
        }
        _ => format!("no running Blender with Spindle was found in {folder}; start Blender with Spindle enabled"),
    };
    for file in ignored {
        text += &format!("\nignored {}: {}", file.path.display(), file.why);
    }
    text
}

fn several_servers(wanted: Option<&str>, running: &[Server]) -> String {
    let which = wanted.map_or("several Blenders run".to_owned(), |wanted| format!("several Blenders fit {wanted:?}"));
    format!("{which}; choose one by pid, port or file name:{}", table(running))
}

fn table(servers: &[Server]) -> String {
    servers.iter().map(|server| format!("\n  {server}")).collect()
}

fn version_mismatch(theirs: [u32; 2]) -> String {
    let [least, most] = PROTOCOL_VERSIONS;
    let [their_least, their_most] = theirs;
    let update = if their_least > most { "this client" } else { "the Spindle extension in Blender" };
    format!(
        "this client speaks protocol versions {least} to {most}, the server {their_least} to {their_most}; update {update}"
    )
}

/// At most the first 100 characters, on one line.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // Four bytes are the longest character, so nothing beyond these can be among the first 100.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
    text.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TYPE_SAFETY_001: an error shows at most the first 100 characters of what came.
    #[test]
    fn excerpts_are_short_and_clean() {
        assert_eq!(excerpt("é".repeat(500).as_bytes()), "é".repeat(100));
        assert_eq!(excerpt(b"a\x1b[31m\nb"), "a [31m b");
        assert_eq!(excerpt(&[0xff; 3]), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_version_mismatch_says_which_side_to_update() {
        let text = |theirs| Error::VersionMismatch { theirs }.to_string();
        assert!(text([2, 3]).ends_with("the server 2 to 3; update this client"), "{}", text([2, 3]));
        assert!(text([0, 0]).ends_with("update the Spindle extension in Blender"), "{}", text([0, 0]));
    }
}
