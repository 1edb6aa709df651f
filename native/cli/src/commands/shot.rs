//! `spindle shot`.

use std::fs;
use std::path::Path;

use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use spindle_client::{Connection, Error, Options};
use spindle_protocol::method::Method;
use spindle_protocol::methods::view::{Capture, Picture};

use crate::args::Shot;
use crate::failure::Failure;
use crate::output::Output;

/// Save a picture of the 3D viewport.
pub fn shot(blender: &mut Connection, asked: &Shot, options: &Options, output: &mut Output) -> Result<(), Failure> {
    // Only what was asked for goes in; the server has the defaults and checks the ranges.
    let mut params = Map::new();
    params.extend(asked.width.map(|width| ("width".to_owned(), json!(width))));
    params.extend(asked.height.map(|height| ("height".to_owned(), json!(height))));
    params.extend(asked.camera.then(|| ("from".to_owned(), json!("camera"))));
    let params = to_raw_value(&Value::Object(params)).map_err(|error| Error::Invalid(error.to_string()))?;
    let reply = blender.call(Capture::NAME, &params, &[], options)?;
    let picture: Picture = reply.read()?;
    let png = picture.image.slice(&reply.blob).ok_or_else(|| Error::Malformed {
        reason: "the picture lies outside the reply's bytes".to_owned(),
        shown: format!("{:?}", picture.image.range),
    })?;
    if asked.out == Path::new("-") {
        return Ok(output.bytes(png)?);
    }
    fs::write(&asked.out, png).map_err(|error| Failure::file(&asked.out, &error))?;
    let Picture { width, height, source, .. } = &picture;
    if output.json {
        let file = asked.out.display().to_string();
        return Ok(output.json(&json!({"file": file, "width": width, "height": height, "source": source}))?);
    }
    Ok(output.line(&format!("{}: {width} x {height}, {source}", asked.out.display()))?)
}
