//! What a server does besides answering: pages, alerts, news, last words, and what the add-on asks of it.

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::handle::Ending;
use spindle_core::keys::SessionKey;
use spindle_protocol::notification::Stream;
use support::{Harness, Peer, eventually, kind, raw};

fn alerts(peer: &mut Peer) -> Vec<String> {
    let health = peer.call("health", json!({}));
    let alerts = health["result"]["alerts"].as_array().expect("alerts");
    alerts.iter().map(|alert| alert["name"].as_str().expect("a name").to_owned()).collect()
}

fn metrics(peer: &mut Peer) -> String {
    peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned()
}

/// METRICS: the pages are served by the thread that serves clients, and tell the same.
#[test]
fn pages() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
    let harness = Harness::start(|settings| settings.metrics_port = Some(port));
    let _client = harness.client("a");
    for (path, expected) in [
        ("/metrics", "\nspindle_connections 1\n"),
        ("/healthz", "HTTP/1.1 200 OK\r\n"),
        ("/readyz", "HTTP/1.1 200 OK\r\n"),
        ("/other", "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("a text, and an end");
        assert!(answer.contains(expected), "{path}: {answer}");
    }
}

/// REQUEST_LOG, ALERTS: a log that cannot be written is an alert, and no reason not to serve; none is none.
#[test]
fn logs_that_are_not_written() {
    for (log, alerted) in [(true, true), (false, false)] {
        let harness = Harness::start(|settings| {
            let file = settings.runtime_dir.as_ref().expect("a folder").with_extension("file");
            std::fs::write(&file, "").expect("written");
            (settings.log, settings.log_dir) = (log, Some(file.join("log")));
        });
        let _main = harness.serve(|_| json!({"ran": true}));
        let mut peer = harness.client("a");
        assert_eq!(peer.call("object.get", json!({"name": "x"}))["result"]["ran"], true);
        assert_eq!(alerts(&mut peer).contains(&"log_failing".to_owned()), alerted);
    }
}

/// BUG-006: a TTL that is clamped is counted.
#[test]
fn clamped_ttls_are_counted() {
    let harness = Harness::start(|settings| {
        settings.limits.job_ttl_s = 0.0;
        settings.limits.cache_ttl_s = 31_536_000.0;
    });
    assert!(metrics(&mut harness.client("a")).contains("\nspindle_validation_ttl_capped_total 2\n"));
}

/// BUG-002: a text that clears the cache is no pattern, whatever it looks like; a pattern is asked for by its name.
#[test]
fn the_cache_is_cleared() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|_| json!({"kept": true}));
    let mut peer = harness.client("a");
    let rows: [(Value, Value); 5] = [
        (json!({"containing": ".*"}), json!(0)),
        (json!({"containing": "a.c"}), json!(1)),
        (json!({"pattern": "\"a.c\""}), json!(2)),
        (json!({}), json!(3)),
        (json!({"pattern": "("}), Value::Null),
    ];
    for (params, cleared) in rows {
        for name in ["a.c", "abc", "other"] {
            peer.call("object.get", json!({"name": name}));
        }
        assert_eq!(peer.call("cache.clear", params.clone())["result"]["cleared"], cleared, "{params}");
    }
    assert!(metrics(&mut peer).contains("\nspindle_cache_injection_blocked_total 1\n"));
}

/// News wait for a client that leaves much unread, within their own bound, instead of getting it dropped.
#[test]
fn news_wait_for_a_slow_reader() {
    let harness = Harness::start(|settings| settings.limits.max_unread_mib = 73);
    let mut peer = harness.client("a");
    peer.request("object.get", json!({"name": "x"}));
    let (large, _) = harness.take();
    harness.handle.reply(large, raw(&json!({})), vec![7; 40 << 20], Ending::ok());
    let id = peer.request("script.run", json!({"code": "1"}));
    let (ticket, _) = harness.take();
    let line = "y".repeat(1 << 10);
    for _ in 0..200 {
        // All of it, were it sent at once, would be more than may be left unread.
        (0..1_000).for_each(|_| harness.handle.output(ticket, Stream::Stdout, &line));
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(peer.receive().1.len(), 40 << 20);
    let (output, _) = peer.receive();
    assert_eq!((&output["method"], &output["params"]["id"]), (&json!("output"), &json!(id)), "it was not dropped");
    harness.reply(ticket);
    while peer.receive().0["id"] != id {}
}

/// What is written when the server stops still arrives, as long as its reader reads.
#[test]
fn last_words_arrive() {
    let harness = Harness::start(|settings| settings.limits.drain_s = 20.0);
    let mut peer = harness.client("a");
    peer.request("object.get", json!({"name": "x"}));
    peer.request("object.get", json!({"name": "y"}));
    let (ticket, _) = harness.take();
    harness.handle.reply(ticket, raw(&json!({})), vec![7; 60 << 20], Ending::ok());
    let reader = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        (peer.receive().1.len(), kind(&peer.receive().0).to_owned(), peer.read_out().len())
    });
    harness.handle.stop();
    assert_eq!(reader.join().expect("read"), (60 << 20, "shutting_down".to_owned(), 0));
}

/// What the add-on asks: whether somebody is there and wants something, an end of its wait, and that clients find the
/// file that is open.
#[test]
fn the_add_on_asks() {
    let harness = Harness::start(|_| {});
    assert!(!harness.handle.has_connections() && !harness.handle.is_connected(SessionKey(0)));
    let mut peer = harness.client("a");
    assert!(!harness.handle.has_requests());
    peer.request("object.get", json!({"name": "x"}));
    eventually("it waits", || harness.handle.has_requests());
    let (ticket, admitted) = harness.take();
    let session = admitted.origin().session;
    assert!(harness.handle.has_connections() && harness.handle.is_connected(session));
    assert!(harness.handle.has_requests(), "it runs");
    harness.reply(ticket);
    assert!(!harness.handle.has_requests(), "it is answered");
    drop(peer);
    eventually("it has left", || !harness.handle.has_connections() && !harness.handle.is_connected(session));

    harness.handle.interrupt();
    assert!(harness.handle.take(support::PATIENCE).is_none(), "at once");
    harness.handle.set_file("/scenes/Käse.blend").expect("written");
    let files = std::fs::read_dir(harness.dir.path().join("spindle")).expect("a folder");
    let texts: Vec<String> =
        files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a text")).collect();
    assert!(matches!(&texts[..], [text] if text.contains("/scenes/Käse.blend")), "{texts:?}");
}
