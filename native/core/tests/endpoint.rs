//! The endpoint for monitoring programs, in a poll, over real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use spindle_core::endpoint::Endpoint;
use spindle_core::http::{Content, DEADLINE, EXCHANGES, Page, Status};

/// A server of nothing but the endpoint, driven by hand.
struct Loop {
    poll: Poll,
    endpoint: Endpoint,
}

impl Loop {
    fn new() -> Loop {
        let poll = Poll::new().expect("a poll");
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = mio::net::TcpListener::bind(loopback).expect("a free port");
        let endpoint = Endpoint::new(listener, poll.registry()).expect("a listener");
        Loop { poll, endpoint }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.endpoint.port())).expect("it listens");
        stream.set_nonblocking(true).expect("an open socket");
        stream
    }

    /// Handle what happens until nothing has for a while.
    fn settle(&mut self, now: Instant) {
        let mut events = Events::with_capacity(8);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_millis(20))).expect("a poll");
            if events.is_empty() {
                return;
            }
            for event in &events {
                assert!(self.endpoint.owns(event.token()));
                let page = |page: Page| Content::line(Status::Ok, format_args!("{page:?}").to_string());
                self.endpoint.handle(event.token(), self.poll.registry(), page, now);
            }
        }
    }
}

/// What has arrived, and whether the other side has closed.
fn read(stream: &mut TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let closed = match stream.read_to_end(&mut bytes) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    (String::from_utf8(bytes).expect("text"), closed)
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it fits the socket's buffer");
}

#[test]
fn a_page_is_served_and_the_connection_ends() {
    let mut served = Loop::new();
    let now = Instant::now();
    assert!(!served.endpoint.is_watched());
    for _ in 0..=EXCHANGES {
        let mut client = served.connect();
        ask(&mut client);
        served.settle(now);
        let (answer, closed) = read(&mut client);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nHealth\n") && closed,
            "{answer}"
        );
        client.shutdown(Shutdown::Both).expect("an open socket");
        served.settle(now);
        assert!(!served.endpoint.is_watched(), "its place is free");
    }
    for other in [0, usize::MAX, usize::MAX - 1, usize::MAX - 3 - EXCHANGES] {
        assert!(!served.endpoint.owns(Token(other)), "the server's own tokens");
    }
}

/// TIMEOUTS: those who hold a place and say nothing lose it; who waits is served then.
#[test]
fn places_are_bounded_and_come_free() {
    let mut served = Loop::new();
    let start = Instant::now();
    let mut silent: Vec<TcpStream> = (0..EXCHANGES).map(|_| served.connect()).collect();
    served.settle(start);
    let mut waiting = served.connect();
    ask(&mut waiting);
    served.settle(start);
    served.endpoint.check_time(served.poll.registry(), start + DEADLINE - Duration::from_millis(1));
    served.settle(start);
    assert_eq!(read(&mut waiting), (String::new(), false), "all places are taken");
    served.endpoint.check_time(served.poll.registry(), start + DEADLINE);
    served.settle(start + DEADLINE);
    assert!(silent.iter_mut().all(|stream| read(stream) == (String::new(), true)));
    assert!(read(&mut waiting).0.starts_with("HTTP/1.1 200 OK\r\n"));
}
