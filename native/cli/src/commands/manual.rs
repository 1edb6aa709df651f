//! `spindle completions` and `spindle man`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Output;

/// Print a script that completes commands.
pub fn completions(shell: Shell, output: &mut Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "spindle", &mut script);
    Ok(output.bytes(&script)?)
}

/// Print the manual page, or write one for each command into a folder.
pub fn man(dir: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return Ok(output.bytes(&page)?);
    };
    let failure = |error| Failure::file(dir, &error);
    fs::create_dir_all(dir).map_err(failure)?;
    clap_mangen::generate_to(Args::command(), dir).map_err(failure)
}
