//! In which dialect a port is answered, and by which add-on, as far as that shows. Add-ons for Blender share port 9876
//! and greet nobody, so they are known by how they answer. What is asked runs no code and changes nothing, and each
//! connection is asked one question at most.
//!
//! What servers of any kind say of themselves is left to [`identify`].

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Peer, identify};
use crate::text::{head, plain};

/// How long an answer may take. Add-ons answer these questions when Blender's main thread next looks, every 50 ms.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a server that speaks first may take to do so. Nothing is asked of one that does.
const GREETING: Duration = Duration::from_millis(300);

/// What follows the first words follows sooner than this.
const PAUSE: Duration = Duration::from_millis(50);

/// As much of an answer as is looked at; those that are waited for have 1 to 3 KiB.
const HEARD_BYTES: usize = 16 * 1024;

/// Columns of a name or a version that are told.
const SHOWN: usize = 40;

/// Who answers on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Spindle's listener for other add-ons' clients, of this version.
    Compatibility(String),
    /// The add-on of mcp-for-blender, and what it says of itself.
    McpForBlender(String),
    /// An add-on that is asked `{"command", "data"}`, and answers `{"success", …}`.
    CommandData,
    /// An add-on whose JSON has its length before it, in four bytes.
    LengthFirst,
    /// As the questions that are asked of any server tell.
    Plain(Peer),
}

/// What is told of a dialect besides its name.
pub struct Facts {
    /// A stable word, for programs.
    pub word: &'static str,
    /// How it was recognised.
    pub evidence: &'static str,
    /// What can be done, where somebody else's add-on holds the port.
    pub remedy: Option<&'static str>,
}

const ITS_OWN_CLIENT: &str = "its own client works with it. For that client to drive Spindle, stop that add-on's server \
                              and switch on Compatibility in Spindle's preferences, or give Compatibility another port";

const ANOTHER_PORT: &str = "leave it, and give Compatibility in Spindle's preferences another port; or end what listens \
                            there";

const ITS_CLIENTS: &str = "connect clients of mcp-for-blender and its kind to it; `spindle` commands need no port. It has \
                           no authentication, so switch Compatibility off in Spindle's preferences when nobody needs it";

impl Dialect {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Dialect::Compatibility(version) => {
                format!("Spindle's listener for other add-ons' clients, of Spindle {version}")
            }
            Dialect::McpForBlender(says) => format!("the add-on of mcp-for-blender, {says}"),
            Dialect::CommandData => "an add-on that speaks JSON of commands and data".to_owned(),
            Dialect::LengthFirst => "an add-on that speaks JSON with its length before it".to_owned(),
            Dialect::Plain(peer) => peer.describe(),
        }
    }

    /// The rest, for people and programs.
    pub fn facts(&self) -> Facts {
        let facts = |word, evidence, remedy| Facts { word, evidence, remedy };
        let addon = |word, evidence| facts(word, evidence, Some(ITS_OWN_CLIENT));
        let other = |word, evidence| facts(word, evidence, Some(ANOTHER_PORT));
        match self {
            Dialect::Compatibility(_) => {
                facts("spindle_compatibility", "it says so when it is asked who it is", Some(ITS_CLIENTS))
            }
            Dialect::McpForBlender(_) => addon("mcp_for_blender", "it says so when it is asked who it is"),
            Dialect::CommandData => addon("command_data", "it answers a command with whether it was a success"),
            Dialect::LengthFirst => addon("length_first", "it answers JSON and its length with the same"),
            Dialect::Plain(Peer::BlenderMcp) => addon("type_params", "it answers JSON of a type with its status"),
            Dialect::Plain(Peer::BlenderLab) => addon("blender_lab", "it answers JSON that ends with a zero with such"),
            Dialect::Plain(Peer::JsonLines) => addon("json_lines", "it answers a line of JSON with another one"),
            Dialect::Plain(Peer::Http(_)) => other("http", "it answers HTTP"),
            Dialect::Plain(Peer::Other(_)) => other("unknown", "it answers as no add-on does that this command knows"),
            Dialect::Plain(Peer::Silent) => other("silent", "none of the questions that add-ons know was answered"),
            Dialect::Plain(Peer::Spindle) => facts("spindle", "it greets as a Spindle does", None),
            Dialect::Plain(Peer::Nobody) => facts("nobody", "no connection was taken", None),
        }
    }
}

