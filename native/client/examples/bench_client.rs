//! The client of `scripts/bench`: makes calls over one connection and prints how long each took.
//!
//! It costs as little as a client can, and the same for every server: blocking reads and writes of
//! bytes that were made beforehand. Replies are checked once the clock has stopped.
//!
//! Takes a [`Plan`] as JSON in its only argument, and prints `{"reply": …, "ns": […]}`: the last
//! reply, and the nanoseconds of each call.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use spindle_client::find;
use spindle_protocol::envelope::Incoming;
use spindle_protocol::frame;
use spindle_protocol::hello::{Greeting, Nonce, Role, Token, Transcript, Welcome};
use spindle_protocol::instance::Instance;
use spindle_protocol::limits::{HEADER_BYTES, NONCE_BYTES, PROTOCOL_VERSIONS};

const CHUNK_BYTES: usize = 64 * 1024;

/// How Spindle's notifications begin. Only a look, since reading each message would be a part of what is measured.
const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Who is called, and so how messages are written.
#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    /// Spindle: frames, after hello. It is found as any client finds it.
    Spindle,
    /// A server that returns what it is sent: the very bytes that Spindle would be sent.
    Echo,
    /// The add-on that Spindle is compared with: bare JSON, one value after the other.
    Peer,
}

/// What to do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    to: Side,
    /// Of `Echo` and `Peer`.
    #[serde(default)]
    port: u16,
    /// Methods and parameters, made one after the other and from the first again.
    requests: Vec<(String, Value)>,
    /// The options of each request, of `Spindle`.
    #[serde(default)]
    options: Value,
    /// Calls that are measured, and those before them that are not.
    calls: usize,
    #[serde(default)]
    warm_up: usize,
    /// Silence before each call, milliseconds.
    #[serde(default)]
    pause_ms: u64,
    /// Requests on their way at once, no more than `requests` has.
    #[serde(default = "one")]
    in_flight: usize,
    /// Whether each call has a connection of its own, whose making is measured with it.
    #[serde(default)]
    reconnect: bool,
    /// Whether a call is measured to the first that is told of it, which may be a notification.
    #[serde(default)]
    any_news: bool,
}

fn one() -> usize {
    1
}

#[derive(Serialize)]
struct Report {
    reply: String,
    ns: Vec<u128>,
}

/// A connection, and what has been read of the next reply.
struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
    /// Where reads go.
    chunk: Vec<u8>,
}

impl Line {
    fn to(port: u16) -> io::Result<Line> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Line { stream, heard: Vec::new(), chunk: vec![0; CHUNK_BYTES] })
    }

    /// The next message, which is whole when `length` tells how long it is.
    fn next(&mut self, length: impl Fn(&[u8]) -> Option<usize>) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = length(&self.heard) {
                let rest = self.heard.split_off(length);
                return Ok(std::mem::replace(&mut self.heard, rest));
            }
            match self.stream.read(&mut self.chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.heard.extend_from_slice(&self.chunk[..count]),
            }
        }
    }
}

/// The length of the frame at the beginning, once all of it is there.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let part = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let length = HEADER_BYTES + part(0)? + part(4)?;
    (bytes.len() >= length).then_some(length)
}

/// The same of a JSON value without a frame. The peer sends one only when it was asked, so it ends the bytes.
fn value_length(bytes: &[u8]) -> Option<usize> {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok().then_some(bytes.len())
}

/// The JSON of a frame without a blob.
fn json_of(frame: &[u8]) -> &[u8] {
    &frame[HEADER_BYTES..]
}

fn result_of<T: DeserializeOwned>(frame: &[u8]) -> Outcome<T> {
    match Incoming::parse(json_of(frame))? {
        Incoming::Notification { params: json, .. } | Incoming::Reply { outcome: Ok(json), .. } => {
            Ok(serde_json::from_str(json.get())?)
        }
        Incoming::Reply { outcome: Err(error), .. } => Err(error.message.into()),
    }
}

