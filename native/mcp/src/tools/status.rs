//! Which Blenders run, and how they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spindle_client::{Options, Server};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Health;

use super::{Effect, Tool};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;

/// Limits that a model should know of before it runs into them.
const LIMITS: [&str; 4] = ["max_script_bytes", "script_deadline_s", "max_queued", "max_requests_per_minute"];

pub struct Status;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// Each with pid, port, file, version, state, guard level and limits
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    blenders: Vec<Value>,
    /// The version of this server
    version: &'static str,
}

impl Tool for Status {
    const NAME: &'static str = "status";
    const TITLE: &'static str = "Running Blenders";
    const DESCRIPTION: &'static str = "Which Blenders run, what each does now, how strict its guard is, its limits.";
    const EFFECT: Effect = Effect::Reads;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, _: Params) -> Result<Answer, Failure> {
        let servers = call.blenders.running()?;
        let blenders: Vec<Value> = servers.iter().map(|server| describe(call, server)).collect();
        let data = Data { blenders, version: env!("CARGO_PKG_VERSION") };
        if servers.is_empty() {
            return Ok(Answer::told(crate::failure::NOBODY.to_owned(), &data));
        }
        Ok(Answer::data(&data))
    }
}

/// A Blender as its instance file and its own answer describe it.
fn describe(call: &Call, server: &Server) -> Value {
    let mut told = json!({
        "pid": server.pid, "port": server.port, "file": server.file, "blender": server.blender,
        "spindle": server.version, "window": server.window,
    });
    let port = server.port.to_string();
    let health = call.blender(Some(&port)).and_then(|blender| {
        Ok(call.ask::<Health>(&blender, &Nothing {}, Options::within(std::time::Duration::from_secs(5)))?.result)
    });
    let own = match health {
        Ok(health) => {
            let limits: serde_json::Map<String, Value> =
                LIMITS.iter().filter_map(|name| Some(((*name).to_owned(), json!(health.limits.get(*name)?)))).collect();
            let running: Vec<_> = health.running.iter().map(|one| &one.method).collect();
            json!({
                "state": health.state, "healthy": health.healthy, "running": running, "queued": health.queued,
                "guard": health.guard, "limits": limits,
            })
        }
        Err(failure) => json!({"state": "no answer", "why": failure.to_string()}),
    };
    if let (Value::Object(told), Value::Object(own)) = (&mut told, own) {
        told.extend(own);
    }
    told
}
