//! Any bytes in any portions: the decoder never panics, gives the same frames however the bytes were
//! cut, and never holds more than what has arrived accounts for, whatever a header declares.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spindle_fuzz::memory;
use spindle_protocol::frame::{Decoder, FrameError, FrameLimits, encode};

/// What an error or an empty buffer may cost.
const SPARE_BYTES: usize = 64;

fuzz_target!(|input: (bool, [u8; 4], &[u8])| {
    let (open, sizes, stream) = input;
    let first = if open { FrameLimits::AUTHENTICATED } else { FrameLimits::UNAUTHENTICATED };
    let (frames, error) = decode(stream, first, [stream.len().max(1)].into_iter().cycle());
    assert!(stream.starts_with(&frames), "re-encoding gives the bytes that were sent");
    let limits = if frames.is_empty() { first } else { FrameLimits::AUTHENTICATED };
    assert_eq!(error, expected_error(&stream[frames.len()..], limits));
    let portions = sizes.into_iter().map(|size| usize::from(size) + 1).cycle();
    assert_eq!(decode(stream, first, portions), (frames.clone(), error), "cut in portions");
    assert_eq!(decode(stream, first, [1].into_iter().cycle()), (frames, error), "byte by byte");
});

/// Feed `stream` in portions. Returns the frames, encoded again one after the other, and what ended it.
fn decode(stream: &[u8], first: FrameLimits, portions: impl Iterator<Item = usize>) -> (Vec<u8>, Option<FrameError>) {
    let mut frames = Vec::with_capacity(stream.len());
    let before = memory::held();
    let mut decoder = Decoder::new(first);
    let mut fed = 0;
    for size in portions {
        if fed == stream.len() {
            break;
        }
        let end = (fed + size).min(stream.len());
        let portion = &stream[fed..end];
        fed = end;
        let ((), fed_peak) = memory::peak(|| decoder.feed(portion));
        // The buffer grows by doubling.
        assert!(fed_peak - before <= 2 * fed + SPARE_BYTES, "{} bytes held for {fed}", fed_peak - before);
        loop {
            let (next, next_peak) = memory::peak(|| decoder.next_frame());
            // A frame is copied out of the buffer.
            assert!(next_peak - before <= 3 * fed + SPARE_BYTES, "{} bytes held for {fed}", next_peak - before);
            match next {
                Ok(Some(frame)) => {
                    frames.extend_from_slice(&encode(&frame.json, &frame.blob).expect("it was within limits"));
                    decoder.set_limits(FrameLimits::AUTHENTICATED);
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert_eq!(decoder.in_mid_frame(), frames.len() < fed);
        assert_eq!(decoder.first_byte(), stream[..fed].get(frames.len()).copied());
    }
    (frames, None)
}

/// What is wrong with the header that `rest` begins with, if one is there.
fn expected_error(rest: &[u8], limits: FrameLimits) -> Option<FrameError> {
    let length = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    let (json, blob) = (length(0)?, length(4)?);
    match () {
        () if json > limits.json => Some(FrameError::JsonTooLarge { length: json, limit: limits.json }),
        () if blob > limits.blob => Some(FrameError::BlobTooLarge { length: blob, limit: limits.blob }),
        () if json == 0 => Some(FrameError::Empty),
        () => {
            assert!((rest.len() as u64) < 8 + u64::from(json) + u64::from(blob), "a whole frame was left behind");
            None
        }
    }
}
