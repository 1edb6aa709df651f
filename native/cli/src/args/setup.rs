//! What can be asked of the set-up of AI clients.

use clap::Args as Group;
use clap::builder::PossibleValuesParser;
use spindle_setup::{CLIENTS, Client};

/// Which AI clients are connected, and how.
#[derive(Debug, Group)]
#[command(
    after_help = "Examples:\n  spindle setup                 list the clients on this machine, and what to type\n  \
                        spindle setup cursor          connect Cursor, after showing what changes\n  \
                        spindle setup --all --yes     connect every client that is found, without a question\n  \
                        spindle setup --remove cursor undo that\n\n\
                        A client is connected by an entry `blender` in its own configuration, which starts `spindle \
                        mcp`. All else in that file stays as it is, and the original is kept beside it as \
                        NAME.spindle-backup. --remove brings the original back if nothing else has changed since, or \
                        else takes out the entry alone.\n\n\
                        Exit status: 0 done; 1 a client was refused, or nobody said yes; 64 the command line is wrong."
)]
pub struct Setup {
    /// The clients to connect
    #[arg(value_name = "CLIENT", group = "wanted", value_parser = ids())]
    pub clients: Vec<String>,
    /// Every client that is found on this machine
    #[arg(long, group = "wanted", conflicts_with = "clients")]
    pub all: bool,
    /// Write without a question
    #[arg(long, short, requires = "wanted")]
    pub yes: bool,
    /// Only show what would change
    #[arg(long, requires = "wanted", conflicts_with = "yes")]
    pub dry_run: bool,
    /// Give up another server that is named `blender`
    #[arg(long, requires = "wanted")]
    pub replace: bool,
    /// Undo what was done
    #[arg(long, requires = "wanted", conflicts_with = "replace")]
    pub remove: bool,
    /// Print what to paste into the configuration by hand; nothing is written there
    #[arg(long, requires = "wanted", conflicts_with_all = ["remove", "replace", "yes"])]
    pub print: bool,
}

fn ids() -> PossibleValuesParser {
    PossibleValuesParser::new(CLIENTS.iter().map(|client| client.id))
}

impl Setup {
    /// The clients that are named.
    pub fn named(&self) -> Vec<&'static Client> {
        self.clients.iter().filter_map(|id| Client::named(id)).collect()
    }
}
