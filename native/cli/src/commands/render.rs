//! `spindle render`.

use std::path::{Path, absolute};

use serde::Serialize;
use serde_json::json;
use serde_json::value::to_raw_value;
use spindle_client::{Error, Options, Reply};
use spindle_protocol::method::Method;
use spindle_protocol::methods::render::{Animation, AnimationParams, Image, ImageParams, Rendered, RenderedAnimation};
use spindle_protocol::value::{Count, FilePath, Name};

use super::{Caller, job, shot};
use crate::args::{FrameRange, Render};
use crate::failure::Failure;
use crate::live::{Live, Show};
use crate::output::Output;

/// Render, with a bar on a terminal.
pub fn render(caller: &Caller, asked: &Render, options: &Options, output: &mut Output) -> Result<(), Failure> {
    match asked.frames {
        None => image(caller, asked, options, output),
        Some(frames) => animation(caller, asked, frames, options, output),
    }
}

fn image(caller: &Caller, asked: &Render, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let params = ImageParams {
        engine: asked.engine.map(Into::into),
        width: count(asked.width),
        height: count(asked.height),
        samples: count(asked.samples),
        camera: asked.camera.clone().map(Name),
        frame: asked.frame.map(Count),
        path: None,
    };
    let Some(reply) = ask::<Image>(caller, &params, asked.detach, options, output)? else { return Ok(()) };
    let Rendered { image, width, height, engine, seconds, .. } = reply.read()?;
    let missing = || Error::Malformed { reason: "the picture is missing".to_owned(), shown: reply.result.to_string() };
    let png = shot::bytes(&image.ok_or_else(missing)?, &reply.blob)?;
    let out = asked.out.as_deref().unwrap_or(Path::new("render.png"));
    if !shot::save(png, out, output)? {
        return Ok(());
    }
    if output.json {
        let file = out.display().to_string();
        let told = json!({"file": file, "width": width, "height": height, "engine": engine, "seconds": seconds});
        return Ok(output.json(&told)?);
    }
    Ok(output.line(&format!("{}: {width} x {height}, {engine}, {seconds:.1} s", out.display()))?)
}

fn animation(
    caller: &Caller,
    asked: &Render,
    frames: FrameRange,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    let out = asked.out.as_deref().unwrap_or(Path::new("frames"));
    // Blender has a working folder of its own.
    let folder = absolute(out).map_err(|error| Failure::file(out, &error))?.display().to_string();
    let [first, last] = match frames {
        FrameRange::All => [None, None],
        FrameRange::Between(first, last) => [first, last].map(|frame| Some(Count(frame))),
    };
    let params = AnimationParams {
        folder: FilePath(folder.clone()),
        prefix: None,
        frame_start: first,
        frame_end: last,
        frame_step: count(asked.step),
        engine: asked.engine.map(Into::into),
        width: count(asked.width),
        height: count(asked.height),
        samples: count(asked.samples),
        camera: asked.camera.clone().map(Name),
    };
    let Some(reply) = ask::<Animation>(caller, &params, asked.detach, options, output)? else { return Ok(()) };
    let rendered: RenderedAnimation = reply.read()?;
    if output.json {
        return Ok(output.json(&rendered)?);
    }
    let RenderedAnimation { files, width, height, engine, seconds } = rendered;
    let text = format!("{folder}: {} frames, {width} x {height}, {engine}, {seconds:.1} s", files.len());
    Ok(output.line(&text)?)
}

/// The reply, unless a job's id was all that was asked for.
fn ask<M: Method>(
    caller: &Caller,
    params: &impl Serialize,
    detach: bool,
    options: &Options,
    output: &mut Output,
) -> Result<Option<Reply>, Failure> {
    let params = to_raw_value(params).map_err(|error| Error::Invalid(error.to_string()))?;
    if detach {
        let options = Options { detach, ..options.clone() };
        return job::started(&caller.connect(None)?.call(M::NAME, &params, &[], &options)?, output).map(|()| None);
    }
    let live = Live::start(if output.json { Show::Nothing } else { Show::Progress });
    let options = Options { listener: Some(live.listener()), ..options.clone() };
    let ended = caller
        .connect(Some(live.interrupt()))
        .and_then(|mut blender| Ok(blender.call(M::NAME, &params, &[], &options)?));
    live.finish()?;
    Ok(Some(ended?))
}

/// The server checks the range.
fn count<const LEAST: i64, const MOST: i64>(number: Option<u32>) -> Option<Count<LEAST, MOST>> {
    number.map(|number| Count(i64::from(number)))
}
