//! A server on a port of its own, and a client that sends bytes as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rmcp::ServerHandler;
use serde_json::{Value, json};
use spindle_client::ClientSettings;
use spindle_mcp::SpindleServer;
use spindle_mcp::http::limits::Limits;
use spindle_mcp::http::{HttpServer, Stop};
use spindle_mcp::token::Token;
use tempfile::TempDir;

/// Longer than anything here takes, so that a hang is a failure.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that a test need not wait long for.
pub fn small() -> Limits {
    Limits {
        connections: 4,
        sessions: 2,
        header_bytes: 8 * 1024,
        header_time: Duration::from_millis(600),
        body_bytes: 100_000,
        body_time: Duration::from_millis(600),
        farewell: Duration::from_millis(1500),
        ..Limits::default()
    }
}

/// A server that runs.
pub struct Server {
    pub port: u16,
    pub token: String,
    pub stop: Stop,
    ended: mpsc::Receiver<()>,
    _folder: TempDir,
}

impl Server {
    /// Spindle's own, which finds no Blender.
    pub fn start(limits: Limits) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime_dir = Some(folder.path().to_owned());
        let server = SpindleServer::new(ClientSettings { runtime_dir, ..ClientSettings::default() });
        Server::with(server, limits, folder)
    }

    /// One with this handler.
    pub fn with<S: ServerHandler + Clone + Sync>(handler: S, limits: Limits, folder: TempDir) -> Server {
        let place = folder.path().join("token");
        let http = HttpServer::bind(0, Some(Token::at(&place).expect("made")), limits).expect("a port");
        let port =
            http.url().rsplit_once(':').and_then(|(_, rest)| rest.strip_suffix("/mcp")?.parse().ok()).expect("a URL");
        let stop = Stop::default();
        let (tell, ended) = mpsc::channel();
        let running = stop.clone();
        thread::spawn(move || {
            let runtime = spindle_mcp::stdio::runtime().expect("threads");
            runtime.block_on(http.run(handler, &running)).expect("it serves");
            tell.send(()).ok();
        });
        Server { port, token: secret(&place), stop, ended, _folder: folder }
    }

    pub fn connect(&self) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.set_write_timeout(Some(PATIENCE)).expect("set");
        Wire(BufReader::new(stream))
    }

    /// The lines before a body: `first` is the method and path, `more` more lines, in which `PORT` and `TOKEN` are put in.
    pub fn head(&self, first: &str, more: &[&str]) -> String {
        let lines: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!("{first} HTTP/1.1\r\n{lines}\r\n");
        text.replace("PORT", &self.port.to_string()).replace("TOKEN", &self.token)
    }

    /// Post a message in a session or none, on a connection of its own.
    pub fn post(&self, more: &[&str], message: &Value) -> Answer {
        let mut wire = self.connect();
        wire.send(self.message(more, message).as_bytes());
        wire.answer()
    }

    /// The bytes of such a post.
    pub fn message(&self, more: &[&str], message: &Value) -> String {
        let body = message.to_string();
        let length = format!("Content-Length: {}", body.len());
        let lines: Vec<&str> = GOOD.iter().chain(more).copied().chain([length.as_str()]).collect();
        self.head("POST /mcp", &lines) + &body
    }

    /// Whether it has ended within this time.
    pub fn has_ended(&self, within: Duration) -> bool {
        self.ended.recv_timeout(within).is_ok()
    }
}

/// The lines that every good post has.
pub const GOOD: [&str; 4] = [
    "Host: 127.0.0.1:PORT",
    "Authorization: Bearer TOKEN",
    "Accept: application/json, text/event-stream",
    "Content-Type: application/json",
];

fn secret(place: &Path) -> String {
    std::fs::read_to_string(place).expect("made").trim().to_owned()
}

/// A connection.
pub struct Wire(pub BufReader<TcpStream>);

impl Wire {
    /// Send bytes; a server may have closed the connection in the meantime, of which its answer tells.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).ok();
    }

    /// The next answer, whole.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.begin();
        answer.body = if answer.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
            body
        } else {
            let mut body =
                vec![0; answer.header("content-length").map_or(0, |length| length.parse().expect("a number"))];
            self.0.read_exact(&mut body).expect("a body as long as it says");
            body
        };
        answer
    }

    /// The next answer without its body.
    pub fn begin(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {first:?}"));
        let status = status.parse().expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    /// The next chunk of a body; `None` at its proper end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line(), 16).expect("a chunk's length");
        let mut chunk = vec![0; length];
        self.0.read_exact(&mut chunk).expect("a chunk as long as it says");
        self.line();
        (length > 0).then_some(chunk)
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 0)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }
}

/// What a server has answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    /// The message in it: JSON, or the last event of a stream; null where there is none.
    pub fn message(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        if self.header("content-type") == Some("text/event-stream") {
            let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
            return events.filter_map(|event| serde_json::from_str(event).ok()).next_back().unwrap_or_default();
        }
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The stable name of our refusal; empty where it is none.
    pub fn kind(&self) -> String {
        self.message()["error"]["data"]["kind"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request of revision 2026-07-28 with these parameters.
pub fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// The first request of the older revisions.
pub fn initialize(revision: &str) -> Value {
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}
