//! Who listens on a port, when it is not the Spindle that was meant: what it says by itself, and how it answers the
//! questions that servers of other kinds understand. Add-ons for Blender share port 9876 and greet nobody, so they are
//! known by how they answer. What is asked runs no code and changes nothing, and each connection is asked one question.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::text::{head, plain};

/// How long an answer may take: some add-ons look at their socket once a second.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How long a server that speaks first may take to do so. Nothing is asked of one that does.
const GREETING: Duration = Duration::from_millis(300);

/// What follows the first words follows sooner than this.
const PAUSE: Duration = Duration::from_millis(50);

/// As much of an answer as is looked at; those that are waited for have up to 3 KiB.
const HEARD_BYTES: usize = 16 * 1024;

/// Columns of what was heard that are told.
const SHOWN: usize = 60;

/// Columns of a name or a version that are told.
const NAMED: usize = 40;

/// A listener, by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody listens.
    Nobody,
    /// It listens, and answers nothing that was asked.
    Silent,
    /// A Spindle.
    Spindle,
    /// Spindle's listener for other add-ons' clients, of this version.
    Compatibility(String),
    /// The add-on of mcp-for-blender, and what it says of itself.
    McpForBlender(String),
    /// An add-on that is asked `{"command", "data"}`, and answers `{"success", …}`.
    CommandData,
    /// An add-on whose JSON has its length before it, in four bytes.
    LengthFirst,
    /// A web server, and what it says it is.
    Http(String),
    /// An add-on that speaks JSON without frames, and does not say who it is: an early blender-mcp, or one of its kind.
    BlenderMcp,
    /// Blender Lab's MCP add-on, whose JSON ends with a zero.
    BlenderLab,
    /// An add-on that speaks JSON lines.
    JsonLines,
    /// Something else, and how it begins.
    Other(String),
}

/// What is told of a listener besides its name.
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

impl Peer {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Peer::Nobody => "nobody".to_owned(),
            Peer::Silent => "somebody who answers nothing".to_owned(),
            Peer::Spindle => "a Spindle".to_owned(),
            Peer::Compatibility(version) => {
                format!("Spindle's listener for other add-ons' clients, of Spindle {version}")
            }
            Peer::McpForBlender(says) => format!("the add-on of mcp-for-blender, {says}"),
            Peer::CommandData => "an add-on that speaks JSON of commands and data".to_owned(),
            Peer::LengthFirst => "an add-on that speaks JSON with its length before it".to_owned(),
            Peer::Http(server) if server.is_empty() => "a web server".to_owned(),
            Peer::Http(server) => format!("a web server, {server}"),
            Peer::BlenderMcp => "the add-on blender-mcp (mcp-for-blender), or one of its kind".to_owned(),
            Peer::BlenderLab => "Blender Lab's MCP add-on, or one of its kind".to_owned(),
            Peer::JsonLines => "an add-on that speaks JSON lines".to_owned(),
            Peer::Other(says) => format!("something that says {says:?}"),
        }
    }

    /// The rest, for people and programs.
    pub fn facts(&self) -> Facts {
        let facts = |word, evidence, remedy| Facts { word, evidence, remedy };
        let addon = |word, evidence| facts(word, evidence, Some(ITS_OWN_CLIENT));
        let other = |word, evidence| facts(word, evidence, Some(ANOTHER_PORT));
        match self {
            Peer::Compatibility(_) => {
                facts("spindle_compatibility", "it says so when it is asked who it is", Some(ITS_CLIENTS))
            }
            Peer::McpForBlender(_) => addon("mcp_for_blender", "it says so when it is asked who it is"),
            Peer::CommandData => addon("command_data", "it answers a command with whether it was a success"),
            Peer::LengthFirst => addon("length_first", "it answers JSON and its length with the same"),
            Peer::BlenderMcp => addon("type_params", "it answers JSON of a type with its status"),
            Peer::BlenderLab => addon("blender_lab", "it answers JSON that ends with a zero with such"),
            Peer::JsonLines => addon("json_lines", "it answers a line of JSON with another one"),
            Peer::Http(_) => other("http", "it answers HTTP"),
            Peer::Other(_) => other("unknown", "it answers as no add-on does that this command knows"),
            Peer::Silent => other("silent", "none of the questions that add-ons know was answered"),
            Peer::Spindle => facts("spindle", "it greets as a Spindle does", None),
            Peer::Nobody => facts("nobody", "no connection was taken", None),
        }
    }
}

