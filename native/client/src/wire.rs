//! A socket that carries frames. Everything here waits in steps of at most [`STEP`], looks at the
//! deadlines and at the caller's interrupt after each, and knows nothing of what the frames mean.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use spindle_protocol::envelope::{check_client_id, check_label};
use spindle_protocol::frame::{Decoder, Frame, FrameError, FrameLimits};
use spindle_protocol::limits::{DEADLINE_MS, HEADER_BYTES, HELLO_DEADLINE};

use crate::error::{ConnectFailure, Error, excerpt};
use crate::fate::Fate;

/// How often a wait looks up.
pub(crate) const STEP: Duration = Duration::from_millis(50);

const CHUNK_BYTES: usize = 64 * 1024;

/// Asked every 50 ms of a wait; `true` ends the wait.
pub type Interrupt = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a caller may choose for a connection.
#[derive(Clone)]
pub struct Settings {
    /// The program's name, 1 to 64 characters, for people: panel, log, undo history.
    pub name: String,
    /// The program's version, 1 to 64 characters, for people.
    pub version: String,
    /// Who the client is: 1 to 128 letters, digits and hyphens. Jobs, idempotency keys and limits belong to a client,
    /// so a program that is to find its jobs after a restart chooses an id of its own. By default each process is a
    /// client.
    pub client_id: Option<String>,
    /// Where the server is: 127.0.0.1. Another address of this machine only where something forwards from there.
    pub host: Ipv4Addr,
    /// For connecting and hello together; 5 s by default.
    pub connect: Duration,
    /// Within a message, the longest pause between two bytes; 30 s by default.
    pub idle: Duration,
    /// How much longer than the server's deadline the client waits, so that the server's own answer, which knows what
    /// ran, comes first; 5 s by default.
    pub grace: Duration,
    /// After an interrupt, how long the answer to the cancelled request is waited for; 2 s by default.
    pub farewell: Duration,
    /// Asked during every wait; none by default.
    pub interrupt: Option<Interrupt>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "spindle".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            client_id: None,
            host: Ipv4Addr::LOCALHOST,
            connect: HELLO_DEADLINE,
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            farewell: Duration::from_secs(2),
            interrupt: None,
        }
    }
}

impl Settings {
    /// Check every setting (BUG-007).
    ///
    /// # Errors
    /// [`Error::Invalid`] with the setting's name, its value and what is allowed.
    pub fn check(&self) -> Result<(), Error> {
        for (key, text) in [("name", &self.name), ("version", &self.version)] {
            check_label(text.clone())
                .map_err(|rule| Error::Invalid(format!("the client's {key} is {text:?}; {rule}")))?;
        }
        if let Some(id) = &self.client_id {
            check_client_id(id.clone()).map_err(|rule| Error::Invalid(format!("the client's id is {id:?}; {rule}")))?;
        }
        if !self.host.is_loopback() {
            return Err(Error::Invalid(format!("the host is {}; only 127.0.0.0/8 is on this machine", self.host)));
        }
        let [least, most] = DEADLINE_MS.map(Duration::from_millis);
        let waits =
            [("connect", self.connect), ("idle", self.idle), ("grace", self.grace), ("farewell", self.farewell)];
        for (key, wait) in waits {
            if !(least..=most).contains(&wait) {
                let text = format!("the {key} deadline is {wait:?}; the allowed range is {least:?} to {most:?}");
                return Err(Error::Invalid(text));
            }
        }
        Ok(())
    }
}

/// Why a wait ended without what was waited for. The stream can go on only after a
/// [`Halt::Deadline`] or [`Halt::Interrupted`] in [`Wire::receive`].
#[derive(Debug)]
pub(crate) enum Halt {
    /// The total deadline passed.
    Deadline,
    /// In mid-frame, no byte moved for the idle deadline.
    Stalled,
    /// The caller's interrupt said so.
    Interrupted,
    /// The other side closed.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// What came is no frame; it begins like this.
    NoFrame(FrameError, String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Halt::Closed,
            _ => Halt::Broken(error),
        }
    }
}

