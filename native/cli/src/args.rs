//! What can be asked for on the command line.
//!
//! - [`blender`]: of Blenders as processes, which start, stop, and are looked at;
//! - [`mcp`]: of the server for AI clients;
//! - [`scene`]: of what is in a scene, and of pictures of it;
//! - [`setup`]: of the set-up of AI clients.

mod blender;
mod mcp;
mod scene;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::Value;
use spindle_client::Selector;

pub use self::blender::{Doctor, Start, Stop};
pub use self::mcp::Mcp;
pub use self::scene::{FrameRange, Get, Objects, Render, Shot};
pub use self::setup::Setup;

/// Drive a running Blender.
#[derive(Debug, Parser)]
#[command(name = "spindle", version, propagate_version = true, after_help = EXAMPLES, after_long_help = LONG_HELP)]
pub struct Args {
    /// Which Blender, when several run: its process id, its port, or the name of its open file
    #[arg(long, short, global = true, value_name = "PID|PORT|FILE", env = "SPINDLE_INSTANCE")]
    pub instance: Option<Selector>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// How long the request may take, in seconds
    #[arg(long, global = true, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// As which client to ask; jobs and limits are a client's own. By default all `spindle` commands of a user are one
    #[arg(long, global = true, value_name = "ID", env = "SPINDLE_CLIENT_ID", default_value = "spindle-command")]
    pub client_id: String,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  spindle start --headless           start a Blender that serves
  spindle run -c 'bpy.ops.mesh.primitive_monkey_add()'
  spindle render --out monkey.png
  spindle stop

`spindle doctor` finds out why a connection does not work. `spindle --help` tells the exit statuses and variables.";

const LONG_HELP: &str = "\
Examples:
  spindle start --headless           start a Blender that serves
  spindle run -c 'bpy.ops.mesh.primitive_monkey_add()'
  spindle render --out monkey.png
  spindle stop

Exit status:
  0    done
  1    the script or the request failed, or Blender is unhealthy
  2    no connection to Blender: `spindle doctor` says why
  64   the command line is wrong
  130  interrupted by Ctrl-C or SIGTERM: the request was told to stop; a second one does not wait for that

Variables:
  SPINDLE_INSTANCE     the same as --instance
  SPINDLE_CLIENT_ID    the same as --client-id
  SPINDLE_BLENDER      the Blender that `start` starts
  SPINDLE_RUNTIME_DIR  where running Blenders are found
  SPINDLE_LOG_DIR      where the request log is
  NO_COLOR             no colours, whatever the terminal";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the running Blenders, and what each does
    #[command(after_help = "Example: spindle ls --json | jq '.[].port'")]
    Ls,
    /// Start a Blender that serves, and wait until it answers
    Start(Start),
    /// Stop a Blender in order
    Stop(Stop),
    /// Find out why a connection does not work, and what to do about it
    Doctor(Doctor),
    /// Ask for a sign of life, whatever Blender does
    #[command(after_help = "Example: spindle ping --instance chair.blend")]
    Ping,
    /// Tell what Blender does, how much waits, and whether all is well
    #[command(after_help = "Example: spindle health || echo 'Blender stands still'")]
    Health,
    /// Watch Blender: what it does, how busy it is, who asks, and what waits
    Top(Top),
    /// Run a Python script in Blender
    Run(Run),
    /// Tell what the guard finds in scripts, without running them; needs no running Blender
    Check(Check),
    /// List the server's limits, their ranges, and where their values come from
    #[command(after_help = "Example: spindle limits | grep script")]
    Limits,
    /// Describe the open scene
    #[command(after_help = "Example: spindle scene --json | jq .camera")]
    Scene,
    /// List the scene's objects
    Objects(Objects),
    /// Tell about an object, or read any property of any data-block
    Get(Get),
    /// Show a picture of the 3D viewport, or save it as PNG
    Shot(Shot),
    /// Render a picture or an animation into PNG files
    Render(Render),
    /// Call any method
    Call(Call),
    /// Look after requests that were sent with --detach
    Job(Job),
    /// Show what Blender was asked to do; needs no running Blender
    Log(Log),
    /// Serve an AI client over the Model Context Protocol; needs no running Blender
    Mcp(Mcp),
    /// Connect AI clients to Blender; needs no running Blender
    Setup(Setup),
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example: spindle completions bash > ~/.local/share/bash-completion/completions/spindle")]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = "Example: spindle man | man -l -, or spindle man ~/.local/share/man/man1")]
    Man {
        /// The folder for the pages
        dir: Option<PathBuf>,
    },
}

