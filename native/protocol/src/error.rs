//! What can go wrong, as it appears on the wire: one closed list of kinds, each with its JSON-RPC
//! code and whether sending the same request again may help.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::ERROR_TEXT_CHARS;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $code:literal, $name:literal, $retry:literal;)+) => {
        /// The stable name of an error, `error.data.kind` on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[doc = $doc])+ $kind,)+ }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)+ }
            }

            /// The JSON-RPC error code.
            pub const fn code(self) -> i32 {
                match self { $(Kind::$kind => $code,)+ }
            }

            /// Whether the same request may succeed later, with nothing changed by the caller.
            pub const fn retryable(self) -> bool {
                match self { $(Kind::$kind => $retry,)+ }
            }

            /// One sentence for the documentation.
            pub const fn summary(self) -> &'static str {
                match self { $(Kind::$kind => concat!($($doc),+),)+ }
            }
        }
    };
}

kinds! {
    /// The message is not one JSON value that follows the written rules.
    ParseError = -32700, "parse_error", false;
    /// The message is JSON, but no request: a missing, unknown or malformed member.
    InvalidRequest = -32600, "invalid_request", false;
    /// No method has this name.
    MethodNotFound = -32601, "method_not_found", false;
    /// A parameter is missing, unknown or of a wrong shape; the text holds its JSON path.
    InvalidParams = -32602, "invalid_params", false;
    /// Spindle itself failed; a report of this is welcome.
    Internal = -32603, "internal", false;

    /// The first request was not hello; the connection closes.
    NotAuthenticated = -32000, "not_authenticated", false;
    /// The proof in hello does not fit the token; the connection closes.
    BadProof = -32001, "bad_proof", false;
    /// No protocol version is spoken by both sides; the text says which to update.
    VersionMismatch = -32002, "version_mismatch", false;
    /// A second hello on one connection.
    AlreadyAuthenticated = -32003, "already_authenticated", false;
    /// A declared length is above the limit; the connection closes, as the stream cannot go on.
    TooLarge = -32004, "too_large", false;
    /// A request with this id is in flight on this connection.
    DuplicateId = -32005, "duplicate_id", false;
    /// The server has as many connections or sessions as its settings allow.
    TooManyConnections = -32006, "too_many_connections", true;

    /// The queue is full.
    QueueFull = -32010, "queue_full", true;
    /// The deadline passed while the request waited; nothing ran.
    ExpiredInQueue = -32011, "expired_in_queue", true;
    /// The request was cancelled.
    Cancelled = -32012, "cancelled", false;
    /// The deadline passed while the request ran.
    TimedOut = -32013, "timed_out", false;
    /// Blender cannot do this at the moment: it renders, or a tool is active.
    Busy = -32014, "busy", true;
    /// The server stops; this request was waiting, and did not start.
    ShuttingDown = -32015, "shutting_down", true;
    /// The server was stopped while this request ran.
    Stopping = -32016, "stopping", false;
    /// The client has used up what its limits allow for now; `retry_after_ms` says when there is more.
    RateLimited = -32017, "rate_limited", true;
    /// The idempotency key was used with another method or other parameters.
    IdempotencyConflict = -32018, "idempotency_conflict", false;

    /// Blender refused, or the command raised; the text is Blender's.
    CommandFailed = -32020, "command_failed", false;
    /// Nothing has this name: no data-block of the file, no job of this client.
    NotFound = -32021, "not_found", false;
    /// The open file has changes that would be lost; `discard_changes` says that they may be.
    UnsavedChanges = -32022, "unsaved_changes", false;
    /// The path is outside the allowed folders.
    PathNotAllowed = -32023, "path_not_allowed", false;
    /// This Blender cannot do it: it has no window, or the file lacks what is needed.
    Unsupported = -32024, "unsupported", false;
    /// The result cannot be sent: it is too large, or no JSON.
    BadResult = -32025, "bad_result", false;

    /// The guard refused the script, or the user did; nothing ran. `findings` says why, and what to write instead.
    ScriptRefused = -32026, "script_refused", false;

    /// Never sent: how a client reads the kind of a newer server; code and text are that server's.
    Unknown = -32099, "unknown", false;
}

