//! Each command asks the server, and hands the answer to the output.

mod call;
mod health;
mod job;
mod limits;
mod log;
mod ls;
mod ping;
mod run;
mod scene;
mod shot;
mod top;

use spindle_client::{Connection, Interrupt, Options, Selector, Settings, find};

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::output::Output;

/// Do what was asked.
pub fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let options = Options { timeout: args.timeout, ..Options::default() };
    let caller = Caller { wanted: args.instance, client_id: args.client_id };
    let connect = || caller.connect(None);
    match args.command {
        Command::Ls => ls::ls(output),
        Command::Ping => ping::ping(&mut connect()?, &options, output),
        Command::Health => health::health(&mut connect()?, &options, output),
        Command::Top(asked) => top::top(caller.wanted, &asked, &options, output),
        Command::Run(asked) => run::run(&caller, asked, &options, output),
        Command::Limits => limits::limits(&mut connect()?, &options, output),
        Command::Scene => scene::scene(&mut connect()?, &options, output),
        Command::Shot(asked) => shot::shot(&mut connect()?, &asked, &options, output),
        Command::Job(asked) => job::job(&mut connect()?, &asked.command, &options, output),
        Command::Log(asked) => log::log(&asked, output),
        Command::Call(asked) => call::call(connect, &asked, &options, output),
    }
}

/// Which Blender is asked, and by whom.
struct Caller {
    wanted: Option<Selector>,
    client_id: String,
}

impl Caller {
    /// Connect; waits end early where `interrupt` says so.
    fn connect(&self, interrupt: Option<Interrupt>) -> Result<Connection, Failure> {
        let settings = Settings {
            name: "spindle command".to_owned(),
            client_id: Some(self.client_id.clone()),
            interrupt,
            ..Settings::default()
        };
        Ok(Connection::open(&find(self.wanted.as_ref())?, &settings)?)
    }
}
