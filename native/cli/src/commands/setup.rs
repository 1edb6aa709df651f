//! `spindle setup`: AI clients are connected to Blender by an entry in their own configurations.
//!
//! - [`row`]: what is told of a client, for people and for programs, such as the panel in Blender's preferences;
//! - here: which clients, the question, and the deed.

mod row;

use std::env;
use std::io::{self, IsTerminal, Write};

use serde_json::json;
use spindle_setup::document::snippet;
use spindle_setup::{Action, Binary, CLIENTS, Client, Error, Goal, Launch, Plan, State, Survey, System};

use self::row::Row;
use crate::args::Setup;
use crate::failure::{Failure, Trouble};
use crate::output::Output;
use crate::text::plain;

/// What every part of the command has.
struct Context {
    system: System,
    binary: Binary,
    launch: Launch,
}

/// A client, what is there, and what would be done.
struct Step {
    survey: Survey,
    plan: Result<Plan, Error>,
}

impl Step {
    /// Whether there is something to write.
    fn is_due(&self) -> bool {
        self.plan.as_ref().is_ok_and(|plan| plan.action != Action::Nothing)
    }
}

/// List clients, connect or disconnect some, or print what to paste.
pub fn setup(asked: &Setup, output: &mut Output) -> Result<(), Failure> {
    let context = context().map_err(trouble)?;
    if asked.clients.is_empty() && !asked.all {
        return list(&context, output);
    }
    let goal = if asked.remove { Goal::Disconnect } else { Goal::Connect { replace: asked.replace } };
    let steps: Vec<Step> = wanted(asked, &context).into_iter().map(|client| step(client, goal, &context)).collect();
    if asked.print {
        return print(asked, &steps, &context, output);
    }
    // The place is the same for all versions, so that a newer program replaces an older one there.
    let installs = !asked.remove && !steps.is_empty() && context.binary.is_due();
    let due = installs || steps.iter().any(Step::is_due);
    if !output.json {
        show(&steps, installs, &context, output)?;
    }
    if due && !asked.dry_run {
        confirm(asked, output)?;
    }
    let is_deed = due && !asked.dry_run;
    let installed = if is_deed && installs { context.binary.install().map_err(trouble)? } else { false };
    let rows: Vec<Row> = steps.into_iter().map(|step| act(step, is_deed, &context)).collect();
    tell(&rows, installed, is_deed, &context, output)
}

fn context() -> Result<Context, Error> {
    let system = System::this()?;
    let program =
        env::current_exe().map_err(|error| Error::Binary { path: "spindle".to_owned(), reason: error.to_string() })?;
    let binary = Binary::choose(&system, &program);
    Ok(Context { launch: Launch::new(&binary.path)?, system, binary })
}

fn trouble(error: Error) -> Failure {
    let (kind, remedy) = (error.kind(), error.remedy().to_owned());
    Trouble { kind, message: error.to_string(), remedy, details: json!({}) }.into()
}

/// With `--all`, those that are there; to undo, those that are connected.
fn wanted(asked: &Setup, context: &Context) -> Vec<&'static Client> {
    if !asked.all {
        return asked.named();
    }
    let surveys = CLIENTS.iter().map(|client| Survey::of(client, &context.system, &context.launch));
    let is_wanted = |survey: &Survey| match &survey.state {
        Ok(state) if asked.remove => matches!(state, State::Present | State::Outdated),
        _ => survey.location.found,
    };
    surveys.filter(is_wanted).map(|survey| survey.client).collect()
}

fn step(client: &'static Client, goal: Goal, context: &Context) -> Step {
    let survey = Survey::of(client, &context.system, &context.launch);
    let plan = Plan::new(client, &survey.location.file, goal, &context.launch);
    Step { survey, plan }
}

