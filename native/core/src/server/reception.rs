//! Who comes in: connections are accepted, greeted, or turned away.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};
use serde_json::value::to_raw_value;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::encode;
use spindle_protocol::hello::{Greeting, Nonce};
use spindle_protocol::limits::NONCE_BYTES;

use super::{Link, MIB, Server};
use crate::boundary::Bounds;
use crate::connection::{Closing, Connection};
use crate::frames::error_frame;
use crate::handshake::Handshake;
use crate::input::Input;
use crate::interpreter::Interpreter;
use crate::keys::ConnectionKey;
use crate::outbox::Lane;
use crate::router::Phase;

/// Refused connections that may stay open a moment, to read why; further ones are closed at once.
const REFUSALS: usize = 16;

/// How long accepting pauses after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a client comes in.
#[derive(Clone, Copy)]
enum Door {
    /// Where it proves who it is.
    Clients,
    /// Where clients of other add-ons come in, which prove nothing.
    Compat,
}

impl Server {
    pub(super) fn accept(&mut self, now: Instant) {
        self.accept_again = None;
        self.accept_at(Door::Clients, now);
        self.accept_at(Door::Compat, now);
    }

    fn accept_at(&mut self, door: Door, now: Instant) {
        loop {
            let listener = match door {
                Door::Clients => &self.listener,
                Door::Compat => match &self.compat {
                    Some(listener) => listener,
                    None => return,
                },
            };
            match listener.accept() {
                Ok((stream, _)) => self.welcome(stream, door, now),
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

    fn welcome(&mut self, stream: TcpStream, door: Door, now: Instant) {
        let most = self.router.settings.limits.max_connections as usize;
        if self.links.len() >= most + REFUSALS {
            return;
        }
        let key = ConnectionKey(self.next_key);
        self.next_key += 1;
        // Without TCP_NODELAY a reply of two segments would wait for the peer's delayed ACK. A
        // stream that refuses is gone already, which its first read tells.
        stream.set_nodelay(true).ok();
        let mut nonce = [0; NONCE_BYTES];
        if getrandom::fill(&mut nonce).is_err() {
            return;
        }
        let max_unread = self.router.settings.limits.max_unread_mib as usize * MIB;
        let mut connection = Connection::new(stream, self.input(door), max_unread, now);
        // Readiness is told by edges, so both can be asked for once and for all.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.stream(), Token(key.0), interest).is_err() {
            return;
        }
        let handshake = Handshake::new(Nonce(nonce));
        let greeting = greeting_frame(&handshake.greeting(&self.router.identity));
        let greeted = Phase::Greeted(handshake, now);
        let is_full = self.links.len() >= most;
        let (phase, first) = match door {
            _ if is_full => (greeted, Err(self.refusal())),
            Door::Clients => (greeted, Ok(Some(greeting))),
            Door::Compat => match self.router.admit_unproven(key, now) {
                Ok(phase) => (phase, Ok(None)),
                Err(error) => (greeted, Err(error)),
            },
        };
        self.links.insert(key, Link { connection, phase });
        self.shared.has_connections.store(true, Ordering::Release);
        match first {
            Ok(Some(greeting)) => self.guarded(key, now, |server| server.push(key, Lane::Control, greeting, now)),
            Ok(None) => self.renew_roster(),
            Err(error) => self.guarded(key, now, |server| server.refuse(key, &error, now)),
        }
    }

    fn input(&self, door: Door) -> Input {
        let limits = &self.router.settings.limits;
        let bounds = Bounds { bytes: limits.compat_message_mib as usize * MIB, small_reads: limits.compat_small_reads };
        match door {
            Door::Clients => Input::frames(),
            Door::Compat => Input::bare(Interpreter::new(bounds)),
        }
    }

    fn refuse(&mut self, key: ConnectionKey, error: &WireError, now: Instant) -> Result<(), Closing> {
        self.router.metrics.refused(error.data.kind);
        self.push(key, Lane::Control, error_frame(None, error), now)?;
        self.say_goodbye(key, now)
    }

    fn refusal(&self) -> WireError {
        let limit = self.router.settings.limits.max_connections;
        let text = format!("{limit} connections are open, the setting max_connections; close one, or raise it");
        let error = WireError::new(Kind::TooManyConnections, text).with("limit", limit);
        // Nobody knows when one will close.
        error.with("setting", "max_connections").with("retry_after_ms", 1000)
    }
}

fn greeting_frame(greeting: &Greeting) -> Vec<u8> {
    let params = to_raw_value(greeting).expect("a greeting is plain JSON");
    let json = format!(r#"{{"jsonrpc":"2.0","method":"greeting","params":{params}}}"#);
    encode(json.as_bytes(), &[]).expect("a greeting is small")
}