impl Kind {
    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Kind::from_name(&name).unwrap_or(Kind::Unknown))
    }
}

/// Whether any of the request's work had begun when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Nothing ran.
    No,
    /// Some or all of it ran.
    Yes,
    /// It cannot be known.
    Unknown,
}

impl Serialize for Started {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Started::No => serializer.serialize_bool(false),
            Started::Yes => serializer.serialize_bool(true),
            Started::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

impl<'de> Deserialize<'de> for Started {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Started, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Started::No),
            Value::Bool(true) => Ok(Started::Yes),
            _ => Ok(Started::Unknown),
        }
    }
}

/// The `data` member of an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The stable name.
    pub kind: Kind,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Whether any of the work had begun.
    pub started: Started,
    /// What else is known: the limit that was passed, the path of the parameter.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireError {
    /// The JSON-RPC code of the kind.
    pub code: i32,
    /// One readable text of at most 500 characters: what was wrong, the limit, what to do.
    pub message: String,
    /// The kind and what else a program needs.
    pub data: ErrorData,
}

impl WireError {
    /// An error before any work: the common case.
    pub fn new(kind: Kind, message: impl AsRef<str>) -> WireError {
        WireError::started(kind, Started::No, message)
    }

    /// An error after work has, or may have, begun.
    pub fn started(kind: Kind, started: Started, message: impl AsRef<str>) -> WireError {
        WireError {
            code: kind.code(),
            message: error_text(message.as_ref()),
            data: ErrorData { kind, retryable: kind.retryable(), started, details: Map::new() },
        }
    }

    /// The same error with one more detail for programs.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> WireError {
        self.data.details.insert(key.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for WireError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.data.kind.name(), self.message)
    }
}

impl std::error::Error for WireError {}

/// A text fit for an error or a log line: control characters escaped, at most 500 characters.
pub fn error_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(ERROR_TEXT_CHARS));
    for (count, character) in text.chars().enumerate() {
        if count == ERROR_TEXT_CHARS - 1 {
            clean.push('…');
            break;
        }
        match character {
            '\n' => clean.push(character),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean.chars().take(ERROR_TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_unique() {
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
            for other in &Kind::ALL[index + 1..] {
                assert_ne!(kind.code(), other.code(), "{kind:?} {other:?}");
            }
        }
    }

    /// ERROR_TEXT: at most 500 characters, no raw control character.
    #[test]
    fn error_text_is_cut_and_clean() {
        let rows = [
            ("plain", "plain"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("two\nlines", "two\nlines"),
            ("tab\there", "tab\\there"),
        ];
        for (text, expected) in rows {
            assert_eq!(error_text(text), expected);
        }
        let long = error_text(&"é".repeat(ERROR_TEXT_CHARS * 2));
        assert_eq!(long.chars().count(), ERROR_TEXT_CHARS);
        assert!(long.ends_with('…'));
        assert!(error_text(&"\u{1}".repeat(1000)).chars().count() <= ERROR_TEXT_CHARS);
    }

    #[test]
    fn wire_errors_survive_the_wire() {
        let error = WireError::started(Kind::Busy, Started::Unknown, "rendering").with("limit", 3);
        let text = serde_json::to_string(&error).expect("an error is JSON");
        assert_eq!(serde_json::from_str::<WireError>(&text).expect("reads back"), error);
        assert!(text.contains(r#""kind":"busy","retryable":true,"started":"unknown","limit":3"#), "{text}");
        let newer = text.replace("busy", "brand_new");
        assert_eq!(serde_json::from_str::<WireError>(&newer).expect("reads").data.kind, Kind::Unknown);
    }
}
