//! Order, turns, cancel, deadlines: the way from a request to the main thread and back.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::handle::Ending;
use support::{Harness, eventually, kind, raw};

fn script(code: &str) -> Value {
    json!({"code": code})
}

#[test]
fn requests_of_a_connection_run_in_order_and_replies_find_their_caller() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|admitted| {
        let params = serde_json::to_value(admitted.params()).expect("JSON");
        json!({"method": admitted.method().name, "params": params})
    });
    let mut peer = harness.client("a");
    // Slow and quick checks in turn: long scripts and large requests go to the worker, others do not.
    let mut sent = Vec::new();
    for round in 0..50 {
        let name = format!("object {round}");
        let long = format!("{name}{}", " ".repeat(5_000));
        sent.push((peer.request("script.run", script(&long)), long));
        sent.push((peer.request("object.get", json!({"name": name})), name.clone()));
        sent.push((peer.request("script.run", json!({"code": name, "args": {"x": "y".repeat(70_000)}})), name));
    }
    for (id, name) in sent {
        let (reply, _) = peer.receive();
        assert_eq!(reply["id"], id, "in order");
        let params = &reply["result"]["params"];
        assert!(params["name"] == name || params["code"] == name, "{reply}");
    }
}

#[test]
fn control_replies_overtake() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let slow = peer.request("script.run", script("slow"));
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true);
    let (ticket, _) = harness.take();
    let health = peer.call("health", json!({}));
    assert_eq!(health["result"]["state"], "busy", "{health}");
    assert_eq!(health["result"]["running"][0]["method"], "script.run");
    harness.reply(ticket);
    assert_eq!(peer.receive().0["id"], slow);
}

#[test]
fn sessions_take_turns() {
    let harness = Harness::start(|_| {});
    let mut flood = harness.client("flood");
    for _ in 0..100 {
        flood.request("object.get", json!({"name": "x"}));
    }
    let mut flood_too = harness.client("flood");
    for _ in 0..100 {
        flood_too.request("object.get", json!({"name": "x"}));
    }
    eventually("all wait", || harness.handle.status().overview.queued == 200);
    let mut polite = harness.client("polite");
    polite.request("object.get", json!({"name": "y"}));
    eventually("one more waits", || harness.handle.status().overview.queued == 201);
    let clients: Vec<String> = (0..2)
        .map(|_| {
            let (ticket, admitted) = harness.take();
            harness.reply(ticket);
            admitted.origin().client.to_string()
        })
        .collect();
    assert!(clients.contains(&"polite".to_owned()), "second at the latest: {clients:?}");
}

#[test]
fn cancel_has_four_outcomes() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let first = peer.request("script.run", script("1"));
    let second = peer.request("script.run", script("2"));
    let (ticket, _) = harness.take();

    let cancel = peer.request("cancel", json!({"id": second}));
    let (answer, _) = peer.receive();
    assert_eq!((kind(&answer), &answer["id"]), ("cancelled", &json!(second)));
    assert_eq!(answer["error"]["data"]["started"], false);
    let (reply, _) = peer.receive();
    assert_eq!((&reply["id"], &reply["result"]["outcome"]), (&json!(cancel), &json!("dequeued")));

    let outcome = |reply: Value| reply["result"]["outcome"].clone();
    assert_eq!(outcome(peer.call("cancel", json!({"id": first}))), "not_interruptible");
    harness.handle.suspend(ticket);
    assert_eq!(outcome(peer.call("cancel", json!({"id": first}))), "interrupting");
    assert!(harness.handle.stop_cause(ticket).is_some());
    harness.reply(ticket);
    assert_eq!(peer.receive().0["id"], first);
    assert_eq!(outcome(peer.call("cancel", json!({"id": first}))), "finished");
    assert_eq!(outcome(peer.call("cancel", json!({"id": "never sent"}))), "finished");
}

#[test]
fn an_id_in_flight_is_refused_and_free_again_afterwards() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let message = json!({"jsonrpc": "2.0", "id": "x", "method": "object.get", "params": {"name": "a"}});
    peer.send(&message, &[]);
    let (ticket, _) = harness.take();
    peer.send(&message, &[]);
    assert_eq!(kind(&peer.receive().0), "duplicate_id");
    peer.send(&json!({"jsonrpc": "2.0", "id": "x", "method": "ping"}), &[]);
    assert_eq!(kind(&peer.receive().0), "duplicate_id");
    harness.reply(ticket);
    assert_eq!(peer.receive().0["result"]["ran"], true);
    peer.send(&json!({"jsonrpc": "2.0", "id": "x", "method": "ping"}), &[]);
    assert_eq!(peer.receive().0["result"]["pong"], true);
    assert_eq!(harness.client("b").call("ping", json!({}))["result"]["pong"], true);
}

