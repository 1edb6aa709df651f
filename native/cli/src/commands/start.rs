//! `spindle start`.
//!
//! - [`launch`]: a Blender as a process that outlives this one, and what it writes;
//! - here: when it serves, and why it does not.

mod launch;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use spindle_client::discovery::{folder, list};
use spindle_client::{Connection, Options, Server, Settings};
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;

use self::launch::Launch;
use super::Caller;
use crate::args::Start;
use crate::blenders;
use crate::failure::{Failure, Trouble};
use crate::output::Output;
use crate::processes::is_below;

/// A Blender with many add-ons, or a large file, takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const STEP: Duration = Duration::from_millis(100);

/// Lines of Blender's output that are told when it does not serve.
const LAST_LINES: usize = 8;

/// What to do where Spindle is missing.
const INSTALL: &str = "install the extension's zip in Edit > Preferences > Add-ons > Install from Disk and switch it on, \
                       or: BLENDER --command extension install-file -r user_default --enable ZIP";

/// Start a Blender, wait until it answers, and tell which it is.
pub fn start(caller: &Caller, asked: &Start, timeout: Option<Duration>, output: &mut Output) -> Result<(), Failure> {
    let program = blenders::find(asked.blender.as_deref())?;
    if let Some(file) = asked.file.as_deref().filter(|file| !file.is_file()) {
        return Err(Failure::Usage(format!("{}: there is no such file", file.display())));
    }
    let before: Vec<String> = list(&folder()?)?.instances.into_iter().map(|instance| instance.instance).collect();
    let launch = Launch::start(&program, asked)?;
    let server = wait(caller, launch, &before, timeout.unwrap_or(PATIENCE))?;
    if output.json {
        return Ok(output.json(&json!({"server": server, "program": program.display().to_string()}))?);
    }
    Ok(output.line(&server.to_string())?)
}

fn wait(caller: &Caller, mut launch: Launch, before: &[String], patience: Duration) -> Result<Server, Failure> {
    let until = Instant::now() + patience;
    let pid = launch.pid();
    loop {
        // Asked for first: what it has left behind when it ended is no server.
        let ended = launch.ended()?;
        if let Some(status) = ended {
            return Err(failed(&launch, &format!("ended with {status}")).into());
        }
        let instances = list(&folder()?)?.instances;
        let started = |instance: &&Instance| {
            // A launcher may start Blender as a process of its own, and not every system tells whose that is.
            instance.pid == pid || (!before.contains(&instance.instance) && is_below(instance.pid, pid).unwrap_or(true))
        };
        if let Some(instance) = instances.iter().find(started) {
            return answers(caller, instance, until);
        }
        if Instant::now() >= until {
            return Err(late(&launch, patience).into());
        }
        thread::sleep(STEP);
    }
}

fn answers(caller: &Caller, instance: &Instance, until: Instant) -> Result<Server, Failure> {
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let settings = Settings { connect: left, ..caller.settings(None) };
    let mut blender = Connection::open(instance, &settings)?;
    blender.call_typed::<Ping>(&Nothing {}, &[], &Options::within(left))?;
    Ok(blender.server().clone())
}

/// Blender has ended. Two of its sentences say that it does not know Spindle, one that there is no display.
fn failed(launch: &Launch, how: &str) -> Trouble {
    let written = launch.last_lines(LAST_LINES);
    let says = |text: &str| written.iter().any(|line| line.contains(text));
    let missing =
        says("Unrecognized command: \"spindle\"") || says("\"bpy.ops.spindle.start\" error, could not be found");
    let (kind, remedy) = match () {
        () if missing => ("spindle_not_enabled", INSTALL.to_owned()),
        () if says("unable to open a display") => {
            ("start_failed", "there is no display here; --headless starts it without a window".to_owned())
        }
        () => ("start_failed", format!("all that it wrote is in {}", launch.output().display())),
    };
    let program = launch.program().display();
    let message = match missing {
        true => format!("Spindle is not installed or not enabled in {program}"),
        false => format!("{program} {how} before it served; its last words:{}", indented(&written)),
    };
    Trouble { kind, message, remedy, details: json!({"output": launch.output(), "last_lines": written}) }
}

/// It runs, and whoever started it may want to see why it does not serve.
fn late(launch: &Launch, patience: Duration) -> Trouble {
    let (pid, output, written) = (launch.pid(), launch.output(), launch.last_lines(LAST_LINES));
    let seconds = patience.as_secs_f64();
    let said = if written.is_empty() { " nothing".to_owned() } else { indented(&written) };
    Trouble {
        kind: "start_timed_out",
        message: format!("Blender (pid {pid}) has not begun to serve within {seconds} s; its last words:{said}"),
        remedy: format!(
            "it still runs, so `spindle ls` may show it soon, and --timeout waits longer; `kill {pid}` ends it; if \
             Spindle is not enabled in it: {INSTALL}; all that it wrote is in {}",
            output.display()
        ),
        details: json!({"pid": pid, "output": output, "last_lines": written}),
    }
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}
