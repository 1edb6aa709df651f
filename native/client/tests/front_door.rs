//! What a `Client` does beside calling: it keeps answers where it is asked to, checks values, counts, and starts with
//! sound settings only.

mod common;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::serve_known;
use serde_json::{Value, json};
use spindle_client::{Client, ClientSettings, Error, Options};
use support::{params, settings};

/// Each answer differs from the one before.
fn counting() -> (Client, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = serve_known(move |mut peer| {
        while let Some((request, _)) = peer.next() {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            peer.answer(&request, json!({"number": number}));
        }
    });
    (Client::of(server, settings(|_| {})).expect("sound settings"), count)
}

fn look(client: &Client, name: &str, ttl: Duration) -> u64 {
    let reply = client.call_cached("object.get", &params(&json!({"name": name})), ttl, &Options::default());
    reply.and_then(|reply| reply.read::<Value>()).expect("answered")["number"].as_u64().expect("a number")
}

fn counts(client: &Client, line: &str) -> bool {
    client.metrics_text().lines().any(|other| other == format!("spindle_client_{line}"))
}

/// BUG-002, BUG-006: answers are kept where the caller asks for it, for a clamped time, and forgotten by a literal
/// text; a pattern is another call. What this client changes makes it forget all.
#[test]
fn kept_answers() {
    let (client, _) = counting();
    let long = Duration::MAX;
    assert_eq!([look(&client, "A", long), look(&client, "A", long), look(&client, "B", long)], [0, 0, 1]);
    assert!(counts(&client, "validation_ttl_capped_total 3"));
    assert!(counts(&client, "cache_hits_total 1") && counts(&client, "cache_misses_total 2"));
    assert_eq!(client.forget(".*"), 0, "no pattern");
    assert!(counts(&client, "cache_injection_blocked_total 1"));
    assert_eq!(client.forget(r#"{"name":"A"}"#), 1);
    assert!(counts(&client, "cache_injection_blocked_total 1") && counts(&client, "cache_entries 1"));
    assert_eq!([look(&client, "A", long), look(&client, "B", long)], [2, 1]);
    assert_eq!(client.forget_where(|key| key.starts_with("object.get")), 2);
    let minute = Duration::from_secs(60);
    assert_eq!([look(&client, "A", minute), look(&client, "A", minute)], [3, 3]);
    let change = |method| client.call(method, &params(&json!({})), &[], &Options::default()).expect("answered");
    change("ping");
    assert_eq!(look(&client, "A", minute), 3);
    change("object.create");
    assert_eq!(look(&client, "A", minute), 6);
}

/// Only what reads can be answered by an answer from before.
#[test]
fn what_changes_something_is_never_kept() {
    let (client, count) = counting();
    for (method, options) in [
        ("script.run", Options::default()),
        ("job.list", Options::default()),
        ("unheard.of", Options::default()),
        ("object.get", Options { detach: true, ..Options::default() }),
    ] {
        let error =
            client.call_cached(method, &params(&json!({})), Duration::from_secs(1), &options).expect_err("refused");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

/// BUG-008, EDGE-002, EDGE-003: what is checked is counted.
#[test]
fn checked_values_are_counted() {
    let (client, _) = counting();
    assert_eq!(client.query(" oak  table ").expect("a query").for_url(), "oak%20table");
    assert_eq!(client.query("oak").expect("a query").as_str(), "oak");
    client.query("oak\u{7}").expect_err("a control character");
    client.vector("location", [0.0, 1.0, 2.0]).expect("finite");
    client.vector("location", [f64::NAN]).expect_err("no number");
    client.colour("colour", [0.0, 0.5, f64::INFINITY]).expect_err("infinite");
    client.colour("colour", [0.0, 0.5, 2.0]).expect_err("too much");
    let list = params(&json!([1]));
    assert_eq!(client.call("ping", &list, &[], &Options::default()).expect_err("by name").kind(), "invalid_call");
    for line in [
        "validation_query_sanitized_total 1",
        "validation_nan_infinity_blocked_total 2",
        "validation_failures_total 5",
        "calls_total{outcome=\"invalid_call\"} 1",
    ] {
        assert!(counts(&client, line), "{line}: {}", client.metrics_text());
    }
}

/// METRICS: every name of the requirements is on the page from the start.
#[test]
fn the_page_has_every_name() {
    let (client, _) = counting();
    let page = client.metrics_text();
    for name in [
        "health_check_failures_total 0",
        "healthy 1",
        "pool_acquire_duration_seconds_count 0",
        "pool_queue_size 0",
        "pool_connections{state=\"idle\"} 0",
        "retries_total 0",
        "lost_total 0",
        "breaker_state{state=\"closed\"} 1",
        "breaker_state{state=\"open\"} 0",
        "validation_failures_total 0",
        "validation_nan_infinity_blocked_total 0",
        "validation_query_sanitized_total 0",
        "validation_ttl_capped_total 0",
        "cache_hits_total 0",
        "cache_misses_total 0",
        "cache_injection_blocked_total 0",
    ] {
        assert!(page.contains(&format!("\nspindle_client_{name}\n")), "{name}: {page}");
    }
}

/// BUG-007: with a setting that cannot be used nothing starts.
#[test]
fn bad_settings_start_nothing() {
    let refused = |change: fn(&mut ClientSettings)| {
        let mut settings = ClientSettings::default();
        change(&mut settings);
        Client::new(settings).expect_err("refused").to_string()
    };
    assert!(refused(|s| s.choices.pool_size = 0).starts_with("the setting pool_size is 0; allowed is a whole number"));
    assert!(refused(|s| s.choices.pool_wait_s = Duration::MAX).contains("pool_wait_s is"));
    assert!(refused(|s| s.connection.name.clear()).contains("the client's name is \"\""));
}
