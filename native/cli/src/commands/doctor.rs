//! `spindle doctor`: why a connection does not work, and what to do.
//!
//! - [`instances`]: the runtime folder, and each server that has left its file there;
//! - [`surroundings`]: running Blenders, what is installed, and who has the well-known ports.

mod instances;
mod surroundings;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use spindle_client::discovery::folder;

use super::Caller;
use crate::args::Doctor;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::plain;

/// How a check has come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// All is well.
    Ok,
    /// Something is to be done.
    Problem,
    /// There was nothing to look at.
    Skipped,
}

/// Something that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    /// What was looked at.
    name: String,
    /// A stable word for what was found.
    finding: &'static str,
    state: State,
    /// What was found, for people.
    text: String,
    /// What to do about a problem, or what can be done with a port that somebody else has.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// A stable word for how whoever listens on a port speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
}

impl Check {
    fn new(name: &str, finding: &'static str, state: State, text: String) -> Check {
        Check { name: name.to_owned(), finding, state, text, remedy: None, dialect: None }
    }

    fn ok(name: &str, finding: &'static str, text: String) -> Check {
        Check::new(name, finding, State::Ok, text)
    }

    fn problem(name: &str, finding: &'static str, text: String, remedy: impl Into<String>) -> Check {
        Check { remedy: Some(remedy.into()), ..Check::new(name, finding, State::Problem, text) }
    }

    fn skipped(name: &str, text: &str) -> Check {
        Check::new(name, "skipped", State::Skipped, text.to_owned())
    }
}

/// Look at everything; problems are a failure of this command.
pub fn doctor(caller: &Caller, asked: &Doctor, output: &mut Output) -> Result<(), Failure> {
    let folder = folder()?;
    let mut checks = vec![instances::folder(&folder)];
    let servers = instances::servers(&folder, &caller.settings(None));
    let works = servers.iter().any(|server| server.check.finding == "healthy");
    let ours: Vec<u16> = servers.iter().filter(|server| server.is_spindle).map(|server| server.port).collect();
    checks.extend(servers.into_iter().map(|server| server.check));
    checks.push(surroundings::blenders(works));
    checks.push(surroundings::installed(works));
    checks.extend(asked.blender.as_deref().map(surroundings::ask_blender));
    checks.extend(surroundings::ports(asked.port, &ours));
    tell(&checks, output)?;
    if checks.iter().any(|check| check.state == State::Problem) { Err(Failure::Told) } else { Ok(()) }
}

fn tell(checks: &[Check], output: &mut Output) -> Result<(), Failure> {
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let problems = count(State::Problem);
    if output.json {
        return Ok(output.json(&serde_json::json!({"healthy": problems == 0, "checks": checks}))?);
    }
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    for Check { name, state, text, remedy, .. } in checks {
        let (word, style) = match state {
            State::Ok => ("ok", AnsiColor::Green.on_default()),
            State::Problem => ("problem", AnsiColor::Red.on_default().bold()),
            State::Skipped => ("skipped", Style::new().dimmed()),
        };
        output.styled_line(&format!("{style}{word:<7}{style:#}  {name:<width$}  {}", plain(text)))?;
        for line in remedy.iter().flat_map(|remedy| remedy.lines()) {
            output.styled_line(&format!("{:7}  {:width$}  -> {}", "", "", plain(line)))?;
        }
    }
    let verdict = match problems {
        0 => "all is well".to_owned(),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    Ok(output.line(&verdict)?)
}
