//! Why a tool could not do its work, as a model is told it: what was wrong, and a way forward.

use spindle_client::{Error, Server};
use spindle_protocol::error::Started;
use spindle_protocol::finding::Finding;
use thiserror::Error as Derive;

/// What can keep a tool from its work.
#[derive(Debug, Derive)]
pub enum Failure {
    /// The arguments are wrong in themselves.
    #[error("{0}")]
    Arguments(String),
    /// Blender, or the way to it.
    #[error("{}", tell(.0))]
    Blender(Box<Error>),
    /// A picture that Blender has sent cannot be shown.
    #[error("the picture could not be made: {0}; try another size")]
    Picture(#[from] image::ImageError),
    /// A cursor that is known no more, or never was.
    #[error("the cursor {0:?} is not known any more; call the tool again without it")]
    Cursor(String),
}

impl Failure {
    /// The same where a resource was read, which has no arguments to say it in.
    pub fn of_resource(&self) -> String {
        let Failure::Blender(error) = self else { return self.to_string() };
        let Error::SeveralServers { running, .. } = &**error else { return self.to_string() };
        format!(
            "Several Blenders run:\n{}\nA resource cannot say which one is meant. Call the tool `scene` or `object` with the \
             pid, port or file name of one as `instance`.",
            list(running)
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Blender(Box::new(error))
    }
}

/// What to do where no Blender runs.
pub const NOBODY: &str = "No Blender with Spindle runs. Ask the user to open Blender and to switch Spindle on in the 3D \
viewport's sidebar (key N, tab Spindle), or to run `spindle start` in a terminal; then call this tool again. If Blender is open, \
`spindle doctor` says what is wrong.";

fn tell(error: &Error) -> String {
    match error {
        Error::NoServer { running, wanted: Some(wanted), .. } if !running.is_empty() => {
            format!("No running Blender is {wanted:?}. These run:\n{}\nPass one of them as `instance`.", list(running))
        }
        Error::NoServer { .. } => NOBODY.to_owned(),
        Error::SeveralServers { running, .. } => {
            format!("Several Blenders run:\n{}\nPass the pid, port or file name of one as `instance`.", list(running))
        }
        Error::Connect { .. } | Error::Disconnected { .. } | Error::BreakerOpen { .. } => {
            format!("{error}. Blender may be closing or starting again: look with `status`, and try again.")
        }
        Error::Interrupted { fate } if fate.started() == Started::No => format!("Cancelled; {fate}."),
        Error::Interrupted { fate } => {
            format!("Cancelled; {fate}. What had been done by then is in Blender's undo history.")
        }
        error if !error.findings().is_empty() => refused(error),
        error => error.to_string(),
    }
}

fn list(servers: &[Server]) -> String {
    servers.iter().map(|server| format!("- {server}")).collect::<Vec<_>>().join("\n")
}

/// What the guard has found, line by line, so that a model can mend its script.
fn refused(error: &Error) -> String {
    let findings: Vec<String> = error.findings().iter().map(finding).collect();
    let hint = "Nothing ran. Change these lines as told and send the script again; there is no way around the guard, and \
                only the user can change its level (in Blender's preferences, Spindle).";
    format!("The guard refused the script:\n{}\n{hint}", findings.join("\n"))
}

/// One finding in a line or two.
pub fn finding(finding: &Finding) -> String {
    let Finding { line, column, rule, excerpt, reason, remedy, .. } = finding;
    format!("- line {line}, column {column} ({rule}): {}\n  {reason} {remedy}", excerpt.trim())
}

#[cfg(test)]
mod tests {
    use spindle_client::Fate;

    use super::*;

    #[test]
    fn a_cancelled_tool_says_what_may_have_been_done() {
        for (fate, expected) in [
            (Fate::NotSent, "Cancelled; nothing ran."),
            (
                Fate::Unknown,
                "Cancelled; the request had been sent and may have run. What had been done by then is in Blender's undo history.",
            ),
        ] {
            let failure = Failure::Blender(Box::new(Error::Interrupted { fate }));
            assert_eq!(failure.to_string(), expected);
        }
    }
}