/// A question, and who answers it how.
type Question = (&'static [u8], fn(&[u8]) -> Option<Peer>);

/// In this order: Spindle answers the first one however busy Blender is, a web server ends upon JSON, and the others wait
/// in vain for the mark that ends what they understand.
const QUESTIONS: [Question; 6] = [
    (br#"{"command": "health", "data": {}}"#, command_data),
    (br#"{"type": "get_addon_info", "params": {}}"#, addon_info),
    (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", http),
    (b"{\"type\": \"ping\"}", json_with_status),
    (b"{\"id\": \"1\", \"command\": \"ping\", \"capability\": \"ping\", \"params\": {}}\n", json_line),
    (b"{\"type\": \"ping\"}\0", json_with_zero),
];

/// Asked last, with its length before it. It is understood in some way by every add-on that wants to know the length
/// first, and none of them runs anything for it.
const PING: &[u8] = br#"{"jsonrpc": "2.0", "id": 1, "method": "ping", "type": "ping", "command": "ping", "cmd": "ping", "request_id": "1", "params": {}, "args": {}}"#;

/// Find out who listens on a port of this machine.
pub fn identify(port: u16) -> Peer {
    let greeting = match ask(port, b"", GREETING) {
        Ok(greeting) => greeting,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Peer::Nobody,
        Err(_) => Vec::new(),
    };
    if let Some(peer) = greeted(&greeting) {
        return peer;
    }
    let mut heard = Vec::new();
    for (question, reads) in QUESTIONS {
        // One that closes without a word has answered nothing either.
        let answer = ask(port, question, PATIENCE).unwrap_or_default();
        if let Some(peer) = reads(&answer).or_else(|| length_first(&answer)) {
            return peer;
        }
        if heard.is_empty() {
            heard = answer;
        }
    }
    let question = [&(PING.len() as u32).to_be_bytes(), PING].concat();
    if let Some(peer) = length_first(&ask(port, &question, PATIENCE).unwrap_or_default()) {
        return peer;
    }
    if heard.is_empty() { Peer::Silent } else { other(&heard) }
}

/// What comes on a new connection after these bytes, until it is quiet for a moment.
fn ask(port: u16, question: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut socket = TcpStream::connect_timeout(&address, patience)?;
    socket.write_all(question)?;
    let (until, mut heard) = (Instant::now() + patience, Vec::new());
    let mut chunk = [0; HEARD_BYTES];
    loop {
        // What follows the first words follows soon.
        let left = until.saturating_duration_since(Instant::now());
        let wait = if heard.is_empty() { left } else { left.min(PAUSE) };
        if wait.is_zero() {
            return Ok(heard);
        }
        socket.set_read_timeout(Some(wait))?;
        match socket.read(&mut chunk) {
            Ok(count @ 1..) if heard.len() + count <= HEARD_BYTES => heard.extend_from_slice(&chunk[..count]),
            // Its end, its silence, or more than is looked at.
            _ => return Ok(heard),
        }
    }
}

fn greeted(greeting: &[u8]) -> Option<Peer> {
    match greeting {
        [] => None,
        [0, ..] if contains(greeting, b"\"greeting\"") && contains(greeting, b"\"spindle\"") => Some(Peer::Spindle),
        _ => Some(other(greeting)),
    }
}

fn http(answer: &[u8]) -> Option<Peer> {
    let text = answer.starts_with(b"HTTP/").then(|| String::from_utf8_lossy(answer))?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let server = lines.find(|(name, _)| name.eq_ignore_ascii_case("server")).map(|(_, value)| value.trim());
    Some(Peer::Http(head(&plain(server.unwrap_or_default()), SHOWN)))
}

fn json_with_status(answer: &[u8]) -> Option<Peer> {
    let answer = answer.trim_ascii();
    (answer.starts_with(b"{") && answer.ends_with(b"}") && contains(answer, b"\"status\"")).then_some(Peer::BlenderMcp)
}

fn json_with_zero(answer: &[u8]) -> Option<Peer> {
    (answer.starts_with(b"{") && answer.ends_with(b"\0")).then_some(Peer::BlenderLab)
}

fn json_line(answer: &[u8]) -> Option<Peer> {
    (answer.starts_with(b"{") && answer.ends_with(b"}\n")).then_some(Peer::JsonLines)
}

fn addon_info(answer: &[u8]) -> Option<Peer> {
    let reply: Value = serde_json::from_slice(answer.trim_ascii()).ok()?;
    let says = &reply["result"];
    match reply["status"].as_str()? {
        "success" if says["spindle"].is_string() => Some(Peer::Compatibility(shown(&says["spindle"]))),
        "success" if says["name"] == "Spindle" => Some(Peer::Compatibility(shown(&says["addon_version"]))),
        "success" if !says["addon_version"].is_null() => {
            let [name, version, blender] =
                ["name", "addon_version", "blender_version"].map(|member| shown(&says[member]));
            Some(Peer::McpForBlender(format!("{name:?} {version} in Blender {blender}")))
        }
        // Older ones and their kind do not know the question.
        "success" | "error" => Some(Peer::BlenderMcp),
        _ => None,
    }
}

fn command_data(answer: &[u8]) -> Option<Peer> {
    let reply: Value = serde_json::from_slice(answer.trim_ascii()).ok()?;
    let says = &reply["data"];
    reply["success"].as_bool()?;
    // What only Spindle tells of its health.
    let is_ours = says["policy"].is_string() && says["guard"].is_string() && says["version"].is_string();
    Some(if is_ours { Peer::Compatibility(shown(&says["version"])) } else { Peer::CommandData })
}

/// An answer of such an add-on, if only the refusal of a text whose first letters it has taken for a length.
fn length_first(answer: &[u8]) -> Option<Peer> {
    let (length, json) = answer.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let last = length.checked_sub(1).and_then(|last| json.get(last));
    (json.first() == Some(&b'{') && last == Some(&b'}')).then_some(Peer::LengthFirst)
}

/// What a stranger says, in a few characters: a text, or the numbers of a version.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(Value::to_string).collect::<Vec<_>>().join("."),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    head(&plain(&text), NAMED)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn other(heard: &[u8]) -> Peer {
    Peer::Other(head(&plain(&String::from_utf8_lossy(heard)), SHOWN))
}