fn list(context: &Context, output: &mut Output) -> Result<(), Failure> {
    let goal = Goal::Connect { replace: false };
    let rows: Vec<Row> = CLIENTS.iter().map(|client| Row::of(step(client, goal, context))).collect();
    if output.json {
        return Ok(output.json(&json!({"binary": row::binary(&context.binary, false), "clients": rows}))?);
    }
    let (found, missing): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.found);
    output.table(&found.iter().map(|row| row.line()).collect::<Vec<_>>())?;
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(|row| format!("{} ({})", row.title, row.client)).collect();
        output.line(&format!("not found here: {}", missing.join(", ")))?;
    }
    output.line("")?;
    if let Some(first) = found.iter().find(|row| row.state != Some(State::Present)).or(found.first()) {
        output.line(&format!("spindle setup {:<16} connects one client, after showing what changes", first.client))?;
        output.line("spindle setup --all            connects all that are found")?;
    }
    Ok(output.line("spindle setup --print CLIENT   prints what to paste by hand")?)
}

/// What is pasted must work, so the program is put in its place for this too.
fn print(asked: &Setup, steps: &[Step], context: &Context, output: &mut Output) -> Result<(), Failure> {
    let installed = if asked.dry_run { false } else { context.binary.install().map_err(trouble)? };
    let mut printed = Vec::new();
    for Step { survey, .. } in steps {
        let text = snippet(survey.client, &context.launch).map_err(trouble)?;
        printed.push((survey, text));
    }
    if output.json {
        let told = |(survey, text): &(&Survey, String)| {
            let (client, config) = (survey.client, survey.location.file.display().to_string());
            json!({"client": client.id, "title": client.title, "config": config, "snippet": text})
        };
        let clients: Vec<_> = printed.iter().map(told).collect();
        return Ok(output.json(&json!({"binary": row::binary(&context.binary, installed), "clients": clients}))?);
    }
    if installed {
        output.complain(&format!("the program was put at {}", context.binary.path.display()))?;
    }
    for (survey, text) in printed {
        // To standard error, so that what is piped on is the text alone.
        output.complain(&format!(
            "{}: into {}",
            survey.client.title,
            plain(&survey.location.file.display().to_string())
        ))?;
        output.bytes(text.as_bytes())?;
    }
    Ok(())
}

fn show(steps: &[Step], installs: bool, context: &Context, output: &mut Output) -> io::Result<()> {
    if installs {
        let Binary { path, unstable, .. } = &context.binary;
        let place =
            unstable.map(|unstable| format!(", since it is now in {}", unstable.describe())).unwrap_or_default();
        output.line(&format!("this program is copied to {}{place}", plain(&path.display().to_string())))?;
    }
    steps.iter().try_for_each(|step| row::show(step, output))
}

/// Ask whoever sits before the terminal, unless that was answered on the command line.
fn confirm(asked: &Setup, output: &mut Output) -> Result<(), Failure> {
    if asked.yes {
        return Ok(());
    }
    let refused = |message: &str, remedy: &str| Trouble {
        kind: "not_confirmed",
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        details: json!({}),
    };
    if output.json || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(
            refused("nothing was written: there is no terminal to ask at", "--yes writes without a question").into()
        );
    }
    write!(io::stdout(), "Write this? [y/N] ")?;
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused("nothing was written", "`spindle setup --print CLIENT` prints what to paste by hand").into()),
    }
}

/// Do it, and look again.
fn act(step: Step, is_deed: bool, context: &Context) -> Row {
    let client = step.survey.client;
    let is_due = is_deed && step.is_due();
    let mut row = Row::of(step);
    let Some(plan) = row.plan.take().filter(|_| is_due) else { return row };
    row.backup = plan.backup().map(|path| path.display().to_string());
    match plan.commit() {
        Ok(()) => row.written = true,
        Err(error) => row.error = Some(error),
    }
    row.look(Survey::of(client, &context.system, &context.launch));
    row
}

fn tell(rows: &[Row], installed: bool, is_deed: bool, context: &Context, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        output.json(&json!({"binary": row::binary(&context.binary, installed), "clients": rows}))?;
    } else if rows.is_empty() {
        output.line("no client was found; `spindle setup` lists those that are known")?;
    } else {
        rows.iter().try_for_each(|row| row.tell(is_deed, output))?;
    }
    if rows.iter().any(|row| row.error.is_some()) { Err(Failure::Told) } else { Ok(()) }
}
