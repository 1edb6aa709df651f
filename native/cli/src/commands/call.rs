//! `spindle call`.

use std::fs;

use serde_json::Value;
use serde_json::value::RawValue;
use spindle_client::{Connection, Options};

use crate::args::Call;
use crate::failure::Failure;
use crate::output::Output;

/// Call any method; the result is JSON with or without `--json`.
pub fn call(
    connect: impl FnOnce() -> Result<Connection, Failure>,
    asked: &Call,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    let params = RawValue::from_string(asked.params.clone())
        .map_err(|error| Failure::Usage(format!("the parameters are no JSON: {error}")))?;
    let reply = connect()?.call(&asked.method, &params, &[], options)?;
    match &asked.out {
        Some(out) => fs::write(out, &reply.blob).map_err(|error| Failure::file(out, &error))?,
        None if reply.blob.is_empty() => {}
        None => output.complain(&format!("{} bytes came with the result; --out FILE keeps them", reply.blob.len()))?,
    }
    Ok(output.json(&reply.read::<Value>()?)?)
}
