//! `spindle run`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::value::to_raw_value;
use spindle_client::{Error, Options};
use spindle_protocol::limits::NAME_BYTES;
use spindle_protocol::method::Method;
use spindle_protocol::methods::script::{self, RunParams, RunResult, Status};
use spindle_protocol::value::{Name, Text};

use super::{Caller, job};
use crate::args::Run;
use crate::failure::Failure;
use crate::live::{Live, Show, Shown};
use crate::output::Output;

/// Run a script; what it writes goes where it would have gone, as it is written.
pub fn run(caller: &Caller, asked: Run, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let shows_value = asked.code.is_some();
    let (code, name) = source(asked.code, asked.file.as_deref())?;
    let params = RunParams { code: Text(code), args: asked.args.into_iter().collect(), name };
    if asked.detach {
        let params = to_raw_value(&params).map_err(|error| Error::Invalid(error.to_string()))?;
        let options = Options { detach: true, ..options.clone() };
        return job::started(&caller.connect(None)?.call(script::Run::NAME, &params, &[], &options)?, output);
    }
    let live = Live::start(if output.json { Show::Nothing } else { Show::All });
    let options = Options { listener: Some(live.listener()), ..options.clone() };
    let ended = caller.connect(Some(live.interrupt()))?.call_typed::<script::Run>(&params, &[], &options);
    let shown = live.finish()?;
    let (result, _) = ended?;
    if output.json {
        output.json(&result)?;
    } else {
        show(&result, &shown, shows_value, output)?;
    }
    if result.status == Status::Ok { Ok(()) } else { Err(Failure::Told) }
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

/// Tell how a script ended, and of its output what was not shown while it ran.
pub fn show(result: &RunResult, shown: &Shown, shows_value: bool, output: &mut Output) -> io::Result<()> {
    let mut omitted = shown.omitted;
    if !shown.output {
        output.bytes(result.stdout.as_bytes())?;
        output.error_bytes(result.stderr.as_bytes())?;
        omitted = result.stdout_omitted + result.stderr_omitted;
    }
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
        Status::Ok if shows_value && result.value_repr.is_some() => {
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