/// TIMEOUTS: expiry in the queue is its own outcome; nothing ran, and it may be sent again.
#[test]
fn deadlines() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let runs = peer.request_with("script.run", script("1"), json!({"deadline_ms": 50}));
    let (ticket, _) = harness.take();
    let waits = peer.request_with("script.run", script("2"), json!({"deadline_ms": 50}));
    let (expired, _) = peer.receive();
    assert_eq!((kind(&expired), &expired["id"]), ("expired_in_queue", &json!(waits)));
    assert_eq!(expired["error"]["data"]["started"], false);
    assert_eq!(expired["error"]["data"]["retryable"], true);
    eventually("the running one is due", || {
        harness.handle.stop_cause(ticket) == Some(spindle_core::inbox::StopCause::TimedOut)
    });
    harness.reply(ticket);
    assert_eq!(peer.receive().0["id"], runs);
    assert!(harness.handle.take(Duration::ZERO).is_none(), "the expired one never runs");
}

#[test]
fn limits_of_the_queue() {
    let harness = Harness::start(|settings| {
        settings.limits.max_queued = 3;
        settings.limits.max_session_queued = 3;
        settings.limits.max_in_flight = 2;
    });
    let (mut a, mut b) = (harness.client("a"), harness.client("b"));
    let get = json!({"name": "x"});
    a.request("object.get", get.clone());
    a.request("object.get", get.clone());
    let refused = a.call("object.get", get.clone());
    assert_eq!((kind(&refused), &refused["error"]["data"]["setting"]), ("queue_full", &json!("max_in_flight")));
    b.request("object.get", get.clone());
    let refused = b.call("object.get", get.clone());
    assert_eq!((kind(&refused), &refused["error"]["data"]["limit"]), ("queue_full", &json!(3)));
    assert_eq!(refused["error"]["data"]["retryable"], true);
    for _ in 0..3 {
        let (ticket, _) = harness.take();
        harness.reply(ticket);
    }
    assert_eq!(a.receive().0["result"]["ran"], true);
    assert_eq!(a.receive().0["result"]["ran"], true);
    assert_eq!(b.receive().0["result"]["ran"], true);
}

#[test]
fn what_a_lost_client_had_waiting_never_runs() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.request("object.get", json!({"name": "1"}));
    peer.request("object.get", json!({"name": "2"}));
    let (ticket, _) = harness.take();
    harness.handle.suspend(ticket);
    drop(peer);
    eventually("the running one is to stop", || harness.handle.stop_cause(ticket).is_some());
    assert!(harness.handle.take(Duration::ZERO).is_none());
    harness.reply(ticket);
    assert_eq!(harness.handle.status().overview.running.len(), 0);
    assert_eq!(harness.client("b").call("health", json!({}))["result"]["queued"], 0);
}

/// A result that cannot be framed is an error that says that the request ran.
#[test]
fn a_result_too_large() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.request("object.get", json!({"name": "x"}));
    let (ticket, _) = harness.take();
    harness.handle.reply(ticket, raw(&json!("x".repeat(9 << 20))), Vec::new(), Ending::ok());
    let (reply, _) = peer.receive();
    assert_eq!((kind(&reply), &reply["error"]["data"]["started"]), ("bad_result", &json!(true)));
    harness.reply(ticket);
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "the second answer was dropped");
}

/// HEALTH: it tells what the main thread does.
#[test]
fn health_tells_the_state() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    harness.handle.take(Duration::ZERO);
    let health = peer.call("health", json!({}))["result"].clone();
    assert_eq!((&health["state"], &health["queued"], &health["sessions"]), (&json!("ready"), &json!(0), &json!(1)));
    peer.request_with("script.run", script("1"), json!({"label": "Count"}));
    peer.request("script.run", script("2"));
    eventually("both wait", || harness.handle.status().overview.queued == 2);
    let (ticket, _) = harness.take();
    let health = peer.call("health", json!({}))["result"].clone();
    assert_eq!((&health["state"], &health["queued"]), (&json!("busy"), &json!(1)));
    assert_eq!((&health["running"][0]["label"], &health["running"][0]["client"]), (&json!("Count"), &json!("a")));
    harness.reply(ticket);
}
