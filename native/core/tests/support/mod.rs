//! A server with a stand-in for Blender's main thread, and a peer that can say anything.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use spindle_core::admit::Admitted;
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::keys::Ticket;
use spindle_core::settings::Settings;
use spindle_protocol::frame::encode;
use spindle_protocol::hello::{Nonce, Role, Token, Transcript};
use spindle_protocol::instance::Instance;

/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server and its folder.
pub struct Harness {
    pub handle: Arc<Handle>,
    pub dir: tempfile::TempDir,
}

impl Harness {
    pub fn start(change: impl FnOnce(&mut Settings)) -> Harness {
        Harness::start_with(true, change)
    }

    /// A server in a Blender with or without a window.
    pub fn start_with(window: bool, change: impl FnOnce(&mut Settings)) -> Harness {
        let dir = tempfile::tempdir().expect("a folder");
        let mut settings = Settings {
            port: 0,
            runtime_dir: Some(dir.path().join("spindle")),
            log_dir: Some(dir.path().join("log")),
            ..Settings::default()
        };
        change(&mut settings);
        let blender = BlenderFacts { version: "5.2.0".to_owned(), window, file: String::new() };
        Harness { handle: Arc::new(Handle::start(settings, blender).expect("started")), dir }
    }

    pub fn instance(&self) -> Instance {
        self.handle.instance()
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.instance().port)
    }

    /// A connection of a client of its own.
    pub fn client(&self, id: &str) -> Peer {
        let mut peer = self.connect();
        let welcome = peer.hello(&self.instance(), id);
        assert!(welcome["result"]["proof"].is_string(), "{welcome}");
        peer
    }

    /// Stand in for Blender: answer each request by `answer` until the server stops.
    pub fn serve(&self, answer: impl Fn(&Admitted) -> Value + Send + 'static) -> Main {
        let handle = Arc::clone(&self.handle);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                if let Some((ticket, admitted)) = handle.take(Duration::from_millis(20)) {
                    handle.reply(ticket, raw(&answer(&admitted)), admitted.blob().to_owned(), Ending::ok());
                }
            }
        });
        Main { stop, thread: Some(thread) }
    }

    /// Take the next request as Blender would.
    pub fn take(&self) -> (Ticket, Box<Admitted>) {
        self.handle.take(PATIENCE).expect("a request")
    }

    /// Answer echoing nothing but that it ran.
    pub fn reply(&self, ticket: Ticket) {
        self.handle.reply(ticket, raw(&json!({"ran": true})), Vec::new(), Ending::ok());
    }
}

pub fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

/// The stand-in's thread.
pub struct Main {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Main {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the stand-in ends");
        }
    }
}

/// A peer on a socket.
pub struct Peer {
    pub stream: TcpStream,
    pub greeting: Value,
    next_id: u64,
}

impl Peer {
    pub fn connect(port: u16) -> Peer {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.set_nodelay(true).expect("set");
        let mut peer = Peer::silent(stream);
        peer.greeting = peer.receive().0;
        peer
    }

    /// A peer that is not greeted.
    pub fn silent(stream: TcpStream) -> Peer {
        Peer { stream, greeting: Value::Null, next_id: 0 }
    }

    pub fn hello(&mut self, instance: &Instance, client: &str) -> Value {
        let message = self.hello_message(instance, client);
        self.send(&message, &[]);
        self.receive().0
    }

    pub fn hello_message(&self, instance: &Instance, client: &str) -> Value {
        let nonce = self.greeting["params"]["nonce"].as_str().expect("a nonce");
        let transcript = Transcript {
            server_nonce: Nonce::from_hex(nonce).expect("a nonce"),
            client_nonce: Nonce([9; 32]),
            instance: self.greeting["params"]["instance"].as_str().expect("an id"),
            port: instance.port,
            client_id: client,
        };
        json!({"jsonrpc": "2.0", "id": "hello", "method": "hello", "params": {
            "protocol": 1,
            "client": {"id": client, "name": client, "version": "1"},
            "nonce": Nonce([9; 32]).to_hex(),
            "proof": transcript.prove(Role::Client, &Token::from_hex(&instance.token).expect("a token")),
        }})
    }

    pub fn send(&mut self, message: &Value, blob: &[u8]) {
        self.send_raw(&encode(message.to_string().as_bytes(), blob).expect("within limits"));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("sent");
    }

    /// Send a request under the next id, which is returned.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        self.request_with(method, params, json!({}))
    }

    pub fn request_with(&mut self, method: &str, params: Value, options: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params, "options": options});
        self.send(&message, &[]);
        id
    }

    pub fn receive(&mut self) -> (Value, Vec<u8>) {
        self.try_receive().expect("a frame")
    }

    /// The reply to this request; what is told before it is passed over.
    pub fn receive_reply(&mut self, id: u64) -> (Value, Vec<u8>) {
        loop {
            let (message, blob) = self.receive();
            if message["id"] == json!(id) {
                return (message, blob);
            }
            assert!(message["method"].is_string(), "{message}");
        }
    }

    pub fn try_receive(&mut self) -> io::Result<(Value, Vec<u8>)> {
        let mut header = [0; 8];
        self.stream.read_exact(&mut header)?;
        let length = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four")) as usize;
        let mut json = vec![0; length(&header[..4])];
        self.stream.read_exact(&mut json)?;
        let mut blob = vec![0; length(&header[4..])];
        self.stream.read_exact(&mut blob)?;
        Ok((serde_json::from_slice(&json).expect("JSON"), blob))
    }

    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let (reply, _) = self.receive();
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    /// Read until the server closes; returns what came.
    pub fn read_out(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the server closes in order");
        rest
    }

    /// The same where a reset ends it, too: the server may close while more comes in.
    pub fn read_to_the_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).ok();
        rest
    }

    /// Read a line, of a server that speaks in lines.
    pub fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("a line");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("UTF-8")
    }

    pub fn close_half(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("shut down");
    }

    /// Close with a reset instead of a farewell.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("set");
    }
}

/// The kind of an error reply.
pub fn kind(reply: &Value) -> &str {
    reply["error"]["data"]["kind"].as_str().unwrap_or("no error")
}

/// Wait until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} never came true");
        thread::sleep(Duration::from_millis(5));
    }
}
