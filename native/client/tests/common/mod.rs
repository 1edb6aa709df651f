//! A server that can lie. It speaks the protocol by `spindle-protocol` alone; each test says where it
//! departs from it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spindle_client::{Connection, Error, Settings};
use spindle_protocol::envelope::Request;
use spindle_protocol::frame::{Decoder, FrameLimits, encode};
use spindle_protocol::hello::{Hello, Nonce, Role, Token, Transcript};
use spindle_protocol::instance::Instance;

const TOKEN: [u8; 32] = [7; 32];
const SERVER_NONCE: Nonce = Nonce([1; 32]);

/// An instance that listens on `port`, in a process that is not this one.
pub fn instance(port: u16) -> Instance {
    Instance {
        instance: "0123456789abcdef".to_owned(),
        port,
        token: Token::new(TOKEN).to_hex(),
        pid: 1,
        version: "0.1.0".to_owned(),
        blender: "5.2.2".to_owned(),
        window: true,
        file: String::new(),
    }
}

/// Listen, and let `behave` have each connection on a thread of its own.
pub fn serve(behave: impl Fn(Peer) + Send + Sync + 'static) -> Instance {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let instance = instance(listener.local_addr().expect("bound").port());
    let (behave, shared) = (Arc::new(behave), instance.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let peer = Peer::new(stream.expect("a connection"), shared.clone());
            let behave = Arc::clone(&behave);
            thread::spawn(move || behave(peer));
        }
    });
    instance
}

/// As [`serve`], after an honest hello.
pub fn serve_known(behave: impl Fn(Peer) + Send + Sync + 'static) -> Instance {
    serve(move |mut peer| {
        if peer.shake_hands() {
            behave(peer);
        }
    })
}

/// The server's end of one connection.
pub struct Peer {
    pub stream: TcpStream,
    pub instance: Instance,
    decoder: Decoder,
}

impl Peer {
    fn new(stream: TcpStream, instance: Instance) -> Peer {
        stream.set_nodelay(true).expect("a socket");
        Peer { stream, instance, decoder: Decoder::new(FrameLimits::AUTHENTICATED) }
    }

    /// Send bytes as they are. A client that has left does not end the test.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    pub fn send(&mut self, message: &Value, blob: &[u8]) {
        self.send_bytes(&encode(message.to_string().as_bytes(), blob).expect("within limits"));
    }

    /// The next request, with its blob; `None` when the client has left.
    pub fn next(&mut self) -> Option<(Request, Vec<u8>)> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("sound frames") {
                return Some((Request::parse(&frame.json).expect("a sound request"), frame.blob));
            }
            let mut chunk = [0; 65536];
            let count = self.stream.read(&mut chunk).unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.decoder.feed(&chunk[..count]);
        }
    }

    /// Wait for the client to leave.
    pub fn linger(&mut self) {
        while self.next().is_some() {}
    }

    /// The same, whatever the client says, such as half a frame. How many bytes that were.
    pub fn linger_on_bytes(&mut self) -> usize {
        let mut chunk = [0; 4096];
        std::iter::from_fn(|| self.stream.read(&mut chunk).ok().filter(|count| *count > 0)).sum()
    }

    pub fn answer(&mut self, request: &Request, result: Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": request.id, "result": result}), &[]);
    }

    pub fn greet(&mut self) {
        self.send(&self.greeting(), &[]);
    }

    pub fn greeting(&self) -> Value {
        json!({"jsonrpc": "2.0", "method": "greeting", "params": {
            "name": "spindle", "protocol": [1, 1], "instance": self.instance.instance, "nonce": SERVER_NONCE.to_hex(),
        }})
    }

    /// Read hello; gives the request, the client's proof and the server's.
    pub fn hear_hello(&mut self) -> Option<(Request, String, String)> {
        let (request, _) = self.next()?;
        let hello: Hello = serde_json::from_str(request.params.get()).expect("a hello");
        let transcript = Transcript {
            server_nonce: SERVER_NONCE,
            client_nonce: Nonce::from_hex(&hello.nonce).expect("a nonce"),
            instance: &self.instance.instance,
            port: self.instance.port,
            client_id: &hello.client.0.id,
        };
        let token = Token::new(TOKEN);
        transcript.verify(Role::Client, &token, &hello.proof).ok()?;
        let proof = transcript.prove(Role::Server, &token);
        Some((request, hello.proof, proof))
    }

    pub fn welcome(&self, proof: &str) -> Value {
        json!({"protocol": 1, "instance": self.instance.instance, "version": "0.1.0", "blender": "5.2.2", "proof": proof})
    }

    /// Greeting, hello, welcome; whether the client proved itself.
    pub fn shake_hands(&mut self) -> bool {
        self.greet();
        let Some((request, _, proof)) = self.hear_hello() else { return false };
        self.answer(&request, self.welcome(&proof));
        true
    }
}

/// Deadlines short enough for tests.
pub fn hasty() -> Settings {
    let ms = Duration::from_millis;
    Settings { connect: ms(300), idle: ms(150), grace: ms(500), ..Settings::default() }
}

/// Connect; what comes of it.
pub fn open(instance: &Instance) -> Result<Connection, Error> {
    Connection::open(instance, &hasty())
}
