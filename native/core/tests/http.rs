//! The endpoint for monitoring programs, spoken to by peers in memory.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use spindle_core::connection::{Closing, Stream};
use spindle_core::http::{Content, DEADLINE, Exchange, HEAD_BYTES, Page, Status};

const DOC: &str = include_str!("../../../docs/metrics.md");
const PORT: u16 = 9464;

/// What it sends, part by part, and what it has received, so many bytes at a time. Between two parts, and
/// between two writes, the stream is not ready once.
#[derive(Default)]
struct Peer {
    incoming: VecDeque<Vec<u8>>,
    closed: bool,
    received: Vec<u8>,
    room: usize,
    waits: bool,
    finished: bool,
}

impl Peer {
    fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Peer {
        Peer {
            incoming: parts.into_iter().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect(),
            room,
            ..Peer::default()
        }
    }

    /// Bytes that it has not sent, and bytes that it has received.
    fn progress(&self) -> (usize, usize) {
        (self.incoming.iter().map(Vec::len).sum(), self.received.len())
    }

    /// Whether it is not ready this time.
    fn hesitates(&mut self) -> bool {
        self.waits = !self.waits;
        self.waits
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut part) = self.incoming.pop_front() else {
            return if self.closed { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        };
        if self.hesitates() {
            self.incoming.push_front(part);
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&part[..count]);
        if count < part.len() {
            self.incoming.push_front(part.split_off(count));
        }
        Ok(count)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.hesitates() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.room);
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Peer {
    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }
}

fn page(page: Page) -> Content {
    match page {
        Page::Metrics => Content { status: Status::Ok, media: "text/plain; version=0.0.4", body: "a 1\n".repeat(9) },
        Page::Health => Content::line(Status::Ok, "ok"),
        Page::Ready => Content::line(Status::Unavailable, "blocked"),
    }
}

/// The answer to these parts, however often the stream is not ready; empty when there is none yet.
fn answer<'a>(parts: impl IntoIterator<Item = &'a [u8]>, room: usize) -> String {
    let mut exchange = Exchange::new(Peer::new(parts, room), PORT, Instant::now());
    let mut idle = 0;
    while idle < 3 && !exchange.stream().finished {
        let before = exchange.stream().progress();
        exchange.advance(page).expect("nothing is wrong with the stream");
        idle = if exchange.stream().progress() == before { idle + 1 } else { 0 };
    }
    String::from_utf8(exchange.stream().received.clone()).expect("text")
}

fn with_headers(headers: &str) -> String {
    format!("GET /metrics HTTP/1.1\r\n{headers}\r\n")
}

