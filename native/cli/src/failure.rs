//! What can go wrong, how it is told, and the exit status.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use spindle_client::{Error, Fate};

use crate::findings;
use crate::output::Output;

const FAILED: u8 = 1;
const NO_CONNECTION: u8 = 2;
const UNREADABLE: u8 = 2;
/// Of a command line that is wrong, as in BSD's sysexits.
pub const USAGE: u8 = 64;

/// Of a command that Ctrl-C has ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// What went wrong with a process, rather than with a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// The stable name.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// What else is known, for programs.
    pub details: Value,
}

/// A script that was sent.
#[derive(Debug)]
pub struct Script {
    /// Its name, for people.
    pub name: String,
    /// Python.
    pub source: String,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The client's error.
    Client(Error),
    /// The command line names something unusable.
    Usage(String),
    /// A Blender could not be started or stopped.
    Process(Box<Trouble>),
    /// A script did not end well, or Blender is unhealthy; the output has told how.
    Told,
    /// A script cannot be read; the output has told why.
    Unreadable,
    /// A script was refused for what the guard found in it.
    Refused(Error, Box<Script>),
    /// The terminal, or whoever reads our output, is gone.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Client(error)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        Failure::Process(Box::new(trouble))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl Failure {
    /// A file that cannot be read or written.
    pub fn file(path: &Path, error: &io::Error) -> Failure {
        Failure::Usage(format!("{}: {error}", path.display()))
    }
}

/// Tell of a failure; the exit status.
pub fn report(failure: &Failure, output: &mut Output) -> ExitCode {
    let told = match failure {
        Failure::Client(error) => tell(error, None, output),
        Failure::Refused(error, script) => tell(error, Some(script), output),
        Failure::Process(trouble) => tell_trouble(trouble, output),
        Failure::Usage(text) => output.complain(text),
        Failure::Told | Failure::Unreadable | Failure::Output(_) => Ok(()),
    };
    let status = match failure {
        // As with any tool before `head`: a reader who has enough is no failure.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Unreadable => UNREADABLE,
        Failure::Client(Error::Invalid(_)) | Failure::Usage(_) => USAGE,
        Failure::Client(Error::Interrupted { .. }) => INTERRUPTED,
        Failure::Client(error) if error.is_connection_problem() => NO_CONNECTION,
        _ => FAILED,
    };
    // When even the complaint cannot be written, the status remains.
    ExitCode::from(if told.is_err() { FAILED.max(status) } else { status })
}

fn tell(error: &Error, script: Option<&Script>, output: &mut Output) -> io::Result<()> {
    if output.json {
        return output.json(&json!({"error": {
            "kind": error.kind(),
            "message": error.to_string(),
            "retryable": error.retryable(),
            "started": error.started(),
            "details": error.details(),
        }}));
    }
    output.complain(&error.to_string())?;
    let (name, source) =
        script.map_or(("<script>", None), |script| (script.name.as_str(), Some(script.source.as_str())));
    findings::complain(&error.findings(), name, source, output)?;
    advice(error).map_or(Ok(()), |advice| output.complain(advice))
}

fn tell_trouble(trouble: &Trouble, output: &mut Output) -> io::Result<()> {
    let Trouble { kind, message, remedy, details } = trouble;
    if output.json {
        let error = json!({"kind": kind, "message": message, "remedy": remedy, "details": details});
        return output.json(&json!({"error": error}));
    }
    output.complain(message)?;
    output.complain(remedy)
}

/// What to do, where the error's own text does not say it.
fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::SeveralServers { .. } | Error::NoServer { wanted: Some(_), .. } => Some("choose with --instance"),
        Error::TimedOut { sent: true, .. } => {
            Some("`spindle health` tells what Blender does; --timeout gives it longer")
        }
        Error::NoServer { wanted: None, .. } => Some("`spindle start` starts one; `spindle doctor` finds out more"),
        Error::Interrupted { fate: Fate::Unknown } => Some("`spindle health` tells whether Blender is still at it"),
        Error::Interrupted { .. } => None,
        error if error.is_connection_problem() => Some("`spindle doctor` finds out why"),
        _ => None,
    }
}
