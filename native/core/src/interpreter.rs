//! One conversation in a dialect without frames or ids: what comes in as frames of ours, one at a time, and what goes out
//! in the peer's words. It works on bytes alone.

use spindle_protocol::frame::Frame;
use spindle_protocol::received::Received;

use crate::boundary::{Boundary, Bounds, Flaw, Found};
use crate::dialect::{Asked, Dialect, answer};

/// While a message waits for its answer, so much of what follows is read; the rest is the sender's.
const AHEAD_BYTES: usize = 64 * 1024;

/// A conversation.
#[derive(Debug)]
pub struct Interpreter {
    boundary: Boundary,
    received: Received,
    asked: Option<Asked>,
    number: u64,
    /// As in the last message: what it is told that nobody asked for is told like this.
    dialect: Dialect,
    /// What the peer ends its messages with, as far as it is known.
    terminator: Option<u8>,
}

impl Interpreter {
    /// A conversation at its beginning.
    pub fn new(bounds: Bounds) -> Interpreter {
        Interpreter {
            boundary: Boundary::new(bounds),
            received: Received::default(),
            asked: None,
            number: 0,
            dialect: Dialect::Type,
            terminator: None,
        }
    }

    /// Add the bytes of one read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.boundary.read(bytes.len());
        self.received.feed(bytes);
    }

    /// Whether more may be read: replies come in the order of their messages, so one is asked at a time.
    pub fn has_room(&self) -> bool {
        self.asked.is_none() || self.held() < AHEAD_BYTES
    }

    /// Bytes that have come in and were not asked about.
    pub fn held(&self) -> usize {
        self.received.waiting().len()
    }

    /// Whether a message waits for its answer.
    pub fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether a message has begun and not ended.
    pub fn in_mid_message(&self) -> bool {
        self.asked.is_none() && self.boundary.has_begun()
    }

    /// The next message as a request; `None` while one waits for its answer, or more bytes are needed.
    ///
    /// # Errors
    /// When the stream cannot go on; it is not to be asked again.
    pub fn next_request(&mut self) -> Result<Option<Frame>, Flaw> {
        if self.asked.is_some() {
            return Ok(None);
        }
        let waiting = self.received.waiting();
        let (begin, end) = match self.boundary.look(waiting) {
            Found::Nothing => {
                if !self.boundary.has_begun() {
                    // Space between messages is as long as its sender likes.
                    let space = waiting.len();
                    self.take(space);
                }
                return Ok(None);
            }
            Found::Value { start, end } => (start, end),
            Found::Flaw(flaw) => return Err(flaw),
        };
        self.number += 1;
        let read = Asked::read(&waiting[begin..end], self.number, self.dialect);
        let mut asked = read.map_err(|error| Flaw::NotJson(error.to_string()))?;
        self.take(end);
        self.dialect = asked.dialect;
        let json = std::mem::take(&mut asked.request);
        self.asked = Some(asked);
        Ok(Some(Frame { json, blob: Vec::new() }))
    }

    /// A frame of ours in the peer's words; `None` for what they have no words for.
    pub fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut said = answer(frame, self.asked.as_ref(), self.dialect)?;
        self.asked = None;
        said.extend(self.terminator());
        Some(said)
    }

    /// What the message was ended with: by now it has come in, if there is one.
    fn terminator(&mut self) -> Option<u8> {
        let ends = |byte: &&u8| matches!(**byte, 0 | b'\n' | b'\r');
        match self.received.waiting().first().filter(ends) {
            Some(b'\r') => self.terminator = Some(b'\n'),
            Some(byte) => self.terminator = Some(*byte),
            // Blender's own client reads up to a NUL.
            None if self.dialect == Dialect::Execute => return Some(0),
            None => {}
        }
        self.terminator
    }

    fn take(&mut self, count: usize) {
        self.boundary.taken(count);
        self.received.consume(count);
    }
}
