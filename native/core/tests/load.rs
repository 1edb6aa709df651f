//! Peers that misbehave hurt only themselves; a thousand that behave are all served.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use spindle_core::metrics::{DropClass, drop_class};
use spindle_core::settings::Settings;
use spindle_protocol::error::Kind;
use spindle_protocol::frame::encode;
use support::{Harness, Peer, eventually, kind};

const CONNECTIONS: u32 = 1_000;
const CONNECTIONS_EACH: usize = 5;

/// A server for a thousand connections, and as many, five of each client. Only `max_connections` is raised.
fn crowd(change: impl FnOnce(&mut Settings)) -> (Harness, Vec<Peer>) {
    // Both ends of each connection are in this process.
    let (needed, Rlimit { current, maximum }) = (2_400, getrlimit(Resource::Nofile));
    if current.is_some_and(|soft| soft < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).expect("2,400 files are allowed");
    }
    let harness = Harness::start(|settings| {
        settings.limits.max_connections = CONNECTIONS;
        settings.raise_descriptor_limit = true;
        change(settings);
    });
    let peers =
        (0..CONNECTIONS as usize).map(|number| harness.client(&format!("client-{}", number / CONNECTIONS_EACH)));
    let peers = peers.collect();
    (harness, peers)
}

/// A thousand requests at once over 200 sessions, with the limits as they are: every reply to its own caller, none
/// lost, none refused. All of them wait at the same time, as nobody serves before the last has come.
#[test]
fn a_thousand_requests_at_once() {
    let (harness, mut peers) = crowd(|_| {});
    // Quick checks and slow ones. Every connection uses the same id, so only the text tells them apart.
    let text = |number: usize| format!("{number}{}", " ".repeat(if number.is_multiple_of(5) { 5_000 } else { 0 }));
    for (number, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.request("script.run", json!({"code": text(number)})), 1);
    }
    eventually("all wait", || harness.handle.status().overview.queued == CONNECTIONS as usize);
    let _main = harness.serve(|admitted| serde_json::to_value(admitted.params()).expect("JSON"));
    for (number, peer) in peers.iter_mut().enumerate() {
        let (reply, _) = peer.receive();
        assert_eq!((&reply["id"], &reply["result"]["code"]), (&json!(1), &json!(text(number))));
    }
    for peer in &mut peers {
        assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "nothing came after the one reply");
    }
}

/// What a client of this number sends on each of its connections, that runs into a limit or breaks a rule.
fn burst(client: usize) -> Vec<(u64, &'static str, Value)> {
    let get = |id| (id, "object.get", json!({"name": "x"}));
    match client % 4 {
        // Five connections with 8 each are more than 30 a minute.
        0 => (1..=8).map(|id| (id, "ping", json!({}))).collect(),
        1 => (1..=6).map(get).collect(),
        2 => (1..=3).map(get).collect(),
        _ => vec![get(1), get(1), (2, "no.such", json!({})), (3, "object.get", json!({})), (4, "hello", json!({}))],
    }
}

