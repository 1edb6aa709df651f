//! `spindle ls`.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use spindle_client::discovery::{folder, list};
use spindle_client::{Connection, Error, Options, Server, Settings};
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{Health, HealthReport, State};

use super::Caller;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

/// How long one may take to tell how it is; native code answers, whatever Blender does.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running Blender, and what it does.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    server: Server,
    /// `idle`, `busy`, `blocked`, `stopping`, `silent`, or `unknown` for what another version says.
    state: &'static str,
    /// More about it, for people.
    detail: String,
}

/// List the running Blenders; each is asked what it does, all at once.
pub fn ls(caller: &Caller, timeout: Option<Duration>, output: &mut Output) -> Result<(), Failure> {
    let found = list(&folder()?)?;
    let settings = Settings { connect: timeout.unwrap_or(PATIENCE), ..caller.settings(None) };
    let listed: Vec<Listed> = thread::scope(|scope| {
        let asked: Vec<_> = found.instances.iter().map(|instance| scope.spawn(|| look(instance, &settings))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    if output.json {
        return Ok(output.json(&listed)?);
    }
    for file in &found.ignored {
        output.complain(&format!("ignored {}: {}", file.path.display(), file.why))?;
    }
    if listed.is_empty() {
        return Ok(output.complain("no running Blender with Spindle; `spindle start` starts one")?);
    }
    let heading = ["PID", "PORT", "BLENDER", "SPINDLE", "WINDOW", "STATE", "FILE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(listed.into_iter().map(row)).collect();
    Ok(output.table(&rows)?)
}

fn look(instance: &Instance, settings: &Settings) -> Listed {
    let (state, detail) = match ask(instance, settings) {
        Ok(health) => (state(&health), text::main_thread(&health)),
        Err(error @ Error::Malformed { .. }) => ("unknown", error.to_string()),
        Err(error) => ("silent", error.to_string()),
    };
    Listed { server: Server::from(instance), state, detail }
}

fn ask(instance: &Instance, settings: &Settings) -> Result<HealthReport, Error> {
    let mut blender = Connection::open(instance, settings)?;
    Ok(blender.call_typed::<Health>(&Nothing {}, &[], &Options::within(settings.connect))?.0)
}

fn state(health: &HealthReport) -> &'static str {
    match health.state {
        State::Ready => "idle",
        State::Busy => "busy",
        State::Blocked => "blocked",
        State::Stopping => "stopping",
    }
}

fn row(Listed { server, state, detail }: Listed) -> [String; 7] {
    let window = if server.window { "yes" } else { "headless" };
    let file = if server.file.is_empty() { "(unsaved)".to_owned() } else { server.file };
    let state = match state {
        "idle" | "unknown" => state.to_owned(),
        "silent" => "no answer".to_owned(),
        _ => detail,
    };
    let [pid, port] = [server.pid.to_string(), server.port.to_string()];
    [pid, port, server.blender, server.version, window.to_owned(), state, file]
}