/// One end of a connection. Dropping it closes the socket.
pub(crate) struct Wire {
    // A socket that does not block, with a poll of its own: a read that times out in the system may
    // lose bytes on Windows, and a blocked write must not keep replies from being read.
    socket: TcpStream,
    poll: Poll,
    events: Events,
    decoder: Decoder,
    chunk: Box<[u8]>,
    /// How much of `chunk` came last.
    heard: usize,
    /// Bytes in the decoder that belong to no frame yet that was taken out of it.
    waiting: usize,
    /// The first of them, where they came before those in `chunk` and were not yet a whole header.
    begun: Vec<u8>,
    idle: Duration,
    interrupt: Option<Interrupt>,
    asked: Instant,
}

impl Wire {
    /// Connect to a port of this machine; strangers' limits apply until [`Wire::trust`].
    pub fn connect(port: u16, settings: &Settings, until: Instant) -> Result<Wire, Error> {
        Wire::open(port, settings, until).map_err(|halt| {
            let failure = match halt {
                Halt::Interrupted => return Error::Interrupted { fate: Fate::NotSent },
                Halt::Broken(error) if error.kind() == ErrorKind::ConnectionRefused => ConnectFailure::Refused,
                Halt::Broken(error) => ConnectFailure::Other(error.to_string()),
                Halt::Closed => ConnectFailure::Other("it closed at once".to_owned()),
                Halt::Deadline | Halt::Stalled | Halt::NoFrame(..) => {
                    ConnectFailure::TimedOut(settings.connect.as_millis() as u64)
                }
            };
            Error::Connect { port, failure }
        })
    }

