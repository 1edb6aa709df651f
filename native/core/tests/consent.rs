//! What the user in front of Blender is asked, seen through the socket: the level `ask`.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spindle_core::consent::Decision;
use spindle_core::keys::Ticket;
use spindle_core::settings::Settings;
use spindle_protocol::finding::Level;
use support::{Harness, Peer, eventually, kind};

const DANGEROUS: &str = "import os\nos.system('x')";

fn ask(change: impl FnOnce(&mut Settings)) -> Harness {
    Harness::start(|settings| {
        settings.guard_level = Level::Ask;
        change(settings);
    })
}

/// Send a script that the user is asked about.
fn send(harness: &Harness, peer: &mut Peer, options: Value) -> (u64, Ticket) {
    let before = harness.handle.asking().len();
    let id = peer.request_with("script.run", json!({"code": DANGEROUS}), options);
    eventually("the user is asked", || harness.handle.asking().len() > before);
    (id, harness.handle.asking().last().expect("asked").0)
}

fn decided(peer: &mut Peer) -> Vec<String> {
    let text = peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    let counts =
        text.lines().filter_map(|line| line.strip_prefix("spindle_asked_total{decision=\"")?.split_once("\"} "));
    counts.filter(|(_, count)| *count != "0").map(|(decision, count)| format!("{decision} {count}")).collect()
}

fn policy_refusals(peer: &mut Peer) -> bool {
    let text = peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    text.contains("spindle_messages_refused_total{class=\"policy\"} 1")
}

/// While the user is asked they see what would run; others go on, and what follows on the connection waits.
#[test]
fn the_user_is_shown_what_would_run_while_others_go_on() {
    let harness = ask(|_| {});
    let (mut peer, mut other) = (harness.client("agent"), harness.client("other"));
    let params = json!({"code": DANGEROUS, "name": "a.py"});
    let first = peer.request_with("script.run", params, json!({"label": "Tidy up"}));
    let second = peer.request("object.get", json!({"name": "x"}));
    eventually("the user is asked", || harness.handle.status().overview.asking == 1);
    let (ticket, asked) = harness.handle.asking().pop().expect("asked");
    assert_eq!((&*asked.case.client, asked.case.label.as_str()), ("agent", "Tidy up"));
    assert_eq!(asked.case.code, DANGEROUS);
    assert_eq!(asked.case.script.as_ref().map(|script| script.name.as_str()), Some("a.py"));
    assert!(asked.case.report.dangerous && asked.until > Instant::now());
    other.request("object.get", json!({"name": "y"}));
    let (running, admitted) = harness.take();
    assert_eq!(&*admitted.origin().client, "other");
    harness.reply(running);
    assert_eq!(other.receive().0["result"]["ran"], true);
    let health = other.call("health", json!({}))["result"].clone();
    assert_eq!((&health["asking"], &health["queued"]), (&json!(1), &json!(2)));
    assert_eq!(health["alerts"][0]["name"], "asking");
    assert!(harness.handle.take(Duration::ZERO).is_none(), "the order of the connection is kept");
    assert!(harness.handle.decide(ticket, Decision::Once));
    assert!(!harness.handle.decide(ticket, Decision::Refuse), "it is decided once");
    for (id, level) in [(first, Level::Trusted), (second, Level::Ask)] {
        let (ticket, admitted) = harness.take();
        assert_eq!(harness.handle.guard_of(&admitted), level, "the watch refuses nothing that the user has allowed");
        harness.reply(ticket);
        assert_eq!(peer.receive().0["id"], id);
    }
    let health = other.call("health", json!({}))["result"].clone();
    assert_eq!((&health["asking"], &health["alerts"]), (&json!(0), &json!([])));
    assert_eq!(decided(&mut other), ["once 1"]);
}

#[test]
fn the_user_refuses() {
    let harness = ask(|_| {});
    let mut peer = harness.client("a");
    let (id, ticket) = send(&harness, &mut peer, json!({"deadline_ms": 30_000}));
    let left = harness.handle.asking()[0].1.until - Instant::now();
    assert!(left <= Duration::from_secs(30), "its own deadline comes first: {left:?}");
    assert!(harness.handle.decide(ticket, Decision::Refuse));
    let (reply, _) = peer.receive();
    let (message, data) = (reply["error"]["message"].as_str().expect("a text"), &reply["error"]["data"]);
    assert_eq!((&reply["id"], kind(&reply)), (&json!(id), "script_refused"));
    assert!(message.starts_with("the user refused this: line 2, "), "{message}");
    assert_eq!((&data["refused_by"], &data["level"], &data["started"]), (&json!("user"), &json!("ask"), &json!(false)));
    assert_eq!(decided(&mut peer), ["refused 1"]);
    assert!(policy_refusals(&mut peer), "DROP_CLASSES: counted once");
    send(&harness, &mut peer, json!({}));
}

