//! `spindle health`.

use spindle_client::{Connection, Options};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{Health, HealthReport};

use crate::failure::Failure;
use crate::output::Output;
use crate::text::{duration, main_thread};

/// Tell how Blender is; that it is unhealthy is a failure of this command too.
pub fn health(blender: &mut Connection, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let (health, _) = blender.call_typed::<Health>(&Nothing {}, &[], options)?;
    if output.json {
        output.json(&health)?;
    } else {
        output.table(&describe(&health))?;
    }
    if health.healthy { Ok(()) } else { Err(Failure::Told) }
}

fn describe(health: &HealthReport) -> Vec<[String; 2]> {
    let window = if health.window { "with a window" } else { "headless" };
    let mut rows = vec![
        ("healthy", if health.healthy { "yes" } else { "no" }.to_owned()),
        ("main thread", main_thread(health)),
        ("requests waiting", health.queued.to_string()),
        ("requests answered", health.answered.to_string()),
        ("guard", guard(health)),
        ("clients", format!("{}, and {} connections", health.sessions, health.connections)),
        ("scene", format!("generation {}", health.generation)),
        ("Spindle", format!("{}, up {}", health.version, duration(health.uptime_ms))),
        ("Blender", format!("{}, {window}", health.blender)),
    ];
    let alerts = health.alerts.iter().map(|alert| ("alert", format!("{}: {}", alert.name, alert.text)));
    rows.splice(1..1, alerts);
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

fn guard(health: &HealthReport) -> String {
    let asking = if health.asking > 0 { format!(", {} wait for the user", health.asking) } else { String::new() };
    format!("{}{asking}; rules {}", health.guard.name(), health.policy)
}