    fn open(port: u16, settings: &Settings, until: Instant) -> Result<Wire, Halt> {
        let address = SocketAddr::from((settings.host, port));
        let mut socket = TcpStream::connect(address)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut socket, Token(0), Interest::READABLE | Interest::WRITABLE)?;
        let mut wire = Wire {
            socket,
            poll,
            events: Events::with_capacity(1),
            decoder: Decoder::new(FrameLimits::UNAUTHENTICATED),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            heard: 0,
            waiting: 0,
            begun: Vec::new(),
            idle: settings.idle,
            interrupt: settings.interrupt.clone(),
            asked: Instant::now(),
        };
        wire.establish(until)?;
        // On loopback a socket can meet itself when nobody listens and the system gives it that
        // very port.
        if wire.socket.local_addr()? == address {
            return Err(Halt::Broken(ErrorKind::ConnectionRefused.into()));
        }
        wire.socket.set_nodelay(true)?;
        Ok(wire)
    }

    /// Wait until the system has connected, or says why it has not.
    fn establish(&mut self, until: Instant) -> Result<(), Halt> {
        loop {
            if let Some(error) = self.socket.take_error()? {
                return Err(Halt::Broken(error));
            }
            match self.socket.peer_addr() {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotConnected => self.pause(until, None)?,
                Err(error) => return Err(Halt::Broken(error)),
            }
        }
    }

    /// Take frames of full size from now on: the other side has shown who it is.
    pub fn trust(&mut self) {
        self.decoder.set_limits(FrameLimits::AUTHENTICATED);
    }

    /// Send one frame. On failure it has not been sent as a whole, so the other side will not act
    /// on it once this end is dropped.
    pub fn send(&mut self, frame: &[u8], until: Instant) -> Result<(), Halt> {
        let mut rest = frame;
        let mut progress = Instant::now();
        while !rest.is_empty() {
            let now = before(until)?;
            match self.socket.write(rest) {
                Ok(count) => {
                    rest = &rest[count..];
                    progress = now;
                }
                // A server that waits for us to read does not read, so replies are taken in.
                Err(error) if is_pause(&error) && self.take_in()? => progress = now,
                Err(error) if is_pause(&error) => self.pause(until, Some(progress))?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Wait for one frame.
    pub fn receive(&mut self, until: Instant) -> Result<Frame, Halt> {
        let mut progress = Instant::now();
        loop {
            if let Some(frame) = self.next_frame()? {
                return Ok(frame);
            }
            if self.take_in()? {
                progress = before(until)?;
                continue;
            }
            // The idle deadline holds only within a frame: before it, the server may be at work.
            self.pause(until, self.decoder.in_mid_frame().then_some(progress))?;
        }
    }

    /// A frame that has come already, without waiting for one.
    pub fn arrived(&mut self) -> Result<Option<Frame>, Halt> {
        match self.next_frame()? {
            None if self.take_in()? => self.next_frame(),
            frame => Ok(frame),
        }
    }

    /// Say goodbye to the other side; dropping this end does so too, and tells nobody of a failure.
    pub fn close(self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Both)
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, Halt> {
        match self.decoder.next_frame() {
            Ok(Some(frame)) => {
                self.waiting -= HEADER_BYTES + frame.json.len() + frame.blob.len();
                self.begun.clear();
                Ok(Some(frame))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(Halt::NoFrame(error, excerpt(&self.beginning()))),
        }
    }

    /// What waits in the decoder, from its first byte on where that is still at hand. What is no frame is known by its
    /// header, so it is.
    fn beginning(&self) -> Vec<u8> {
        let last = self.heard.min(self.waiting - self.begun.len());
        [&self.begun, &self.chunk[self.heard - last..self.heard]].concat()
    }

    /// Read what is there; whether anything was.
    fn take_in(&mut self) -> Result<bool, Halt> {
        // The next bytes take the place of the last ones.
        let begun = if self.waiting < HEADER_BYTES { self.beginning() } else { Vec::new() };
        match self.socket.read(&mut self.chunk) {
            Ok(0) => Err(Halt::Closed),
            Ok(count) => {
                self.heard = count;
                self.waiting += count;
                self.begun = begun;
                self.decoder.feed(&self.chunk[..count]);
                Ok(true)
            }
            Err(error) if is_pause(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Wait for the socket, at most one step; `progress` is when a byte last moved in mid-frame.
    fn pause(&mut self, until: Instant, progress: Option<Instant>) -> Result<(), Halt> {
        let now = before(until)?;
        let stalls = progress.map(|progress| progress + self.idle);
        if stalls.is_some_and(|stalls| now >= stalls) {
            return Err(Halt::Stalled);
        }
        let end = stalls.map_or(until, |stalls| stalls.min(until));
        match self.poll.poll(&mut self.events, Some(STEP.min(end - now))) {
            // The clock decides, not the quiet: a server that says a little all the time must not
            // keep the interrupt from being asked.
            Ok(()) if self.asked.elapsed() < STEP => Ok(()),
            Err(error) if !is_pause(&error) => Err(error.into()),
            _ => self.ask_interrupt(),
        }
    }

    fn ask_interrupt(&mut self) -> Result<(), Halt> {
        self.asked = Instant::now();
        match &self.interrupt {
            Some(interrupt) if interrupt() => Err(Halt::Interrupted),
            _ => Ok(()),
        }
    }
}

/// The present time, unless the deadline has passed.
fn before(until: Instant) -> Result<Instant, Halt> {
    let now = Instant::now();
    if now < until { Ok(now) } else { Err(Halt::Deadline) }
}

/// Nothing can be moved now, or a signal came.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BUG-007: a bad setting is named, with its value and what is allowed.
    #[test]
    fn settings_are_checked() {
        Settings::default().check().expect("the defaults");
        type Row = (fn(&mut Settings), &'static str);
        let rows: [Row; 8] = [
            (|s| s.name = String::new(), "name is \"\"; expected 1 to 64 characters"),
            (|s| s.version = "a\n".to_owned(), "version is \"a\\n\"; expected"),
            (|s| s.client_id = Some("a b".to_owned()), "id is \"a b\"; expected 1 to 128 letters, digits and hyphens"),
            (|s| s.connect = Duration::ZERO, "the connect deadline is 0ns; the allowed range is 1ms to 86400s"),
            (|s| s.idle = Duration::MAX, "the idle deadline is"),
            (|s| s.grace = Duration::ZERO, "the grace deadline is"),
            (|s| s.farewell = Duration::MAX, "the farewell deadline is"),
            (|s| s.host = Ipv4Addr::UNSPECIFIED, "the host is 0.0.0.0; only 127.0.0.0/8"),
        ];
        for (change, expected) in rows {
            let mut settings = Settings::default();
            change(&mut settings);
            let error = settings.check().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
