//! `spindle`: drive Blender from the command line.
//!
//! - [`args`]: what can be asked for;
//! - [`failure`]: what can go wrong, and the exit status;
//! - [`signals`]: what Ctrl-C does;
//! - [`text`]: words for people;
//! - [`output`]: where results and complaints go;
//! - [`findings`]: what the guard has found;
//! - [`traceback`]: where a script has failed;
//! - [`picture`]: pictures on a terminal;
//! - [`processes`]: what the system tells of processes;
//! - [`blenders`]: where Blender is on this machine;
//! - [`peer`]: who listens on a port;
//! - [`live`]: what a request tells while it runs;
//! - [`commands`]: each asks the server, and hands the answer to the output.

#![forbid(unsafe_code)]

mod args;
mod blenders;
mod commands;
mod failure;
mod findings;
mod live;
mod output;
mod peer;
mod picture;
mod processes;
mod signals;
mod text;
mod traceback;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::failure::{USAGE, report};
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(help) => {
            // A closed terminal leaves nobody to tell.
            help.print().ok();
            return if help.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let mut output = Output::new(args.json);
    match commands::run(args, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, &mut output),
    }
}
