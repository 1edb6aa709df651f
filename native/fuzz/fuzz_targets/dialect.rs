//! Any bytes in any portions on the compatibility listener: each message becomes one sound request of ours under its own
//! number, whatever its members hold, every answer is JSON in the end, and it is the same however the bytes were cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use spindle_core::boundary::Bounds;
use spindle_core::interpreter::Interpreter;
use spindle_protocol::envelope::{Request, RequestId};
use spindle_protocol::error::Kind;
use spindle_protocol::frame::encode;

const BOUNDS: Bounds = Bounds { bytes: 8 * 1024, small_reads: u32::MAX };

fuzz_target!(|input: ([u8; 4], &[u8])| {
    let (sizes, stream) = input;
    let whole = converse(stream, [stream.len().max(1)].into_iter().cycle());
    let portions = sizes.into_iter().map(|size| usize::from(size) + 1).cycle();
    assert_eq!(converse(stream, portions), whole, "cut in portions");
    assert_eq!(converse(stream, [1].into_iter().cycle()), whole, "byte by byte");
});

/// The requests that a stream comes to, and whether a flaw ended it. Which one is told first where there are several may
/// depend on the portions.
fn converse(stream: &[u8], portions: impl Iterator<Item = usize>) -> (Vec<Vec<u8>>, bool) {
    let (mut interpreter, mut requests, mut fed) = (Interpreter::new(BOUNDS), Vec::new(), 0);
    for size in portions {
        if fed == stream.len() {
            break;
        }
        let end = (fed + size).min(stream.len());
        interpreter.feed(&stream[fed..end]);
        fed = end;
        loop {
            match interpreter.next_request() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    requests.push(frame.json);
                    check(requests.last().expect("pushed"), requests.len() as u64, &mut interpreter);
                }
                Err(_) => return (requests, true),
            }
        }
    }
    (requests, false)
}

/// A request is one, or is refused under its own number; and what answers it is JSON.
fn check(request: &[u8], number: u64, interpreter: &mut Interpreter) {
    let id = Some(RequestId::Integer(number));
    match Request::parse(request) {
        Ok(request) => assert_eq!(Some(request.id), id),
        Err(bad) => {
            assert_eq!((bad.id, bad.error.data.kind), (id, Kind::InvalidRequest), "{}", String::from_utf8_lossy(request));
        }
    }
    assert!(interpreter.is_waiting() && matches!(interpreter.next_request(), Ok(None)), "one at a time");
    let reply = json!({"jsonrpc": "2.0", "id": number, "result": {"status": "ok", "stdout": "", "stderr": ""}});
    let frame = encode(reply.to_string().as_bytes(), &[]).expect("small");
    let said = interpreter.answer(&frame).expect("a reply");
    let text = said.strip_suffix(b"\0").unwrap_or(&said);
    assert!(serde_json::from_slice::<Value>(text).expect("JSON").is_object());
    assert!(!interpreter.is_waiting());
}
