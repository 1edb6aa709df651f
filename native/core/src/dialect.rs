//! What other add-ons' clients say, as requests of ours, and our replies in their words.
//!
//! None of these dialects has ids, and each has its own shape of a reply. The message itself tells which one it is. The
//! facts are from the peers' published sources: mcp-for-blender 2.2.4 and Blender's own MCP add-on 1.0.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use spindle_protocol::envelope::Incoming;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame;
use spindle_protocol::method::{self, Method};
use spindle_protocol::methods::script::{Exception, Status};
use spindle_protocol::methods::{compat, control, script};

/// A way to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `{"command": …, "data": {…}}`, answered by `{"success": …, "data": {…}, "error": …}`.
    Command,
    /// `{"type": …, "params": {…}}`, answered by `{"status": …, "result" or "message": …}`: mcp-for-blender's.
    Type,
    /// `{"type": "execute", "code": …}`, answered by `{"status": …, "result" or "message": …, "stdout": …}`: Blender's own.
    Execute,
}

/// Commands of mcp-for-blender's add-on that `compat.read` answers: those that its client sends without an account.
const READ: &[&str] = &[
    "get_addon_info",
    "get_scene_info",
    "list_scene_items",
    "get_object_info",
    "get_world_state_snapshot",
    "get_viewport_screenshot",
    "pick_viewport_object",
    "describe_node_type",
    "bpy_api_lookup",
    "export_scene",
    "drain_human_activity",
    "get_telemetry_consent",
    "set_telemetry_consent",
    "get_polyhaven_status",
    "get_hyper3d_status",
    "get_sketchfab_status",
    "get_polypizza_status",
    "get_hunyuan3d_status",
    "get_tripo_status",
    "get_meshy_status",
];

/// A method that no table has: the router refuses it like any other unknown one.
const UNKNOWN: &str = "unknown";

/// A message as a request of ours, and what is needed to answer it in kind.
#[derive(Debug)]
pub struct Asked {
    /// The JSON part of the request.
    pub request: Vec<u8>,
    /// How to answer.
    pub dialect: Dialect,
    command: String,
    is_script: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    command: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(default)]
    strict_json: Option<bool>,
}

