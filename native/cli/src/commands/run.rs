//! `spindle run`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use serde_json::value::to_raw_value;
use spindle_client::{Error, Options};
use spindle_protocol::finding::Finding;
use spindle_protocol::limits::NAME_BYTES;
use spindle_protocol::method::Method;
use spindle_protocol::methods::script::{self, RunParams, RunResult, Status};
use spindle_protocol::value::{Name, Text};

use super::{Caller, job};
use crate::args::Run;
use crate::failure::{Failure, Script};
use crate::findings::count;
use crate::live::{Live, Show, Shown};
use crate::output::Output;
use crate::traceback;

/// Run a script; what it writes goes where it would have gone, as it is written.
pub fn run(caller: &Caller, asked: Run, options: Options, output: &mut Output) -> Result<(), Failure> {
    let shows_value = asked.code.is_some();
    let (code, name) = source(asked.code, asked.file.as_deref())?;
    let args = asked.args.into_iter().collect();
    let params = RunParams { code: Text(code), args, name, checkpoint: asked.checkpoint };
    let options = Options { label: asked.label, detach: asked.detach, ..options };
    if asked.detach {
        let params = to_raw_value(&params).map_err(|error| Error::Invalid(error.to_string()))?;
        return job::started(&caller.connect(None)?.call(script::Run::NAME, &params, &[], &options)?, output);
    }
    let live = Live::start(if output.json { Show::Nothing } else { Show::All });
    let options = Options { listener: Some(live.listener()), ..options };
    let ended = caller
        .connect(Some(live.interrupt()))
        .map(|mut blender| blender.call_typed::<script::Run>(&params, &[], &options));
    // However it ends, the line of progress goes.
    let shown = live.finish()?;
    let (ended, script) = (ended?, sent(params));
    let result = match ended {
        Ok((result, _)) => result,
        Err(error) => return Err(failed(error, script, output)?),
    };
    if output.json {
        output.json(&result)?;
    } else {
        show(&result, Some(&script), &shown, shows_value, output)?;
    }
    if result.status == Status::Ok { Ok(()) } else { Err(Failure::Told) }
}

/// A failure, with the script's lines that it is about.
fn failed(error: Error, script: Script, output: &mut Output) -> io::Result<Failure> {
    if !error.findings().is_empty() {
        return Ok(Failure::Refused(error, Box::new(script)));
    }
    if !output.json
        && let Error::Interrupted { fate } = &error
        && let Some(exception) = fate.script().and_then(|result| result.exception)
    {
        output.styled_error_line(&traceback::describe(&exception, Some(&script)))?;
    }
    Ok(error.into())
}

/// What was sent, for people; a script without a file has the name that Blender gives it.
fn sent(params: RunParams) -> Script {
    Script { name: params.name.map_or("<spindle>".to_owned(), |name| name.0), source: params.code.0 }
}

fn source(code: Option<String>, file: Option<&Path>) -> Result<(String, Option<Name>), Failure> {
    if let Some(code) = code {
        return Ok((code, None));
    }
    let nothing =
        || Failure::Usage("no script: name its file, give it with -c, or send it to standard input".to_owned());
    let path = file.or((!io::stdin().is_terminal()).then_some(Path::new("-"))).ok_or_else(nothing)?;
    if path == Path::new("-") {
        let mut code = String::new();
        io::stdin().read_to_string(&mut code).map_err(|error| Failure::file(path, &error))?;
        // Whoever has named nothing, and has nothing to send, has forgotten the script.
        if file.is_none() && code.trim().is_empty() {
            return Err(nothing());
        }
        return Ok((code, Some(Name("<stdin>".to_owned()))));
    }
    let code = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let name = path.display().to_string();
    // A longer name only costs the traceback its file name.
    Ok((code, Some(Name(name)).filter(|name| name.0.len() <= NAME_BYTES)))
}

/// Tell how a script ended, and of its output what was not shown while it ran. Of a job the script is not at hand.
pub fn show(
    result: &RunResult,
    script: Option<&Script>,
    shown: &Shown,
    shows_value: bool,
    output: &mut Output,
) -> io::Result<()> {
    let mut omitted = shown.omitted;
    if !shown.output {
        output.bytes(result.stdout.as_bytes())?;
        output.error_bytes(result.stderr.as_bytes())?;
        omitted = result.stdout_omitted + result.stderr_omitted;
    }
    if !result.findings.is_empty() {
        let found = count(&result.findings, 0);
        output.complain(&format!("the guard let it pass, and has found: {found} ({})", rules(&result.findings)))?;
    }
    if omitted > 0 {
        output.complain(&format!("{omitted} more characters of output were not sent"))?;
    }
    if let Some(exception) = &result.exception {
        output.styled_error_line(&traceback::describe(exception, script))?;
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

/// The rules of findings, each once.
fn rules(findings: &[Finding]) -> String {
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.into_iter().collect::<Vec<_>>().join(", ")
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
