//! One peer's bytes: frames in, frames out, and when to give up. It works on any stream, so its tests
//! need no socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use spindle_protocol::frame::Frame;
use thiserror::Error;

use crate::input::{Input, Unreadable};
use crate::outbox::Lane;

/// How long a peer has to read the last words and close, before the socket is closed on it.
const FAREWELL: Duration = Duration::from_secs(1);

/// A stream whose sending half can be closed alone.
pub trait Stream: Read + Write {
    /// Tell the peer that nothing more will come.
    ///
    /// # Errors
    /// As the system has it; a peer that is gone already is one.
    fn finish(&mut self) -> io::Result<()>;
}

impl Stream for mio::net::TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// What a peer that does not speak the protocol seems to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A request line, as a browser sends it.
    Http,
    /// Bare JSON, as other add-ons speak it.
    Json,
    /// A TLS hello.
    Tls,
    /// Anything else.
    Unknown,
}

impl Foreign {
    /// Recognise a first byte that no frame of ours can begin with.
    fn of(first: u8) -> Option<Foreign> {
        match first {
            0 => None,
            b'{' | b'[' => Some(Foreign::Json),
            0x16 => Some(Foreign::Tls),
            b'A'..=b'Z' => Some(Foreign::Http),
            _ => Some(Foreign::Unknown),
        }
    }

    /// One readable error in the peer's own manner.
    pub fn answer(self) -> Vec<u8> {
        let text = "This port speaks Spindle's framed protocol; connect with a Spindle client (docs/protocol.md).";
        match self {
            Foreign::Http => format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{text}\n",
                text.len() + 1
            )
            .into_bytes(),
            Foreign::Json => format!("{{\"status\":\"error\",\"message\":\"{text}\"}}\n").into_bytes(),
            // A fatal alert, protocol_version (RFC 8446, section 6): TLS has no place for a text.
            Foreign::Tls => vec![0x15, 3, 1, 0, 2, 2, 70],
            Foreign::Unknown => format!("{text}\n").into_bytes(),
        }
    }
}

/// Why a connection ends.
#[derive(Debug, Error)]
pub enum Closing {
    /// The peer closed.
    #[error("the peer closed the connection")]
    Peer,
    /// The system reports a fault, such as a reset.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer made no progress.
    #[error("no progress for {0:?}")]
    Stalled(Duration),
    /// The peer leaves replies unread.
    #[error("more than {0} bytes of replies are unread")]
    Unread(usize),
    /// All was said, and the stream cannot go on.
    #[error("the conversation is over")]
    Over,
}

/// A connection over `S`.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    input: Input,
    sending: Option<(Vec<u8>, usize)>,
    control: VecDeque<Vec<u8>>,
    main: VecDeque<Vec<u8>>,
    unread: usize,
    max_unread: usize,
    over_since: Option<Instant>,
    finished: bool,
    read_progress: Instant,
    write_progress: Instant,
    /// When a request of it was last seen in flight, after it had been silent for long.
    busy: Instant,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing more to read now.
    Drained,
    /// There may be more; others have their turn first.
    More,
}

impl<S: Stream> Connection<S> {
    /// A connection at its beginning.
    pub fn new(stream: S, input: Input, max_unread: usize, now: Instant) -> Connection<S> {
        Connection {
            stream,
            input,
            sending: None,
            control: VecDeque::new(),
            main: VecDeque::new(),
            unread: 0,
            max_unread,
            over_since: None,
            finished: false,
            read_progress: now,
            write_progress: now,
            busy: now,
        }
    }

    /// The stream, to register it with a poll.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Hello has succeeded: larger frames are allowed.
    pub fn authenticated(&mut self) {
        self.input.authenticated();
    }