/// DROP_CLASSES: where limits are low, each refused request is answered, says which limit, which setting and when to
/// try again, and is counted once, under its class. Nobody waits for ever.
#[test]
fn a_thousand_connections_against_low_limits() {
    let (harness, mut peers) = crowd(|settings| {
        settings.limits.requests_per_minute = 30;
        settings.limits.max_queued = 500;
        settings.limits.max_session_queued = 8;
        settings.limits.max_in_flight = 4;
    });
    for (number, peer) in peers.iter_mut().enumerate() {
        for (id, method, params) in burst(number / CONNECTIONS_EACH) {
            peer.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}), &[]);
        }
    }
    eventually("the queue is full", || harness.handle.status().overview.queued == 500);
    let _main = harness.serve(|_| json!({"ran": true}));
    let (mut refused, mut settings) = (BTreeMap::new(), BTreeSet::new());
    for (number, peer) in peers.iter_mut().enumerate() {
        let sent: Vec<u64> = burst(number / CONNECTIONS_EACH).into_iter().map(|(id, ..)| id).collect();
        let mut answered = Vec::new();
        for _ in &sent {
            let (reply, _) = peer.receive();
            answered.push(reply["id"].as_u64().expect("the id that was sent"));
            settings.extend(note(&reply, &mut refused));
        }
        answered.sort_unstable();
        assert_eq!(answered, sent, "one reply to each request");
    }
    let mut stranger = Peer::connect(harness.instance().port);
    settings.extend(note(&std::mem::take(&mut stranger.greeting), &mut refused));
    let expected = ["max_connections", "max_in_flight", "max_queued", "max_session_queued", "requests_per_minute"];
    assert_eq!(settings.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    // This client, the third, has sent less than it may.
    assert_eq!(counted(&mut peers[2 * CONNECTIONS_EACH]), refused);
}

/// Count a reply under its class, if it is a refusal; the setting that was in the way, if one was.
fn note(reply: &Value, refused: &mut BTreeMap<&'static str, u64>) -> Option<String> {
    let data = reply["error"].get("data")?;
    let kind = Kind::from_name(kind(reply)).expect("a kind");
    *refused.entry(drop_class(kind).name()).or_default() += 1;
    if !matches!(kind, Kind::RateLimited | Kind::QueueFull | Kind::TooManyConnections) {
        return None;
    }
    assert!(data["limit"].as_u64() >= Some(1) && data["retry_after_ms"].as_u64() >= Some(1), "{reply}");
    Some(data["setting"].as_str().expect("a setting").to_owned())
}

/// The refusals by class, as `metrics` tells them.
fn counted(observer: &mut Peer) -> BTreeMap<&'static str, u64> {
    let metrics = observer.call("metrics", json!({}));
    let text = metrics["result"]["text"].as_str().expect("a text");
    let count = |class: DropClass| {
        let sample = format!("spindle_messages_refused_total{{class=\"{}\"}} ", class.name());
        let number = text.lines().find_map(|line| line.strip_prefix(&sample)).expect("every class is there");
        (class.name(), number.parse().expect("a number"))
    };
    DropClass::ALL.map(count).into_iter().filter(|(_, number)| *number > 0).collect()
}

#[test]
fn a_peer_that_does_not_read_is_dropped_alone() {
    let harness = Harness::start(|settings| {
        settings.limits.max_unread_mib = 73;
        settings.limits.stall_s = 0.5;
    });
    let _main = harness.serve(|_| json!({"text": "x".repeat(1 << 20)}));
    let mut slow = harness.client("slow");
    for _ in 0..200 {
        slow.request("object.get", json!({"name": "x"}));
    }
    let mut polite = harness.client("polite");
    for _ in 0..20 {
        assert!(polite.call("object.get", json!({"name": "x"}))["result"]["text"].is_string());
    }
    eventually("the slow one is dropped", || harness.handle.status().clients.len() == 1);
    assert_eq!(polite.call("ping", json!({}))["result"]["pong"], true);
}

/// Many that do not read hurt nobody else, though each leaves less than it may: the one that leaves most is dropped.
#[test]
fn the_peer_that_leaves_most_unread_is_dropped() {
    let harness = Harness::start(|settings| {
        settings.limits.max_unread_mib = 73;
        settings.limits.max_all_unread_mib = 73;
    });
    let _main = harness.serve(|_| json!({"text": "x".repeat(4 << 20)}));
    let leave_unread = |name: &str, replies: usize| {
        let mut peer = harness.client(name);
        for _ in 0..replies {
            peer.request("object.get", json!({"name": "x"}));
        }
        eventually("all is answered", || harness.handle.status().overview.running.is_empty());
        peer
    };
    let clients = || harness.handle.status().clients.into_iter().map(|client| client.name).collect::<Vec<_>>();
    let _most = leave_unread("most", 14);
    let mut less = leave_unread("less", 10);
    eventually("the one is dropped", || clients() == ["less"]);
    for _ in 0..10 {
        assert!(less.receive().0["result"]["text"].is_string());
    }
}

