//! Who listens on a port, when it is not the Spindle that was meant: what it says by itself, and how it answers the
//! questions that servers of other kinds understand. Nothing that is asked changes anything.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::text::{head, plain};

/// How long an answer may take. Add-ons that look at their socket once a second are asked last.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a server that speaks first may take to do so.
const GREETING: Duration = Duration::from_millis(300);

/// As much of an answer as is looked at.
const HEARD_BYTES: usize = 4096;

/// Columns of what was heard that are told.
const SHOWN: usize = 60;

/// A listener, by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody listens.
    Nobody,
    /// It listens, and answers nothing that was asked.
    Silent,
    /// A Spindle.
    Spindle,
    /// A web server, and what it says it is.
    Http(String),
    /// An add-on that speaks JSON without frames: blender-mcp, also known as mcp-for-blender, or one made after it.
    BlenderMcp,
    /// Blender Lab's MCP add-on, whose JSON ends with a zero.
    BlenderLab,
    /// An add-on that speaks JSON lines.
    JsonLines,
    /// Something else, and how it begins.
    Other(String),
}

impl Peer {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Peer::Nobody => "nobody".to_owned(),
            Peer::Silent => "somebody who answers nothing".to_owned(),
            Peer::Spindle => "a Spindle".to_owned(),
            Peer::Http(server) if server.is_empty() => "a web server".to_owned(),
            Peer::Http(server) => format!("a web server, {server}"),
            Peer::BlenderMcp => "the add-on blender-mcp (mcp-for-blender), or one of its kind".to_owned(),
            Peer::BlenderLab => "Blender Lab's MCP add-on, or one of its kind".to_owned(),
            Peer::JsonLines => "an add-on that speaks JSON lines".to_owned(),
            Peer::Other(says) => format!("something that says {says:?}"),
        }
    }
}

/// A question, and who answers it how.
type Question = (&'static [u8], fn(&[u8]) -> Option<Peer>);

/// In this order, since a web server ends upon JSON, while the others wait for the end of what is none.
const QUESTIONS: [Question; 4] = [
    (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", http),
    (b"{\"type\": \"ping\"}", json_with_status),
    (b"{\"id\": \"1\", \"command\": \"ping\", \"capability\": \"ping\", \"params\": {}}\n", json_line),
    (b"{\"type\": \"ping\"}\0", json_with_zero),
];

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
        if let Some(peer) = reads(&answer) {
            return peer;
        }
        if heard.is_empty() {
            heard = answer;
        }
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
        let wait = if heard.is_empty() { left } else { left.min(Duration::from_millis(50)) };
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

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn other(heard: &[u8]) -> Peer {
    Peer::Other(head(&plain(&String::from_utf8_lossy(heard)), SHOWN))
}
