//! The listener for monitoring programs and the few exchanges on it, as parts of somebody else's poll.

use std::io::{self, ErrorKind};
use std::time::Instant;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::http::{Content, EXCHANGES, Exchange, Page};

/// The poll's token for the listener; those of the exchanges are just below it.
const LISTENER: usize = usize::MAX - 2;

/// The endpoint. It owns the poll's [`EXCHANGES`] + 1 tokens from `usize::MAX - 2` downwards.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    port: u16,
    /// A free place is `None`.
    exchanges: [Option<Exchange<TcpStream>>; EXCHANGES],
    /// Whether somebody may wait to be accepted: readiness is told once.
    crowded: bool,
}

impl Endpoint {
    /// An endpoint on a bound listener.
    ///
    /// # Errors
    /// When the poll does not take the listener.
    pub fn new(mut listener: TcpListener, registry: &Registry) -> io::Result<Endpoint> {
        let port = listener.local_addr()?.port();
        registry.register(&mut listener, Token(LISTENER), Interest::READABLE)?;
        Ok(Endpoint { listener, port, exchanges: [const { None }; EXCHANGES], crowded: false })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether an event with this token is for the endpoint.
    pub fn owns(&self, token: Token) -> bool {
        (LISTENER - EXCHANGES..=LISTENER).contains(&token.0)
    }

    /// Handle an event. `page` is asked for what is to be told.
    pub fn handle(&mut self, token: Token, registry: &Registry, page: impl FnMut(Page) -> Content, now: Instant) {
        match LISTENER.checked_sub(token.0) {
            Some(0) => self.crowded = true,
            Some(place) if place <= EXCHANGES => {
                if let Some(exchange) = &mut self.exchanges[place - 1]
                    && exchange.advance(page).is_err()
                {
                    self.exchanges[place - 1] = None;
                }
            }
            _ => {}
        }
        self.accept(registry, now);
    }

    /// Close what takes too long, and accept who waits.
    pub fn check_time(&mut self, registry: &Registry, now: Instant) {
        for place in &mut self.exchanges {
            if place.as_ref().is_some_and(|exchange| exchange.check_time(now).is_err()) {
                *place = None;
            }
        }
        self.accept(registry, now);
    }

    /// Whether [`Endpoint::check_time`] is to be called now and then.
    pub fn is_watched(&self) -> bool {
        self.crowded || self.exchanges.iter().any(Option::is_some)
    }

    fn accept(&mut self, registry: &Registry, now: Instant) {
        while self.crowded {
            let Some(place) = self.exchanges.iter().position(Option::is_none) else { return };
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let token = Token(LISTENER - 1 - place);
                    // A stream that the poll does not take is closed: its peer asks again.
                    if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_ok() {
                        self.exchanges[place] = Some(Exchange::new(stream, self.port, now));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.crowded = false,
                Err(error) if [ErrorKind::Interrupted, ErrorKind::ConnectionAborted].contains(&error.kind()) => {}
                // Out of descriptors: the next look at the clock tries again.
                Err(_) => return,
            }
        }
    }
}
