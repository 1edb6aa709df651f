//! Frames: `u32 BE json_length | u32 BE blob_length | JSON | blob`.
//!
//! The decoder does no I/O. It is fed whatever bytes have arrived and has three outcomes: a frame,
//! "more bytes are needed" (`None`), or an error after which the stream cannot go on.

use thiserror::Error;

use crate::limits::{BLOB_BYTES, HEADER_BYTES, JSON_BYTES, UNAUTHENTICATED_JSON_BYTES};
use crate::received::Received;

/// One message: its JSON text, not yet read, and the bytes that it points into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The JSON part. Not checked for UTF-8 here; reading it as JSON does that.
    pub json: Vec<u8>,
    /// The bulk part, empty for most messages.
    pub blob: Vec<u8>,
}

/// The largest parts that a decoder takes.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes of JSON.
    pub json: u32,
    /// Bytes of blob.
    pub blob: u32,
}

impl FrameLimits {
    /// Before hello has succeeded.
    pub const UNAUTHENTICATED: FrameLimits = FrameLimits { json: UNAUTHENTICATED_JSON_BYTES, blob: 0 };
    /// After hello.
    pub const AUTHENTICATED: FrameLimits = FrameLimits { json: JSON_BYTES, blob: BLOB_BYTES };
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The declared JSON length is above the limit.
    #[error(
        "the frame declares {length} bytes of JSON, the limit is {limit}; send bulk data as a blob, or in several requests"
    )]
    JsonTooLarge {
        /// What the header says.
        length: u32,
        /// What is allowed on this connection now.
        limit: u32,
    },
    /// The declared blob length is above the limit.
    #[error("the frame declares {length} bytes of blob, the limit is {limit}; send it in several frames")]
    BlobTooLarge {
        /// What the header says.
        length: u32,
        /// What is allowed on this connection now.
        limit: u32,
    },
    /// No message is empty.
    #[error("the frame declares no JSON; every message has a JSON part")]
    Empty,
}

/// Takes bytes in any portions and gives whole frames.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    received: Received,
}

impl Decoder {
    /// A decoder for a stream at its beginning.
    pub fn new(limits: FrameLimits) -> Decoder {
        Decoder { limits, received: Received::default() }
    }

    /// Apply other limits from the next frame on.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
    }

    /// Add bytes that have arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received.feed(bytes);
    }

    /// The first byte of the next frame, if it has arrived.
    pub fn first_byte(&self) -> Option<u8> {
        self.received.waiting().first().copied()
    }

    /// Whether a part of a frame has arrived, and the rest has not.
    pub fn in_mid_frame(&self) -> bool {
        !self.received.waiting().is_empty()
    }

    /// The next whole frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// As soon as a header declares too much, before anything is kept for it. The decoder is of no
    /// use afterwards.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((header, body)) = self.received.waiting().split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let (json, blob) = read_header(header, self.limits)?;
        if body.len() < json + blob {
            return Ok(None);
        }
        let frame = Frame { json: body[..json].to_vec(), blob: body[json..json + blob].to_vec() };
        self.received.consume(HEADER_BYTES + json + blob);
        Ok(Some(frame))
    }
}

fn read_header(header: &[u8; HEADER_BYTES], limits: FrameLimits) -> Result<(usize, usize), FrameError> {
    let [a, b, c, d, e, f, g, h] = *header;
    let json = u32::from_be_bytes([a, b, c, d]);
    let blob = u32::from_be_bytes([e, f, g, h]);
    if json > limits.json {
        return Err(FrameError::JsonTooLarge { length: json, limit: limits.json });
    }
    if blob > limits.blob {
        return Err(FrameError::BlobTooLarge { length: blob, limit: limits.blob });
    }
    if json == 0 {
        return Err(FrameError::Empty);
    }
    Ok((json as usize, blob as usize))
}

/// The two parts of one whole frame, JSON and blob; `None` where it is not one.
pub fn parts(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, body) = frame.split_first_chunk::<HEADER_BYTES>()?;
    let (json, blob) = read_header(header, FrameLimits::AUTHENTICATED).ok()?;
    (body.len() == json + blob).then(|| body.split_at(json))
}

/// The bytes of a frame.
///
/// # Errors
/// When a part is above [`FrameLimits::AUTHENTICATED`]; the other side would refuse it.
pub fn encode(json: &[u8], blob: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX);
    let (json_length, blob_length) = (length(json), length(blob));
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&json_length.to_be_bytes());
    header[4..].copy_from_slice(&blob_length.to_be_bytes());
    read_header(&header, FrameLimits::AUTHENTICATED)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + json.len() + blob.len());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(json);
    bytes.extend_from_slice(blob);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feed `stream` in pieces that end at `cuts`, and collect what comes out.
    fn decode(stream: &[u8], cuts: &[usize], limits: FrameLimits) -> (Vec<Frame>, Option<FrameError>) {
        let mut decoder = Decoder::new(limits);
        let mut frames = Vec::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            let end = end.clamp(start, stream.len());
            decoder.feed(&stream[start..end]);
            start = end;
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    fn header(json: u32, blob: u32) -> Vec<u8> {
        [json.to_be_bytes(), blob.to_be_bytes()].concat()
    }

    /// MEMORY_LEAK_001: lengths are compared with the limits as soon as the header is there.
    #[test]
    fn headers() {
        let rows = [
            (header(0, 0), Some(FrameError::Empty)),
            (header(4097, 0), Some(FrameError::JsonTooLarge { length: 4097, limit: 4096 })),
            (header(1, 1), Some(FrameError::BlobTooLarge { length: 1, limit: 0 })),
            (header(u32::MAX, u32::MAX), Some(FrameError::JsonTooLarge { length: u32::MAX, limit: 4096 })),
            (header(4096, 0), None),
            (header(1, 0)[..7].to_vec(), None),
            (Vec::new(), None),
        ];
        for (stream, expected) in rows {
            let (frames, error) = decode(&stream, &[], FrameLimits::UNAUTHENTICATED);
            assert_eq!((frames.len(), error), (0, expected), "{stream:?}");
        }
    }

    #[test]
    fn encode_refuses_what_decode_would() {
        let json = vec![b' '; JSON_BYTES as usize + 1];
        let error = encode(&json, b"").expect_err("too large");
        assert_eq!(error, FrameError::JsonTooLarge { length: JSON_BYTES + 1, limit: JSON_BYTES });
        assert_eq!(encode(b"", b"x").expect_err("empty"), FrameError::Empty);
    }

    proptest! {
        #[test]
        fn every_split_decodes_alike(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), prop::collection::vec(any::<u8>(), 0..40)), 1..5),
            mut cuts in prop::collection::vec(0usize..400, 0..12),
        ) {
            cuts.sort_unstable();
            let sent: Vec<Frame> = parts.into_iter().map(|(json, blob)| Frame { json, blob }).collect();
            let stream: Vec<u8> = sent.iter().flat_map(|f| encode(&f.json, &f.blob).expect("small")).collect();
            let every_byte: Vec<usize> = (0..stream.len()).collect();
            for cuts in [&cuts, &every_byte] {
                let (frames, error) = decode(&stream, cuts, FrameLimits::AUTHENTICATED);
                prop_assert_eq!(error, None);
                prop_assert_eq!(&frames, &sent);
            }
        }

        #[test]
        fn no_bytes_panic(stream in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            decode(&stream, &[cut], FrameLimits::AUTHENTICATED);
        }
    }
}
