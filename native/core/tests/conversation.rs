//! What peers say, and what they are told: faults of a message leave the connection open, faults of
//! the stream close it, and everybody else is served.

mod support;

use serde_json::{Value, json};
use spindle_protocol::frame::encode;
use support::{Harness, Peer, kind};

const OBJECT_GET: &str = "object.get";

fn framed(json: &[u8]) -> Vec<u8> {
    encode(json, &[]).expect("small")
}

/// Faults of a message: each is answered by its kind, and the connection goes on.
#[test]
fn faults_of_a_message() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|_| json!({"ran": true}));
    let mut peer = harness.client("a");
    let mut bystander = harness.client("b");
    let request = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":5,{rest}}}"#).into_bytes();
    let nested =
        format!(r#""method":"script.run","params":{{"code":"1","args":{{"a":{}{}}}}}"#, "[".repeat(70), "]".repeat(70));
    let rows: Vec<(Vec<u8>, &str, Value, &str)> = vec![
        (b"\xff\xfe".to_vec(), "parse_error", Value::Null, ""),
        (b"not JSON".to_vec(), "parse_error", Value::Null, "expected"),
        (b"[]".to_vec(), "invalid_request", Value::Null, "object"),
        (request(r#""method":"nonsense""#), "method_not_found", 5.into(), "nonsense"),
        (request(r#""method":"hello""#), "already_authenticated", 5.into(), ""),
        (request(r#""method":"ping","params":{"x":1}"#), "invalid_params", 5.into(), "params.x"),
        (request(r#""method":"object.get","params":{}"#), "invalid_params", 5.into(), "missing field `name`"),
        (
            request(r#""method":"object.get","params":{"name":7}"#),
            "invalid_params",
            5.into(),
            "params.name: invalid type",
        ),
        (request(r#""method":"script.run","params":{"code":"1","args":{"v":NaN}}"#), "parse_error", Value::Null, ""),
        (request(r#""method":"script.run","params":{"code":"a\u0000"}"#), "invalid_params", 5.into(), "NUL"),
        (request(&nested), "invalid_params", 5.into(), "nesting"),
        (
            request(r#""method":"object.get","params":{"name":"a"},"options":{"deadline_ms":-1}"#),
            "invalid_request",
            5.into(),
            "",
        ),
    ];
    for (message, expected, id, part) in rows {
        let shown = String::from_utf8_lossy(&message).into_owned();
        peer.send_raw(&framed(&message));
        let (reply, _) = peer.receive();
        assert_eq!(kind(&reply), expected, "{shown}: {reply}");
        assert_eq!(reply["id"], id, "{shown}");
        assert_eq!(reply["error"]["data"]["started"], false, "{shown}");
        assert!(reply["error"]["message"].as_str().expect("a text").contains(part), "{shown}: {reply}");
        assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "{shown}: the connection is open");
        assert_eq!(bystander.call(OBJECT_GET, json!({"name": "x"}))["result"]["ran"], true, "{shown}");
    }
}

/// Faults of the stream: one error, then the connection is closed; others are served.
#[test]
fn faults_of_the_stream() {
    let harness = Harness::start(|_| {});
    let mut bystander = harness.client("b");
    let header = |json: u32, blob: u32| [json.to_be_bytes(), blob.to_be_bytes()].concat();
    let rows: [(Vec<u8>, &str, &str); 4] = [
        (header(0, 0), "too_large", "no JSON"),
        (header(8 * 1024 * 1024 + 1, 0), "too_large", "8388608"),
        (header(2, 64 * 1024 * 1024 + 1), "too_large", "67108864"),
        (header(u32::MAX, u32::MAX), "too_large", "limit"),
    ];
    for (bytes, expected, part) in rows {
        let mut peer = harness.client("a");
        peer.send_raw(&bytes);
        let (reply, _) = peer.receive();
        assert_eq!(kind(&reply), expected, "{bytes:?}");
        assert!(reply["error"]["message"].as_str().expect("a text").contains(part), "{reply}");
        assert!(peer.read_out().is_empty(), "closed after {bytes:?}");
        assert_eq!(bystander.call("ping", json!({}))["result"]["pong"], true);
    }
}

/// Before hello, anything but an honest hello closes the connection, with the reason.
#[test]
fn strangers() {
    let harness = Harness::start(|_| {});
    let instance = harness.instance();
    let changed = |pointer: &str, value: Value| {
        let mut message = Peer::connect(instance.port).hello_message(&instance, "a");
        *message.pointer_mut(pointer).expect(pointer) = value;
        framed(message.to_string().as_bytes())
    };
    let replayed = framed(Peer::connect(instance.port).hello_message(&instance, "a").to_string().as_bytes());
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no hello", framed(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), "not_authenticated"),
        ("no JSON", framed(b"x"), "parse_error"),
        ("a proof of nothing", changed("/params/proof", "00".repeat(32).into()), "bad_proof"),
        ("a proof for another greeting", replayed, "bad_proof"),
        ("a version too new", changed("/params/protocol", 9.into()), "version_mismatch"),
        ("more than 4 KiB", [4097u32.to_be_bytes(), 0u32.to_be_bytes()].concat(), "too_large"),
        ("a blob", [2u32.to_be_bytes(), 1u32.to_be_bytes()].concat(), "too_large"),
    ];
    for (name, bytes, expected) in rows {
        let mut peer = harness.connect();
        peer.send_raw(&bytes);
        let (reply, _) = peer.receive();
        assert_eq!(kind(&reply), expected, "{name}: {reply}");
        assert!(peer.read_out().is_empty(), "{name}: closed");
    }
}

/// SECRETS: a relay between a client and another server cannot use the client's proof.
#[test]
fn a_relay_gets_nowhere() {
    let (harness, relay) = (Harness::start(|_| {}), Harness::start(|_| {}));
    let mut victim = harness.connect();
    // The client dialled the relay's port, believing the greeting that the relay passed on.
    let dialled = spindle_protocol::instance::Instance { port: relay.instance().port, ..harness.instance() };
    let message = victim.hello_message(&dialled, "a");
    victim.send(&message, &[]);
    assert_eq!(kind(&victim.receive().0), "bad_proof");
}

#[test]
fn foreign_peers_get_a_readable_answer() {
    let harness = Harness::start(|_| {});
    let rows: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 Bad Request"),
        (b"{\"type\": \"ping\"}", "{\"status\":\"error\",\"message\":\"This port speaks Spindle"),
        (b"\x16\x03\x01\x02\x00", "\u{15}\u{3}\u{1}"),
        (b"hello\n", "This port speaks Spindle"),
    ];
    for (bytes, expected) in rows {
        let mut peer = harness.connect();
        peer.send_raw(bytes);
        let answer = peer.read_out();
        assert!(String::from_utf8_lossy(&answer).starts_with(expected), "{bytes:?}: {answer:?}");
    }
}

/// A stranger has 5 seconds to say hello, and does not keep others waiting.
#[test]
fn a_silent_stranger_is_dropped() {
    let harness = Harness::start(|_| {});
    let start = std::time::Instant::now();
    let mut silent = harness.connect();
    assert_eq!(harness.client("b").call("ping", json!({}))["result"]["pong"], true);
    assert!(silent.read_out().is_empty());
    assert!(start.elapsed() >= spindle_protocol::limits::HELLO_DEADLINE);
}

#[test]
fn a_blob_goes_both_ways() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|admitted| json!({"bytes": admitted.blob().len()}));
    let mut peer = harness.client("a");
    let blob: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
    let params = json!({"code": "args", "args": {"data": {"$blob": [0, blob.len()]}}});
    peer.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "script.run", "params": params}), &blob);
    let (reply, returned) = peer.receive();
    assert_eq!(reply["result"]["bytes"], blob.len());
    assert!(returned == blob);
}
