//! One connection: requests in flight, each with its own deadline, and their replies.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use spindle_protocol::envelope::{Cached, Incoming, RequestId};
use spindle_protocol::error::Started;
use spindle_protocol::frame::Frame;
use spindle_protocol::hello::Welcome;
use spindle_protocol::instance::Instance;
use spindle_protocol::json::Object;
use spindle_protocol::method::{self, Method};
use spindle_protocol::methods::control::{Cancel, CancelOutcome, CancelParams};
use spindle_protocol::notification::{Output, ProgressOf};

use crate::discovery::Server;
use crate::error::{Error, excerpt};
use crate::fate::Fate;
use crate::handshake::{HELLO_ID, shake_hands};
use crate::request::{self, Listener, Notice, Options};
use crate::wire::{Halt, Settings, Wire};

/// Frames that are looked at without being waited for; more than that is a flood.
const LEFTOVERS: usize = 64;

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The result, a JSON object.
    pub result: Box<RawValue>,
    /// The bytes that blob references in the result point into.
    pub blob: Vec<u8>,
    /// Set when the result is one that the server had kept.
    pub cached: Option<Cached>,
}

impl Reply {
    /// The result as a type.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it has another shape (TYPE_SAFETY_001).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.result.get();
        serde_json::from_str::<Object<T>>(text)
            .map(|Object(value)| value)
            .map_err(|error| malformed(error.to_string(), text.as_bytes()))
    }
}

/// A request in flight. Its reply is kept until it is asked for with [`Connection::wait`].
#[must_use = "the reply is kept until it is waited for"]
#[derive(Debug)]
pub struct Ticket {
    id: u64,
    method: String,
    patience: Duration,
    until: Instant,
}

impl Ticket {
    /// The id on the wire.
    pub fn id(&self) -> RequestId {
        RequestId::Integer(self.id)
    }
}

/// What became of a request in flight.
enum Slot {
    /// Its caller waits, or will; and who is told meanwhile.
    Awaited(Option<Listener>),
    /// It came while another was waited for.
    Arrived(Result<Reply, Error>),
    /// Its caller has gone; the reply is dropped when it comes.
    Abandoned,
}

/// A connection to one server, which has proved to be the right one.
pub struct Connection {
    /// `None` once the stream cannot go on: dropping it closes the socket.
    wire: Option<Wire>,
    server: Server,
    welcome: Welcome,
    last_id: u64,
    in_flight: HashMap<u64, Slot>,
    grace: Duration,
    farewell: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Connection").field(&self.server).finish()
    }
}

impl Connection {
    /// Connect to a server and have it prove that it is the right one.
    ///
    /// # Errors
    /// Exactly one, within `settings.connect`; the socket is closed then (ASYNC_CLEANUP_001).
    pub fn open(instance: &Instance, settings: &Settings) -> Result<Connection, Error> {
        settings.check()?;
        let until = Instant::now() + settings.connect;
        let mut wire = Wire::connect(instance.port, settings, until)?;
        let welcome = shake_hands(&mut wire, instance, settings, until)?;
        wire.trust();
        let server = Server::from(instance);
        let Settings { grace, farewell, .. } = *settings;
        Ok(Connection {
            wire: Some(wire),
            server,
            welcome,
            last_id: HELLO_ID,
            in_flight: HashMap::new(),
            grace,
            farewell,
        })
    }

    /// Who is on the other side.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What it said of itself at hello.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Whether more requests can be sent. A failed request does not end a connection; a broken
    /// stream does.
    pub fn is_open(&self) -> bool {
        self.wire.is_some()
    }

    /// Whether every request has its reply, so that what comes next is for the next one.
    pub fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether the server still holds its end, as far as that shows without asking it. Takes in what has come.
    pub fn is_alive(&mut self) -> bool {
        for _ in 0..LEFTOVERS {
            let Some(wire) = &mut self.wire else { return false };
            let sound = match wire.arrived() {
                Ok(None) => return true,
                Ok(Some(frame)) => self.file(frame).is_ok(),
                Err(_) => false,
            };
            if !sound {
                self.wire = None;
            }
        }
        self.is_open()
    }

    /// Close the connection, where it matters whether that succeeds; else it is dropped.
    ///
    /// # Errors
    /// What the system says. The socket is closed all the same.
    pub fn close(self) -> io::Result<()> {
        self.wire.map_or(Ok(()), Wire::close)
    }

    /// Whether the server runs in this very process.
    pub fn is_own_process(&self) -> bool {
        self.server.pid == std::process::id()
    }

