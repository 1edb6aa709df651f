//! What can be asked of Blenders as processes.

use std::path::PathBuf;

use clap::Args as Group;

/// Which Blender is started, and how.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle start                                a window with a new scene\n  \
                        spindle start --headless --file chair.blend  no window; for servers and pipelines\n\n\
                        Blender runs on when the terminal is closed; `spindle stop` ends it. It needs the Spindle \
                        extension installed and enabled. The first of these is started: --blender, $SPINDLE_BLENDER, \
                        `blender` on PATH, the newest in the system's usual places.")]
pub struct Start {
    /// The .blend file to open
    #[arg(long, short, value_name = "BLEND")]
    pub file: Option<PathBuf>,
    /// Blender's program
    #[arg(long, value_name = "PATH", env = "SPINDLE_BLENDER")]
    pub blender: Option<PathBuf>,
    /// Without a window
    #[arg(long)]
    pub headless: bool,
    /// The TCP port to prefer; 0 lets the system choose. Clients need not know it
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
}

/// How a Blender is stopped.
#[derive(Debug, Group)]
#[command(after_help = "Examples:\n  spindle stop\n  spindle stop --instance chair.blend --quit\n\n\
                        A Blender without a window is told to end, as by `kill`: what waits is refused, what runs is \
                        stopped, and unsaved changes are lost, as in any batch work. A window belongs to whoever sits \
                        before it, so it is only ended with --quit, and with unsaved changes only with \
                        --discard-changes too. To stop the server alone, press Stop Spindle in the window's sidebar.")]
pub struct Stop {
    /// End a Blender that has a window, too
    #[arg(long)]
    pub quit: bool,
    /// End it although its open file has unsaved changes, or although that cannot be found out
    #[arg(long, requires = "quit")]
    pub discard_changes: bool,
}

/// What is looked at.
#[derive(Debug, Group)]
#[command(
    after_help = "Examples:\n  spindle doctor\n  spindle doctor --json | jq '.checks[] | select(.state == \"problem\")'\n\n\
                        Exit status: 0 all is well; 1 there are problems, each with what to do about it."
)]
pub struct Doctor {
    /// Start this Blender for a moment, without a window, and ask it whether Spindle is enabled in it
    #[arg(long, value_name = "PATH")]
    pub blender: Option<PathBuf>,
    /// Find out who listens on this port, too, besides 27182 and 9876
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
}
