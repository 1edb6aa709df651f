//! Everything that can go wrong before a connection stands: each is one named error, in time.

mod common;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Peer, hasty, instance, open, serve};
use serde_json::json;
use spindle_client::error::ConnectFailure;
use spindle_client::{Connection, Error, Fate, Settings};
use spindle_protocol::error::{Kind, WireError};

/// What opening a connection to this server gives, and that it takes no longer than it may.
fn failure(behave: impl Fn(Peer) + Send + Sync + 'static) -> Error {
    let server = serve(behave);
    let start = Instant::now();
    let error = open(&server).expect_err("a failure");
    assert!(start.elapsed() < hasty().connect + Duration::from_millis(200), "{:?}: {error}", start.elapsed());
    error
}

/// RUNTIME_002, TYPE_SAFETY_002: a port without a listener is "no connection".
#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let error = open(&instance(port)).expect_err("nobody there");
    assert!(matches!(error, Error::Connect { failure: ConnectFailure::Refused, .. }), "{error}");
    assert!(error.retryable());
}

/// RUNTIME_002: a peer that says nothing, at once or in the middle of its greeting.
#[test]
fn a_silent_peer() {
    for beginning in [&b""[..], b"\0\0\0", b"\0\0\x01\0\0\0\0\0{\"jsonrpc\""] {
        let error = failure(move |mut peer| {
            peer.send_bytes(beginning);
            peer.linger();
        });
        assert!(matches!(error, Error::TimedOut { sent: false, .. }), "{error}");
        assert!(error.to_string().contains("did not greet in time"), "{error}");
    }
}

/// RUNTIME_002: a peer that takes no more connections, so that the system answers nothing at all.
#[test]
#[cfg(target_os = "linux")]
fn a_full_listener() {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).and_then(|()| listener.listen(0)).expect("listening");
    let address = listener.local_addr().expect("bound").as_socket().expect("an address");
    let waiting: Vec<_> =
        (0..4).map_while(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()).collect();
    let start = Instant::now();
    let error = open(&instance(address.port())).expect_err("full");
    assert!(matches!(error, Error::Connect { failure: ConnectFailure::TimedOut(300), .. }), "{error}");
    assert!((hasty().connect..hasty().connect * 3).contains(&start.elapsed()), "{:?}", start.elapsed());
    drop(waiting);
}

