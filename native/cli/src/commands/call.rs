//! `spindle call`.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;
use spindle_client::{Connection, Options};
use spindle_protocol::envelope::Cached;

use super::job;
use crate::args::Call;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

/// Call any method; the result is JSON with or without `--json`.
pub fn call(
    connect: impl FnOnce() -> Result<Connection, Failure>,
    asked: &Call,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    let params = RawValue::from_string(asked.params.clone())
        .map_err(|error| Failure::Usage(format!("the parameters are no JSON: {error}")))?;
    let options = Options { detach: asked.detach, max_age: asked.max_age, ..options.clone() };
    let reply = connect()?.call(&asked.method, &params, &[], &options)?;
    if asked.detach {
        return job::started(&reply, output);
    }
    if let Some(Cached { age_ms, moved }) = reply.cached {
        let since = if moved { "the scene has changed since" } else { "no change of the scene was reported since" };
        output.complain(&format!("a kept answer, cached {} ago; {since}", text::duration(age_ms)))?;
    }
    keep(&reply.blob, asked.out.as_deref(), output)?;
    Ok(output.json(&reply.read::<Value>()?)?)
}

/// Write the bytes that came with a result to a file, or say that there are some.
pub fn keep(blob: &[u8], out: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    match out {
        Some(out) => fs::write(out, blob).map_err(|error| Failure::file(out, &error)),
        None if blob.is_empty() => Ok(()),
        None => Ok(output.complain(&format!("{} bytes came with the result; --out FILE keeps them", blob.len()))?),
    }
}
