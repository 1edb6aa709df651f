//! `spindle stop`.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use spindle_client::discovery::{folder, renew};
use spindle_client::{Connection, Options, find};
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::scene;

use super::Caller;
use crate::args::Stop;
use crate::failure::{Failure, Trouble};
use crate::output::Output;
use crate::processes::{lives, terminate};

/// A server drains for a second, and Blender then frees its scene.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a Blender may take to tell whether its file has unsaved changes.
const ASKING: Duration = Duration::from_secs(5);

/// How often it is looked whether it has ended.
const STEP: Duration = Duration::from_millis(50);

/// Stop a Blender: by the signal that has one without a window end in order.
///
/// Only a process that has just proved to be the server is told to end, since process ids are used again.
pub fn stop(caller: &Caller, asked: &Stop, timeout: Option<Duration>, output: &mut Output) -> Result<(), Failure> {
    let instance = find(caller.wanted.as_ref())?;
    let mut blender = Connection::open(&instance, &caller.settings(None))?;
    if instance.window {
        may_end(&mut blender, asked)?;
    }
    terminate(instance.pid).map_err(|error| refused(&instance, &error.to_string()))?;
    let patience = timeout.unwrap_or(PATIENCE);
    if !has_ended(&instance, Instant::now() + patience)? {
        return Err(late(&instance, patience).into());
    }
    clean(&instance)?;
    if output.json {
        return Ok(output.json(&json!({"stopped": blender.server()}))?);
    }
    Ok(output.line(&format!("stopped: {}", blender.server()))?)
}

/// Whether a Blender with a window may be ended.
fn may_end(blender: &mut Connection, asked: &Stop) -> Result<(), Trouble> {
    let pid = blender.server().pid;
    let refuse = |kind, message, remedy: &str| {
        Err(Trouble { kind, message, remedy: remedy.to_owned(), details: json!({"pid": pid}) })
    };
    if !asked.quit {
        return refuse(
            "has_window",
            format!("Blender (pid {pid}) has a window, and belongs to whoever sits before it"),
            "press Stop Spindle in the sidebar of its 3D viewport to stop the server alone, or --quit to end Blender",
        );
    }
    if asked.discard_changes {
        return Ok(());
    }
    match blender.call_typed::<scene::Get>(&Nothing {}, &[], &Options::within(ASKING)) {
        Ok((scene, _)) if !scene.dirty => Ok(()),
        Ok(_) => refuse(
            "unsaved_changes",
            format!("the open file of Blender (pid {pid}) has unsaved changes"),
            "save it, as by `spindle call file.save`, or lose them with --discard-changes",
        ),
        Err(error) => refuse(
            "busy",
            format!("Blender (pid {pid}) does not tell whether its file has unsaved changes: {error}"),
            "try again when it is idle, or lose them with --discard-changes",
        ),
    }
}

fn has_ended(instance: &Instance, until: Instant) -> Result<bool, Failure> {
    let folder = folder()?;
    loop {
        // Where processes cannot be asked for, the file that goes is all there is.
        let ended = match lives(instance.pid) {
            Some(lives) => !lives,
            None => renew(instance, &folder)?.is_none(),
        };
        if ended || Instant::now() >= until {
            return Ok(ended);
        }
        thread::sleep(STEP);
    }
}

/// One that was ended with its window has had no time to remove its file.
fn clean(instance: &Instance) -> Result<(), Failure> {
    let path = folder()?.join(instance.file_name());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::file(&path, &error)),
        _ => Ok(()),
    }
}

fn refused(instance: &Instance, why: &str) -> Trouble {
    let pid = instance.pid;
    Trouble {
        kind: "stop_failed",
        message: format!("Blender (pid {pid}) cannot be told to end: {why}"),
        remedy: "end it by its window, or as the user to whom it belongs".to_owned(),
        details: json!({"pid": pid}),
    }
}

fn late(instance: &Instance, patience: Duration) -> Trouble {
    let pid = instance.pid;
    Trouble {
        kind: "stop_timed_out",
        message: format!("Blender (pid {pid}) was told to end, and still runs after {} s", patience.as_secs_f64()),
        remedy: format!("it ends once what it does is over; `kill -9 {pid}` ends it without order"),
        details: json!({"pid": pid}),
    }
}
