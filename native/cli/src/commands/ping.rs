//! `spindle ping`.

use std::time::Instant;

use serde_json::json;
use spindle_client::{Connection, Options};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;

use crate::failure::Failure;
use crate::output::Output;

/// Ask for a sign of life, and tell how long it took.
pub fn ping(blender: &mut Connection, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let start = Instant::now();
    blender.call_typed::<Ping>(&Nothing {}, &[], options)?;
    let took_ms = start.elapsed().as_secs_f64() * 1e3;
    if output.json {
        return Ok(output.json(&json!({"server": blender.server(), "milliseconds": took_ms}))?);
    }
    Ok(output.line(&format!("{}: {took_ms:.2} ms", blender.server()))?)
}
