//! `spindle job`.

use std::time::{Duration, Instant};

use serde_json::from_value;
use spindle_client::{Connection, Error, Notice, Options, Reply};
use spindle_protocol::limits::JOB_WAIT_MS;
use spindle_protocol::method::Method;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::CancelOutcome;
use spindle_protocol::methods::job::{self, Detached, Job, JobParams, JobReport, JobState, WaitParams};
use spindle_protocol::methods::script::{self, RunResult};
use spindle_protocol::value::{Count, Text};

use super::{call, run};
use crate::args::{JobCommand, JobResult};
use crate::failure::Failure;
use crate::live::{Live, Show, Shown};
use crate::output::Output;
use crate::text;

/// What is done about jobs.
pub fn job(
    blender: &mut Connection,
    command: &JobCommand,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        JobCommand::Ls => list(blender, options, output),
        JobCommand::Get(asked) => {
            let (report, blob) = blender.call_typed::<job::Get>(&params(&asked.id), &[], options)?;
            tell(report, &blob, asked, output)
        }
        JobCommand::Wait(asked) => {
            let live = Live::start(if output.json { Show::Nothing } else { Show::Progress });
            // A wait is told what comes; how far the job has come already shows at once.
            let (now, _) = blender.call_typed::<job::Get>(&params(&asked.id), &[], &Options::default())?;
            now.job.progress.into_iter().for_each(|progress| live.listener().0(&Notice::Progress(progress)));
            let waited = wait(blender, &asked.id, options.timeout, &live);
            live.finish()?;
            let (report, blob) = waited?;
            let ended = has_ended(&report);
            tell(report, &blob, asked, output)?;
            // A job that goes on is not what was waited for.
            if ended { Ok(()) } else { Err(Failure::Told) }
        }
        JobCommand::Cancel { id } => cancel(blender, id, options, output),
    }
}

/// Print the id of a job that was started.
pub fn started(reply: &Reply, output: &mut Output) -> Result<(), Failure> {
    let detached: Detached = reply.read()?;
    if output.json {
        return Ok(output.json(&detached)?);
    }
    Ok(output.line(&detached.job)?)
}

fn params(id: &str) -> JobParams {
    JobParams { job: Text(id.to_owned()) }
}

fn list(blender: &mut Connection, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let (list, _) = blender.call_typed::<job::ListAll>(&Nothing {}, &[], options)?;
    if output.json {
        return Ok(output.json(&list)?);
    }
    Ok(table(&list.jobs, output)?)
}

fn table<'a>(jobs: impl IntoIterator<Item = &'a Job>, output: &mut Output) -> std::io::Result<()> {
    let heading = ["JOB", "REQUEST", "STATE", "AGE", "PROGRESS"].map(str::to_owned);
    let row = |job: &Job| {
        let state = match job.state {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
        };
        let progress = job.progress.as_ref().map(text::progress).unwrap_or_default();
        let request = text::request(&job.method, &job.label);
        [job.job.clone(), request, state.to_owned(), text::duration(job.age_ms), progress]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(jobs.into_iter().map(row)).collect();
    output.table(&rows)
}

/// Wait for a job's end, or for as long as was asked. One `job.wait` has a longest time, so it may take several.
fn wait(
    blender: &mut Connection,
    id: &str,
    timeout: Option<Duration>,
    live: &Live,
) -> Result<(JobReport, Vec<u8>), Error> {
    let start = Instant::now();
    loop {
        let left = timeout.map_or(Duration::MAX, |timeout| timeout.saturating_sub(start.elapsed()));
        let slice = left.min(Duration::from_millis(JOB_WAIT_MS));
        let params = WaitParams { job: Text(id.to_owned()), timeout_ms: Count(slice.as_millis() as i64) };
        let within = Options::within(slice.max(Duration::from_millis(1)));
        let options = Options { listener: Some(live.listener()), ..within };
        let (report, blob) = blender.call_typed::<job::Wait>(&params, &[], &options)?;
        if has_ended(&report) || slice == left {
            return Ok((report, blob));
        }
    }
}

/// Whether the outcome is there; a job may be done a moment before.
fn has_ended(report: &JobReport) -> bool {
    report.error.is_some() || !report.result.is_null()
}

/// Tell how far a job has come, or, once it has ended, print what the command itself would have printed.
fn tell(report: JobReport, blob: &[u8], asked: &JobResult, output: &mut Output) -> Result<(), Failure> {
    let ended = has_ended(&report);
    let is_script = report.job.method == script::Run::NAME;
    let failed = report.error.is_some() || (ended && is_script && report.result["status"] != "ok");
    if ended && report.error.is_none() {
        call::keep(blob, asked.out.as_deref(), output)?;
    }
    match report {
        _ if output.json => output.json(&report)?,
        _ if !ended => table([&report.job], output)?,
        JobReport { error: Some(error), .. } => return Err(Error::Server(Box::new(error)).into()),
        JobReport { result, .. } if is_script => {
            let shown = text::head(&result.to_string(), 100);
            let result: RunResult =
                from_value(result).map_err(|error| Error::Malformed { reason: error.to_string(), shown })?;
            run::show(&result, None, &Shown::default(), true, output)?;
        }
        JobReport { result, .. } => output.json(&result)?,
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn cancel(blender: &mut Connection, id: &str, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let (cancelled, _) = blender.call_typed::<job::Cancel>(&params(id), &[], options)?;
    let told = match cancelled.outcome {
        CancelOutcome::Dequeued => "cancelled before it started",
        CancelOutcome::Interrupting => "told to stop",
        CancelOutcome::NotInterruptible => "it runs, and cannot be stopped",
        CancelOutcome::Finished => "it has ended already",
    };
    if output.json {
        output.json(&cancelled)?;
    } else {
        output.line(&format!("{}: {told}", text::plain(id)))?;
    }
    if cancelled.outcome == CancelOutcome::NotInterruptible { Err(Failure::Told) } else { Ok(()) }
}
