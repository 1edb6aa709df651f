//! What a peer sends, as frames: cut out of a stream of frames, or interpreted from messages without any.

use spindle_protocol::error::Kind;
use spindle_protocol::frame::{Decoder, Frame, FrameError, FrameLimits};
use spindle_protocol::limits::{HEADER_BYTES, UNAUTHENTICATED_JSON_BYTES};
use thiserror::Error;

use crate::boundary::Flaw;
use crate::interpreter::Interpreter;

/// Bytes read from one peer before others have their turn.
const TURN_BYTES: usize = 512 * 1024;

/// The same before hello: no more than a hello is kept of a stranger's bytes.
const STRANGER_TURN_BYTES: usize = HEADER_BYTES + UNAUTHENTICATED_JSON_BYTES as usize;

/// Why a stream cannot go on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Its frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Its messages without frames.
    #[error(transparent)]
    Message(#[from] Flaw),
}

impl Unreadable {
    /// Its name on the wire.
    pub fn kind(&self) -> Kind {
        match self {
            Unreadable::Frame(_) | Unreadable::Message(Flaw::TooLong(_) | Flaw::TooSlow(_)) => Kind::TooLarge,
            Unreadable::Message(_) => Kind::ParseError,
        }
    }
}

/// How a peer speaks.
#[derive(Debug)]
pub enum Input {
    /// Spindle's own protocol.
    Frames(Frames),
    /// A dialect of other add-ons' clients.
    Bare(Box<Interpreter>),
}

/// A stream of frames.
#[derive(Debug)]
pub struct Frames {
    decoder: Decoder,
    /// Bytes of frames that have begun and not ended.
    held: usize,
    turn_bytes: usize,
    /// A first frame has come.
    framed: bool,
}

impl Input {
    /// Frames, before hello.
    pub fn frames() -> Input {
        let decoder = Decoder::new(FrameLimits::UNAUTHENTICATED);
        Input::Frames(Frames { decoder, held: 0, turn_bytes: STRANGER_TURN_BYTES, framed: false })
    }

    /// Messages without frames.
    pub fn bare(interpreter: Interpreter) -> Input {
        Input::Bare(Box::new(interpreter))
    }

    /// Hello has succeeded: larger frames are allowed.
    pub fn authenticated(&mut self) {
        if let Input::Frames(frames) = self {
            frames.decoder.set_limits(FrameLimits::AUTHENTICATED);
            frames.turn_bytes = TURN_BYTES;
        }
    }

    /// So many bytes are read in one turn; 0 while there is no room.
    pub fn turn_bytes(&self) -> usize {
        match self {
            Input::Frames(frames) => frames.turn_bytes,
            Input::Bare(interpreter) if interpreter.has_room() => TURN_BYTES,
            Input::Bare(_) => 0,
        }
    }

    /// Add the bytes of one read.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self {
            Input::Frames(frames) => {
                frames.decoder.feed(bytes);
                frames.held += bytes.len();
            }
            Input::Bare(interpreter) => interpreter.feed(bytes),
        }
    }

    /// The first byte of a stream that should begin with a frame.
    pub fn first_byte(&self) -> Option<u8> {
        match self {
            Input::Frames(frames) if !frames.framed => frames.decoder.first_byte(),
            _ => None,
        }
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When the stream cannot go on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unreadable> {
        let frames = match self {
            Input::Frames(frames) => frames,
            Input::Bare(interpreter) => return Ok(interpreter.next_request()?),
        };
        let frame = frames.decoder.next_frame()?;
        if let Some(Frame { json, blob }) = &frame {
            frames.framed = true;
            frames.held -= HEADER_BYTES + json.len() + blob.len();
        }
        Ok(frame)
    }

    /// A frame for the peer, in the peer's words; `None` where there are none for it.
    pub fn answer(&mut self, frame: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Input::Frames(_) => Some(frame),
            Input::Bare(interpreter) => interpreter.answer(&frame),
        }
    }

    /// Bytes of messages that have begun and not ended.
    pub fn held(&self) -> usize {
        match self {
            Input::Frames(frames) => frames.held,
            Input::Bare(interpreter) => interpreter.held(),
        }
    }

    /// Whether a part of a message has come, and the rest has not.
    pub fn in_mid_message(&self) -> bool {
        match self {
            Input::Frames(frames) => frames.decoder.in_mid_frame(),
            Input::Bare(interpreter) => interpreter.in_mid_message(),
        }
    }

    /// Whether a message must be answered before the next one is looked at.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Input::Bare(interpreter) if interpreter.is_waiting())
    }

    /// Whether it is no stream of frames.
    pub fn speaks_a_dialect(&self) -> bool {
        matches!(self, Input::Bare(_))
    }
}
