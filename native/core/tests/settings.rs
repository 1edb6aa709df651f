//! Every setting is enforced, seen through the socket. Those of the queue's length, connections, stalls and unread
//! replies are in queue.rs, lifecycle.rs and load.rs.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spindle_core::handle::Ending;
use spindle_core::settings::Settings;
use support::{Harness, Peer, eventually, kind, raw};

#[test]
fn max_queued_mib() {
    let harness = Harness::start(|settings| settings.limits.max_queued_mib = 73);
    let mut peer = harness.client("a");
    let blob = vec![0; 40 << 20];
    for id in 1..=2 {
        let params = json!({"code": "args", "args": {"data": {"$blob": [0, blob.len()]}}});
        peer.send(&json!({"jsonrpc": "2.0", "id": id, "method": "script.run", "params": params}), &blob);
    }
    let (refused, _) = peer.receive();
    assert_eq!((&refused["id"], kind(&refused)), (&json!(2), "queue_full"));
    assert_eq!(refused["error"]["data"]["setting"], "max_queued_mib");
    let (ticket, _) = harness.take();
    harness.reply(ticket);
    assert_eq!(peer.receive().0["result"]["ran"], true);
}

#[test]
fn max_sessions_and_session_ttl_s() {
    let harness = Harness::start(|settings| {
        settings.limits.max_connections = 2;
        settings.limits.max_sessions = 2;
        settings.limits.session_ttl_s = 1.0;
    });
    let gone = || eventually("they are gone", || harness.handle.status().clients.is_empty());
    drop((harness.client("a"), harness.client("b")));
    gone();
    let mut c = harness.client("c");
    assert_eq!(c.call("health", json!({}))["result"]["sessions"], 2, "the oldest that is gone was forgotten");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(c.call("health", json!({}))["result"]["sessions"], 1, "the other's time is over");
}

/// BUG-004: each rate is enforced for each client by itself, and the refusal names the setting, its value and the wait.
#[test]
fn rates() {
    type Change = fn(&mut Settings);
    let rows: [(Change, &str, u64, usize); 3] = [
        (|settings| settings.limits.requests_per_minute = 3, "requests_per_minute", 3, 0),
        (|settings| settings.limits.in_mib_per_minute = 73, "in_mib_per_minute", 73, 30 << 20),
        (|settings| settings.limits.out_mib_per_minute = 73, "out_mib_per_minute", 73, 40 << 20),
    ];
    for (change, setting, limit, bytes) in rows {
        let harness = Harness::start(change);
        // The blob of each request comes back with its answer.
        let _main = harness.serve(|_| json!({"ran": true}));
        let (mut a, mut b) = (harness.client("a"), harness.client("b"));
        let blob = vec![0; bytes];
        let call = |peer: &mut Peer, id: u64| {
            let params = json!({"code": "args", "args": {"data": {"$blob": [0, bytes]}}});
            peer.send(&json!({"jsonrpc": "2.0", "id": id, "method": "script.run", "params": params}), &blob);
            peer.receive().0
        };
        let refused = (1..10).map(|id| call(&mut a, id)).find(|reply| reply["error"].is_object()).expect(setting);
        let data = &refused["error"]["data"];
        assert_eq!(
            (kind(&refused), &data["setting"], &data["limit"]),
            ("rate_limited", &json!(setting), &json!(limit))
        );
        let wait = data["retry_after_ms"].as_u64().expect("a time");
        assert!((1..=60_000).contains(&wait), "{refused}");
        assert_eq!((&data["retryable"], &data["started"]), (&json!(true), &json!(false)));
        assert_eq!(call(&mut b, 1)["result"]["ran"], true, "another client has its own");
        let mut again = harness.client("a");
        assert_eq!(kind(&call(&mut again, 1)), "rate_limited", "BUG-010: connecting anew brings nothing");
    }
}

#[test]
fn hello_s() {
    let harness = Harness::start(|settings| settings.limits.hello_s = 0.3);
    let start = Instant::now();
    let mut silent = harness.connect();
    assert!(silent.read_out().is_empty());
    assert!((0.3..2.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

/// Two connections of one client share what one client may have.
#[test]
fn max_session_queued_and_max_session_in_flight() {
    let harness = Harness::start(|settings| {
        settings.limits.max_in_flight = 3;
        settings.limits.max_session_in_flight = 3;
        settings.limits.max_session_queued = 2;
    });
    let (mut first, mut second, mut other) = (harness.client("a"), harness.client("a"), harness.client("b"));
    let get = || json!({"name": "x"});
    let setting = |refused: &Value| refused["error"]["data"]["setting"].clone();
    first.request("object.get", get());
    first.request("object.get", get());
    eventually("they wait", || harness.handle.status().overview.queued == 2);
    assert_eq!(setting(&second.call("object.get", get())), "max_session_queued");
    let _running = harness.take();
    second.request("object.get", get());
    eventually("it waits", || harness.handle.status().overview.queued == 2);
    let _running = harness.take();
    assert_eq!(setting(&first.call("object.get", get())), "max_session_in_flight");
    other.request("object.get", get());
    eventually("another client is not concerned", || harness.handle.status().overview.queued == 2);
}

#[test]
fn script_deadline_s() {
    let harness = Harness::start(|settings| settings.limits.script_deadline_s = 0.05);
    let mut peer = harness.client("a");
    assert_eq!(kind(&peer.call("script.run", json!({"code": "1"}))), "expired_in_queue");
    peer.request_with("script.run", json!({"code": "1"}), json!({"deadline_ms": 60_000}));
    std::thread::sleep(Duration::from_millis(100));
    let (ticket, _) = harness.take();
    harness.reply(ticket);
    assert_eq!(peer.receive().0["result"]["ran"], true, "a request may ask for more");
}

#[test]
fn drain_s() {
    for (drain, waits) in [(0.0, false), (0.6, true)] {
        let harness = Harness::start(|settings| settings.limits.drain_s = drain);
        let mut peer = harness.client("a");
        peer.request("object.get", json!({"name": "x"}));
        let (ticket, _) = harness.take();
        harness.handle.reply(ticket, raw(&json!({})), vec![0; 60 << 20], Ending::ok());
        let start = Instant::now();
        harness.handle.stop();
        assert_eq!(start.elapsed() >= Duration::from_millis(600), waits, "nobody reads, drain_s is {drain}");
    }
}
