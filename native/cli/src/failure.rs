//! What can go wrong, how it is told, and the exit status.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use spindle_client::Error;

use crate::output::Output;

const FAILED: u8 = 1;
const NO_CONNECTION: u8 = 2;
/// Of a command line that is wrong, as in BSD's sysexits.
pub const USAGE: u8 = 64;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The client's error.
    Client(Error),
    /// The command line names something unusable.
    Usage(String),
    /// A script did not end well, or Blender is unhealthy; the output has told how.
    Told,
    /// The terminal, or whoever reads our output, is gone.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Client(error)
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
        Failure::Client(error) => tell(error, output),
        Failure::Usage(text) => output.complain(text),
        Failure::Told | Failure::Output(_) => Ok(()),
    };
    let status = match failure {
        // As with any tool before `head`: a reader who has enough is no failure.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Failure::Client(Error::Invalid(_)) | Failure::Usage(_) => USAGE,
        Failure::Client(error) if error.is_connection_problem() => NO_CONNECTION,
        _ => FAILED,
    };
    // When even the complaint cannot be written, the status remains.
    ExitCode::from(if told.is_err() { FAILED.max(status) } else { status })
}

fn tell(error: &Error, output: &mut Output) -> io::Result<()> {
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
    advice(error).map_or(Ok(()), |advice| output.complain(advice))
}

/// What to do, where the error's own text does not say it.
fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::SeveralServers { .. } | Error::NoServer { wanted: Some(_), .. } => Some("choose with --instance"),
        Error::Connect { .. } | Error::NotSpindle { .. } | Error::WrongServer { .. } => {
            Some("`spindle ls` lists the Blenders that run")
        }
        Error::TimedOut { sent: true, .. } => {
            Some("`spindle call health` tells what Blender does; --timeout gives it longer")
        }
        _ => None,
    }
}