    /// Send a request and wait for its reply.
    ///
    /// # Errors
    /// As [`Connection::send`] and [`Connection::wait`].
    pub fn call(&mut self, method: &str, params: &RawValue, blob: &[u8], options: &Options) -> Result<Reply, Error> {
        let ticket = self.send(method, params, blob, options)?;
        self.wait(ticket)
    }

    /// [`Connection::call`] with a method's own types; the result and its blob.
    ///
    /// # Errors
    /// As `call`, and [`Error::Malformed`] when the result has another shape.
    pub fn call_typed<M: Method>(
        &mut self,
        params: &M::Params,
        blob: &[u8],
        options: &Options,
    ) -> Result<(M::Result, Vec<u8>), Error>
    where
        M::Result: DeserializeOwned,
    {
        let reply = self.call(M::NAME, &request::to_raw(params)?, blob, options)?;
        Ok((reply.read()?, reply.blob))
    }

    /// Send a request without waiting for its reply, so that several can be in flight.
    ///
    /// # Errors
    /// Nothing ran then: `Invalid`, `TooLarge` and `WouldDeadlock` before anything was sent,
    /// `TimedOut` and `Disconnected` with `sent: false`.
    pub fn send(&mut self, method: &str, params: &RawValue, blob: &[u8], options: &Options) -> Result<Ticket, Error> {
        let wire_options = options.to_wire()?;
        let patience = options.patience(method, self.grace);
        if options.on_main_thread && self.is_own_process() && !method::find(method).is_some_and(|m| m.is_control()) {
            return Err(Error::WouldDeadlock { method: method.to_owned() });
        }
        let ticket =
            Ticket { id: self.last_id + 1, method: method.to_owned(), patience, until: Instant::now() + patience };
        let bytes = request::encode(ticket.id, method, params, &wire_options, blob)?;
        let sent = self.wire.as_mut().ok_or(Halt::Closed).and_then(|wire| wire.send(&bytes, ticket.until));
        if let Err(halt) = sent {
            return Err(self.broken(halt, &ticket, false));
        }
        self.last_id = ticket.id;
        self.in_flight.insert(ticket.id, Slot::Awaited(options.listener.clone()));
        Ok(ticket)
    }

    /// Wait for the reply to a request. Replies to others that come first are kept for them.
    ///
    /// # Errors
    /// [`Error::Server`] when the server's answer is an error. `TimedOut`, `Disconnected` and
    /// `Interrupted` with [`Fate::Unknown`]: the request may have run. `Malformed`: what came is no reply.
    pub fn wait(&mut self, ticket: Ticket) -> Result<Reply, Error> {
        match self.receive_for(&ticket, ticket.until) {
            Ok(outcome) => outcome,
            Err(halt) => Err(self.leave(halt, &ticket)),
        }
    }

