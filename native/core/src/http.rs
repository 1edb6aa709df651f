//! One exchange over HTTP: a request in, a page out, and the end. As little of HTTP as monitoring programs
//! need, over any stream, and without knowledge of what the pages tell.
//!
//! Any program and any web page on this machine can send a request here, so one is answered only when it
//! names this host and port, and does not say that it comes from a web page.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use httparse::Header;

use crate::connection::{Closing, Stream};

/// Exchanges at once: a few monitoring programs, each with one at a time. Further ones wait to be accepted.
pub const EXCHANGES: usize = 16;

/// From accepting a connection to its end. A page is ready at once, so this is for the peer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The request line and all headers. Prometheus sends about 250 bytes, a browser 1 to 2 KiB.
pub const HEAD_BYTES: usize = 8 * 1024;

/// Headers of one request; a browser sends about 20.
const HEADERS: usize = 64;

/// Read at a time: a request comes in one or two of these.
const PORTION: usize = 1024;

/// What a peer may go on sending after its request, until the connection is closed on it.
const IGNORED_BYTES: usize = 64 * 1024;

/// A page that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// `/metrics`: everything that is counted.
    Metrics,
    /// `/healthz`: whether the server is well.
    Health,
    /// `/readyz`: whether a request would be run.
    Ready,
}

impl Page {
    fn of(path: &str) -> Option<Page> {
        match path {
            "/metrics" => Some(Page::Metrics),
            "/healthz" => Some(Page::Health),
            "/readyz" => Some(Page::Ready),
            _ => None,
        }
    }
}

/// A status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200.
    Ok,
    /// 400: no HTTP, a body, or a target that is no path.
    BadRequest,
    /// 403: it comes from a web page.
    Forbidden,
    /// 404: there is no such page.
    NotFound,
    /// 405: a page can only be read.
    MethodNotAllowed,
    /// 421: it was meant for another host.
    Misdirected,
    /// 431: the request is too long.
    HeadTooLarge,
    /// 503: what the page tells is not good.
    Unavailable,
    /// 505: neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
}

impl Status {
    /// As it stands in the first line of an answer.
    pub const fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::Misdirected => "421 Misdirected Request",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::Unavailable => "503 Service Unavailable",
            Status::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

/// What an answer consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its status.
    pub status: Status,
    /// The media type of its body.
    pub media: &'static str,
    /// Its body.
    pub body: String,
}

impl Content {
    /// A line for people.
    pub fn line(status: Status, text: impl std::fmt::Display) -> Content {
        Content { status, media: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }

    /// The whole answer. To HEAD it says what GET would bring, and does not bring it.
    fn encode(&self, with_body: bool) -> Vec<u8> {
        let allow = if self.status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n",
            self.status.line(),
            self.media,
            self.body.len(),
        );
        let body = if with_body { self.body.as_bytes() } else { &[] };
        [head.as_bytes(), body].concat()
    }
}

/// A request that will be answered with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    page: Page,
    with_body: bool,
}

/// Read a request from its first bytes: `None` while there is more to come.
///
/// # Errors
/// Why it is refused, as its answer.
fn read_request(bytes: &[u8], port: u16) -> Result<Option<Wanted>, Content> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Some(length),
        Ok(httparse::Status::Partial) => None,
        Err(error) => return Err(unreadable(error)),
    };
    if length.unwrap_or(bytes.len()) > HEAD_BYTES {
        let text = format_args!("the request is longer than {HEAD_BYTES} bytes");
        return Err(Content::line(Status::HeadTooLarge, text));
    }
    if length.is_none() {
        return Ok(None);
    }
    check_headers(request.headers, port)?;
    choose(request.method.unwrap_or_default(), request.path.unwrap_or_default()).map(Some)
}

fn unreadable(error: httparse::Error) -> Content {
    match error {
        httparse::Error::Version => {
            Content::line(Status::VersionNotSupported, "this port speaks HTTP/1.1 and HTTP/1.0, without TLS")
        }
        httparse::Error::TooManyHeaders => {
            Content::line(Status::HeadTooLarge, format_args!("the request has more than {HEADERS} headers"))
        }
        error => Content::line(Status::BadRequest, format_args!("this is no HTTP/1.1 request: {error}")),
    }
}