    /// Read what has arrived, up to a turn's worth.
    ///
    /// # Errors
    /// When the peer has closed, or the system reports a fault.
    pub fn receive(&mut self, scratch: &mut [u8], now: Instant) -> Result<Progress, Closing> {
        let mut total = 0;
        let turn_bytes = self.input.turn_bytes();
        if turn_bytes == 0 {
            return Ok(Progress::Drained);
        }
        let portion = scratch.len().min(turn_bytes);
        while total < turn_bytes {
            match self.stream.read(&mut scratch[..portion]) {
                Ok(0) => return Err(Closing::Peer),
                Ok(count) => {
                    total += count;
                    self.read_progress = now;
                    if self.over_since.is_none() {
                        self.input.feed(&scratch[..count]);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Progress::More)
    }

    /// A peer that does not speak frames, seen at its first byte.
    pub fn foreign(&self) -> Option<Foreign> {
        self.input.first_byte().and_then(Foreign::of)
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When the stream cannot go on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unreadable> {
        if self.over_since.is_some() { Ok(None) } else { self.input.next_frame() }
    }

    /// Bytes of messages that have begun and not ended.
    pub fn held(&self) -> usize {
        self.input.held()
    }

    /// Whether the peer is owed an answer, or the rest of one, before anything else is looked at: so it may also close
    /// its sending half before.
    pub fn owes(&self) -> bool {
        self.input.is_waiting() || self.input.speaks_a_dialect() && !self.is_sent()
    }

    /// Whether a message may have come in that had to wait for the answer to another.
    pub fn may_go_on(&self) -> bool {
        self.input.speaks_a_dialect() && !self.owes()
    }

    /// The peer may have sent more, and it is ours to wait: that is no stall.
    pub fn put_off(&mut self, now: Instant) {
        self.read_progress = now;
    }

    /// Put a frame behind those of its lane.
    ///
    /// # Errors
    /// When the peer has left too much unread.
    pub fn push(&mut self, lane: Lane, bytes: Vec<u8>, now: Instant) -> Result<(), Closing> {
        if self.over_since.is_some() {
            return Ok(());
        }
        let Some(bytes) = self.input.answer(bytes) else { return Ok(()) };
        self.unread += bytes.len();
        if self.unread > self.max_unread {
            return Err(Closing::Unread(self.max_unread));
        }
        if self.sending.is_none() {
            self.sending = Some((bytes, 0));
            self.write_progress = now;
        } else {
            match lane {
                Lane::Control => self.control.push_back(bytes),
                Lane::Main | Lane::News => self.main.push_back(bytes),
            }
        }
        if self.input.speaks_a_dialect() {
            // What follows was not looked at meanwhile.
            self.read_progress = now;
        }
        Ok(())
    }

    /// Take no more requests, and close once all is sent.
    pub fn close_when_sent(&mut self, now: Instant) {
        self.over_since.get_or_insert(now);
    }

    /// Send what can be sent now.
    ///
    /// # Errors
    /// When the system reports a fault.
    pub fn send(&mut self, now: Instant) -> Result<(), Closing> {
        while let Some((bytes, sent)) = &mut self.sending {
            match self.stream.write(&bytes[*sent..]) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(count) => {
                    *sent += count;
                    self.unread -= count;
                    self.write_progress = now;
                    if *sent == bytes.len() {
                        // Control replies overtake others, but only between frames.
                        let next = self.control.pop_front().or_else(|| self.main.pop_front());
                        self.sending = next.map(|bytes| (bytes, 0));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.over_since.is_some() && !self.finished {
            // Closing at once would reset the connection if the peer had sent more, and the reset
            // could overtake our last words; so only our half is closed, and theirs is read out.
            self.finished = true;
            self.stream.finish()?;
        }
        Ok(())
    }

    /// Whether everything has been handed to the system.
    pub fn is_sent(&self) -> bool {
        self.sending.is_none()
    }

    /// Bytes that the peer has not read yet.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// A request of this silent connection is in flight, so its silence begins anew: its answer may be on the way when
    /// it is not in flight any more.
    pub fn wait_for_answer(&mut self, now: Instant) {
        self.busy = now;
    }

    /// Whether nothing was received or sent for this long.
    pub fn is_idle(&self, limit: Duration, now: Instant) -> bool {
        let last = self.read_progress.max(self.write_progress).max(self.busy);
        self.sending.is_none() && now.saturating_duration_since(last) >= limit
    }

    /// Look at the clock: a peer that stands still in mid-frame, or does not read, is dropped. Each
    /// byte of progress starts the wait anew (BUG-009).
    ///
    /// # Errors
    /// When the connection is to be dropped.
    pub fn check_time(&self, stall: Duration, now: Instant) -> Result<(), Closing> {
        let passed = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        if self.over_since.is_some_and(|since| passed(since, FAREWELL)) {
            return Err(Closing::Over);
        }
        let reading_stalled = self.input.in_mid_message() && passed(self.read_progress, stall);
        let writing_stalled = self.sending.is_some() && passed(self.write_progress, stall);
        if reading_stalled || writing_stalled { Err(Closing::Stalled(stall)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use spindle_protocol::frame::encode;

    use super::*;

    /// A peer in memory: what it has sent, and how much it reads at a time.
    struct Peer {
        incoming: VecDeque<Vec<u8>>,
        received: Vec<u8>,
        room: usize,
        finished: bool,
    }

    impl Peer {
        fn new(incoming: &[&[u8]], room: usize) -> Peer {
            let incoming = incoming.iter().map(|part| part.to_vec()).collect();
            Peer { incoming, received: Vec::new(), room, finished: false }
        }
    }

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(part) = self.incoming.pop_front() else { return Err(ErrorKind::WouldBlock.into()) };
            buffer[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
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

    fn connection(peer: Peer) -> Connection<Peer> {
        Connection::new(peer, Input::frames(), 1000, Instant::now())
    }

    #[test]
    fn foreign_first_bytes_are_known() {
        let rows: [(&[u8], Option<Foreign>, &str); 6] = [
            (b"GET / HTTP/1.1\r\n", Some(Foreign::Http), "HTTP/1.1 400 "),
            (b"P", Some(Foreign::Http), "HTTP/1.1 400 "),
            (b"{\"type\": \"ping\"}", Some(Foreign::Json), "{\"status\":\"error\""),
            (b"\x16\x03\x01", Some(Foreign::Tls), "\u{15}"),
            (b"hello", Some(Foreign::Unknown), "This port"),
            (b"\0\0", None, ""),
        ];
        for (bytes, expected, answer) in rows {
            let mut connection = connection(Peer::new(&[bytes], 0));
            connection.receive(&mut [0; 100], Instant::now()).expect("bytes");
            assert_eq!(connection.foreign(), expected, "{bytes:?}");
            if let Some(foreign) = expected {
                assert!(String::from_utf8_lossy(&foreign.answer()).starts_with(answer));
            }
        }
    }

    #[test]
    fn frames_arrive_whatever_the_chunks() {
        let frame = encode(b"{}", b"").expect("small");
        let (left, right) = frame.split_at(5);
        let mut connection = connection(Peer::new(&[left, right], 0));
        connection.receive(&mut [0; 100], Instant::now()).expect("bytes");
        assert_eq!(connection.next_frame().expect("sound").expect("whole").json, b"{}");
        assert_eq!(connection.next_frame(), Ok(None));
    }

    #[test]
    fn control_overtakes_between_frames() {
        let now = Instant::now();
        let mut connection = connection(Peer::new(&[], 2));
        connection.push(Lane::Main, b"aaaa".to_vec(), now).expect("room");
        connection.push(Lane::Main, b"bbbb".to_vec(), now).expect("room");
        connection.send(now).expect("two bytes");
        connection.push(Lane::Control, b"CC".to_vec(), now).expect("room");
        assert!(!connection.is_sent());
        connection.stream().room = 100;
        connection.send(now).expect("the rest");
        assert_eq!(connection.stream().received, b"aaaaCCbbbb");
        assert!(connection.is_sent());
    }

    #[test]
    fn a_peer_that_does_not_read_is_dropped() {
        let now = Instant::now();
        let mut connection = connection(Peer::new(&[], 0));
        connection.push(Lane::Main, vec![0; 1000], now).expect("room");
        connection.send(now).expect("no room at the peer is no fault");
        assert!(matches!(connection.push(Lane::Control, vec![0; 1], now), Err(Closing::Unread(1000))));
    }

    /// BUG-009: the wait starts anew with each byte of progress, in both directions.
    #[test]
    fn stalls() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stall = Duration::from_millis(100);
        let mut connection = Connection::new(Peer::new(&[], 0), Input::frames(), 1000, start);
        connection.check_time(stall, at(10_000)).expect("an idle connection may stay");
        for (ms, byte) in [(10_000, 0), (10_090, 0), (10_180, 0)] {
            connection.stream().incoming.push_back(vec![byte]);
            connection.receive(&mut [0; 10], at(ms)).expect("a byte");
            connection.check_time(stall, at(ms + 99)).expect("progress");
        }
        assert!(matches!(connection.check_time(stall, at(10_280)), Err(Closing::Stalled(_))));

        let mut connection = Connection::new(Peer::new(&[], 0), Input::frames(), 1000, start);
        connection.push(Lane::Main, vec![0; 10], at(5_000)).expect("room");
        connection.check_time(stall, at(5_099)).expect("the reply is young");
        connection.stream().room = 1;
        connection.send(at(5_099)).expect("one byte");
        connection.check_time(stall, at(5_198)).expect("progress");
        assert!(matches!(connection.check_time(stall, at(5_199)), Err(Closing::Stalled(_))));
    }

    #[test]
    fn last_words_are_sent_before_closing() {
        let now = Instant::now();
        let mut connection = connection(Peer::new(&[b"GET "], 100));
        connection.push(Lane::Control, b"bye".to_vec(), now).expect("room");
        connection.close_when_sent(now);
        connection.send(now).expect("sent");
        assert!(connection.stream().finished && connection.stream().received == b"bye");
        connection.receive(&mut [0; 10], now).expect("read out, and ignored");
        assert_eq!(connection.next_frame(), Ok(None));
        connection.check_time(Duration::from_secs(30), now).expect("time to read");
        assert!(matches!(connection.check_time(Duration::from_secs(30), now + FAREWELL), Err(Closing::Over)));
    }
}