    /// Cancel a request in flight. Its own reply still comes, and tells what became of it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn cancel(&mut self, ticket: &Ticket, within: Duration) -> Result<CancelOutcome, Error> {
        let params = CancelParams { id: ticket.id() };
        Ok(self.call_typed::<Cancel>(&params, &[], &Options::within(within))?.0.outcome)
    }

    /// The outcome of a request, or why the wait for it ended.
    fn receive_for(&mut self, ticket: &Ticket, until: Instant) -> Result<Result<Reply, Error>, Halt> {
        loop {
            if let Some(outcome) = self.take_arrived(ticket.id) {
                return Ok(outcome);
            }
            let frame = self.wire.as_mut().ok_or(Halt::Closed)?.receive(until)?;
            if let Err(error) = self.file(frame) {
                self.wire = None;
                self.in_flight.remove(&ticket.id);
                return Ok(Err(error));
            }
        }
    }

    fn take_arrived(&mut self, id: u64) -> Option<Result<Reply, Error>> {
        match self.in_flight.remove(&id)? {
            Slot::Arrived(outcome) => Some(outcome),
            waiting => {
                self.in_flight.insert(id, waiting);
                None
            }
        }
    }

    /// Put a frame that came where it belongs.
    fn file(&mut self, frame: Frame) -> Result<(), Error> {
        let Frame { json, blob } = frame;
        match Incoming::parse(&json).map_err(|error| malformed(error.to_string(), &json))? {
            Incoming::Notification { method, params } => self.notice(&method, &params),
            // The server could not read what was sent, and says so before it closes.
            Incoming::Reply { id: None, outcome: Err(mut error), .. } => {
                // What it could not read may as well have come after a request that it has run.
                if !self.is_quiet() {
                    error.data.started = Started::Unknown;
                }
                Err(Error::Server(Box::new(error)))
            }
            Incoming::Reply { id: Some(RequestId::Integer(id)), outcome, cached } => {
                let outcome = match outcome {
                    Ok(result) if result.get().starts_with('{') => Ok(Reply { result, blob, cached }),
                    Ok(result) => return Err(malformed("the result is no object".to_owned(), result.get().as_bytes())),
                    Err(error) => Err(Error::Server(Box::new(error))),
                };
                self.arrive(id, outcome).ok_or_else(|| malformed(format!("nothing awaits the reply {id}"), &json))
            }
            Incoming::Reply { .. } => Err(malformed("a reply to nothing".to_owned(), &json)),
        }
    }

    /// Tell whoever listens to the request. A newer server may tell more than this client knows.
    fn notice(&self, method: &str, params: &RawValue) -> Result<(), Error> {
        let (id, notice) = match method {
            "output" => {
                let output: Output = read_notice(params)?;
                (output.id.clone(), Notice::Output(output))
            }
            "progress" => {
                let ProgressOf { id, progress } = read_notice(params)?;
                (id, Notice::Progress(progress))
            }
            _ => return Ok(()),
        };
        if let RequestId::Integer(id) = id
            && let Some(Slot::Awaited(Some(Listener(tell)))) = self.in_flight.get(&id)
        {
            tell(&notice);
        }
        Ok(())
    }

    fn arrive(&mut self, id: u64, outcome: Result<Reply, Error>) -> Option<()> {
        match self.in_flight.get_mut(&id)? {
            slot @ Slot::Awaited(_) => *slot = Slot::Arrived(outcome),
            Slot::Abandoned => drop(self.in_flight.remove(&id)),
            Slot::Arrived(_) => return None,
        }
        Some(())
    }

    /// Give up a wait: what the caller is told, and what becomes of the request.
    fn leave(&mut self, halt: Halt, ticket: &Ticket) -> Error {
        if matches!(halt, Halt::Interrupted)
            && let Some(answer) = self.farewell(ticket)
        {
            return Error::Interrupted { fate: Fate::Answered(Box::new(answer)) };
        }
        self.in_flight.insert(ticket.id, Slot::Abandoned);
        match halt {
            Halt::Deadline | Halt::Interrupted => describe(halt, ticket, true),
            halt => self.broken(halt, ticket, true),
        }
    }

    /// Cancel a request whose caller was interrupted; its answer, if it comes soon. A second interrupt
    /// ends this wait too.
    fn farewell(&mut self, ticket: &Ticket) -> Option<Result<Reply, Error>> {
        let until = Instant::now() + self.farewell;
        let params = request::to_raw(&CancelParams { id: ticket.id() }).ok()?;
        let cancel = self.send(Cancel::NAME, &params, &[], &Options::within(self.farewell)).ok()?;
        self.in_flight.insert(cancel.id, Slot::Abandoned);
        self.receive_for(ticket, until).ok()
    }

    /// End the connection, and say why.
    fn broken(&mut self, halt: Halt, ticket: &Ticket, sent: bool) -> Error {
        self.wire = None;
        describe(halt, ticket, sent)
    }
}

fn describe(halt: Halt, ticket: &Ticket, sent: bool) -> Error {
    let method = &ticket.method;
    let moment = if sent { "answered" } else { "sent" };
    let what = match halt {
        Halt::Interrupted => return Error::Interrupted { fate: Fate::unanswered(sent) },
        Halt::NoFrame(error, shown) => return Error::Malformed { reason: error.to_string(), shown },
        Halt::Deadline => format!("{method} was not {moment} within {} s", ticket.patience.as_secs_f64()),
        Halt::Stalled => format!("{method} was being {moment}, and no byte moved for too long"),
        Halt::Closed => format!("before {method} was {moment}"),
        Halt::Broken(ref error) => format!("before {method} was {moment}: {error}"),
    };
    match halt {
        Halt::Deadline | Halt::Stalled => Error::TimedOut { what, sent },
        _ => Error::Disconnected { what, sent },
    }
}

fn read_notice<T: DeserializeOwned>(params: &RawValue) -> Result<T, Error> {
    serde_json::from_str(params.get()).map_err(|error| malformed(error.to_string(), params.get().as_bytes()))
}

fn malformed(reason: String, bytes: &[u8]) -> Error {
    Error::Malformed { reason, shown: excerpt(bytes) }
}
