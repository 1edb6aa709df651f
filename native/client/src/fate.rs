//! What became of a request whose caller was interrupted.

use std::fmt;

use serde_json::{Map, Value};
use spindle_protocol::error::Started;
use spindle_protocol::methods::script::{RunResult, Status};

use crate::connection::Reply;
use crate::error::{Error, outcome};

/// What is known of a request whose caller was interrupted. Displayed, it ends the sentence "interrupted; …".
#[derive(Debug)]
pub enum Fate {
    /// It was not sent.
    NotSent,
    /// It was sent, and its answer did not come soon enough.
    Unknown,
    /// It was cancelled, and this is its answer: an error, or what it had done until then.
    Answered(Box<Result<Reply, Error>>),
}

impl Fate {
    /// Of a request without an answer.
    pub(crate) fn unanswered(sent: bool) -> Fate {
        if sent { Fate::Unknown } else { Fate::NotSent }
    }

    /// Whether any of its work may have begun.
    pub fn started(&self) -> Started {
        match self {
            Fate::NotSent => Started::No,
            Fate::Unknown => Started::Unknown,
            Fate::Answered(answer) => answer.as_ref().as_ref().err().map_or(Started::Yes, Error::started),
        }
    }

    /// For a script that has been answered: how it ended, and where.
    pub fn script(&self) -> Option<RunResult> {
        match self {
            Fate::Answered(answer) => answer.as_ref().as_ref().ok()?.read().ok(),
            Fate::NotSent | Fate::Unknown => None,
        }
    }

    /// What else is known, for programs: the result, or the members of the error.
    pub(crate) fn details(&self) -> Map<String, Value> {
        match self {
            Fate::Answered(answer) => match answer.as_ref() {
                Ok(reply) => serde_json::from_str(reply.result.get())
                    .map_or_else(|_| Map::new(), |result: Value| Map::from_iter([("result".to_owned(), result)])),
                Err(error) => error.details(),
            },
            Fate::NotSent | Fate::Unknown => Map::new(),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.started(), self.script().map(|result| result.status)) {
            (_, Started::No, _) => formatter.write_str(outcome(false)),
            (_, _, Some(Status::Cancelled | Status::TimedOut)) => formatter.write_str("the script was stopped"),
            (_, _, Some(Status::Ok | Status::Raised)) => {
                formatter.write_str("the script had ended before it could be stopped")
            }
            (Fate::Answered(answer), _, None) => match answer.as_ref() {
                Ok(_) => formatter.write_str("the request was carried out before it could be cancelled"),
                Err(error) => write!(formatter, "the request has ended: {error}"),
            },
            _ => formatter.write_str(outcome(true)),
        }
    }
}
