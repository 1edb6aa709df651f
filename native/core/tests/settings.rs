//! Every setting is enforced, seen through the socket. Those of the queue's length, connections, stalls and unread
//! replies are in queue.rs, lifecycle.rs and load.rs.

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use spindle_core::overview::Verdict;
use support::{Harness, eventually, kind, raw};

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
        harness.handle.reply(ticket, raw(&json!({})), vec![0; 60 << 20], Verdict::ok(), None);
        let start = Instant::now();
        harness.handle.stop();
        assert_eq!(start.elapsed() >= Duration::from_millis(600), waits, "nobody reads, drain_s is {drain}");
    }
}
