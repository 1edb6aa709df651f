//! Peers that misbehave hurt only themselves; a thousand that behave are all served.

mod support;

use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::json;
use support::{Harness, eventually, kind};

/// A thousand connections at once, each with requests in flight: every reply to its own caller, none
/// lost. Where the descriptor limit does not allow a thousand, as many as it does.
#[test]
fn a_thousand_connections() {
    let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    // Both ends of each connection are in this process, beside what the test itself holds.
    let count = 1000.min(soft.saturating_sub(160) / 2) as u32;
    let harness = Harness::start(|settings| {
        settings.max_connections = count.min(soft.saturating_sub(128) as u32).max(1);
        settings.max_queued = 10_000;
    });
    let _main = harness.serve(|admitted| serde_json::to_value(admitted.params()).expect("JSON"));
    let mut peers: Vec<_> = (0..count).map(|number| harness.client(&format!("client-{}", number % 200))).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        for round in 0..3 {
            peer.request("object.get", json!({"name": format!("{number}-{round}")}));
        }
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        for round in 0..3 {
            let (reply, _) = peer.receive();
            assert_eq!(reply["id"], round + 1);
            assert_eq!(reply["result"]["name"], format!("{number}-{round}"));
        }
    }
}

#[test]
fn a_peer_that_does_not_read_is_dropped_alone() {
    let harness = Harness::start(|settings| {
        settings.max_unread_mib = 73;
        settings.stall_s = 0.5;
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

/// BUG-009: a slow writer may take its time, as long as it makes progress.
#[test]
fn slow_writers() {
    let harness = Harness::start(|settings| settings.stall_s = 0.6);
    let _main = harness.serve(|_| json!({"ran": true}));
    let mut slow = harness.client("slow");
    let mut stuck = harness.client("stuck");
    stuck.send_raw(&[0, 0, 0, 50]);
    let frame = spindle_protocol::frame::encode(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, &[]).expect("small");
    for byte in &frame {
        slow.send_raw(&[*byte]);
        thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(slow.receive().0["result"]["pong"], true, "{} ms in one frame", frame.len() * 40);
    assert!(stuck.read_out().is_empty(), "the stuck one is dropped");
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
