//! The I/O thread: the only poll loop. It accepts, reads, routes, sends and looks at the clock, and
//! waits for nothing else.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use parking_lot::Mutex;
use serde_json::value::to_raw_value;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::encode;
use spindle_protocol::hello::Nonce;
use spindle_protocol::limits::NONCE_BYTES;

use crate::admit::ConnectionKey;
use crate::connection::{Closing, Connection, Progress};
use crate::inbox::{EAGER, Ended};
use crate::outbox::{Lane, Outbox, Outgoing, error_frame};
use crate::router::{Phase, Router, Step};
use crate::session::{Handshake, SessionKey};

/// The poll's token for the listener.
pub const LISTENER: Token = Token(usize::MAX);

/// The poll's token for wake-ups.
pub const WAKER: Token = Token(usize::MAX - 1);

/// How often the clock is looked at for stalls and forgotten clients. Deadlines of requests have
/// their own, exact, wake-up.
const SWEEP: Duration = Duration::from_millis(250);

/// Refused connections that may stay open a moment, to read why; further ones are closed at once.
const REFUSALS: usize = 16;

/// How long accepting pauses after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connected client, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStatus {
    /// Its session.
    pub session: SessionKey,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its connections now.
    pub connections: usize,
}

/// What the I/O thread shares with the handle.
#[derive(Debug)]
pub struct Shared {
    /// Frames from other threads.
    pub outbox: Arc<Outbox>,
    /// Set once, to stop.
    pub stopping: AtomicBool,
    /// The connected clients, renewed when they change.
    pub roster: Mutex<Vec<ClientStatus>>,
    /// Connections that are open, authenticated or not.
    pub has_connections: AtomicBool,
}

struct Link {
    connection: Connection<TcpStream>,
    phase: Phase,
}

/// The I/O thread's state.
pub struct Server {
    poll: Poll,
    listener: TcpListener,
    router: Router,
    shared: Arc<Shared>,
    links: HashMap<ConnectionKey, Link>,
    next_key: usize,
    /// Connections that may have more to read, after their turn.
    again: HashSet<ConnectionKey>,
    accept_again: Option<Instant>,
    next_sweep: Instant,
    scratch: Vec<u8>,
}