/// Connect to Spindle, and take part in its mutual proof.
fn greet(instance: &Instance) -> Outcome<Line> {
    let mut line = Line::to(instance.port)?;
    let greeting: Greeting = result_of(&line.next(frame_length)?)?;
    let token = Token::from_hex(&instance.token).ok_or("the token is malformed")?;
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    let client_id = format!("bench-{}", std::process::id());
    let transcript = Transcript {
        server_nonce: Nonce::from_hex(&greeting.nonce).ok_or("the nonce is malformed")?,
        client_nonce: Nonce(nonce),
        instance: &greeting.instance,
        port: instance.port,
        client_id: &client_id,
    };
    let hello = json!({
        "protocol": PROTOCOL_VERSIONS[1],
        "client": {"id": client_id, "name": "bench", "version": env!("CARGO_PKG_VERSION")},
        "nonce": transcript.client_nonce.to_hex(),
        "proof": transcript.prove(Role::Client, &token),
    });
    line.stream.write_all(&request(0, "hello", &hello, &json!({}))?)?;
    let welcome: Welcome = result_of(&line.next(frame_length)?)?;
    transcript.verify(Role::Server, &token, &welcome.proof)?;
    Ok(line)
}

fn request(id: usize, method: &str, params: &Value, options: &Value) -> Outcome<Vec<u8>> {
    let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    if options.as_object().is_some_and(|options| !options.is_empty()) {
        message["options"] = options.clone();
    }
    Ok(frame::encode(&serde_json::to_vec(&message)?, &[])?)
}

/// Refuse a reply that says that the work was not done.
fn check(to: Side, reply: &[u8]) -> Outcome<String> {
    match to {
        Side::Spindle => Ok(result_of::<Box<RawValue>>(reply)?.get().to_owned()),
        Side::Echo => Ok(String::from_utf8(json_of(reply).to_vec())?),
        Side::Peer => {
            let value: Value = serde_json::from_slice(reply)?;
            if value["status"] == "success" { Ok(value.to_string()) } else { Err(value.to_string().into()) }
        }
    }
}

/// Calls of one plan.
struct Caller {
    plan: Plan,
    instance: Option<Instance>,
    /// The requests as they are sent. Each has an id of its own, so that all can be on their way.
    messages: Vec<Vec<u8>>,
}

impl Caller {
    fn new(plan: Plan) -> Outcome<Caller> {
        let instance = if plan.to == Side::Spindle { Some(find(None)?) } else { None };
        let messages = plan.requests.iter().enumerate().map(|(id, (method, params))| match plan.to {
            Side::Peer => Ok(serde_json::to_vec(&json!({"type": method, "params": params}))?),
            _ => request(id, method, params, &plan.options),
        });
        let messages = messages.collect::<Outcome<Vec<_>>>()?;
        if (1..=messages.len()).contains(&plan.in_flight) {
            Ok(Caller { messages, instance, plan })
        } else {
            Err("in_flight must be from 1 to the number of requests".into())
        }
    }

    fn connect(&self) -> Outcome<Line> {
        match &self.instance {
            Some(instance) => greet(instance),
            None => Ok(Line::to(self.plan.port)?),
        }
    }

    fn receive(&self, line: &mut Line) -> io::Result<Vec<u8>> {
        line.next(if self.plan.to == Side::Peer { value_length } else { frame_length })
    }

    /// Whether it is only what Spindle tells of a request that takes its time.
    fn is_news(&self, message: &[u8]) -> bool {
        self.plan.to == Side::Spindle && json_of(message).starts_with(NOTIFICATION)
    }

    /// Make all calls. Replies of one connection come in the order of their requests.
    fn call(&self) -> Outcome<Report> {
        let Plan { calls, warm_up, in_flight, reconnect, .. } = self.plan;
        let mut line = self.connect()?;
        let mut report = Report { reply: String::new(), ns: Vec::with_capacity(calls) };
        let mut sent_at = Vec::new();
        for number in 0..warm_up + calls + in_flight - 1 {
            sleep(Duration::from_millis(self.plan.pause_ms));
            if number < warm_up + calls {
                let start = Instant::now();
                if reconnect {
                    line = self.connect()?;
                }
                line.stream.write_all(&self.messages[number % self.messages.len()])?;
                sent_at.push(start);
            }
            if let Some(answered) = (number + 1).checked_sub(in_flight) {
                let mut reply = self.receive(&mut line)?;
                let mut took = sent_at[answered].elapsed();
                while self.is_news(&reply) {
                    reply = self.receive(&mut line)?;
                    if !self.plan.any_news {
                        took = sent_at[answered].elapsed();
                    }
                }
                report.reply = check(self.plan.to, &reply)?;
                if answered >= warm_up {
                    report.ns.push(took.as_nanos());
                }
            }
        }
        Ok(report)
    }
}

fn main() -> Outcome<()> {
    let plan = std::env::args().nth(1).ok_or("usage: bench_client PLAN")?;
    let report = Caller::new(serde_json::from_str(&plan)?)?.call()?;
    serde_json::to_writer(io::stdout().lock(), &report)?;
    Ok(())
}
