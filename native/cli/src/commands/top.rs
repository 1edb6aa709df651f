//! `spindle top`.
//!
//! - [`probe`]: asks Blender, and finds it again after a restart;
//! - [`board`]: what is known, as one value;
//! - [`list`]: the board's lists as text;
//! - [`view`]: the whole board as text, a pure function;
//! - [`screen`]: the terminal, its keys, and the loop.

mod board;
mod list;
mod probe;
mod screen;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use spindle_client::{Error, Options, Selector};

use self::board::Board;
use self::probe::Probe;
use crate::args::Top;
use crate::failure::Failure;
use crate::output::Output;

/// Watch Blender on a terminal; elsewhere print one look.
pub fn top(wanted: Option<Selector>, asked: &Top, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let quit = Arc::new(AtomicBool::new(false));
    let mut probe = Probe::new(wanted, options.timeout, Arc::clone(&quit));
    let first = probe.look();
    if output.json {
        return Ok(output.json(&first?)?);
    }
    if !io::stdout().is_terminal() {
        let lines = view::lines(&Board::new(Ok(first?)));
        return Ok(lines.iter().try_for_each(|line| output.line(line))?);
    }
    match first {
        Err(error) if !can_be_waited_out(&error) => Err(error.into()),
        first => screen::watch(probe, Board::new(first), asked.interval, &quit),
    }
}

/// Whether there may be an answer once Blender has started, or runs on.
fn can_be_waited_out(error: &Error) -> bool {
    use Error::{Connect, Disconnected, NoServer, TimedOut};
    matches!(error, NoServer { .. } | Connect { .. } | Disconnected { .. } | TimedOut { .. })
}