impl Server {
    /// A server on a bound listener.
    ///
    /// # Errors
    /// When the poll does not take the listener.
    pub fn new(poll: Poll, mut listener: TcpListener, router: Router, shared: Arc<Shared>) -> io::Result<Server> {
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Server {
            poll,
            listener,
            router,
            shared,
            links: HashMap::new(),
            next_key: 0,
            again: HashSet::new(),
            accept_again: None,
            next_sweep: Instant::now(),
            scratch: vec![0; 64 * 1024],
        })
    }

    /// Serve until told to stop, then end the conversations.
    ///
    /// # Errors
    /// When the system's poll fails, which leaves nothing to do but to stop.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let served = self.serve(&mut events);
        let ended = self.end(&mut events);
        self.shared.has_connections.store(false, Ordering::Release);
        served.and(ended)
    }

    fn serve(&mut self, events: &mut Events) -> io::Result<()> {
        while !self.shared.stopping.load(Ordering::Acquire) {
            self.wait(events)?;
            let now = Instant::now();
            for event in &*events {
                self.handle(event, now);
            }
            self.resume_reading(now);
            self.deliver(now);
            self.watch_clock(now);
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = Instant::now();
        let mut until = self.router.inbox.next_deadline();
        if !self.links.is_empty() || !self.router.sessions.is_empty() {
            until = Some(until.map_or(self.next_sweep, |deadline| deadline.min(self.next_sweep)));
        }
        if let Some(again) = self.accept_again {
            until = Some(until.map_or(again, |deadline| deadline.min(again)));
        }
        let timeout = if self.again.is_empty() {
            until.map(|deadline| deadline.saturating_duration_since(now))
        } else {
            Some(Duration::ZERO)
        };
        while now.elapsed() < EAGER && !self.links.is_empty() {
            poll(&mut self.poll, events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(());
            }
            thread::yield_now();
        }
        poll(&mut self.poll, events, timeout)
    }

    fn handle(&mut self, event: &Event, now: Instant) {
        match event.token() {
            LISTENER => self.accept(now),
            WAKER => {}
            Token(number) => {
                let key = ConnectionKey(number);
                if event.is_writable() {
                    self.guarded(key, now, |server| server.send(key, now));
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.guarded(key, now, |server| server.read(key, now));
                }
            }
        }
    }

    /// Do something for one connection; a fault, even a panic of ours, ends that connection only.
    fn guarded(&mut self, key: ConnectionKey, now: Instant, work: impl FnOnce(&mut Server) -> Result<(), Closing>) {
        let done = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or(Err(Closing::Over));
        if done.is_err() {
            self.close(key, now);
        }
    }

    fn accept(&mut self, now: Instant) {
        self.accept_again = None;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A peer that left before it was accepted costs nothing; with no descriptors left
                // the listener would report itself at once again, so it has a pause.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, now: Instant) {
        let most = self.router.settings.max_connections as usize;
        if self.links.len() >= most + REFUSALS {
            return;
        }
        let key = ConnectionKey(self.next_key);
        self.next_key += 1;
        // Without TCP_NODELAY a reply of two segments would wait for the peer's delayed ACK. A
        // stream that refuses is gone already, which its first read tells.
        stream.set_nodelay(true).ok();
        let full = self.links.len() >= most;
        let mut nonce = [0; NONCE_BYTES];
        if getrandom::fill(&mut nonce).is_err() {
            return;
        }
        let handshake = Handshake::new(Nonce(nonce));
        let greeting = to_raw_value(&handshake.greeting(&self.router.identity)).expect("a greeting is plain JSON");
        let max_unread = self.router.settings.max_unread_mib as usize * 1024 * 1024;
        let mut connection = Connection::new(stream, max_unread, now);
        // Readiness is told by edges, so both can be asked for once and for all.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.stream(), Token(key.0), interest).is_err() {
            return;
        }
        self.links.insert(key, Link { connection, phase: Phase::Greeted(handshake, now) });
        self.shared.has_connections.store(true, Ordering::Release);
        let first = if full { self.refusal() } else { greeting_frame(greeting.get()) };
        self.guarded(key, now, |server| server.push(key, Lane::Control, first, now));
        if full {
            self.guarded(key, now, |server| server.say_goodbye(key, now));
        }
    }

    fn refusal(&self) -> Vec<u8> {
        let limit = self.router.settings.max_connections;
        let text = format!("{limit} connections are open, the setting max_connections; close one, or raise it");
        error_frame(None, &WireError::new(Kind::TooManyConnections, text).with("limit", limit))
    }

    fn read(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        // What arrived before the peer closed is still to be heard.
        let received = link.connection.receive(&mut self.scratch, now);
        if matches!(received, Ok(Progress::More)) {
            self.again.insert(key);
        }
        if let Some(foreign) = link.connection.foreign() {
            self.push(key, Lane::Control, foreign.answer(), now)?;
            self.say_goodbye(key, now)?;
        } else {
            self.route(key, now)?;
        }
        received.map(|_| ())
    }

    /// Hand every whole frame to the router.
    fn route(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        loop {
            let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
            match link.connection.next_frame() {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    let step = self.router.message(key, &mut link.phase, frame, now);
                    self.take_step(key, step, now)?;
                }
                Err(error) => {
                    let error = WireError::new(Kind::TooLarge, error.to_string());
                    self.push(key, Lane::Control, error_frame(None, &error), now)?;
                    return self.say_goodbye(key, now);
                }
            }
        }
    }

    fn take_step(&mut self, key: ConnectionKey, step: Step, now: Instant) -> Result<(), Closing> {
        match step {
            Step::Nothing => Ok(()),
            Step::Answer(lane, bytes) => self.push(key, lane, bytes, now),
            Step::Both(first, second) => {
                self.push(key, Lane::Control, first, now)?;
                self.push(key, Lane::Control, second, now)
            }
            Step::Welcome(bytes) => {
                if let Some(link) = self.links.get_mut(&key) {
                    link.connection.authenticated();
                }
                self.renew_roster();
                self.push(key, Lane::Control, bytes, now)
            }
            Step::Close(bytes) => {
                self.push(key, Lane::Control, bytes, now)?;
                self.say_goodbye(key, now)
            }
        }
    }

    fn push(&mut self, key: ConnectionKey, lane: Lane, bytes: Vec<u8>, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        link.connection.push(lane, bytes, now)?;
        self.send(key, now)
    }

    fn say_goodbye(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        link.connection.close_when_sent(now);
        self.send(key, now)
    }

    fn send(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        link.connection.send(now)
    }

    fn resume_reading(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.again) {
            self.guarded(key, now, |server| server.read(key, now));
        }
    }

    /// Send what other threads have left.
    fn deliver(&mut self, now: Instant) {
        for Outgoing { connection, bytes } in self.shared.outbox.take() {
            self.guarded(connection, now, |server| server.push(connection, Lane::Main, bytes, now));
        }
    }

    fn answer_ended(&mut self, ended: Vec<Ended>, now: Instant) {
        for Ended { address, error } in ended {
            let bytes = error_frame(Some(&address.id), &error);
            self.guarded(address.connection, now, |server| server.push(address.connection, Lane::Main, bytes, now));
        }
    }

    fn watch_clock(&mut self, now: Instant) {
        let ended = self.router.inbox.expire(now);
        self.answer_ended(ended, now);
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept(now);
        }
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let stall = self.router.settings.stall();
        let is_lost = |link: &Link| link.phase.is_overdue(now) || link.connection.check_time(stall, now).is_err();
        let lost: Vec<ConnectionKey> =
            self.links.iter().filter(|(_, link)| is_lost(link)).map(|(key, _)| *key).collect();
        for key in lost {
            self.close(key, now);
        }
        self.router.expire_sessions(now);
    }

    fn close(&mut self, key: ConnectionKey, now: Instant) {
        let Some(mut link) = self.links.remove(&key) else { return };
        // Closing the socket takes it off the poll; this only spares the kernel a look-up.
        self.poll.registry().deregister(link.connection.stream()).ok();
        self.again.remove(&key);
        self.router.disconnect(key, &link.phase, now);
        self.shared.has_connections.store(!self.links.is_empty(), Ordering::Release);
        if link.phase.is_open() {
            self.renew_roster();
        }
    }

    fn renew_roster(&self) {
        let connected = self.router.sessions.iter().filter(|(_, session)| session.connections > 0);
        let mut roster: Vec<ClientStatus> = connected
            .map(|(key, session)| ClientStatus {
                session: key,
                name: session.client.name.clone(),
                version: session.client.version.clone(),
                connections: session.connections,
            })
            .collect();
        roster.sort_by(|a, b| a.name.cmp(&b.name));
        *self.shared.roster.lock() = roster;
    }

    /// Answer everything that is in flight, and let what is written leave, for a while.
    fn end(&mut self, events: &mut Events) -> io::Result<()> {
        let start = Instant::now();
        self.poll.registry().deregister(&mut self.listener)?;
        self.deliver(start);
        let ended = self.router.inbox.close();
        self.answer_ended(ended, start);
        let until = start + self.router.settings.drain();
        loop {
            let now = Instant::now();
            self.deliver(now);
            let unsent = self.links.values().any(|link| !link.connection.is_sent());
            if !unsent || now >= until {
                return Ok(());
            }
            poll(&mut self.poll, events, Some(until - now))?;
            for event in events.iter().filter(|event| event.is_writable()) {
                let key = ConnectionKey(event.token().0);
                self.guarded(key, now, |server| server.send(key, now));
            }
        }
    }
}

/// Poll; a signal is like a time-out.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}

fn greeting_frame(params: &str) -> Vec<u8> {
    let json = format!(r#"{{"jsonrpc":"2.0","method":"greeting","params":{params}}}"#);
    encode(json.as_bytes(), &[]).expect("a greeting is small")
}
