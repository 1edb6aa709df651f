//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand};
use serde_json::Value;
use spindle_client::Selector;

/// Drive a running Blender.
#[derive(Debug, Parser)]
#[command(name = "spindle", version, propagate_version = true, after_help = EXIT_STATUS)]
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

const EXIT_STATUS: &str = "Exit status: 0 done; 1 the script or the request failed, or Blender is unhealthy; \
                           2 no connection to Blender; 64 the command line is wrong.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the running Blenders
    Ls,
    /// Ask for a sign of life, whatever Blender does
    Ping,
    /// Tell what Blender does, how much waits, and whether all is well
    Health,
    /// Watch Blender: what it does, how busy it is, who asks, and what waits
    Top(Top),
    /// Run a Python script in Blender
    Run(Run),
    /// List the server's limits, their ranges, and where their values come from
    Limits,
    /// Describe the open scene
    Scene,
    /// Save a picture of the 3D viewport as PNG
    Shot(Shot),
    /// Call any method
    Call(Call),
    /// Look after requests that were sent with --detach
    Job(Job),
    /// Show what Blender was asked to do; needs no running Blender
    Log(Log),
}

/// A script, and its arguments.
#[derive(Debug, Group)]
#[command(after_help = "Example: spindle run -c 'len(bpy.data.objects)'")]
pub struct Run {
    /// The script's file; - reads standard input
    #[arg(required_unless_present = "code", conflicts_with = "code")]
    pub file: Option<PathBuf>,
    /// The script itself; the value of its last expression is printed
    #[arg(short = 'c', value_name = "CODE")]
    pub code: Option<String>,
    /// An entry of the script's dictionary `args`, as JSON or as plain text; may be repeated
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = key_value)]
    pub args: Vec<(String, Value)>,
    /// Print a job's id at once, and do not wait for the script; see `spindle job`
    #[arg(long)]
    pub detach: bool,
}

/// How to watch.
#[derive(Debug, Group)]
#[command(after_help = "Keys: q quits, p pauses. Where the output is no terminal, one look is printed.")]
pub struct Top {
    /// From one look to the next
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
}

/// Where the picture goes, and what it shows.
#[derive(Debug, Group)]
pub struct Shot {
    /// The file; - writes to standard output
    #[arg(default_value = "shot.png")]
    pub out: PathBuf,
    /// Pixels
    #[arg(long)]
    pub width: Option<u32>,
    /// Pixels
    #[arg(long)]
    pub height: Option<u32>,
    /// Look through the active camera
    #[arg(long)]
    pub camera: bool,
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
