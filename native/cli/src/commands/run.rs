//! `spindle run`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use spindle_client::{Connection, Options};
use spindle_protocol::limits::NAME_BYTES;
use spindle_protocol::methods::script::{self, RunParams, RunResult, Status};
use spindle_protocol::value::{Name, Text};

use crate::args::Run;
use crate::failure::Failure;
use crate::output::Output;

/// Run a script; what it wrote goes where it would have gone.
pub fn run(
    connect: impl FnOnce() -> Result<Connection, Failure>,
    asked: Run,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    let is_expression = asked.code.is_some();
    let (code, name) = source(asked.code, asked.file.as_deref())?;
    let params = RunParams { code: Text(code), args: asked.args.into_iter().collect(), name };
    let (result, _) = connect()?.call_typed::<script::Run>(&params, &[], options)?;
    if output.json {
        output.json(&result)?;
    } else {
        show(&result, is_expression, output)?;
    }
    if result.status == Status::Ok { Ok(()) } else { Err(Failure::Script) }
}

fn source(code: Option<String>, file: Option<&Path>) -> Result<(String, Option<Name>), Failure> {
    let Some(path) = file else { return Ok((code.unwrap_or_default(), None)) };
    if path == Path::new("-") {
        let mut code = String::new();
        io::stdin().read_to_string(&mut code).map_err(|error| Failure::file(path, &error))?;
        return Ok((code, Some(Name("<stdin>".to_owned()))));
    }
    let code = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let name = path.display().to_string();
    // A longer name only costs the traceback its file name.
    Ok((code, Some(Name(name)).filter(|name| name.0.len() <= NAME_BYTES)))
}

fn show(result: &RunResult, is_expression: bool, output: &mut Output) -> io::Result<()> {
    output.bytes(result.stdout.as_bytes())?;
    output.error_bytes(result.stderr.as_bytes())?;
    let omitted = result.stdout_omitted + result.stderr_omitted;
    if omitted > 0 {
        output.complain(&format!("{omitted} more characters of output were not sent"))?;
    }
    if let Some(exception) = &result.exception {
        output.error_bytes(exception.traceback.as_bytes())?;
        if !exception.traceback.ends_with('\n') {
            output.error_bytes(b"\n")?;
        }
    }
    match result.status {
        Status::Ok if is_expression && result.value_repr.is_some() => {
            output.line(result.value_repr.as_deref().unwrap_or_default())
        }
        Status::TimedOut => output.complain("the script's time was up, and it was stopped"),
        Status::Cancelled => output.complain("the script was cancelled"),
        Status::Ok | Status::Raised => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_a_wrong_command_line() {
        let failure = source(None, Some(Path::new("no/such/file.py"))).expect_err("missing");
        assert!(matches!(&failure, Failure::Usage(text) if text.contains("no/such/file.py")), "{failure:?}");
    }
}
