//! Where one JSON value ends in a stream of bytes without frames. It looks at each byte once, however the stream is cut
//! into reads, and keeps nothing but where it is. Whether the value is sound JSON is for its reader to say.

use memchr::memchr2;
use spindle_protocol::limits::JSON_DEPTH;
use thiserror::Error;

/// What an unframed message may cost before it is complete (MEMORY_LEAK_001).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest value, in bytes.
    pub bytes: usize,
    /// So many reads of less than [`SMALL`] bytes in a row without a complete value end it.
    pub small_reads: u32,
}

/// What the stream holds so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No whole value yet.
    Nothing,
    /// A value.
    Value {
        /// Where it begins in the buffer.
        start: usize,
        /// The place behind it.
        end: usize,
    },
    /// What no client of these dialects sends.
    Flaw(Flaw),
}

/// Why the stream cannot go on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Flaw {
    /// It begins with something else: every message of every dialect is an object.
    #[error("a message is a JSON object and begins with {{, found the byte {0:#04x}")]
    NotAnObject(u8),
    /// A bracket is closed that was not opened.
    #[error("the message is no JSON: {:?} closes what was not opened", char::from(*.0))]
    Mismatched(u8),
    /// The value has an end, and is not what a reader of JSON takes.
    #[error("the message is no JSON: {0}")]
    NotJson(String),
    /// The value is longer than is allowed.
    #[error("the message is longer than {0} bytes (compat_message_mib); send it in several")]
    TooLong(usize),
    /// It came in so many small reads that nobody sends it in earnest.
    #[error("{0} reads in a row brought less than {SMALL} bytes each and no whole message (compat_small_reads)")]
    TooSlow(u32),
    /// It is nested deeper than is allowed.
    #[error("the message is nested deeper than {JSON_DEPTH}")]
    TooDeep,
}

/// A read of fewer bytes is small. Large messages come in larger ones, on every system.
pub const SMALL: usize = 512;

// `open` has a bit for each level.
const _: () = assert!(JSON_DEPTH <= u64::BITS as usize);

/// Looks for the end of one value after another.
#[derive(Debug)]
pub struct Boundary {
    bounds: Bounds,
    /// Bytes of the buffer that were looked at.
    looked: usize,
    start: Option<usize>,
    /// The brackets that are open: a bit each, set for an object.
    open: u64,
    depth: usize,
    in_text: bool,
    small_reads: u32,
}

impl Boundary {
    /// Nothing was read yet.
    pub const fn new(bounds: Bounds) -> Boundary {
        Boundary { bounds, looked: 0, start: None, open: 0, depth: 0, in_text: false, small_reads: 0 }
    }

    /// Account for a read of so many bytes.
    pub fn read(&mut self, bytes: usize) {
        self.small_reads = if bytes < SMALL { self.small_reads.saturating_add(1) } else { 0 };
    }

    /// Look at what has come in. The buffer holds what it held at the last call, less what [`Boundary::taken`] was told,
    /// and perhaps more.
    pub fn look(&mut self, buffer: &[u8]) -> Found {
        match self.scan(buffer) {
            Found::Nothing if self.start.is_some_and(|start| buffer.len() - start > self.bounds.bytes) => {
                Found::Flaw(Flaw::TooLong(self.bounds.bytes))
            }
            Found::Nothing if self.start.is_some() && self.small_reads >= self.bounds.small_reads => {
                Found::Flaw(Flaw::TooSlow(self.bounds.small_reads))
            }
            Found::Value { start, end } if end - start > self.bounds.bytes => {
                Found::Flaw(Flaw::TooLong(self.bounds.bytes))
            }
            found => found,
        }
    }

    /// Whether a value has begun and not ended.
    pub fn has_begun(&self) -> bool {
        self.start.is_some()
    }

    /// A value was taken, and so many bytes are gone from the buffer's beginning.
    pub fn taken(&mut self, bytes: usize) {
        *self = Boundary { looked: self.looked.saturating_sub(bytes), ..Boundary::new(self.bounds) };
    }

    fn scan(&mut self, buffer: &[u8]) -> Found {
        while self.looked < buffer.len() {
            if self.in_text {
                if !self.skip_text(buffer) {
                    return Found::Nothing;
                }
                continue;
            }
            let (at, byte) = (self.looked, buffer[self.looked]);
            self.looked += 1;
            let Some(start) = self.start else {
                match byte {
                    b' ' | b'\t' | b'\n' | b'\r' | 0 => {}
                    b'{' => self.begin(at),
                    other => return Found::Flaw(Flaw::NotAnObject(other)),
                }
                continue;
            };
            match self.step(byte) {
                Ok(()) if self.depth == 0 => return Found::Value { start, end: at + 1 },
                Ok(()) => {}
                Err(flaw) => return Found::Flaw(flaw),
            }
        }
        Found::Nothing
    }

    fn begin(&mut self, at: usize) {
        (self.start, self.depth, self.open) = (Some(at), 1, 1);
    }

