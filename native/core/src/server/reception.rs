//! Who comes in: connections are accepted, greeted, or turned away.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};
use serde_json::value::to_raw_value;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::encode;
use spindle_protocol::hello::Nonce;
use spindle_protocol::limits::NONCE_BYTES;

use super::{Link, MIB, Server};
use crate::connection::Connection;
use crate::frames::error_frame;
use crate::handshake::Handshake;
use crate::keys::ConnectionKey;
use crate::outbox::Lane;
use crate::router::Phase;

/// Refused connections that may stay open a moment, to read why; further ones are closed at once.
const REFUSALS: usize = 16;

/// How long accepting pauses after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    pub(super) fn accept(&mut self, now: Instant) {
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
        let most = self.router.settings.limits.max_connections as usize;
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
        let max_unread = self.router.settings.limits.max_unread_mib as usize * MIB;
        let mut connection = Connection::new(stream, max_unread, now);
        // Readiness is told by edges, so both can be asked for once and for all.
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.stream(), Token(key.0), interest).is_err() {
            return;
        }
        self.links.insert(key, Link { connection, phase: Phase::Greeted(handshake, now) });
        self.shared.has_connections.store(true, Ordering::Release);
        if full {
            self.router.metrics.refused(Kind::TooManyConnections);
        }
        let first = if full { self.refusal() } else { greeting_frame(greeting.get()) };
        self.guarded(key, now, |server| server.push(key, Lane::Control, first, now));
        if full {
            self.guarded(key, now, |server| server.say_goodbye(key, now));
        }
    }

    fn refusal(&self) -> Vec<u8> {
        let limit = self.router.settings.limits.max_connections;
        let text = format!("{limit} connections are open, the setting max_connections; close one, or raise it");
        let error = WireError::new(Kind::TooManyConnections, text).with("limit", limit);
        // Nobody knows when one will close.
        error_frame(None, &error.with("setting", "max_connections").with("retry_after_ms", 1000))
    }
}

fn greeting_frame(params: &str) -> Vec<u8> {
    let json = format!(r#"{{"jsonrpc":"2.0","method":"greeting","params":{params}}}"#);
    encode(json.as_bytes(), &[]).expect("a greeting is small")
}
