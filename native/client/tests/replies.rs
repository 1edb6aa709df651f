//! Requests in flight: every wait ends in time, and every reply reaches its own caller or nobody.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Peer, hasty, open, serve_known};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use spindle_client::{Connection, Error, Fate, Listener, Options, Reply, Settings};
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::frame::encode;
use spindle_protocol::limits::BLOB_BYTES;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{CancelOutcome, Ping};

fn params(value: Value) -> Box<RawValue> {
    to_raw_value(&value).expect("JSON")
}

/// The outcome of one `scene.get` against a server that answers it like this.
fn outcome(answer: impl Fn(&mut Peer, u64) + Send + Sync + 'static, options: Options) -> Result<Reply, Error> {
    let server = serve_known(move |mut peer| {
        let Some((request, _)) = peer.next() else { return };
        answer(&mut peer, request.id.to_string().parse().expect("ours are numbers"));
    });
    open(&server).expect("connected").call("scene.get", &params(json!({})), &[], &options)
}

fn framed(json: &str) -> Vec<u8> {
    encode(json.as_bytes(), b"").expect("fits")
}

/// TYPE_SAFETY_001, TYPE_SAFETY_002: what is not the reply is an error that shows 100 characters.
#[test]
fn replies_of_the_wrong_shape() {
    type Row = (&'static str, fn(u64) -> String);
    let rows: [Row; 11] = [
        ("no JSON", |_| "nonsense".to_owned()),
        ("cut JSON", |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"#)),
        ("nothing in it", |id| format!(r#"{{"jsonrpc":"2.0","id":{id}}}"#)),
        ("both outcomes", |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"error":{{}}}}"#)),
        ("no object", |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":[1]}}"#)),
        ("null", |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":null}}"#)),
        ("another id", |id| format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id + 1)),
        ("a text as id", |id| format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{}}}}"#)),
        ("another version", |id| format!(r#"{{"jsonrpc":"1.0","id":{id},"result":{{}}}}"#)),
        ("an error without data", |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":1,"message":"m"}}}}"#)),
        ("long", |_| "é".repeat(5000)),
    ];
    for (name, text) in rows {
        let error = outcome(
            move |peer, id| {
                peer.send_bytes(&framed(&text(id)));
                peer.linger();
            },
            Options::default(),
        )
        .expect_err(name);
        let Error::Malformed { shown, .. } = &error else { panic!("{name}: {error}") };
        assert!(!shown.is_empty() && shown.chars().count() <= 100, "{name}: {shown}");
        assert_eq!(error.started(), Started::Unknown, "{name}");
    }
    let error = outcome(|peer, _| peer.send_bytes(b"\0\0\0\0\0\0\0\0"), Options::default()).expect_err("no JSON part");
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
}

/// TYPE_SAFETY_001: a result that does not fit its type is not passed on half-read.
#[test]
fn a_typed_result_of_the_wrong_shape() {
    let server = serve_known(|mut peer| {
        for result in [json!({"pong": "yes"}), json!({}), json!({"pong": true})] {
            let Some((request, _)) = peer.next() else { return };
            peer.answer(&request, result);
        }
        peer.linger();
    });
    let mut connection = open(&server).expect("connected");
    let mut ping = || connection.call_typed::<Ping>(&Nothing {}, &[], &Options::default());
    for _ in 0..2 {
        let error = ping().expect_err("no Pong");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
    assert!(ping().expect("the connection goes on").0.pong);
}

/// TYPE_SAFETY_002: no reply at all, or half of one, is a disconnect; whether anything ran is unknown.
#[test]
fn a_reply_that_does_not_come() {
    let whole = |id| framed(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    for cut in [0, 4, 8, 20] {
        let error = outcome(move |peer, id| peer.send_bytes(&whole(id)[..cut]), Options::default()).expect_err("cut");
        assert!(matches!(error, Error::Disconnected { sent: true, .. }), "{cut}: {error}");
        assert_eq!(error.started(), Started::Unknown);
    }
}

/// LOCK_SAFETY: a stream of news that ends early, or was never opened, is an error for each who waits on it.
#[test]
fn a_stream_that_ends_early() {
    let server = serve_known(|mut peer| {
        let Some((first, _)) = peer.next() else { return };
        peer.next();
        let told = json!({"id": first.id, "stream": "stdout", "text": "so far"});
        peer.send(&json!({"jsonrpc": "2.0", "method": "output", "params": told}), &[]);
    });
    let mut connection = open(&server).expect("connected");
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let listener = Listener(Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let options = Options { listener: Some(listener), ..Options::default() };
    let tickets = [0; 2].map(|_| connection.send("script.run", &params(json!({})), &[], &options).expect("sent"));
    for ticket in tickets {
        let error = connection.wait(ticket).expect_err("ended");
        assert!(matches!(error, Error::Disconnected { sent: true, .. }), "{error}");
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
    let error = connection.send("ping", &params(json!({})), &[], &options).expect_err("never opened");
    assert!(matches!(error, Error::Disconnected { sent: false, .. }), "{error}");
}

/// After a broken stream nothing is sent, and the error says that nothing ran.
#[test]
fn a_closed_connection_stays_closed() {
    let server = serve_known(|mut peer| drop(peer.next()));
    let mut connection = open(&server).expect("connected");
    let mut call = || connection.call("scene.get", &params(json!({})), &[], &Options::default()).expect_err("closed");
    assert_eq!(call().started(), Started::Unknown);
    assert_eq!(call().started(), Started::No);
    assert!(!connection.is_open());
}

/// BUG-009: the idle deadline (150 ms here) restarts on each byte of progress.
#[test]
fn slow_but_steady_is_no_failure() {
    let start = Instant::now();
    let trickle = |peer: &mut Peer, id| {
        for byte in framed(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)) {
            peer.send_bytes(&[byte]);
            thread::sleep(Duration::from_millis(10));
        }
        peer.linger();
    };
    outcome(trickle, Options::default()).expect("a whole reply");
    assert!(start.elapsed() > hasty().idle * 2, "{:?}", start.elapsed());
}

/// BUG-009: without progress in mid-message the idle deadline ends the wait; before a message it does not.
#[test]
fn a_stalled_reply() {
    let start = Instant::now();
    let error = outcome(
        |peer, _| {
            peer.send_bytes(b"\0\0\0\x20\0\0\0\0{");
            peer.linger();
        },
        Options::default(),
    )
    .expect_err("stalled");
    assert!(matches!(error, Error::TimedOut { sent: true, .. }), "{error}");
    assert!((hasty().idle..hasty().idle * 4).contains(&start.elapsed()), "{:?}", start.elapsed());
    let thinking = |peer: &mut Peer, id| {
        thread::sleep(hasty().idle * 3);
        peer.send(&json!({"jsonrpc": "2.0", "id": id, "result": {}}), &[]);
    };
    outcome(thinking, Options::default()).expect("Blender may take its time");
}

/// BUG-009: the total deadline does not restart, neither on bytes of the reply nor on other messages.
#[test]
fn the_total_deadline_holds() {
    // The client waits longer than it asks of the server, whose own answer should come first.
    let total = hasty().grace;
    let trickle = |peer: &mut Peer, _| loop {
        peer.send_bytes(b"\0\0\x7f\0\0\0\0\0{");
        for _ in 0..0x7eff {
            thread::sleep(Duration::from_millis(20));
            if std::io::Write::write_all(&mut peer.stream, b" ").is_err() {
                return;
            }
        }
    };
    let flood = |peer: &mut Peer, _| {
        let note = framed(r#"{"jsonrpc":"2.0","method":"progress","params":{"id":1,"done":0.5}}"#);
        while std::io::Write::write_all(&mut peer.stream, &note).is_ok() {}
    };
    type Lie = Box<dyn Fn(&mut Peer, u64) + Send + Sync>;
    let lies: [Lie; 2] = [Box::new(trickle), Box::new(flood)];
    let waits = lies.map(|lie| {
        thread::spawn(move || {
            let start = Instant::now();
            let error = outcome(lie, Options::within(Duration::from_millis(50))).expect_err("too late");
            (error, start.elapsed())
        })
    });
    for wait in waits {
        let (error, took) = wait.join().expect("no panic");
        assert!(matches!(error, Error::TimedOut { sent: true, .. }), "{error}");
        assert!((total..total + Duration::from_secs(3)).contains(&took), "{took:?}");
    }
}

/// BUG-009, sending: a server that reads nothing ends the wait, and nothing can have run.
#[test]
fn a_server_that_does_not_read() {
    let server = serve_known(|_peer| thread::sleep(Duration::from_secs(3)));
    let mut connection = open(&server).expect("connected");
    let blob = vec![0; BLOB_BYTES as usize];
    let error = connection.call("script.run", &params(json!({})), &blob, &Options::default()).expect_err("stuck");
    assert!(matches!(error, Error::TimedOut { sent: false, .. }), "{error}");
    assert_eq!(error.started(), Started::No);
}

/// Both sides send much at once: reading goes on while writing waits.
#[test]
fn large_messages_both_ways_do_not_lock() {
    let server = serve_known(|mut peer| {
        while let Some((request, blob)) = peer.next() {
            let reply = json!({"jsonrpc": "2.0", "id": request.id, "result": {"length": blob.len()}});
            peer.send(&reply, &blob);
        }
    });
    let settings = Settings { idle: Duration::from_secs(2), ..hasty() };
    let mut connection = Connection::open(&server, &settings).expect("connected");
    // Far more than the system's buffers hold.
    let blobs: Vec<Vec<u8>> = (1..=4).map(|n| vec![n; usize::from(n) << 22]).collect();
    let tickets: Vec<_> = blobs
        .iter()
        .map(|blob| connection.send("script.run", &params(json!({})), blob, &Options::default()).expect("sent"))
        .collect();
    for (ticket, blob) in tickets.into_iter().zip(&blobs) {
        let reply = connection.wait(ticket).expect("answered");
        assert!(reply.blob == *blob);
    }
}

/// Replies in any order reach their own callers; an error is one caller's alone.
#[test]
fn replies_are_not_mixed() {
    let server = serve_known(|mut peer| {
        let requests: Vec<_> = std::iter::from_fn(|| peer.next()).take(3).map(|(request, _)| request).collect();
        for request in requests.iter().rev() {
            let params: Value = serde_json::from_str(request.params.get()).expect("JSON");
            if params["n"] == 1 {
                let busy = WireError::new(Kind::Busy, "rendering");
                peer.send(&json!({"jsonrpc": "2.0", "id": request.id, "error": busy}), &[]);
            } else {
                peer.answer(request, params);
            }
        }
        peer.linger();
    });
    let mut connection = open(&server).expect("connected");
    let tickets: Vec<_> = (0..3)
        .map(|n| connection.send("data.get", &params(json!({"n": n})), &[], &Options::default()).expect("sent"))
        .collect();
    let outcomes: Vec<_> = tickets.into_iter().map(|ticket| connection.wait(ticket)).collect();
    assert_eq!(outcomes[0].as_ref().expect("answered").result.get(), r#"{"n":0}"#);
    let busy = outcomes[1].as_ref().expect_err("busy");
    assert_eq!((busy.kind(), busy.retryable(), busy.started()), ("busy", true, Started::No));
    assert_eq!(outcomes[2].as_ref().expect("answered").result.get(), r#"{"n":2}"#);
}

/// A reply that comes after its caller gave up reaches nobody, and the connection goes on.
#[test]
fn late_replies_are_dropped() {
    let server = serve_known(|mut peer| {
        let Some((late, _)) = peer.next() else { return };
        let Some((next, _)) = peer.next() else { return };
        peer.answer(&late, json!({"late": true}));
        peer.answer(&next, json!({"late": false}));
        peer.linger();
    });
    let mut connection = open(&server).expect("connected");
    let late = Options::within(Duration::from_millis(1));
    let error = connection.call("scene.get", &params(json!({})), &[], &late).expect_err("too late");
    assert!(matches!(error, Error::TimedOut { sent: true, .. }), "{error}");
    let reply = connection.call("scene.get", &params(json!({})), &[], &Options::default()).expect("goes on");
    assert_eq!(reply.result.get(), r#"{"late":false}"#);
}

/// The first interrupt cancels and waits for the answer; the connection stays usable.
#[test]
fn an_interrupt_cancels() {
    let server = serve_known(|mut peer| {
        let Some((work, _)) = peer.next() else { return };
        let Some((cancel, _)) = peer.next() else { return };
        assert_eq!((cancel.method.as_str(), cancel.params.get()), ("cancel", &*format!(r#"{{"id":{}}}"#, work.id)));
        peer.answer(&cancel, json!({"outcome": "interrupting"}));
        peer.answer(&work, stopped());
        while let Some((request, _)) = peer.next() {
            peer.answer(&request, json!({"pong": true}));
        }
    });
    let (mut connection, asked) = interrupted_once(&server);
    let start = Instant::now();
    let error = connection.call("script.run", &params(json!({})), &[], &Options::default()).expect_err("interrupted");
    assert_eq!(error.to_string(), "interrupted; the script was stopped");
    assert_eq!((error.started(), error.details()["result"]["exception"]["line"].as_i64()), (Started::Yes, Some(3)));
    assert!(start.elapsed() < Duration::from_secs(1) && asked.load(Ordering::Relaxed) >= 1);
    connection.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).expect("goes on");
}

/// A server that does not heed a cancel delays its caller by 2 s, no longer.
#[test]
fn an_interrupt_ends_the_wait_whatever_the_server_does() {
    let server = serve_known(|mut peer| peer.linger());
    let (mut connection, _) = interrupted_once(&server);
    let start = Instant::now();
    let error = connection.call("script.run", &params(json!({})), &[], &Options::default()).expect_err("interrupted");
    assert!(matches!(error, Error::Interrupted { fate: Fate::Unknown }), "{error}");
    let took = start.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2700)).contains(&took), "{took:?}");
}

/// The second Ctrl-C leaves at once.
#[test]
fn a_second_interrupt_leaves() {
    let server = serve_known(|mut peer| peer.linger());
    // Not while it connects, which may take a while on a busy machine.
    let asked = Arc::new(AtomicUsize::new(1_000));
    let counter = Arc::clone(&asked);
    let interrupt = Arc::new(move || [0, 4].contains(&counter.fetch_add(1, Ordering::Relaxed)));
    let settings = Settings { connect: Duration::from_secs(5), interrupt: Some(interrupt), ..hasty() };
    let mut connection = Connection::open(&server, &settings).expect("connected");
    asked.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let error = connection.call("script.run", &params(json!({})), &[], &Options::default()).expect_err("interrupted");
    assert!(matches!(error, Error::Interrupted { fate: Fate::Unknown }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// A script that was stopped.
fn stopped() -> Value {
    let exception = json!({"type": "KeyboardInterrupt", "message": "", "traceback": "…", "line": 3});
    json!({"status": "cancelled", "stdout": "", "stderr": "", "exception": exception, "duration_ms": 1.0})
}

fn interrupted_once(server: &spindle_protocol::instance::Instance) -> (Connection, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let interrupt = Arc::new(move || counter.fetch_add(1, Ordering::Relaxed) == 0);
    let settings = Settings { interrupt: Some(interrupt), ..hasty() };
    (Connection::open(server, &settings).expect("connected"), asked)
}

#[test]
fn cancel_tells_what_it_achieved() {
    let server = serve_known(|mut peer| {
        let Some((work, _)) = peer.next() else { return };
        let Some((cancel, _)) = peer.next() else { return };
        peer.answer(&cancel, json!({"outcome": "dequeued"}));
        let cancelled = WireError::new(Kind::Cancelled, "cancelled before it started");
        peer.send(&json!({"jsonrpc": "2.0", "id": work.id, "error": cancelled}), &[]);
        peer.linger();
    });
    let mut connection = open(&server).expect("connected");
    let ticket = connection.send("render.image", &params(json!({})), &[], &Options::default()).expect("sent");
    let outcome = connection.cancel(&ticket, Duration::from_secs(2)).expect("answered");
    assert_eq!(outcome, CancelOutcome::Dequeued);
    assert_eq!(connection.wait(ticket).expect_err("cancelled").kind(), "cancelled");
}

/// ASYNC_RACE_003: a close that fails is told to whoever asks, and the socket is closed all the same.
#[test]
#[cfg(unix)]
fn closing_tells_of_a_failure() {
    let server = serve_known(|peer| {
        socket2::SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).expect("set");
    });
    let connection = open(&server).expect("connected");
    thread::sleep(Duration::from_millis(200));
    connection.close().expect_err("it was reset");
    let server = serve_known(|mut peer| peer.linger());
    open(&server).expect("connected").close().expect("in order");
}

/// In Blender's own main thread a main method would wait for its own caller; control methods may go.
#[test]
fn a_call_to_oneself_is_refused() {
    let mut server = serve_known(|mut peer| {
        while let Some((request, _)) = peer.next() {
            peer.answer(&request, json!({"pong": true}));
        }
    });
    server.pid = std::process::id();
    let mut connection = open(&server).expect("connected");
    let on_main = Options { on_main_thread: true, ..Options::default() };
    let error = connection.call("scene.get", &params(json!({})), &[], &on_main).expect_err("refused");
    assert!(matches!(error, Error::WouldDeadlock { .. }), "{error}");
    connection.call_typed::<Ping>(&Nothing {}, &[], &on_main).expect("a control method");
    connection.call("scene.get", &params(json!({})), &[], &Options::default()).expect("from another thread");
}

/// What is too large is refused before anything is sent, and the connection goes on.
#[test]
fn too_large_a_request() {
    let server = serve_known(|mut peer| {
        while let Some((request, _)) = peer.next() {
            peer.answer(&request, json!({"pong": true}));
        }
    });
    let mut connection = open(&server).expect("connected");
    let blob = vec![0; BLOB_BYTES as usize + 1];
    let error = connection.call("script.run", &params(json!({})), &blob, &Options::default()).expect_err("too large");
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
    let error = connection.call("ping", &params(json!({})), &[], &Options::within(Duration::MAX)).expect_err("a day");
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    connection.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).expect("goes on");
}

/// A server that cannot read a request answers nobody in particular; the caller learns why.
#[test]
fn an_error_without_an_id() {
    let error = outcome(
        |peer, _| {
            let refusal = WireError::new(Kind::TooLarge, "the frame declares too much");
            peer.send(&json!({"jsonrpc": "2.0", "id": null, "error": refusal}), &[]);
        },
        Options::default(),
    )
    .expect_err("refused");
    assert_eq!(error.kind(), "too_large");
}

/// A connection's end closes all of it, also with requests in flight.
#[test]
fn a_dropped_connection_closes_its_socket() {
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let server = serve_known(move |mut peer| {
        peer.linger();
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let mut connection = open(&server).expect("connected");
    let ticket = connection.send("scene.get", &params(json!({})), &[], &Options::default()).expect("sent");
    drop((connection, ticket));
    let patience = Instant::now() + Duration::from_secs(5);
    while closed.load(Ordering::Relaxed) == 0 && Instant::now() < patience {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(closed.load(Ordering::Relaxed), 1);
}