/// Requests and the status that each is answered with.
fn requests() -> Vec<(String, u16)> {
    let host = "Host: 127.0.0.1:9464\r\n";
    let line = |line: &str| format!("{line}\r\n{host}\r\n");
    let header = |more: &str| with_headers(&format!("{host}{more}\r\n"));
    let long = format!("X: {}", "x".repeat(HEAD_BYTES));
    let many = "X: 1\r\n".repeat(63) + "X: 1";
    let at_limit = format!("X: {}", "x".repeat(HEAD_BYTES - with_headers(&format!("{host}X: \r\n")).len()));
    let rows: Vec<(String, u16)> = vec![
        (line("GET /metrics HTTP/1.1"), 200),
        (line("GET /healthz HTTP/1.0"), 200),
        (line("GET /readyz HTTP/1.1"), 503),
        (line("HEAD /metrics HTTP/1.1"), 200),
        (header("Content-Length: 0"), 200),
        (header("Accept: application/openmetrics-text\r\nUser-Agent: Prometheus/2.42.0\r\nconnection: close"), 200),
        (header(&at_limit), 200),
        (header(&format!("{at_limit}x")), 431),
        (header(&long), 431),
        (header(&many), 431),
        (line("POST /metrics HTTP/1.1"), 405),
        (line("OPTIONS /metrics HTTP/1.1"), 405),
        (line("get /metrics HTTP/1.1"), 405),
        (line("GET / HTTP/1.1"), 404),
        (line("GET /metrics/ HTTP/1.1"), 404),
        (line("GET /metrics?a=1 HTTP/1.1"), 404),
        (line("GET /../metrics HTTP/1.1"), 404),
        (line("GET http://127.0.0.1:9464/metrics HTTP/1.1"), 400),
        (line("CONNECT 127.0.0.1:9464 HTTP/1.1"), 400),
        (line("OPTIONS * HTTP/1.1"), 400),
        (line("GET /metrics HTTP/2.0"), 505),
        (line("GET /metrics HTTP/1.2"), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        ("GET /metrics\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(), 400),
        ("{\"type\": \"ping\"}".to_owned(), 400),
        (header("Content-Length: 5\r\n\r\nhello"), 400),
        (header("Content-Length: -0"), 400),
        (header("Transfer-Encoding: chunked"), 400),
        (header(" folded: 1"), 400),
        (header("Space : 1"), 400),
        (header("Origin: http://127.0.0.1:9464"), 403),
        (header("origin: null"), 403),
    ];
    let hosts = [
        ("Host: 127.0.0.1", 200),
        ("host:LOCALHOST:9464", 200),
        ("Host: [::1]:9464", 200),
        ("Host: [::1]", 200),
        ("Host: 127.0.0.1:80", 421),
        ("Host: localhost:", 421),
        ("Host: localhost.", 421),
        ("Host: rebound.example", 421),
        ("Host: rebound.example:9464", 421),
        ("Host: 127.0.0.1.example", 421),
        ("Host: 127.0.0.1@example", 421),
        ("Host: 0.0.0.0:9464", 421),
        ("Host: ", 421),
        ("X: 1", 400),
        ("Host: localhost\r\nHost: rebound.example", 400),
    ];
    let hosts = hosts.map(|(header, status)| (with_headers(&format!("{header}\r\n")), status));
    rows.into_iter().chain(hosts).collect()
}

fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"))
}

/// METRICS: each request is answered or refused, whatever the pieces that it comes in.
#[test]
fn requests_are_answered_however_they_are_cut() {
    for (request, expected) in requests() {
        let whole = answer([request.as_bytes()], usize::MAX);
        assert_eq!(status(&whole), expected, "{request:?}: {whole:?}");
        let cuts: Vec<usize> = if request.len() < 1000 { (1..request.len()).collect() } else { vec![1, 1024, 8191] };
        for cut in cuts {
            let (left, right) = request.as_bytes().split_at(cut);
            assert_eq!(answer([left, right], 7), whole, "{request:?} cut at {cut}");
        }
        assert_eq!(answer(request.as_bytes().chunks(1), 1), whole, "{request:?} byte by byte");
    }
}

#[test]
fn every_status_is_documented() {
    let (_, table) = DOC.split_once("| Status | When |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<u16> = rows.map(|row| row[2..5].parse().expect(row)).collect();
    let refusals = requests().into_iter().map(|(_, status)| status).filter(|status| ![200, 503].contains(status));
    assert_eq!(refusals.collect::<BTreeSet<_>>(), documented);
}

/// Security: no page is kept, guessed at, or open to another site.
#[test]
fn answers_say_how_to_treat_them() {
    for (request, status) in requests() {
        let answer = answer([request.as_bytes()], usize::MAX);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let headers: BTreeSet<&str> = head.lines().skip(1).collect();
        let length = format!("Content-Length: {}", if request.starts_with("HEAD") { 36 } else { body.len() });
        for header in ["Connection: close", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", &length] {
            assert!(headers.contains(header), "{header}: {answer:?}");
        }
        assert_eq!(headers.contains("Allow: GET, HEAD"), status == 405);
        assert_eq!(body.is_empty(), request.starts_with("HEAD"));
        assert!(!head.to_ascii_lowercase().contains("access-control"));
    }
}

#[test]
fn the_first_of_pipelined_requests_is_answered() {
    let one = with_headers("Host: localhost\r\n");
    let mut exchange = Exchange::new(Peer::new([one.repeat(3).as_bytes()], usize::MAX), PORT, Instant::now());
    let mut asked = 0;
    for _ in 0..10 {
        exchange
            .advance(|wanted| {
                asked += 1;
                page(wanted)
            })
            .expect("the peer is there");
    }
    assert_eq!((asked, exchange.stream().finished), (1, true));
    assert_eq!(String::from_utf8_lossy(&exchange.stream().received).matches("HTTP/1.1 200").count(), 1);
    exchange.stream().closed = true;
    assert!(matches!(exchange.advance(page), Err(Closing::Peer)));
}

#[test]
fn a_peer_that_goes_on_is_closed_on() {
    let request = with_headers("Host: localhost\r\n");
    let flood = vec![b'x'; 100 * 1024];
    let mut exchange = Exchange::new(Peer::new([request.as_bytes(), &flood], usize::MAX), PORT, Instant::now());
    let end = (0..1000).find_map(|_| exchange.advance(page).err()).expect("an end");
    assert!(matches!(end, Closing::Over), "{end}");
    assert!(exchange.stream().received.starts_with(b"HTTP/1.1 200"), "it was answered before");
}

#[test]
fn a_peer_that_leaves_or_does_not_read_is_closed_on() {
    let mut gone = Exchange::new(Peer { closed: true, ..Peer::default() }, PORT, Instant::now());
    assert!(matches!(gone.advance(page), Err(Closing::Peer)));
    let request = with_headers("Host: localhost\r\n");
    let mut broken = Exchange::new(Peer::new([request.as_bytes()], 0), PORT, Instant::now());
    let end = (0..10).find_map(|_| broken.advance(page).err()).expect("an end");
    assert!(matches!(end, Closing::Io(_)), "{end}");
}

/// TIMEOUTS: neither a slow request, a slow reader nor one that stays can hold an exchange.
#[test]
fn the_whole_exchange_has_a_deadline() {
    let start = Instant::now();
    let request = with_headers("Host: localhost\r\n");
    for sent in [0, 10, request.len()] {
        let mut exchange = Exchange::new(Peer::new([&request.as_bytes()[..sent]], 1), PORT, start);
        (0..3).for_each(|_| exchange.advance(page).expect("nothing is wrong with the stream"));
        exchange.check_time(start + DEADLINE - Duration::from_nanos(1)).expect("it has time");
        assert!(matches!(exchange.check_time(start + DEADLINE), Err(Closing::Stalled(DEADLINE))), "{sent}");
    }
}

proptest! {
    /// Strangers' bytes: no panic, and the same answer whatever the pieces.
    #[test]
    fn any_bytes(row: prop::sample::Index, at: prop::sample::Index, new: Vec<u8>, cut: prop::sample::Index) {
        let rows = requests();
        let mut bytes = rows[row.index(rows.len())].0.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes.splice(at..(at + new.len() / 2).min(bytes.len()), new);
        let (left, right) = bytes.split_at(cut.index(bytes.len().max(1)));
        let whole = answer([&bytes[..]], usize::MAX);
        prop_assert!(whole.is_empty() || whole.starts_with("HTTP/1.1 "), "{}", whole);
        prop_assert_eq!(answer([left, right], 100), whole);
    }
}
