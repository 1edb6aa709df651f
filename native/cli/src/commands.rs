//! Each command asks the server, and hands the answer to the output.

mod call;
mod check;
mod doctor;
mod get;
mod health;
mod job;
mod limits;
mod log;
mod ls;
mod manual;
mod mcp;
mod objects;
mod ping;
mod render;
mod run;
mod scene;
mod setup;
mod shot;
mod start;
mod stop;
mod top;

use spindle_client::{Connection, Interrupt, Options, Selector, Settings, find};

use crate::args::{Args, Command};
use crate::failure::Failure;
use crate::output::Output;
use crate::signals;

/// Do what was asked.
pub fn run(args: Args, output: &mut Output) -> Result<(), Failure> {
    let timeout = args.timeout;
    let options = Options { timeout, ..Options::default() };
    let caller = Caller { wanted: args.instance, client_id: args.client_id };
    let connect = || caller.connect(None);
    match args.command {
        Command::Ls => ls::ls(&caller, timeout, output),
        Command::Start(asked) => start::start(&caller, &asked, timeout, output),
        Command::Stop(asked) => stop::stop(&caller, &asked, timeout, output),
        Command::Doctor(asked) => doctor::doctor(&caller, &asked, output),
        Command::Ping => ping::ping(&mut connect()?, &options, output),
        Command::Health => health::health(&mut connect()?, &options, output),
        Command::Top(asked) => top::top(caller.wanted, &asked, &options, output),
        Command::Run(asked) => run::run(&caller, asked, options, output),
        Command::Check(asked) => check::check(&asked, output),
        Command::Limits => limits::limits(&mut connect()?, &options, output),
        Command::Scene => scene::scene(&mut connect()?, &options, output),
        Command::Objects(asked) => objects::objects(&mut connect()?, asked, &options, output),
        Command::Get(asked) => get::get(&mut connect()?, &asked, &options, output),
        Command::Shot(asked) => shot::shot(&mut connect()?, &asked, &options, output),
        Command::Render(asked) => render::render(&caller, &asked, &options, output),
        Command::Job(asked) => job::job(&mut connect()?, &asked.command, &options, output),
        Command::Log(asked) => log::log(&asked, output),
        Command::Mcp(asked) => mcp::mcp(&caller, &asked, output),
        Command::Setup(asked) => setup::setup(&asked, output),
        Command::Call(asked) => call::call(connect, &asked, &options, output),
        Command::Completions { shell } => manual::completions(shell, output),
        Command::Man { dir } => manual::man(dir.as_deref(), output),
    }
}

/// Which Blender is asked, and by whom.
struct Caller {
    wanted: Option<Selector>,
    client_id: String,
}

impl Caller {
    /// How this command connects; waits end early where `interrupt` says so.
    fn settings(&self, interrupt: Option<Interrupt>) -> Settings {
        Settings {
            name: "spindle command".to_owned(),
            client_id: Some(self.client_id.clone()),
            interrupt,
            ..Settings::default()
        }
    }

    /// Connect; waits end early upon Ctrl-C, and where `interrupt` says so.
    fn connect(&self, interrupt: Option<Interrupt>) -> Result<Connection, Failure> {
        let settings = self.settings(Some(signals::interrupt(interrupt)?));
        Ok(Connection::open(&find(self.wanted.as_ref())?, &settings)?)
    }
}
