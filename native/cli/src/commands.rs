//! Each command asks the server, and hands the answer to the output.

mod call;
mod ls;
mod ping;
mod run;
mod scene;
mod shot;

use spindle_client::{Connection, Options, Selector, Settings, find};

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::output::Output;

/// Do what was asked.
pub fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let options = Options { timeout: args.timeout, ..Options::default() };
    let connect = || connect(args.instance.as_ref());
    match args.command {
        Command::Ls => ls::ls(output),
        Command::Ping => ping::ping(&mut connect()?, &options, output),
        Command::Run(asked) => run::run(connect, asked, &options, output),
        Command::Scene => scene::scene(&mut connect()?, &options, output),
        Command::Shot(asked) => shot::shot(&mut connect()?, &asked, &options, output),
        Command::Call(asked) => call::call(connect, &asked, &options, output),
    }
}

fn connect(wanted: Option<&Selector>) -> Result<Connection, Failure> {
    let settings = Settings { name: "spindle command".to_owned(), ..Settings::default() };
    Ok(Connection::open(&find(wanted)?, &settings)?)
}