/// A question, and who answers it how.
type Question = (&'static [u8], fn(&Value) -> Option<Dialect>);

/// Both are asked in JSON that ends without a mark, for which those wait in vain that want one. Spindle answers the first
/// one however busy Blender is.
const QUESTIONS: [Question; 2] = [
    (br#"{"command": "health", "data": {}}"#, command_data),
    (br#"{"type": "get_addon_info", "params": {}}"#, addon_info),
];

/// Understood in some way by every add-on that wants to know the length first; none of them runs anything for it.
const PING: &[u8] = br#"{"jsonrpc": "2.0", "id": 1, "method": "ping", "type": "ping", "command": "ping", "cmd": "ping", "request_id": "1", "params": {}, "args": {}}"#;

/// Find out who listens on a port of this machine, and how it speaks.
pub fn recognise(port: u16) -> Dialect {
    // Whether anybody listens, and who it is that speaks first, is found out there.
    let Some(mut socket) = connect(port).filter(|socket| hear(socket, GREETING).is_empty()) else {
        return Dialect::Plain(identify(port));
    };
    for (question, reads) in QUESTIONS {
        let answer = ask(&mut socket, question);
        let object = serde_json::from_slice(answer.trim_ascii()).ok();
        if let Some(dialect) = object.as_ref().and_then(reads).or_else(|| length_first(&answer)) {
            return dialect;
        }
        match connect(port) {
            Some(next) => socket = next,
            None => return Dialect::Plain(identify(port)),
        }
    }
    // This connection is of no use to a server that takes one at a time.
    drop(socket);
    match identify(port) {
        peer @ (Peer::Silent | Peer::Other(_)) => asked_with_length(port).unwrap_or(Dialect::Plain(peer)),
        peer => Dialect::Plain(peer),
    }
}

fn asked_with_length(port: u16) -> Option<Dialect> {
    let question = [&(PING.len() as u32).to_be_bytes(), PING].concat();
    length_first(&ask(&mut connect(port)?, &question))
}

fn connect(port: u16) -> Option<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE).ok()
}

/// The answer to a question. One that closes without a word has answered nothing either.
fn ask(socket: &mut TcpStream, question: &[u8]) -> Vec<u8> {
    if socket.write_all(question).is_ok() { hear(socket, PATIENCE) } else { Vec::new() }
}

/// What comes until it is quiet for a moment, or the time is over.
fn hear(mut socket: &TcpStream, patience: Duration) -> Vec<u8> {
    let (until, mut heard) = (Instant::now() + patience, Vec::new());
    let mut chunk = [0; 4096];
    while heard.len() < HEARD_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        let wait = if heard.is_empty() { left } else { left.min(PAUSE) };
        if wait.is_zero() || socket.set_read_timeout(Some(wait)).is_err() {
            break;
        }
        match socket.read(&mut chunk) {
            Ok(count @ 1..) => heard.extend_from_slice(&chunk[..count]),
            // Its end or its silence.
            _ => break,
        }
    }
    heard
}

fn addon_info(reply: &Value) -> Option<Dialect> {
    let says = &reply["result"];
    match reply["status"].as_str()? {
        "success" if says["spindle"].is_string() => Some(Dialect::Compatibility(shown(&says["spindle"]))),
        "success" if says["name"] == "Spindle" => Some(Dialect::Compatibility(shown(&says["addon_version"]))),
        "success" if !says["addon_version"].is_null() => {
            let [name, version, blender] =
                ["name", "addon_version", "blender_version"].map(|member| shown(&says[member]));
            Some(Dialect::McpForBlender(format!("{name:?} {version} in Blender {blender}")))
        }
        // Older ones and their kind do not know the question.
        "success" | "error" => Some(Dialect::Plain(Peer::BlenderMcp)),
        _ => None,
    }
}

fn command_data(reply: &Value) -> Option<Dialect> {
    let says = &reply["data"];
    reply["success"].as_bool()?;
    // What only Spindle tells of its health.
    let is_ours = says["policy"].is_string() && says["guard"].is_string() && says["version"].is_string();
    Some(if is_ours { Dialect::Compatibility(shown(&says["version"])) } else { Dialect::CommandData })
}

/// An answer of such an add-on, if only the refusal of a text whose first letters it has taken for a length.
fn length_first(answer: &[u8]) -> Option<Dialect> {
    let (length, json) = answer.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let last = length.checked_sub(1).and_then(|last| json.get(last));
    (json.first() == Some(&b'{') && last == Some(&b'}')).then_some(Dialect::LengthFirst)
}

/// What a stranger says, in a few characters: a text, or the numbers of a version.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(Value::to_string).collect::<Vec<_>>().join("."),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    head(&plain(&text), SHOWN)
}