fn check_headers(headers: &[Header<'_>], port: u16) -> Result<(), Content> {
    let values = |name: &str| -> Vec<&[u8]> {
        headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value).collect()
    };
    match values("Host")[..] {
        [host] if is_here(host, port) => {}
        [_] => {
            let text = format_args!("this is 127.0.0.1:{port}, and the request's Host is another one");
            return Err(Content::line(Status::Misdirected, text));
        }
        _ => return Err(Content::line(Status::BadRequest, "a request has one Host header")),
    }
    if !values("Origin").is_empty() {
        return Err(Content::line(Status::Forbidden, "web pages may not read this"));
    }
    let has_body = values("Content-Length").iter().any(|length| *length != b"0");
    if has_body || !values("Transfer-Encoding").is_empty() {
        return Err(Content::line(Status::BadRequest, "a request for a page has no body"));
    }
    Ok(())
}

/// Whether a Host header means this endpoint. Any other name may be one that somebody has made to point to
/// this machine, so that a browser takes our pages for theirs.
fn is_here(host: &[u8], port: u16) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    names.iter().any(|name| {
        host.eq_ignore_ascii_case(name.as_bytes()) || host.eq_ignore_ascii_case(format!("{name}:{port}").as_bytes())
    })
}

fn choose(method: &str, target: &str) -> Result<Wanted, Content> {
    if !target.starts_with('/') {
        return Err(Content::line(Status::BadRequest, "the target is no path, such as /metrics"));
    }
    let Some(page) = Page::of(target) else {
        return Err(Content::line(Status::NotFound, "there are /metrics, /healthz and /readyz"));
    };
    match method {
        "GET" => Ok(Wanted { page, with_body: true }),
        "HEAD" => Ok(Wanted { page, with_body: false }),
        _ => Err(Content::line(Status::MethodNotAllowed, "a page can only be read, by GET or HEAD")),
    }
}

#[derive(Debug)]
enum State {
    Reading(Vec<u8>),
    Sending {
        answer: Vec<u8>,
        sent: usize,
    },
    /// All is said. Closing at once would reset the connection if the peer had sent more, and the reset
    /// could overtake the answer; so only our half is closed, and theirs is read out.
    Ignoring {
        left: usize,
    },
}

/// One request and its answer, over `S`.
#[derive(Debug)]
pub struct Exchange<S> {
    stream: S,
    port: u16,
    since: Instant,
    state: State,
}

impl<S: Stream> Exchange<S> {
    /// An exchange at its beginning, on an endpoint with this port.
    pub fn new(stream: S, port: u16, now: Instant) -> Exchange<S> {
        Exchange { stream, port, since: now, state: State::Reading(Vec::new()) }
    }

    /// The stream, to register it with a poll.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Do what can be done now without waiting; to be called whenever the stream is readable or writable.
    /// `page` is asked once at most.
    ///
    /// # Errors
    /// When the connection is to be closed: `Peer` or `Over` after an answer, other ones for a fault.
    pub fn advance(&mut self, mut page: impl FnMut(Page) -> Content) -> Result<(), Closing> {
        let mut portion = [0; PORTION];
        loop {
            match &mut self.state {
                State::Reading(head) => {
                    let Some(count) = receive(&mut self.stream, &mut portion)? else { return Ok(()) };
                    head.extend_from_slice(&portion[..count]);
                    let answer = match read_request(head, self.port) {
                        Ok(None) => continue,
                        Ok(Some(wanted)) => page(wanted.page).encode(wanted.with_body),
                        Err(refusal) => refusal.encode(true),
                    };
                    self.state = State::Sending { answer, sent: 0 };
                }
                State::Sending { answer, sent } => {
                    match ready(|| self.stream.write(&answer[*sent..]))? {
                        Some(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                        Some(count) => *sent += count,
                        None => return Ok(()),
                    }
                    if *sent == answer.len() {
                        self.stream.finish()?;
                        self.state = State::Ignoring { left: IGNORED_BYTES };
                    }
                }
                State::Ignoring { left } => {
                    let Some(count) = receive(&mut self.stream, &mut portion)? else { return Ok(()) };
                    *left = left.checked_sub(count).ok_or(Closing::Over)?;
                }
            }
        }
    }

    /// Look at the clock.
    ///
    /// # Errors
    /// When the exchange takes too long, and is to be closed.
    pub fn check_time(&self, now: Instant) -> Result<(), Closing> {
        let late = now.saturating_duration_since(self.since) >= DEADLINE;
        if late { Err(Closing::Stalled(DEADLINE)) } else { Ok(()) }
    }
}

/// Read what has arrived; `None` when nothing has.
fn receive(stream: &mut impl Stream, portion: &mut [u8]) -> Result<Option<usize>, Closing> {
    match ready(|| stream.read(portion))? {
        Some(0) => Err(Closing::Peer),
        count => Ok(count),
    }
}

/// What a stream that does not wait has done; `None` when it would have had to wait.
fn ready(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done.map(Some),
        }
    }
}
