//! `spindle ls`.

use spindle_client::Server;
use spindle_client::discovery::{folder, list};

use crate::failure::Failure;
use crate::output::Output;

/// List the running Blenders.
pub fn ls(output: &mut Output) -> Result<(), Failure> {
    let found = list(&folder()?)?;
    let servers: Vec<Server> = found.instances.iter().map(Server::from).collect();
    if output.json {
        return Ok(output.json(&servers)?);
    }
    for file in &found.ignored {
        output.complain(&format!("ignored {}: {}", file.path.display(), file.why))?;
    }
    if servers.is_empty() {
        return Ok(output.complain("no running Blender with Spindle")?);
    }
    let heading = ["PID", "PORT", "BLENDER", "WINDOW", "FILE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(servers.into_iter().map(row)).collect();
    Ok(output.table(&rows)?)
}

fn row(server: Server) -> [String; 5] {
    let window = if server.window { "yes" } else { "headless" };
    let file = if server.file.is_empty() { "(unsaved)".to_owned() } else { server.file };
    [server.pid.to_string(), server.port.to_string(), server.blender, window.to_owned(), file]
}