/// A client that is allowed everything is not asked about again, until it is forgotten; others are.
#[test]
fn a_session_is_allowed_until_it_is_forgotten() {
    let harness = ask(|settings| {
        settings.limits.session_ttl_s = 1.0;
        settings.limits.max_sessions = 4;
        settings.limits.max_connections = 4;
    });
    let (mut a, mut also_a, mut b) = (harness.client("a"), harness.client("a"), harness.client("b"));
    let (_, ticket) = send(&harness, &mut a, json!({}));
    send(&harness, &mut also_a, json!({}));
    send(&harness, &mut b, json!({}));
    assert!(harness.handle.decide(ticket, Decision::Session));
    let run = |peer: &mut Peer| {
        let (ticket, admitted) = harness.take();
        assert!(admitted.report().expect("judged").dangerous, "what is let pass is told");
        assert_eq!(harness.handle.guard_of(&admitted), Level::Trusted);
        harness.reply(ticket);
        assert_eq!(peer.receive().0["result"]["ran"], true);
    };
    run(&mut a);
    run(&mut also_a);
    assert_eq!(harness.handle.asking().len(), 1, "the other client's is still asked about");
    a.request("script.run", json!({"code": DANGEROUS}));
    run(&mut a);
    assert_eq!(a.call("script.check", json!({"code": DANGEROUS}))["result"]["verdict"], "runs");
    assert_eq!(b.call("script.check", json!({"code": DANGEROUS}))["result"]["verdict"], "asks");
    drop((a, also_a));
    eventually("they are gone", || harness.handle.status().clients.len() == 1);
    eventually("they are forgotten", || {
        std::thread::sleep(Duration::from_millis(100));
        harness.client("c").call("health", json!({}))["result"]["sessions"] == 2
    });
    assert_eq!(decided(&mut b), ["session 2"]);
    send(&harness, &mut harness.client("a"), json!({}));
}

/// Whatever ends a request that the user is asked about, they are asked no longer, and it never runs.
#[test]
fn ends_without_a_decision() {
    type End = fn(&Harness, &mut Peer, u64) -> Option<&'static str>;
    let rows: [(&str, Value, End); 4] = [
        ("no_answer", json!({}), |_, _, _| Some("script_refused")),
        ("gone", json!({"deadline_ms": 100}), |_, _, _| Some("expired_in_queue")),
        ("gone", json!({"deadline_ms": 60_000}), |_, peer, id| {
            peer.request("cancel", json!({"id": id}));
            Some("cancelled")
        }),
        ("gone", json!({"deadline_ms": 60_000}), |_, peer, _| {
            peer.close_half();
            None
        }),
    ];
    for (decision, options, end) in rows {
        let patience = if decision == "no_answer" { 0.3 } else { 30.0 };
        let harness = ask(|settings| settings.limits.ask_timeout_s = patience);
        let (mut peer, mut other) = (harness.client("a"), harness.client("b"));
        let (id, ticket) = send(&harness, &mut peer, options);
        if let Some(expected) = end(&harness, &mut peer, id) {
            let (reply, _) = peer.receive();
            assert_eq!((&reply["id"], kind(&reply)), (&json!(id), expected), "{reply}");
            assert_eq!(reply["error"]["data"]["started"], false);
            if decision == "no_answer" {
                let message = reply["error"]["message"].as_str().expect("a text");
                assert!(message.contains("nobody answered within 0.3 s (ask_timeout_s)"), "{message}");
                assert!(policy_refusals(&mut peer), "DROP_CLASSES: counted once");
            }
            if expected == "cancelled" {
                assert_eq!(peer.receive().0["result"]["outcome"], "dequeued");
            }
        }
        eventually("nobody is asked any more", || harness.handle.asking().is_empty());
        assert!(!harness.handle.decide(ticket, Decision::Once));
        assert!(harness.handle.take(Duration::ZERO).is_none(), "it never runs");
        assert_eq!(decided(&mut other), [format!("{decision} 1")]);
        assert_eq!(other.call("health", json!({}))["result"]["queued"], 0);
    }
}

#[test]
fn a_stop_ends_every_question() {
    let harness = ask(|_| {});
    let mut peer = harness.client("a");
    send(&harness, &mut peer, json!({}));
    harness.handle.stop();
    let (reply, _) = peer.receive();
    assert_eq!((kind(&reply), &reply["error"]["data"]["started"]), ("shutting_down", &json!(false)));
    assert!(harness.handle.asking().is_empty());
}

/// A detached script that is refused ends as a job, and an operator is asked about like a script.
#[test]
fn jobs_and_operators_are_asked_about() {
    let harness = ask(|_| {});
    let mut peer = harness.client("a");
    let (_, ticket) = send(&harness, &mut peer, json!({"detach": true}));
    let job = peer.receive().0["result"]["job"].clone();
    assert_eq!(peer.call("job.get", json!({"job": job}))["result"]["state"], "queued");
    assert!(harness.handle.decide(ticket, Decision::Refuse));
    let report = peer.call("job.wait", json!({"job": job}));
    assert_eq!(report["result"]["error"]["data"]["refused_by"], "user", "{report}");
    let call = json!({"operator": "script.python_file_run", "properties": {"filepath": "/tmp/a.py"}});
    peer.request("operator.call", call);
    eventually("the user is asked", || harness.handle.asking().len() == 1);
    let (ticket, asked) = harness.handle.asking().pop().expect("asked");
    assert_eq!(asked.case.code, "bpy.ops.script.python_file_run(**{\"filepath\":\"/tmp/a.py\"})");
    assert!(harness.handle.decide(ticket, Decision::Once));
    let (ticket, _) = harness.take();
    harness.reply(ticket);
    assert_eq!(peer.receive().0["result"]["ran"], true);
}

/// The list is bounded: who comes too much is told to wait, and keeps no place.
#[test]
fn max_asking() {
    let harness = ask(|settings| settings.limits.max_asking = 2);
    let mut peer = harness.client("a");
    let (_, first) = send(&harness, &mut peer, json!({}));
    send(&harness, &mut peer, json!({}));
    let refused = peer.call("script.run", json!({"code": DANGEROUS}));
    let data = &refused["error"]["data"];
    assert_eq!((kind(&refused), &data["setting"], &data["limit"]), ("queue_full", &json!("max_asking"), &json!(2)));
    assert_eq!((&data["retryable"], &data["started"]), (&json!(true), &json!(false)));
    assert_eq!(peer.call("health", json!({}))["result"]["queued"], 2);
    assert!(harness.handle.decide(first, Decision::Refuse));
    peer.receive();
    send(&harness, &mut peer, json!({}));
}
