//! Why messages are refused, in few words for those who watch.

use spindle_protocol::error::Kind;
use spindle_protocol::json;

/// What a refused message failed at: each one is counted under exactly one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropClass {
    /// Who sent it could not be told.
    Auth,
    /// It does not have the form that docs/protocol.md asks for.
    Header,
    /// It uses again what counts once.
    Replay,
    /// Its connection or session cannot be.
    Session,
    /// It came too soon: there is more room later.
    Rate,
    /// It is larger than a limit.
    Size,
    /// It is well formed, and not allowed.
    Policy,
    /// It names what the server does not know.
    Unknown,
    /// None of these.
    Other,
}

impl DropClass {
    /// Every class.
    pub const ALL: [DropClass; 9] = [
        DropClass::Auth,
        DropClass::Header,
        DropClass::Replay,
        DropClass::Session,
        DropClass::Rate,
        DropClass::Size,
        DropClass::Policy,
        DropClass::Unknown,
        DropClass::Other,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            DropClass::Auth => "auth",
            DropClass::Header => "header",
            DropClass::Replay => "replay",
            DropClass::Session => "session",
            DropClass::Rate => "rate",
            DropClass::Size => "size",
            DropClass::Policy => "policy",
            DropClass::Unknown => "unknown",
            DropClass::Other => "other",
        }
    }
}

/// The class of a refusal. The match names every kind, so that a new one is placed by whoever adds it.
pub const fn drop_class(kind: Kind) -> DropClass {
    match kind {
        // No proof, or one that does not fit; a hello that was recorded fails here too, as its proof
        // was made for another greeting.
        Kind::NotAuthenticated | Kind::BadProof => DropClass::Auth,
        // Envelope and parameters are read by the same rules. Foreign first bytes, which have no kind,
        // are counted as `parse_error`.
        Kind::ParseError | Kind::InvalidRequest | Kind::InvalidParams => DropClass::Header,
        // An id in flight, and a key that stands for another request.
        Kind::DuplicateId | Kind::IdempotencyConflict => DropClass::Replay,
        // No session can begin, or a second one on a connection, or none goes on.
        Kind::VersionMismatch
        | Kind::AlreadyAuthenticated
        | Kind::TooManyConnections
        | Kind::ShuttingDown
        | Kind::Stopping => DropClass::Session,
        // The same request fits in once others have gone.
        Kind::RateLimited | Kind::QueueFull | Kind::ExpiredInQueue | Kind::Busy => DropClass::Rate,
        Kind::TooLarge => DropClass::Size,
        // Nothing is wrong with the request but that it would reach, or lose, what it must not.
        Kind::PathNotAllowed | Kind::UnsavedChanges | Kind::ScriptRefused => DropClass::Policy,
        // `Unknown` is never sent; it is how a kind of another version would be read.
        Kind::MethodNotFound | Kind::Unknown => DropClass::Unknown,
        // Ends of requests that were accepted. They are seen by their outcome in `spindle_requests_total`.
        Kind::Internal
        | Kind::Cancelled
        | Kind::TimedOut
        | Kind::CommandFailed
        | Kind::NotFound
        | Kind::Unsupported
        | Kind::BadResult => DropClass::Other,
    }
}

/// What a message that was read and found wrong can be refused as.
pub const VALIDATION: [Kind; 5] =
    [Kind::ParseError, Kind::InvalidRequest, Kind::MethodNotFound, Kind::InvalidParams, Kind::TooLarge];

/// What `serde_json` says of a number beyond a double.
pub const OUT_OF_RANGE: &str = "number out of range";

/// Whether the first thing wrong with a message is NaN, an infinity, or a number beyond a double. It costs
/// as much as the check that refused the message.
pub fn is_not_finite(message: &[u8]) -> bool {
    let Err(error) = json::check(message) else { return false };
    let line = message.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The column counts from one, and is that of the byte that cannot stand there.
    let wrong = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    error.to_string().starts_with(OUT_OF_RANGE) || wrong.starts_with(b"NaN") || wrong.starts_with(b"Infinity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_index_arrays() {
        assert!(DropClass::ALL.iter().enumerate().all(|(index, class)| *class as usize == index));
    }

    /// EDGE-002, EDGE-003: a number that is not finite is told from other faults.
    #[test]
    fn numbers_that_are_not_finite_are_told_apart() {
        let rows: [(&[u8], bool); 13] = [
            (b"NaN", true),
            (br#"{"a": [1, NaN]}"#, true),
            (b"[Infinity]", true),
            (b"[-Infinity]", true),
            (b"[1e999]", true),
            (b"{\"a\": 1,\n \"b\": -1e999}", true),
            (b"{\"a\":\n\n [0, NaN]}", true),
            (br#"["NaN", "Infinity", "1e999"]"#, false),
            (br#"["number out of range", x]"#, false),
            (b"[1e308, -1e308]", false),
            (b"[nan]", false),
            (b"{\"NaN\": }", false),
            (b"", false),
        ];
        for (message, expected) in rows {
            assert_eq!(is_not_finite(message), expected, "{}", String::from_utf8_lossy(message));
        }
    }
}
