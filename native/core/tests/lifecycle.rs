//! Start and stop: nothing is left behind, whatever happens in between.

mod support;

use std::net::TcpListener;
use std::sync::Mutex;

use serde_json::json;
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::limits::Limits;
use spindle_core::settings::Settings;
use support::{Harness, Peer, kind};

/// The tests of this file count what the process holds, so they run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[cfg(target_os = "linux")]
fn held() -> (usize, usize) {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let threads = names.filter(|name| name.starts_with("spindle")).count();
    (threads, std::fs::read_dir("/proc/self/fd").expect("Linux").count())
}

/// MEMORY_LEAK_003, INDEX_MISSING_SHUTDOWN: a hundred starts and stops leave threads and descriptors as they were.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_starts_and_stops() {
    let _alone = ALONE.lock();
    let before = held();
    for round in 0..100 {
        let harness = Harness::start(|_| {});
        let mut peer = harness.client("a");
        peer.request("script.run", json!({"code": "1"}));
        if round % 2 == 0 {
            harness.handle.stop();
        }
        harness.handle.stop();
        drop(peer);
        assert_eq!(std::fs::read_dir(harness.dir.path().join("spindle")).expect("there").count(), 0);
    }
    // The kernel ends joined threads a moment after the join.
    support::eventually("all is given back", || held() == before);
}

/// UNHANDLED_PROMISE_001: what waits and what runs is answered, also when stopped from within a request.
#[test]
fn stopping_answers_everything() {
    let _alone = ALONE.lock();
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.request("script.run", json!({"code": "stops the server"}));
    peer.request("script.run", json!({"code": "waits"}));
    let (ticket, _) = harness.take();
    harness.handle.stop();
    let (running, waiting) = (peer.receive().0, peer.receive().0);
    assert_eq!((kind(&running), &running["error"]["data"]["started"]), ("stopping", &json!(true)));
    assert_eq!((kind(&waiting), &waiting["error"]["data"]["started"]), ("shutting_down", &json!(false)));
    assert_eq!(waiting["error"]["data"]["retryable"], true);
    assert!(peer.read_out().is_empty());
    harness.reply(ticket);
    assert!(harness.handle.take(support::PATIENCE).is_none(), "a stopped server gives no work, at once");
}

/// What comes in while it stops is answered, too: a connection that is closed on something unread is reset, and a reset
/// overtakes answers.
#[test]
fn what_comes_in_as_it_stops_is_answered() {
    let _alone = ALONE.lock();
    for _ in 0..10 {
        let harness = Harness::start(|_| {});
        let mut peers: Vec<_> = (0..20).map(|number| harness.client(&format!("client-{number}"))).collect();
        for peer in &mut peers {
            peer.request("script.run", json!({"code": "1"}));
        }
        harness.handle.stop();
        for peer in &mut peers {
            assert_eq!(kind(&peer.receive().0), "shutting_down");
            assert!(peer.read_out().is_empty());
        }
    }
}

/// MEMORY_LEAK_002: a start that fails leaves nothing, and can be tried again.
#[cfg(target_os = "linux")]
#[test]
fn starts_that_fail() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().expect("a folder");
    let occupied = dir.path().join("file");
    std::fs::write(&occupied, "").expect("written");
    let before = held();
    let rows: [(Settings, &str); 3] = [
        (Settings { port: 80, ..Settings::default() }, "port is 80"),
        (Settings { runtime_dir: Some(occupied.join("sub")), ..Settings::default() }, "cannot write the instance file"),
        (
            Settings { limits: Limits { max_connections: 0, ..Limits::default() }, ..Settings::default() },
            "max_connections is 0",
        ),
    ];
    for (settings, expected) in rows {
        for _ in 0..20 {
            let settings = Settings { port: if settings.port == 80 { 80 } else { 0 }, ..settings.clone() };
            let error = Handle::start(settings, BlenderFacts::default()).err().expect(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
    support::eventually("all is given back", || held() == before);
    let again = Settings { port: 0, runtime_dir: Some(dir.path().join("good")), ..Settings::default() };
    Handle::start(again, BlenderFacts::default()).expect("tried again");
}

#[test]
fn a_taken_port_is_no_failure() {
    let _alone = ALONE.lock();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = taken.local_addr().expect("bound").port();
    let harness = Harness::start(|settings| settings.port = port);
    let status = harness.handle.status();
    assert_ne!(status.port, port);
    assert_eq!(status.taken_port, Some(port));
    harness.client("a");
}

#[test]
fn too_many_connections() {
    let _alone = ALONE.lock();
    let harness = Harness::start(|settings| settings.limits.max_connections = 2);
    let (_a, b) = (harness.client("a"), harness.client("b"));
    let mut third = Peer::connect(harness.instance().port);
    assert_eq!(kind(&third.greeting), "too_many_connections");
    assert_eq!(third.greeting["error"]["data"]["limit"], 2);
    assert!(third.read_out().is_empty());
    drop(b);
    support::eventually("there is room again", || {
        Peer::connect(harness.instance().port).greeting["method"] == "greeting"
    });
}

/// ASYNC_CLEANUP_001, server side: a thousand failed set-ups leave the descriptor count as it was.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_failed_hellos() {
    let _alone = ALONE.lock();
    let harness = Harness::start(|_| {});
    harness.client("a");
    support::eventually("only the server is there", || !harness.handle.has_connections());
    let before = held();
    for round in 0..1000 {
        let mut peer = harness.connect();
        match round % 4 {
            0 => drop(peer),
            1 => peer.reset(),
            2 => peer.send_raw(b"GET / HTTP/1.1\r\n\r\n"),
            _ => peer.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}), &[]),
        }
    }
    support::eventually("all is given back", || held() == before);
    harness.client("a");
}
