//! `spindle shot`.

use std::fs;
use std::path::Path;

use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use spindle_client::{Connection, Error, Options};
use spindle_protocol::method::Method;
use spindle_protocol::methods::view::{Capture, Picture};
use spindle_protocol::value::BlobRef;

use crate::args::Shot;
use crate::failure::Failure;
use crate::output::Output;
use crate::picture;

/// Show a picture of the 3D viewport, or save it.
pub fn shot(blender: &mut Connection, asked: &Shot, options: &Options, output: &mut Output) -> Result<(), Failure> {
    // Only what was asked for goes in; the server has the defaults and checks the ranges.
    let mut params = Map::new();
    params.extend(asked.width.map(|width| ("width".to_owned(), json!(width))));
    params.extend(asked.height.map(|height| ("height".to_owned(), json!(height))));
    params.extend(asked.camera.then(|| ("from".to_owned(), json!("camera"))));
    let params = to_raw_value(&Value::Object(params)).map_err(|error| Error::Invalid(error.to_string()))?;
    let reply = blender.call(Capture::NAME, &params, &[], options)?;
    let Picture { image, width, height, source } = reply.read()?;
    let png = bytes(&image, &reply.blob)?;
    // What a terminal cannot be shown after all is saved.
    let shown = picture::manner().filter(|_| asked.out.is_none() && !output.json);
    if let Some(shown) = shown.and_then(|manner| picture::encode(png, manner).ok()) {
        return Ok(output.bytes(shown.as_bytes())?);
    }
    let out = asked.out.as_deref().unwrap_or(Path::new("shot.png"));
    if !save(png, out, output)? {
        return Ok(());
    }
    if output.json {
        let file = out.display().to_string();
        return Ok(output.json(&json!({"file": file, "width": width, "height": height, "source": source}))?);
    }
    Ok(output.line(&format!("{}: {width} x {height}, {source}", out.display()))?)
}

/// A picture's bytes in those that came with a result.
pub fn bytes<'a>(image: &BlobRef, blob: &'a [u8]) -> Result<&'a [u8], Error> {
    image.slice(blob).ok_or_else(|| Error::Malformed {
        reason: "the picture lies outside the reply's bytes".to_owned(),
        shown: format!("{:?}", image.range),
    })
}

/// Write a picture to a file, or to standard output, where nothing else may be written then; whether it was a file.
pub fn save(png: &[u8], out: &Path, output: &mut Output) -> Result<bool, Failure> {
    if out == Path::new("-") {
        output.bytes(png)?;
        return Ok(false);
    }
    fs::write(out, png).map_err(|error| Failure::file(out, &error))?;
    Ok(true)
}
