//! Limits on rates, kept answers, health, alerts, metrics: what keeps a server bounded, and what shows it.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::handle::Ending;
use support::{Harness, Peer, eventually, kind, raw};

fn with_age(peer: &mut Peer, max_age_ms: u64) -> u64 {
    peer.request_with("scene.get", json!({}), json!({"max_age_ms": max_age_ms}))
}

/// A kept answer is served only where the request allows it, while the main thread is busy too, and says how old it is
/// and whether the scene has moved.
#[test]
fn kept_answers() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    with_age(&mut peer, 60_000);
    let (ticket, _) = harness.take();
    let answer = |number: u64| raw(&json!({"number": number}));
    harness.handle.reply(ticket, answer(1), Vec::new(), Ending::ok());
    let (first, _) = peer.receive();
    assert_eq!((&first["result"]["number"], first.get("cached")), (&json!(1), None));
    // Blender renders: the main thread takes nothing.
    peer.request("render.image", json!({}));
    let (render, _) = harness.take();
    let kept = with_age(&mut peer, 60_000);
    let (reply, _) = peer.receive();
    assert_eq!(
        (&reply["id"], &reply["result"]["number"], &reply["cached"]["moved"]),
        (&json!(kept), &json!(1), &json!(false))
    );
    harness.handle.touch();
    with_age(&mut peer, 60_000);
    assert_eq!(peer.receive().0["cached"]["moved"], true);
    // Another client may have it as well; one that asks for a fresh one waits.
    let mut other = harness.client("b");
    with_age(&mut other, 60_000);
    assert_eq!(other.receive().0["result"]["number"], 1);
    std::thread::sleep(Duration::from_millis(5));
    with_age(&mut other, 1);
    other.request("scene.get", json!({}));
    eventually("both wait", || harness.handle.status().overview.queued == 2);
    harness.reply(render);
    for number in [2, 3] {
        let (ticket, _) = harness.take();
        harness.handle.reply(ticket, answer(number), Vec::new(), Ending::ok());
        assert_eq!(other.receive().0["result"]["number"], number);
    }
    let cleared = other.call("cache.clear", json!({"containing": "scene.get"}));
    assert_eq!(cleared["result"]["cleared"], 1, "{cleared}");
    assert_eq!(kind(&other.call("cache.clear", json!({"containing": "a", "pattern": "b"}))), "invalid_params");
    let text = other.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    for line in ["spindle_cache_hits_total 3", "spindle_cache_misses_total 2"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// BUG-004: a client that has used up its minute is told when there is more, and nobody else is disturbed.
#[test]
fn rates_are_limited_per_client() {
    let harness = Harness::start(|settings| settings.limits.requests_per_minute = 30);
    let (mut greedy, mut polite) = (harness.client("greedy"), harness.client("polite"));
    let mut second = harness.client("greedy");
    for _ in 0..15 {
        assert_eq!(greedy.call("ping", json!({}))["result"]["pong"], true);
        assert_eq!(second.call("ping", json!({}))["result"]["pong"], true);
    }
    for peer in [&mut greedy, &mut second] {
        let refused = peer.call("ping", json!({}));
        let data = &refused["error"]["data"];
        assert_eq!(
            (kind(&refused), &data["setting"], &data["limit"]),
            ("rate_limited", &json!("requests_per_minute"), &json!(30))
        );
        let wait = data["retry_after_ms"].as_u64().expect("a wait");
        assert!((1..=2_000).contains(&wait), "{refused}");
    }
    assert_eq!(polite.call("ping", json!({}))["result"]["pong"], true);
    let text = polite.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("spindle_rate_limit_rejected_total 2"), "{text}");
    assert!(text.contains(r#"spindle_messages_refused_total{class="rate"} 2"#), "{text}");
}

/// DROP_CLASSES: every refused message is counted once, under one class.
#[test]
fn refusals_are_classified() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.call("no.such", json!({}));
    peer.call("object.get", json!({"name": 5}));
    peer.send_raw(&spindle_protocol::frame::encode(b"nonsense", b"").expect("fits"));
    peer.receive();
    peer.call("hello", json!({}));
    let mut stranger = harness.connect();
    stranger.call("ping", json!({}));
    let mut foreign = harness.connect();
    foreign.send_raw(b"GET / HTTP/1.1\r\n\r\n");
    foreign.read_out();
    let mut large = harness.client("b");
    large.send_raw(&[0, 0x90, 0, 0, 0, 0, 0, 0]);
    large.receive();
    let text = peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    let counted = |class: &str| {
        let line = format!("spindle_messages_refused_total{{class=\"{class}\"}} ");
        let rest = text.split_once(&line).unwrap_or_else(|| panic!("{class}: {text}")).1;
        rest.lines().next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
    };
    let classes = ["auth", "header", "replay", "session", "rate", "size", "policy", "unknown", "other"];
    let counts: Vec<f64> = classes.iter().map(|class| counted(class)).collect();
    assert_eq!(counts.iter().sum::<f64>(), 7.0, "{classes:?} {counts:?}");
    assert_eq!((counted("unknown"), counted("size"), counted("auth")), (1.0, 1.0, 1.0), "{counts:?}");
}

/// ALERTS, HEALTH: a queue that is deep shows as a state, and so does every limit.
#[test]
fn health_tells_alerts_and_limits() {
    let harness = Harness::start(|settings| settings.limits.alert_queue_depth = 2);
    let mut peer = harness.client("a");
    let names = |health: &Value| -> Vec<String> {
        let alerts = health["result"]["alerts"].as_array().expect("alerts");
        alerts.iter().map(|alert| alert["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&peer.call("health", json!({}))), [""; 0]);
    for _ in 0..3 {
        peer.request("scene.get", json!({}));
    }
    let health = peer.call("health", json!({}));
    assert_eq!(names(&health), ["queue_depth"]);
    assert_eq!(health["result"]["limits"]["alert_queue_depth"], 2.0);
    assert_eq!(health["result"]["healthy"], true);
    let stats = peer.call("stats", json!({}));
    assert_eq!(stats["result"]["waiting"].as_array().map(Vec::len), Some(3), "{stats}");
    assert_eq!(stats["result"]["clients"][0]["in_flight"], 3);
    let limits = peer.call("limits", json!({}));
    let rows = limits["result"]["limits"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["name"] == "alert_queue_depth" && row["value"] == 2.0), "{limits}");
    let waiting = harness.handle.status().waiting;
    assert_eq!(waiting.len(), 3);
    harness.handle.cancel(waiting[0].0);
    assert_eq!(harness.handle.status().overview.queued, 2, "cancelled by the user in front of Blender");
    // What waits goes with its client.
    drop(peer);
}

/// RUNTIME_001: probes that fail are counted and go on; after three the server is unhealthy, until one is well. The main
/// thread counts as blocked when it has not asked for work for long (TIMEOUTS: a setting).
#[test]
fn a_blocked_main_thread_is_unhealthy() {
    let harness = Harness::start(|settings| {
        settings.limits.health_interval_s = 0.1;
        settings.limits.blocked_after_s = 0.2;
    });
    let mut peer = harness.client("a");
    let health = |peer: &mut Peer| peer.call("health", json!({}))["result"].clone();
    assert_eq!(health(&mut peer)["healthy"], true);
    eventually("three probes have failed", || {
        harness.handle.status().alerts.iter().any(|alert| alert.name == "unhealthy")
    });
    let report = health(&mut peer);
    assert_eq!((&report["state"], &report["healthy"]), (&json!("blocked"), &json!(false)), "{report}");
    assert_eq!(report["alerts"][0]["name"], "unhealthy");
    eventually("one probe finds it well", || {
        assert!(harness.handle.take(Duration::ZERO).is_none());
        harness.handle.status().alerts.is_empty()
    });
    assert_eq!(health(&mut peer)["healthy"], true);
    let text = peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    assert!(!text.contains("spindle_health_check_failures_total 0"), "{text}");
}

/// BUG-009, TIMEOUTS: a connection without any byte and with nothing in flight is closed; one that waits is not.
#[test]
fn idle_connections_are_closed() {
    let harness = Harness::start(|settings| settings.limits.idle_s = 1.0);
    let mut idle = harness.client("idle");
    let mut waiting = harness.client("waiting");
    waiting.request("scene.get", json!({}));
    let (ticket, _) = harness.take();
    assert_eq!(idle.read_out(), b"");
    std::thread::sleep(Duration::from_millis(500));
    harness.reply(ticket);
    assert_eq!(waiting.receive().0["result"]["ran"], true);
}

/// A port for monitoring programs that is taken is told, and keeps nobody from being served.
#[test]
fn a_taken_metrics_port_is_an_alert() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let harness = Harness::start(|settings| settings.metrics_port = Some(port));
    let health = harness.client("a").call("health", json!({}));
    let alert = &health["result"]["alerts"][0];
    assert_eq!(alert["name"], "metrics_port", "{health}");
    assert!(alert["text"].as_str().is_some_and(|text| text.contains(&port.to_string())), "{health}");
}
