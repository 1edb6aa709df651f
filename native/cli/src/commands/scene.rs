//! `spindle scene`.

use spindle_client::{Connection, Options};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::scene::{Get, Scene};

use crate::failure::Failure;
use crate::output::Output;

/// Describe the open scene.
pub fn scene(blender: &mut Connection, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let (scene, _) = blender.call_typed::<Get>(&Nothing {}, &[], options)?;
    if output.json {
        output.json(&scene)?
    } else {
        output.table(&describe(&scene))?
    }
    Ok(())
}

fn describe(scene: &Scene) -> Vec<[String; 2]> {
    let file = if scene.file.is_empty() { "(unsaved)" } else { &scene.file };
    let changes = if scene.dirty { ", with unsaved changes" } else { "" };
    let objects: Vec<String> = scene.objects.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let (frames, render) = (&scene.frames, &scene.render);
    let none = || "(none)".to_owned();
    let rows = [
        ("scene", scene.name.clone()),
        ("file", format!("{file}{changes}")),
        ("mode", scene.mode.clone()),
        ("objects", if objects.is_empty() { none() } else { objects.join(", ") }),
        ("active", scene.active_object.clone().unwrap_or_else(none)),
        ("selected", if scene.selected.is_empty() { none() } else { scene.selected.join(", ") }),
        ("camera", scene.camera.clone().unwrap_or_else(none)),
        ("frames", format!("{} of {} to {}, {} per second", frames.current, frames.start, frames.end, frames.fps)),
        ("render", format!("{}, {} x {}, {} %", render.engine, render.width, render.height, render.percentage)),
        ("units", format!("{}, {} m each", scene.unit_system, scene.unit_scale)),
    ];
    rows.map(|(name, value)| [name.to_owned(), value]).to_vec()
}