/// A script, and its arguments.
#[derive(Debug, Group)]
#[command(
    after_help = "Examples:\n  spindle run -c 'len(bpy.data.objects)'\n  spindle run build.py --arg size=2.5 --arg 'names=[\"a\", \"b\"]'\n  \
                  spindle run --timeout 30 --label 'Raise the roof' < raise.py\n\n\
                  Ctrl-C stops the script where it can be stopped, and waits 2 s for its end; a second one leaves."
)]
pub struct Run {
    /// The script's file; - reads standard input, as it is by default where that is no terminal
    #[arg(conflicts_with = "code")]
    pub file: Option<PathBuf>,
    /// The script itself; the value of its last expression is printed
    #[arg(short = 'c', value_name = "CODE")]
    pub code: Option<String>,
    /// An entry of the script's dictionary `args`, as JSON or as plain text; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = key_value)]
    pub args: Vec<(String, Value)>,
    /// What people read in the undo history, the panel and the log
    #[arg(long)]
    pub label: Option<String>,
    /// Save a copy of the open file first, to which `spindle call edit.restore` returns
    #[arg(long)]
    pub checkpoint: bool,
    /// Print a job's id at once, and do not wait for the script; see `spindle job`
    #[arg(long)]
    pub detach: bool,
}

/// Which scripts.
#[derive(Debug, Group)]
#[command(after_help = "Example: spindle check *.py\n\n\
                  Exit status: 0 every script would run at the level `guarded`; 1 one would be refused; 2 one cannot \
                        be read; 64 the command line is wrong.")]
pub struct Check {
    /// The scripts' files; - reads standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// How to watch.
#[derive(Debug, Group)]
#[command(
    after_help = "Example: spindle top --interval 5\n\nKeys: q quits, p pauses. Where the output is no terminal, one look is printed."
)]
pub struct Top {
    /// From one look to the next
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
}

/// A method and its parameters.
#[derive(Debug, Group)]
#[command(after_help = "Example: spindle call object.create '{\"kind\": \"cube\"}'\n\n\
                        `spindle call methods` lists every method with its parameters.")]
pub struct Call {
    /// Such as scene.get
    pub method: String,
    /// The parameters, a JSON object
    #[arg(default_value = "{}")]
    pub params: String,
    /// Write the bytes that come with the result to this file
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print a job's id at once, and do not wait for the result; see `spindle job`
    #[arg(long)]
    pub detach: bool,
    /// Of a method that only reads: an answer that is kept, and no older than this, will do, also while Blender is busy
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub max_age: Option<Duration>,
}

/// Requests that were sent with `--detach`.
#[derive(Debug, Group)]
#[command(after_help = "Example: job=$(spindle run --detach bake.py); spindle job wait $job\n\n\
                        Jobs belong to the client that started them, in whatever terminal; --client-id tells some \
                        apart. How long a result is kept, and how long a client is remembered that does not come \
                        again, are the limits job_ttl_s and session_ttl_s.")]
pub struct Job {
    /// What to do
    #[command(subcommand)]
    pub command: JobCommand,
}

/// What can be done about jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List the jobs
    Ls,
    /// Tell how far a job has come, or print its result once it has ended
    Get(JobResult),
    /// Wait for a job's end, at most for --timeout SECONDS, and print its result
    Wait(JobResult),
    /// Cancel a job
    Cancel {
        /// The job's id
        id: String,
    },
}

/// A job, and where its result goes.
#[derive(Debug, Group)]
pub struct JobResult {
    /// The job's id
    pub id: String,
    /// Write the bytes that come with the result to this file
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Which lines of the request log.
#[derive(Debug, Group)]
#[command(after_help = "Example: spindle log --failed -n 10")]
pub struct Log {
    /// Go on with the lines that come
    #[arg(long, short)]
    pub follow: bool,
    /// Only requests that did not end well
    #[arg(long)]
    pub failed: bool,
    /// The last so many lines
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 50)]
    pub lines: usize,
    /// The log's folder, when Spindle was told to use another one
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A thousand looks a second would show nothing more, and disturb.
fn interval(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    Some(seconds(text)?).filter(|interval| range.contains(interval)).ok_or("expected 0.1 to 3600 seconds".to_owned())
}

fn key_value(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_are_json_or_text() {
        let rows = [("a=1", json!(1)), ("a=[1, 2]", json!([1, 2])), ("a=b=c", json!("b=c")), ("a=", json!(""))];
        for (text, expected) in rows {
            assert_eq!(key_value(text).expect(text), ("a".to_owned(), expected));
        }
        key_value("a").expect_err("no value");
        seconds("-1").expect_err("no duration");
        assert_eq!(seconds("0.5").expect("a duration"), Duration::from_millis(500));
        interval("0.09").expect_err("too often");
    }
}
