//! A server for the protocol's own conformance suite, which calls tools, resources and prompts by names of its own. It is
//! Spindle's server, with these beside it, behind the same HTTP; only no token is asked for. `scripts/conformance` runs it.
//!
//!   cargo run -p spindle-mcp --example conformance [PORT]
//!
//! It prints its URL as a line of JSON, and serves until its standard input ends. No Blender is looked for.
//!
//! - `fixtures`: the protocol's requests to these and to Spindle's own;
//! - `results`: what never changes: what tools and prompts answer, and how they are listed;
//! - `asking`: tools that ask the client while they run, as revisions before 2026-07-28 do;
//! - `rounds`: tools that ask the client by ending with questions, as 2026-07-28 does;
//! - `tasks`: tools that go on in the background.

mod asking;
mod fixtures;
mod results;
mod rounds;
mod tasks;

use std::io::{self, Write};
use std::thread;

use spindle_client::ClientSettings;
use spindle_mcp::SpindleServer;
use spindle_mcp::http::limits::Limits;
use spindle_mcp::http::{HttpServer, Stop};

use crate::fixtures::Fixtures;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let nobody = tempfile::tempdir()?;
    let settings = ClientSettings { runtime_dir: Some(nobody.path().to_owned()), ..ClientSettings::default() };
    let server = HttpServer::bind(port, None, Limits::default())?;
    let stop = Stop::default();
    writeln!(io::stdout(), "{}", serde_json::json!({"url": server.url()}))?;
    let input = stop.clone();
    thread::spawn(move || {
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        input.ask();
    });
    let fixtures = Fixtures::new(SpindleServer::new(settings));
    Ok(spindle_mcp::stdio::runtime()?.block_on(server.run(fixtures, &stop))?)
}
