//! TYPE_SAFETY_001: servers of other add-ons on the port of an instance file, and a server that has proved to be the
//! right one and then speaks as they do. Whatever is said is one named error, which shows at most its first 100
//! characters; nothing is read in part, and nobody waits for more of it.

mod common;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Peer, hasty, open, serve, serve_known};
use serde_json::json;
use serde_json::value::to_raw_value;
use spindle_client::{Client, Connection, Error, Options, Reply};
use spindle_protocol::error::Started;
use spindle_protocol::frame::encode;
use spindle_protocol::methods::Nothing;
use support::settings;

/// What servers of these kinds say.
const SAYINGS: [(&str, &[u8]); 16] = [
    ("status, success", br#"{"status": "success", "result": {"pong": true}}"#),
    ("status, error", br#"{"status": "error", "message": "Unknown command type: hello"}"#),
    ("success", br#"{"success": true, "data": {"pong": true}}"#),
    ("failure", br#"{"success": false, "error": "unknown command"}"#),
    ("ended by zero", b"{\"status\":\"ok\",\"result\":{\"n\":1},\"stdout\":\"\",\"stderr\":\"\"}\0"),
    ("a line", b"{\"id\": \"1\", \"success\": true, \"result\": {}}\n"),
    ("two lines", b"{\"type\":\"progress\",\"token\":\"t\"}\n{\"ok\":true,\"result\":{}}\n"),
    ("HTTP", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nwhat"),
    ("a length in four bytes", b"\0\0\0\x19{\"type\":\"pong\",\"nonce\":1}"),
    ("a length and JSON-RPC", b"\0\0\0\x24{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"),
    ("a length and another packing", b"\0\0\0\x10\x81\x02\0\0\0\0\0\0\0\x01\x81\xa2ok\xc3\xc0"),
    ("a length in eight bytes", b"\0\0\0\0\0\0\0\x04pong"),
    ("a greeting of its own", b"WELCOME UNITY-MCP 1 FRAMING=1\n"),
    ("the right words without a frame", br#"{"jsonrpc":"2.0","id":1,"result":{"pong":true}}"#),
    ("TLS", b"\x15\x03\x01\0\x02\x02\x46\x16\x03\x01"),
    ("long", &LONG),
];

const LONG: [u8; 5000] = [b'x'; 5000];

/// How it arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Whole,
    ByteByByte,
}

const WAYS: [Way; 2] = [Way::Whole, Way::ByteByByte];

fn say(peer: &mut Peer, saying: &[u8], way: Way) {
    match way {
        Way::Whole => peer.send_bytes(saying),
        // More than a header's worth of them is not waited for.
        Way::ByteByByte => saying[..saying.len().min(20)].iter().for_each(|byte| {
            peer.send_bytes(&[*byte]);
            thread::sleep(Duration::from_millis(2));
        }),
    }
}

/// What is shown is how the saying begins: all of its first 100 characters where it came at once.
fn check_shown(shown: &str, saying: &[u8], way: Way, name: &str) {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let begins: String = String::from_utf8_lossy(saying).chars().take(100).map(clean).collect();
    assert!(begins.starts_with(shown) && !shown.is_empty(), "{name}, {way:?}: {shown:?}");
    assert!(way == Way::ByteByByte || shown == begins, "{name}, {way:?}: {shown:?}");
}

fn check_malformed(error: &Error, saying: &[u8], way: Way, name: &str) {
    let Error::Malformed { shown, .. } = error else { panic!("{name}, {way:?}: {error}") };
    check_shown(shown, saying, way, name);
}

/// For each saying and each way.
fn each(mut check: impl FnMut(&'static str, &'static [u8], Way)) {
    for (name, saying) in SAYINGS {
        WAYS.iter().for_each(|way| check(name, saying, *way));
    }
}

fn call(connection: &mut Connection) -> Result<Reply, Error> {
    let params = to_raw_value(&Nothing {}).expect("JSON");
    connection.call("scene.get", &params, &[], &Options::default())
}

/// TYPE_SAFETY_001: a server that speaks first.
#[test]
fn instead_of_a_greeting() {
    each(|name, saying, way| {
        let server = serve(move |mut peer| {
            say(&mut peer, saying, way);
            peer.linger_on_bytes();
        });
        let start = Instant::now();
        let error = open(&server).expect_err(name);
        assert!(start.elapsed() < hasty().connect, "{name}: {:?}", start.elapsed());
        let Error::NotSpindle { heard, .. } = &error else { panic!("{name}, {way:?}: {error}") };
        let shown = heard.strip_prefix("it says ").and_then(|said| serde_json::from_str::<String>(said).ok());
        check_shown(&shown.unwrap_or_else(|| panic!("{name}: {heard}")), saying, way, name);
        assert_eq!((error.kind(), error.retryable(), error.started()), ("not_spindle", false, Started::No), "{name}");
    });
}

/// TYPE_SAFETY_001, SECRETS: servers of these kinds wait to be asked. They hear nothing, and nobody waits for them past
/// the deadline.
#[test]
fn a_server_that_waits_to_be_asked() {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let server = serve(|mut peer| {
        let heard = peer.linger_on_bytes();
        HEARD.fetch_add(heard, Ordering::Relaxed);
    });
    let start = Instant::now();
    let error = open(&server).expect_err("no greeting");
    assert!(
        matches!(error, Error::TimedOut { sent: false, .. }) && error.to_string().contains("not Spindle"),
        "{error}"
    );
    assert!(start.elapsed() < hasty().connect + Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(HEARD.load(Ordering::Relaxed), 0);
}

/// TYPE_SAFETY_001: one that greets as a Spindle does, and answers hello otherwise.
#[test]
fn instead_of_a_welcome() {
    each(|name, saying, way| {
        let server = serve(move |mut peer| {
            peer.greet();
            if peer.hear_hello().is_some() {
                say(&mut peer, saying, way);
                peer.linger_on_bytes();
            }
        });
        check_malformed(&open(&server).expect_err(name), saying, way, name);
    });
}

/// TYPE_SAFETY_001: one that has proved to be the right one. It may have run what was asked, and the connection is over.
#[test]
fn instead_of_a_reply() {
    each(|name, saying, way| {
        let server = serve_known(move |mut peer| {
            if peer.next().is_some() {
                say(&mut peer, saying, way);
                peer.linger_on_bytes();
            }
        });
        let mut connection = open(&server).expect("connected");
        let error = call(&mut connection).expect_err(name);
        check_malformed(&error, saying, way, name);
        assert_eq!((error.started(), connection.is_open()), (Started::Unknown, false), "{name}");
        assert_eq!(call(&mut connection).expect_err(name).started(), Started::No, "{name}");
    });
}

/// TYPE_SAFETY_001: after a whole reply, in the same bytes. The reply is good, and what is shown is what follows it.
#[test]
fn after_a_reply() {
    for (name, saying) in SAYINGS {
        let server = serve_known(move |mut peer| {
            let Some((request, _)) = peer.next() else { return };
            let reply = json!({"jsonrpc": "2.0", "id": request.id, "result": {}}).to_string();
            peer.send_bytes(&[&encode(reply.as_bytes(), b"").expect("fits"), saying].concat());
            peer.linger_on_bytes();
        });
        let mut connection = open(&server).expect("connected");
        call(&mut connection).expect("answered");
        check_malformed(&call(&mut connection).expect_err(name), saying, Way::Whole, name);
        let mut connection = open(&server).expect("connected");
        call(&mut connection).expect("answered");
        assert!(!connection.is_alive(), "{name}: it shows without a question");
    }
}

/// TYPE_SAFETY_001: the same words in a frame of ours, all but the right ones.
#[test]
fn in_a_frame() {
    for (name, saying) in SAYINGS.into_iter().filter(|(name, _)| !name.starts_with("the right words")) {
        let server = serve_known(move |mut peer| {
            if peer.next().is_some() {
                peer.send_bytes(&encode(saying, b"").expect("fits"));
                peer.linger_on_bytes();
            }
        });
        let mut connection = open(&server).expect("connected");
        check_malformed(&call(&mut connection).expect_err(name), saying, Way::Whole, name);
        assert!(!connection.is_open(), "{name}");
    }
}

/// TYPE_SAFETY_001, TYPE_SAFETY_002: less of it than a header has, and then the end, or nothing more.
#[test]
fn a_part_of_it() {
    for (name, saying) in SAYINGS {
        for closes in [true, false] {
            let server = serve_known(move |mut peer| {
                if peer.next().is_some() {
                    peer.send_bytes(&saying[..7]);
                    if !closes {
                        peer.linger_on_bytes();
                    }
                }
            });
            let mut connection = open(&server).expect("connected");
            let error = call(&mut connection).expect_err(name);
            let is_named = match error {
                Error::Disconnected { sent, .. } => closes && sent,
                Error::TimedOut { sent, .. } => !closes && sent,
                _ => false,
            };
            assert!(is_named && !connection.is_open(), "{name}, {closes}: {error}");
        }
    }
}

/// TYPE_SAFETY_001: a client with a pool tells the same, and does not try a server again that is another one.
#[test]
fn by_a_client_with_a_pool() {
    for (name, saying) in SAYINGS {
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let server = serve(move |mut peer| {
            counter.fetch_add(1, Ordering::Relaxed);
            say(&mut peer, saying, Way::Whole);
            peer.linger_on_bytes();
        });
        let client = Client::of(server, settings(|_| {})).expect("sound settings");
        let start = Instant::now();
        let params = to_raw_value(&Nothing {}).expect("JSON");
        let error = client.call("scene.get", &params, &[], &Options::default()).expect_err(name);
        assert_eq!((error.kind(), connections.load(Ordering::Relaxed)), ("not_spindle", 1), "{name}: {error}");
        assert!(start.elapsed() < Duration::from_secs(2), "{name}: {:?}", start.elapsed());
    }
}