/// BUG-009: a slow writer may take its time, as long as it makes progress.
#[test]
fn slow_writers() {
    let harness = Harness::start(|settings| settings.limits.stall_s = 0.6);
    let _main = harness.serve(|_| json!({"ran": true}));
    let mut slow = harness.client("slow");
    let mut stuck = harness.client("stuck");
    stuck.send_raw(&[0, 0, 0, 50]);
    let frame = encode(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &[]).expect("small");
    for byte in &frame {
        slow.send_raw(&[*byte]);
        thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(slow.receive().0["result"]["pong"], true, "{} ms in one frame", frame.len() * 40);
    assert!(stuck.read_out().is_empty(), "the stuck one is dropped");
}

/// BUG-009: large frames that wait for another one to come in are not stuck, however long that takes; small ones overtake.
#[test]
fn large_frames_wait_for_each_other() {
    let harness = Harness::start(|settings| {
        settings.limits.max_receiving_mib = 1;
        settings.limits.stall_s = 0.5;
    });
    let _main = harness.serve(|admitted| json!({"bytes": admitted.blob().len()}));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "script.run", "params": {"code": "1"}});
    let frame = encode(message.to_string().as_bytes(), &vec![7; 8 << 20]).expect("it fits");
    let mut first = harness.client("first");
    let (begin, rest) = frame.split_at(4 << 20);
    first.send_raw(begin);
    let others = ["second", "third"].map(|name| {
        let (mut peer, frame) = (harness.client(name), frame.clone());
        thread::spawn(move || {
            peer.send_raw(&frame);
            peer.receive().0["result"]["bytes"].clone()
        })
    });
    for portion in rest.chunks(1 << 20) {
        thread::sleep(Duration::from_millis(300));
        assert!(others.iter().all(|other| !other.is_finished()), "there is no room yet");
        assert_eq!(harness.client("small").call("ping", json!({}))["result"]["pong"], true);
        first.send_raw(portion);
    }
    assert_eq!(first.receive().0["result"]["bytes"], 8 << 20);
    for other in others {
        assert_eq!(other.join().expect("it was sent"), 8 << 20);
    }
}

#[test]
fn resets_and_half_closed_peers_hurt_nobody() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|_| json!({"ran": true}));
    let mut polite = harness.client("polite");
    for round in 0..50 {
        let mut peer = harness.client("rude");
        match round % 3 {
            0 => {
                peer.request("object.get", json!({"name": "x"}));
                peer.send_raw(&[0, 0, 0]);
                peer.reset();
            }
            1 => {
                peer.request("object.get", json!({"name": "x"}));
                peer.close_half();
            }
            _ => drop(peer),
        }
        assert_eq!(polite.call("object.get", json!({"name": "y"}))["result"]["ran"], true);
    }
    eventually("only the polite one is left", || harness.handle.status().clients.len() == 1);
}

#[test]
fn a_flood_of_rubbish_leaves_others_served() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|_| json!({"ran": true}));
    let port = harness.instance().port;
    let mut flooder = harness.client("flood");
    let flood = thread::spawn(move || {
        for _ in 0..20_000 {
            if flooder.stream.write_all(&[0, 0, 0, 1, 0, 0, 0, 0, b'x']).is_err() {
                return;
            }
        }
    });
    let mut polite = harness.client("polite");
    for _ in 0..200 {
        assert_eq!(polite.call("object.get", json!({"name": "y"}))["result"]["ran"], true);
    }
    flood.join().expect("the flood ends");
    assert_eq!(kind(&support::Peer::connect(port).greeting), "no error");
}
