//! `spindle check`: what the guard says of scripts, without a Blender.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use spindle_guard::{POLICY, Report};
use spindle_protocol::finding::{Level, Unreadable};
use spindle_protocol::limits::SCRIPT_BYTES;
use spindle_protocol::methods::script::{CheckResult, Verdict};

use crate::args::Check;
use crate::failure::Failure;
use crate::findings::{count, describe, marked, nth_line};
use crate::output::Output;
use crate::text::plain;

/// What a server takes unless its user has set `max_script_bytes`.
const USUAL_BYTES: usize = 100_000;

/// A file, and what would become of it.
#[derive(Serialize)]
struct Checked {
    file: String,
    /// Too long for a server to take, with the settings that most have.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_long: Option<String>,
    #[serde(flatten)]
    result: CheckResult,
    #[serde(skip)]
    source: String,
}

/// Check files; it fails where one would not run at the level `guarded`.
pub fn check(asked: &Check, output: &mut Output) -> Result<(), Failure> {
    let checked = asked.files.iter().map(|path| check_file(path)).collect::<Result<Vec<Checked>, Failure>>()?;
    if output.json {
        output.json(&checked)?;
    } else {
        checked.iter().try_for_each(|checked| show(checked, output))?;
    }
    let is = |verdict| checked.iter().any(|checked| checked.result.verdict == verdict);
    match () {
        () if is(Verdict::Unreadable) => Err(Failure::Unreadable),
        () if is(Verdict::Refused) => Err(Failure::Told),
        () => Ok(()),
    }
}

fn check_file(path: &Path) -> Result<Checked, Failure> {
    let failure = |error: io::Error| Failure::file(path, &error);
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(failure)?;
        bytes
    } else {
        fs::read(path).map_err(failure)?
    };
    let file = if path == Path::new("-") { "<stdin>".to_owned() } else { path.display().to_string() };
    let too_long = (bytes.len() > USUAL_BYTES).then(|| {
        let hint = if bytes.len() > SCRIPT_BYTES { "at most" } else { "unless max_script_bytes is set to more, up to" };
        format!("{} bytes; servers take {USUAL_BYTES}, {hint} {SCRIPT_BYTES}", bytes.len())
    });
    let (source, report) = match String::from_utf8(bytes) {
        Ok(source) if source.len() > SCRIPT_BYTES => (source, Report::default()),
        Ok(source) => {
            let report = spindle_guard::check(&source);
            (source, report)
        }
        Err(error) => not_text(error.as_bytes(), error.utf8_error().valid_up_to()),
    };
    let verdict = match &report {
        Report { unreadable: Some(_), .. } => Verdict::Unreadable,
        Report { dangerous: true, .. } => Verdict::Refused,
        _ if too_long.is_some() => Verdict::Refused,
        _ => Verdict::Runs,
    };
    let Report { findings, omitted, unreadable, .. } = report;
    let (level, policy) = (Level::Guarded, POLICY.to_owned());
    let result = CheckResult { verdict, level, policy, findings, findings_omitted: omitted, unreadable };
    Ok(Checked { file, too_long, result, source })
}

/// The report on bytes that are no UTF-8 from this offset on.
fn not_text(bytes: &[u8], offset: usize) -> (String, Report) {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32 + 1;
    let unreadable = Some(Unreadable { line, column, message: "the file is not UTF-8".to_owned() });
    (String::from_utf8_lossy(bytes).into_owned(), Report { unreadable, ..Report::default() })
}

fn show(checked: &Checked, output: &mut Output) -> io::Result<()> {
    let Checked { file, too_long, result, source } = checked;
    for finding in &result.findings {
        output.styled_line(&describe(finding, file, Some(source)))?;
    }
    let red = AnsiColor::Red.on_default();
    let file = plain(file);
    if let Some(Unreadable { line, column, message }) = &result.unreadable {
        let place = nth_line(source, *line).map_or_else(String::new, |text| marked(&text, *column, red));
        output.styled_line(format!("{file}:{line}:{column}: {}\n{place}", plain(message)).trim_end())?;
    }
    let (style, verdict) = match result.verdict {
        Verdict::Unreadable => (red, "unreadable"),
        Verdict::Refused => (red, "would be refused"),
        Verdict::Runs | Verdict::Asks => (Style::new(), "would run"),
    };
    let found = count(&result.findings, result.findings_omitted);
    let details = [Some(found).filter(|found| !found.is_empty()), too_long.clone()];
    let details = details.into_iter().flatten().map(|detail| format!("; {detail}")).collect::<String>();
    output.styled_line(&format!("{file}: {style}{verdict}{style:#}{details}"))
}