    fn step(&mut self, byte: u8) -> Result<(), Flaw> {
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' if self.depth == JSON_DEPTH => return Err(Flaw::TooDeep),
            b'{' | b'[' => {
                self.open = self.open << 1 | u64::from(byte == b'{');
                self.depth += 1;
            }
            b'}' | b']' if (self.open & 1 == 1) != (byte == b'}') => return Err(Flaw::Mismatched(byte)),
            b'}' | b']' => {
                self.open >>= 1;
                self.depth -= 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Go on to the end of a text; whether it was reached.
    fn skip_text(&mut self, buffer: &[u8]) -> bool {
        let Some(at) = memchr2(b'"', b'\\', &buffer[self.looked..]).map(|at| self.looked + at) else {
            self.looked = buffer.len();
            return false;
        };
        if buffer[at] == b'"' {
            self.in_text = false;
            self.looked = at + 1;
            return true;
        }
        // What stands behind a backslash is looked at together with it.
        let whole = at + 1 < buffer.len();
        self.looked = if whole { at + 2 } else { at };
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 4_000, small_reads: 50 };

    /// The values and the flaw that a stream comes to, read in pieces of so many bytes.
    fn values(stream: &[u8], piece: usize) -> (Vec<String>, Option<Flaw>) {
        bounded(stream, piece, BOUNDS)
    }

    fn bounded(stream: &[u8], piece: usize, bounds: Bounds) -> (Vec<String>, Option<Flaw>) {
        let (mut boundary, mut buffer, mut found) = (Boundary::new(bounds), Vec::new(), Vec::new());
        for piece in stream.chunks(piece) {
            buffer.extend_from_slice(piece);
            boundary.read(piece.len());
            loop {
                match boundary.look(&buffer) {
                    Found::Nothing => break,
                    Found::Value { start, end } => {
                        found.push(String::from_utf8_lossy(&buffer[start..end]).into_owned());
                        buffer.drain(..end);
                        boundary.taken(end);
                    }
                    Found::Flaw(flaw) => return (found, Some(flaw)),
                }
            }
        }
        (found, None)
    }

    #[test]
    fn values_end_where_they_end_however_they_come() {
        type Row = (&'static [u8], &'static [&'static str], Option<Flaw>);
        let rows: &[Row] = &[
            (b"", &[], None),
            (b"{}", &["{}"], None),
            (b"{}{}", &["{}", "{}"], None),
            (b"\0\n {\"a\": 1}\0{\"b\": [2, {}]}\r\n", &["{\"a\": 1}", "{\"b\": [2, {}]}"], None),
            (br#"{"a": "}", "b": "\"}", "c\\": {}}"#, &[r#"{"a": "}", "b": "\"}", "c\\": {}}"#], None),
            (br#"{"a": "\\"}{"#, &[r#"{"a": "\\"}"#], None),
            (br#"{"a": "\u005c\""}"#, &[r#"{"a": "\u005c\""}"#], None),
            ("{\"ü\": \"😀]\"}".as_bytes(), &["{\"ü\": \"😀]\"}"], None),
            (b"{\"a\": [", &[], None),
            (b"{]", &[], Some(Flaw::Mismatched(b']'))),
            (b"{}]", &["{}"], Some(Flaw::NotAnObject(b']'))),
            (b"POST / HTTP/1.1\r\n", &[], Some(Flaw::NotAnObject(b'P'))),
            (b"[1]", &[], Some(Flaw::NotAnObject(b'['))),
        ];
        for (stream, expected, flaw) in rows {
            for piece in 1..=stream.len().max(1) {
                let expected: Vec<String> = expected.iter().map(|&value| value.to_owned()).collect();
                assert_eq!(
                    values(stream, piece),
                    (expected, flaw.clone()),
                    "{:?} by {piece}",
                    String::from_utf8_lossy(stream)
                );
            }
        }
    }

    proptest! {
        /// Whatever comes, it comes to the same however it is cut.
        #[test]
        fn cuts_change_nothing(
            stream in prop::collection::vec(prop::sample::select(b"{{{}}}[]\"\"\\ \n\0a:,\xc3".to_vec()), 0..300),
            piece in 1usize..40,
        ) {
            let bounds = Bounds { small_reads: u32::MAX, ..BOUNDS };
            prop_assert_eq!(bounded(&stream, piece, bounds), bounded(&stream, 300, bounds));
        }
    }

    #[test]
    fn bounds() {
        let text = |length: usize| format!("{{\"a\": \"{}\"}}", "x".repeat(length - 9)).into_bytes();
        assert_eq!(values(&text(4_000), 600).1, None);
        assert_eq!(values(&text(4_001), 600).1, Some(Flaw::TooLong(4_000)));
        assert_eq!(values(&text(4_001), 5_000).1, Some(Flaw::TooLong(4_000)));
        assert_eq!(values(&text(60), 1).1, Some(Flaw::TooSlow(50)));
        assert_eq!(values(&text(2_000), 41).1, None, "few enough pieces");
        assert_eq!(values(&text(4_000), 512).1, None, "large enough pieces");
        assert_eq!(values(&vec![b' '; 500], 1).1, None, "nothing has begun");
        let nested = |depth: usize| ["{\"a\":".repeat(depth - 1), "{}".to_owned(), "}".repeat(depth - 1)].concat();
        let look = |depth: usize| Boundary::new(BOUNDS).look(nested(depth).as_bytes());
        assert!(matches!(look(JSON_DEPTH), Found::Value { .. }));
        assert_eq!(look(JSON_DEPTH + 1), Found::Flaw(Flaw::TooDeep));
    }
}
