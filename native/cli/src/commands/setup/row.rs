//! What is told of a client.

use std::io;

use anstyle::{AnsiColor, Style};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use spindle_setup::entry::program;
use spindle_setup::{Action, Binary, Error, Plan, State, Survey};

use super::Step;
use crate::output::Output;
use crate::text::plain;

/// A client as programs get it.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name on the command line.
    pub client: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Whether it seems to be on this machine.
    pub found: bool,
    /// Its configuration.
    pub config: String,
    /// What the name `blender` stands for there; none where that cannot be read.
    pub state: Option<State>,
    /// The entry, without the values of its variables.
    pub entry: Option<Value>,
    /// What is done, or would be.
    pub action: Option<Action>,
    /// What changes: lines that begin with `+`, `-`, or a blank; the latter in outline.
    pub diff: Vec<String>,
    /// Whether it was done.
    pub written: bool,
    /// Where the original is kept since.
    pub backup: Option<String>,
    /// What makes the client read its configuration again.
    pub reload: &'static str,
    /// Why nothing was done, or can be.
    #[serde(serialize_with = "told")]
    pub error: Option<Error>,
    /// What is still to be done.
    #[serde(skip)]
    pub plan: Option<Plan>,
}

fn told<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(Error::to_json).serialize(serializer)
}

impl Row {
    /// Of a step that has not been made.
    pub fn of(step: Step) -> Row {
        let Step { survey, plan } = step;
        let (plan, error) = plan.map_or_else(|error| (None, Some(error)), |plan| (Some(plan), None));
        let mut row = Row {
            client: survey.client.id,
            title: survey.client.title,
            found: false,
            config: String::new(),
            state: None,
            entry: None,
            action: plan.as_ref().map(|plan| plan.action),
            diff: plan.as_ref().map(Plan::diff).unwrap_or_default(),
            written: false,
            backup: None,
            reload: survey.client.reload,
            error,
            plan,
        };
        row.look(survey);
        row
    }

    /// Take over what is there now.
    pub fn look(&mut self, survey: Survey) {
        self.found = survey.location.found;
        self.config = survey.location.file.display().to_string();
        self.state = survey.state.ok();
        self.entry = survey.entry;
    }

    /// In the list.
    pub fn line(&self) -> [String; 4] {
        let state = match (self.state, self.entry.as_ref().and_then(program)) {
            (Some(State::Absent), _) => "not connected".to_owned(),
            (Some(State::Present), _) => "connected".to_owned(),
            (Some(State::Outdated), Some(program)) => format!("outdated: it starts {program}"),
            (Some(State::Outdated), None) => "outdated".to_owned(),
            (Some(State::Foreign), _) => "another server is named `blender`".to_owned(),
            (None, _) => self.error.as_ref().map_or("unreadable", Error::kind).replace('_', " "),
        };
        [self.client.to_owned(), self.title.to_owned(), state, self.config.clone()]
    }

    /// What was done.
    pub fn tell(&self, is_deed: bool, output: &mut Output) -> io::Result<()> {
        if let Some(error) = &self.error {
            output.complain(&format!("{}: {}", self.title, plain(&error.to_string())))?;
            return output.complain(error.remedy());
        }
        let kept =
            self.backup.as_ref().map(|path| format!("; the original is kept as {}", plain(path))).unwrap_or_default();
        let done = match self.action {
            Some(Action::Nothing) if self.state == Some(State::Present) => "is connected already".to_owned(),
            None | Some(Action::Nothing) => "is not connected".to_owned(),
            Some(_) if !is_deed => return Ok(()),
            Some(Action::Add | Action::Update | Action::Replace) => format!("is connected{kept}"),
            Some(Action::Restore) => "has its original back, byte for byte".to_owned(),
            Some(Action::Delete) => "has its configuration deleted, which had nothing but the entry".to_owned(),
            Some(Action::TakeOut) => format!("has lost the entry alone, since other things have changed there{kept}"),
        };
        output.line(&format!("{} {done}", self.title))?;
        if self.written { output.line(&format!("  next: {}", self.reload)) } else { Ok(()) }
    }
}

/// What a step would change.
pub fn show(step: &Step, output: &mut Output) -> io::Result<()> {
    let Some(plan) = step.plan.as_ref().ok().filter(|_| step.is_due()) else { return Ok(()) };
    let elsewhere = if step.survey.location.found { "" } else { " (it seems not to be on this machine)" };
    let what = match plan.action {
        Action::Delete => "is deleted, since it has nothing but the entry",
        Action::Restore => "gets its original back",
        _ if plan.is_new() => "is made",
        _ => "changes",
    };
    let target = plain(&plan.target().display().to_string());
    output.line(&format!("{}{elsewhere}: {target} {what}", step.survey.client.title))?;
    for line in plan.diff() {
        let style = match line.as_bytes().first() {
            Some(b'+') => AnsiColor::Green.on_default(),
            Some(b'-') => AnsiColor::Red.on_default(),
            _ => Style::new().dimmed(),
        };
        output.styled_line(&format!("  {style}{}{style:#}", plain(&line.replace('\t', "    "))))?;
    }
    Ok(())
}

/// The program, and whether it has just been put in its place.
pub fn binary(binary: &Binary, installed: bool) -> Value {
    json!({
        "path": binary.path.display().to_string(),
        "copy_of": binary.copy_of.as_ref().map(|path| path.display().to_string()),
        "unstable": binary.unstable,
        "is_due": binary.is_due(),
        "installed": installed,
    })
}