impl Asked {
    /// Read one message, to be asked under this number. One that is of no dialect is answered in the `usual` one.
    ///
    /// # Errors
    /// When it is no JSON, or has a member of the wrong type.
    pub fn read(message: &[u8], number: u64, usual: Dialect) -> Result<Asked, serde_json::Error> {
        let text = std::str::from_utf8(message).map_err(serde_json::Error::custom)?;
        let read: Message<'_> = serde_json::from_str(text)?;
        let (asked, method, params) = read.meaning(usual);
        let id = number.to_string();
        let parts = [r#"{"jsonrpc":"2.0","id":"#, &id, r#","method":""#, method, r#"","params":"#, &params, "}"];
        Ok(Asked { request: parts.concat().into_bytes(), is_script: method == script::Run::NAME, ..asked })
    }

    fn new(dialect: Dialect, command: String) -> Asked {
        Asked { request: Vec::new(), dialect, command, is_script: false }
    }
}

impl Message<'_> {
    /// The dialect, and the method and its parameters as JSON.
    fn meaning(&self, usual: Dialect) -> (Asked, &'static str, Cow<'_, str>) {
        match (self.r#type.as_deref(), self.command.as_deref()) {
            (Some("execute"), _) if self.code.is_some() => {
                let code = self.code.map_or("", RawValue::get);
                let strict = self.strict_json.unwrap_or(false);
                let params = format!(r#"{{"code":{code},"strict_json":{strict}}}"#);
                (Asked::new(Dialect::Execute, "execute".to_owned()), compat::Execute::NAME, params.into())
            }
            (Some(name), _) => {
                let (method, params) = popular(name, object(self.params));
                (Asked::new(Dialect::Type, name.to_owned()), method, params)
            }
            (None, Some(name)) => {
                let data = object(self.data);
                let (method, params) = match method::find(name) {
                    Some(method) => (method.name, data.into()),
                    None => popular(name, data),
                };
                (Asked::new(Dialect::Command, name.to_owned()), method, params)
            }
            (None, None) => (Asked::new(usual, "none".to_owned()), UNKNOWN, "{}".into()),
        }
    }
}

/// What a command of mcp-for-blender's add-on means.
fn popular<'a>(name: &str, params: &'a str) -> (&'static str, Cow<'a, str>) {
    match name {
        "ping" => (control::Ping::NAME, "{}".into()),
        "execute_code" => (script::Run::NAME, only_code(params)),
        _ if READ.contains(&name) => {
            (compat::Read::NAME, format!(r#"{{"command":"{name}","params":{params}}}"#).into())
        }
        _ => (UNKNOWN, "{}".into()),
    }
}

/// Some clients send members that the add-on has never taken, such as `timeout`.
fn only_code(params: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Code<'a> {
        #[serde(borrow)]
        code: &'a RawValue,
    }
    // Without code they go on as they are, for their method to refuse.
    let code = serde_json::from_str::<Code<'_>>(params).ok();
    code.map_or(params.into(), |Code { code }| format!(r#"{{"code":{}}}"#, code.get()).into())
}

/// Absent and null parameters are none.
fn object(params: Option<&RawValue>) -> &str {
    params.map(RawValue::get).filter(|text| *text != "null").unwrap_or("{}")
}

/// A reply of ours in the peer's words, to what it has asked, if it has: the refusal of a whole connection is told
/// unasked. `None` for a notification, which these dialects do not have.
pub fn answer(frame: &[u8], asked: Option<&Asked>, dialect: Dialect) -> Option<Vec<u8>> {
    let (json, blob) = frame::parts(frame)?;
    let Ok(Incoming::Reply { outcome, .. }) = Incoming::parse(json) else { return None };
    let is_script = asked.is_some_and(|asked| asked.is_script);
    let said = match outcome {
        Ok(result) => succeeded(&with_blobs(result, blob), dialect, is_script),
        Err(error) => failed(&error, dialect, asked.map_or("", |asked| &asked.command)),
    };
    Some(said.into_bytes())
}

fn succeeded(result: &RawValue, dialect: Dialect, is_script: bool) -> String {
    match dialect {
        Dialect::Execute => executed(result),
        Dialect::Type if is_script => ran(result),
        Dialect::Type => format!(r#"{{"status":"success","result":{result}}}"#),
        Dialect::Command => match Ended::read(result).filter(|_| is_script).and_then(|ended| ended.fault()) {
            Some(fault) => format!(r#"{{"success":false,"data":{result},"error":{}}}"#, json!(fault)),
            None => format!(r#"{{"success":true,"data":{result}}}"#),
        },
    }
}

fn failed(error: &WireError, dialect: Dialect, command: &str) -> String {
    let text = match error.data.kind {
        Kind::MethodNotFound => format!("Unknown command type: {}", command.chars().take(100).collect::<String>()),
        _ => error.message.clone(),
    };
    let said = match dialect {
        Dialect::Command => json!({"success": false, "data": error.data, "error": text}),
        Dialect::Type => json!({"status": "error", "message": text}),
        Dialect::Execute => json!({"status": "error", "message": text, "stdout": "", "stderr": ""}),
    };
    said.to_string()
}

/// How a script ended, of the result of `script.run` or `compat.execute`.
#[derive(Deserialize)]
struct Ended {
    status: Status,
    stdout: String,
    stderr: String,
    #[serde(default)]
    stdout_omitted: u64,
    #[serde(default)]
    stderr_omitted: u64,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    exception: Option<Exception>,
}

impl Ended {
    fn read(result: &RawValue) -> Option<Ended> {
        let mut ended: Ended = serde_json::from_str(result.get()).ok()?;
        // These dialects have no other place to say so.
        for (text, omitted) in [(&mut ended.stdout, ended.stdout_omitted), (&mut ended.stderr, ended.stderr_omitted)] {
            if omitted > 0 {
                text.push_str(&format!(
                    "\n[{omitted} more characters were printed; Spindle keeps the first 256 KiB]\n"
                ));
            }
        }
        Some(ended)
    }

    /// Why it did not end well.
    fn fault(&self) -> Option<String> {
        if self.status == Status::Ok {
            return None;
        }
        let said = self.exception.as_ref().map(|exception| format!("{}: {}", exception.r#type, exception.message));
        Some(said.unwrap_or_else(|| "the script was stopped".to_owned()))
    }
}

/// The result of a script for mcp-for-blender's client, which reads a failure as JSON inside the text.
fn ran(result: &RawValue) -> String {
    let Some(ended) = Ended::read(result) else { return format!(r#"{{"status":"success","result":{result}}}"#) };
    let said = match (ended.fault(), ended.exception) {
        (None, _) => json!({"status": "success", "result": {"executed": true, "result": ended.stdout}}),
        (Some(_), Some(Exception { r#type, message, traceback, .. })) => {
            let inner = json!({"exception_type": r#type, "message": message, "traceback": traceback});
            json!({"status": "error", "message": inner.to_string()})
        }
        (Some(fault), None) => json!({"status": "error", "message": fault}),
    };
    said.to_string()
}

/// The result of a script for a client of Blender's own add-on.
fn executed(result: &RawValue) -> String {
    let Some(ended) = Ended::read(result) else { return format!(r#"{{"status":"ok","result":{result}}}"#) };
    let (fault, Ended { stdout, stderr, result, exception, .. }) = (ended.fault(), ended);
    let said = match fault {
        None => json!({"status": "ok", "result": result, "stdout": stdout, "stderr": stderr}),
        Some(fault) => {
            let message = exception.map_or(fault, |exception| exception.traceback);
            json!({"status": "error", "message": message, "stdout": stdout, "stderr": stderr})
        }
    };
    said.to_string()
}

/// These dialects have no bulk part, so what points into it gets its bytes as base64.
fn with_blobs(result: Box<RawValue>, blob: &[u8]) -> Box<RawValue> {
    if blob.is_empty() {
        return result;
    }
    let Ok(mut value) = serde_json::from_str::<Value>(result.get()) else { return result };
    inline(&mut value, blob);
    serde_json::value::to_raw_value(&value).unwrap_or(result)
}

fn inline(value: &mut Value, blob: &[u8]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| inline(item, blob)),
        Value::Object(members) => {
            if let Some(place) = members.remove("$blob") {
                let bytes = serde_json::from_value::<[usize; 2]>(place)
                    .ok()
                    .and_then(|[offset, length]| blob.get(offset..offset.checked_add(length)?));
                members.insert("base64".to_owned(), bytes.map_or(Value::Null, |bytes| STANDARD.encode(bytes).into()));
            }
            members.values_mut().for_each(|member| inline(member, blob));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What points into the bulk part of a reply gets its bytes as base64, and what points beside it nothing.
    #[test]
    fn bulk_data() {
        let asked = Asked::read(br#"{"command": "view.capture"}"#, 1, Dialect::Type).expect("JSON");
        let rows = [
            (
                json!({"image": {"$blob": [1, 3], "media_type": "image/png"}}),
                json!({"base64": "bHVl", "media_type": "image/png"}),
            ),
            (json!({"image": {"$blob": [3, 3]}}), json!({"base64": null})),
            (json!({"image": {"$blob": [usize::MAX, 3]}}), json!({"base64": null})),
            (json!({"image": {"$blob": "x"}}), json!({"base64": null})),
        ];
        for (result, expected) in rows {
            let reply = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
            let frame = frame::encode(reply.as_bytes(), b"blue").expect("small");
            let said = answer(&frame, Some(&asked), asked.dialect).expect("a reply");
            let said: Value = serde_json::from_slice(&said).expect("JSON");
            assert_eq!(said, json!({"success": true, "data": {"image": expected}}), "{result}");
        }
    }

    /// Output and progress have no words in these dialects.
    #[test]
    fn notifications_are_dropped() {
        let asked = Asked::read(br#"{"type": "ping"}"#, 1, Dialect::Command).expect("JSON");
        let news = json!({"jsonrpc": "2.0", "method": "output", "params": {"id": 1}}).to_string();
        let frame = frame::encode(news.as_bytes(), b"").expect("small");
        assert_eq!(answer(&frame, Some(&asked), asked.dialect), None);
    }
}