/// RUNTIME_002: Ctrl-C ends the wait for such a peer as well.
#[test]
fn an_interrupt_while_connecting() {
    let server = serve(|mut peer| peer.linger());
    let interrupt: spindle_client::Interrupt = std::sync::Arc::new(|| true);
    let settings = Settings { connect: Duration::from_secs(20), interrupt: Some(interrupt), ..hasty() };
    let start = Instant::now();
    let error = Connection::open(&server, &settings).expect_err("interrupted");
    assert!(matches!(error, Error::Interrupted { fate: Fate::NotSent }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// RUNTIME_002: a peer that resets, at once or after its greeting, gives one error, whichever of the two it is seen as.
#[test]
fn a_peer_that_resets() {
    for greets in [false, true] {
        let error = failure(move |mut peer| {
            if greets {
                peer.greet();
            }
            socket2::SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).expect("set");
        });
        assert!(matches!(error, Error::Disconnected { sent: false, .. } | Error::Connect { .. }), "{error}");
        assert!(error.retryable() && error.started() == spindle_protocol::error::Started::No);
    }
}

/// TYPE_SAFETY_002: an empty reply is a disconnect, not a malformed one.
#[test]
fn a_peer_that_closes() {
    let error = failure(drop);
    assert!(matches!(error, Error::Disconnected { sent: false, .. }), "{error}");
    let error = failure(|mut peer| {
        peer.greet();
        peer.next();
    });
    assert!(matches!(error, Error::Disconnected { sent: false, .. }), "{error}");
}

/// TYPE_SAFETY_001: foreign servers are named, with at most 100 characters of what they say.
#[test]
fn a_foreign_peer() {
    let long = format!("SSH-2.0-{}\r\n", "x".repeat(5000));
    let json_of =
        |value: serde_json::Value| spindle_protocol::frame::encode(value.to_string().as_bytes(), b"").expect("fits");
    let rows = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        long.into_bytes(),
        b"{\"status\": \"success\"}".to_vec(),
        vec![0; 64],
        json_of(json!({"jsonrpc": "2.0", "method": "greeting", "params": {"name": "other"}})),
        json_of(json!({"jsonrpc": "2.0", "method": "greeting", "params": ["spindle", [1, 1], "i", "n"]})),
        json_of(json!({"jsonrpc": "2.0", "id": 0, "result": {}})),
        json_of(json!([1])),
    ];
    for bytes in rows {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let error = failure(move |mut peer| {
            peer.send_bytes(&bytes);
            peer.linger();
        });
        let Error::NotSpindle { heard, .. } = &error else { panic!("{shown}: {error}") };
        assert!(heard.chars().count() <= 120, "{heard}");
    }
}

/// A server that is full says so instead of a greeting.
#[test]
fn a_server_that_refuses() {
    let error = failure(|mut peer| {
        let refusal = WireError::new(Kind::TooManyConnections, "128 connections, the limit is 128");
        peer.send(&json!({"jsonrpc": "2.0", "id": null, "error": refusal}), &[]);
    });
    assert_eq!((error.kind(), error.retryable()), ("too_many_connections", true), "{error}");
}

/// SECRETS: whoever cannot prove that it knows the token gets nothing but hello.
#[test]
fn a_server_that_is_another_one() {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let without_proof = |answer: fn(&str) -> String| {
        failure(move |mut peer| {
            peer.greet();
            let Some((request, client_proof, _)) = peer.hear_hello() else { return };
            let welcome = peer.welcome(&answer(&client_proof));
            peer.answer(&request, welcome);
            HEARD.fetch_add(usize::from(peer.next().is_some()), Ordering::Relaxed);
        })
    };
    let echoed = without_proof(str::to_owned);
    let invented = without_proof(|_| "00".repeat(32));
    let empty = without_proof(|_| String::new());
    let another = failure(|mut peer| {
        peer.instance.instance = "fedcba9876543210".to_owned();
        peer.greet();
        HEARD.fetch_add(usize::from(peer.next().is_some()), Ordering::Relaxed);
    });
    for error in [echoed, invented, empty, another] {
        assert!(matches!(error, Error::WrongServer { .. }), "{error}");
    }
    assert_eq!(HEARD.load(Ordering::Relaxed), 0, "something was said to a stranger");
}

#[test]
fn a_token_that_is_not_accepted() {
    let error = failure(|mut peer| {
        peer.greet();
        let Some((request, _)) = peer.next() else { return };
        let refusal = WireError::new(Kind::BadProof, "the proof does not fit the token");
        peer.send(&json!({"jsonrpc": "2.0", "id": request.id, "error": refusal}), &[]);
    });
    assert!(matches!(error, Error::BadToken { .. }), "{error}");
}

#[test]
fn versions_that_do_not_meet() {
    let error = failure(|mut peer| {
        let mut greeting = peer.greeting();
        greeting["params"]["protocol"] = json!([2, 4]);
        peer.send(&greeting, &[]);
        peer.linger();
    });
    assert!(matches!(error, Error::VersionMismatch { theirs: [2, 4] }), "{error}");
    assert!(error.to_string().contains("update this client"), "{error}");
}

/// TYPE_SAFETY_001: an answer to hello of the wrong shape.
#[test]
fn a_welcome_of_the_wrong_shape() {
    for result in [json!(null), json!([]), json!({"protocol": 1}), json!("welcome")] {
        let error = failure(move |mut peer| {
            peer.greet();
            let Some((request, ..)) = peer.hear_hello() else { return };
            peer.answer(&request, result.clone());
            peer.linger();
        });
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}

#[test]
fn an_honest_server() {
    let server = serve(|mut peer| {
        peer.shake_hands();
        peer.linger();
    });
    let connection = open(&server).expect("connected");
    assert_eq!(connection.welcome().blender, "5.2.2");
    assert!(connection.is_open() && !connection.is_own_process());
}
