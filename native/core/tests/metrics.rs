//! What the server counts, as it stands on the page for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::value::RawValue;
use spindle_core::metrics::{AskEnd, DropClass, FrameKind, Gauges, Metrics, drop_class};
use spindle_protocol::error::Kind;
use spindle_protocol::finding::{Finding, Severity};
use spindle_protocol::method::{METHODS, find};
use spindle_protocol::methods::control::State;
use spindle_protocol::methods::script::Verdict;

const DOC: &str = include_str!("../../../docs/metrics.md");

fn gauges() -> Gauges {
    Gauges {
        state: State::Busy,
        healthy: true,
        alerts: vec!["queue_depth".to_owned(), "<script>".to_owned()],
        queued: 11,
        asking: 2,
        running: 1,
        connections: 3,
        sessions: 2,
        generation: 7,
        kept_bytes: 4096,
        cache_entries: 5,
        uptime: Duration::from_millis(1500),
    }
}

fn finding(severity: Severity) -> Finding {
    let [rule, excerpt, reason, remedy] = ["a.rule", "x", "why", "what"].map(str::to_owned);
    Finding { rule, severity, line: 1, column: 1, excerpt, reason, remedy }
}

/// Each sample's value by its name and labels, as they stand on the page.
fn samples(metrics: &Metrics) -> BTreeMap<String, f64> {
    let text = metrics.text(&gauges());
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

/// METRICS, HEALTH, ALERTS: what happens is what the page tells.
#[test]
fn what_is_counted_is_on_the_page() {
    type Event = fn(&Metrics);
    let rows: [(Event, &[(&str, f64)]); 20] = [
        (|_| {}, &[("spindle_queued_requests", 11.0), ("spindle_uptime_seconds", 1.5), ("spindle_healthy", 1.0)]),
        (|_| {}, &[("spindle_state{state=\"busy\"}", 1.0), ("spindle_state{state=\"ready\"}", 0.0)]),
        (|_| {}, &[("spindle_alert{alert=\"queue_depth\"}", 1.0), ("spindle_alert{alert=\"unhealthy\"}", 0.0)]),
        (
            |m| m.request_ended("scene.get", "ok", Duration::from_micros(20), Some(Duration::from_millis(3))),
            &[
                ("spindle_requests_total{method=\"scene.get\",outcome=\"ok\"}", 1.0),
                ("spindle_request_waiting_seconds_bucket{le=\"0.00001\"}", 0.0),
                ("spindle_request_waiting_seconds_bucket{le=\"0.000025\"}", 1.0),
                ("spindle_request_running_seconds_bucket{method=\"scene.get\",le=\"0.0025\"}", 0.0),
                ("spindle_request_running_seconds_bucket{method=\"scene.get\",le=\"0.005\"}", 1.0),
                ("spindle_request_running_seconds_sum{method=\"scene.get\"}", 0.003),
            ],
        ),
        (
            |m| m.request_ended("scene.get", "expired_in_queue", Duration::from_secs(200), None),
            &[
                ("spindle_requests_total{method=\"scene.get\",outcome=\"expired_in_queue\"}", 1.0),
                ("spindle_request_waiting_seconds_bucket{le=\"100\"}", 0.0),
                ("spindle_request_waiting_seconds_bucket{le=\"+Inf\"}", 1.0),
            ],
        ),
        (|m| m.control_ended("ping", "ok"), &[("spindle_requests_total{method=\"ping\",outcome=\"ok\"}", 1.0)]),
        (
            |m| m.frame_in(90),
            &[("spindle_frames_total{direction=\"in\",kind=\"request\"}", 1.0), ("spindle_received_bytes_total", 90.0)],
        ),
        (
            |m| m.frame_out(FrameKind::Notification, 70),
            &[
                ("spindle_frames_total{direction=\"out\",kind=\"notification\"}", 1.0),
                ("spindle_sent_bytes_total", 70.0),
            ],
        ),
        (
            |m| m.refused(Kind::RateLimited),
            &[
                ("spindle_messages_refused_total{class=\"rate\"}", 1.0),
                ("spindle_rate_limit_rejected_total", 1.0),
                ("spindle_validation_failures_total{kind=\"invalid_params\"}", 0.0),
            ],
        ),
        (
            |m| m.refused_json(Kind::InvalidParams, br#"{"location": [0, 0, 1e999]}"#),
            &[
                ("spindle_messages_refused_total{class=\"header\"}", 1.0),
                ("spindle_validation_failures_total{kind=\"invalid_params\"}", 1.0),
                ("spindle_validation_nan_infinity_blocked_total", 1.0),
            ],
        ),
        (
            |m| m.refused_json(Kind::BadProof, b"NaN"),
            &[
                ("spindle_messages_refused_total{class=\"auth\"}", 1.0),
                ("spindle_validation_nan_infinity_blocked_total", 0.0),
            ],
        ),
        (
            |m| m.refused(Kind::ScriptRefused),
            &[("spindle_messages_refused_total{class=\"policy\"}", 1.0), ("spindle_asking_requests", 2.0)],
        ),
        (
            |m| m.guard.judged(Verdict::Refused, &[finding(Severity::Danger), finding(Severity::Caution)]),
            &[
                ("spindle_checks_total{verdict=\"refused\"}", 1.0),
                ("spindle_checks_total{verdict=\"runs\"}", 0.0),
                ("spindle_findings_total{severity=\"danger\"}", 1.0),
                ("spindle_findings_total{severity=\"caution\"}", 1.0),
            ],
        ),
        (
            |m| {
                m.guard.checked(Duration::from_micros(30));
                m.guard.kept();
                m.guard.kept();
            },
            &[
                ("spindle_verdict_cache_misses_total", 1.0),
                ("spindle_verdict_cache_hits_total", 2.0),
                ("spindle_check_seconds_bucket{le=\"0.000025\"}", 0.0),
                ("spindle_check_seconds_bucket{le=\"0.00005\"}", 1.0),
            ],
        ),
        (
            |m| m.guard.asked(AskEnd::NoAnswer),
            &[("spindle_asked_total{decision=\"no_answer\"}", 1.0), ("spindle_asked_total{decision=\"once\"}", 0.0)],
        ),
        (Metrics::ttl_capped, &[("spindle_validation_ttl_capped_total", 1.0)]),
        (Metrics::cache_hit, &[("spindle_cache_hits_total", 1.0), ("spindle_cache_misses_total", 0.0)]),
        (Metrics::cache_miss, &[("spindle_cache_hits_total", 0.0), ("spindle_cache_misses_total", 1.0)]),
        (
            |m| ["object.get {\"name\":\"A.001\"}", ".*"].iter().for_each(|text| m.cache_cleared_by(text)),
            &[("spindle_cache_injection_blocked_total", 1.0)],
        ),
        (Metrics::health_check_failed, &[("spindle_health_check_failures_total", 1.0)]),
    ];
    for (event, expected) in rows {
        let metrics = Metrics::new();
        event(&metrics);
        let page = samples(&metrics);
        for (sample, value) in expected {
            assert_eq!(page.get(*sample), Some(value), "{sample}");
        }
    }
}

/// DROP_CLASSES: a refused message of any kind is counted once.
#[test]
fn a_refused_message_is_counted_once() {
    let metrics = Metrics::new();
    for (count, kind) in (1..).zip(Kind::ALL) {
        metrics.refused(*kind);
        let page = samples(&metrics);
        let classes = page.iter().filter(|(name, _)| name.starts_with("spindle_messages_refused_total"));
        assert_eq!(classes.map(|(_, value)| value).sum::<f64>(), f64::from(count), "{kind:?}");
    }
}

/// METRICS, EDGE-002: numbers that are not finite are counted, whether the message or its parameters show them.
#[test]
fn numbers_that_are_not_finite_are_counted() {
    let rows = [
        (r#"{"kind": "cube", "location": [0, 0, NaN]}"#, 1.0),
        (r#"{"kind": "cube", "location": [0, 0, 1e999]}"#, 1.0),
        (r#"{"kind": "cube", "location": [0, 0, 1e300]}"#, 0.0),
        (r#"{"kind": "cube", "number out of range": 1}"#, 0.0),
        (r#"{"kind": "number out of range"}"#, 0.0),
    ];
    let create = find("object.create").expect("a method");
    for (params, expected) in rows {
        let metrics = Metrics::new();
        match RawValue::from_string(params.to_owned()) {
            Ok(raw) => metrics.refused_error(&create.read(&raw).err().expect(params)),
            Err(_) => metrics.refused_json(Kind::ParseError, params.as_bytes()),
        }
        assert_eq!(samples(&metrics)["spindle_validation_nan_infinity_blocked_total"], expected, "{params}");
    }
}

/// METRICS: no name from outside becomes a label, and the page stays as long as it was.
#[test]
fn hostile_names_are_told_as_other() {
    let metrics = Metrics::new();
    metrics.request_ended("other", "other", Duration::ZERO, Some(Duration::ZERO));
    let before: BTreeSet<String> = samples(&metrics).into_keys().collect();
    let hostile = ["", "hello", "import os", "/home/me/secret.blend", "a\"} 1\nspindle_up 1", "OK", "ping ", "é\0"];
    for name in hostile {
        metrics.request_ended(name, name, Duration::ZERO, Some(Duration::ZERO));
        metrics.control_ended(&name.repeat(1000), name);
    }
    let after = samples(&metrics);
    assert_eq!(after.keys().cloned().collect::<BTreeSet<_>>(), before);
    let count = (2 * hostile.len() + 1) as f64;
    assert_eq!(after["spindle_requests_total{method=\"other\",outcome=\"other\"}"], count);
}

/// The page's size has a bound: each method with each outcome, and no more.
#[test]
fn the_largest_page() {
    let metrics = Metrics::new();
    for method in METHODS.iter().map(|method| method.name).chain(["other"]) {
        for outcome in Kind::ALL.iter().map(|kind| kind.name()).chain(["ok", "raised", "other"]) {
            metrics.request_ended(method, outcome, Duration::ZERO, Some(Duration::ZERO));
        }
    }
    assert!(metrics.text(&gauges()).len() < 400_000);
    let requests = samples(&metrics).into_keys().filter(|name| name.starts_with("spindle_requests_total")).count();
    assert_eq!(requests, (METHODS.len() + 1) * (Kind::ALL.len() + 3), "no two share a series");
}

/// SHARED_STATE: threads count together, and nothing is lost.
#[test]
fn threads_count_together() {
    let metrics = Arc::new(Metrics::new());
    let count = |metrics: Arc<Metrics>| {
        (0..10_000).for_each(|_| metrics.request_ended("scene.get", "ok", Duration::ZERO, Some(Duration::ZERO)));
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn({
                let metrics = Arc::clone(&metrics);
                move || count(metrics)
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        metrics.text(&gauges());
    }
    threads.into_iter().for_each(|thread| thread.join().expect("it counts"));
    let page = samples(&metrics);
    assert_eq!(page["spindle_requests_total{method=\"scene.get\",outcome=\"ok\"}"], 40_000.0);
    assert_eq!(page["spindle_request_waiting_seconds_count"], 40_000.0);
}

/// The rows of a table of docs/metrics.md below this text, each cell without its back-ticks.
fn documented(head: &str) -> Vec<Vec<String>> {
    let (_, table) = DOC.split_once(head).expect(head);
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row[1..].split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

/// A family of the page: its help text, its type, and the names of its labels.
type Family = (String, String, String);

fn families(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            families.insert(name.to_owned(), (help.to_owned(), String::new(), BTreeSet::new()));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            families.get_mut(name).expect("its help is above").1 = kind.to_owned();
        } else {
            let (name, labels) = line.split_once('{').unwrap_or((line, ""));
            let family = families.iter_mut().rev().find(|(family, _)| name.starts_with(*family)).expect(name);
            let names = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            family.1.2.extend(names.filter(|name| name != "le"));
        }
    }
    let flat = |labels: BTreeSet<String>| labels.into_iter().collect::<Vec<_>>().join(", ");
    families.into_iter().map(|(name, (help, kind, labels))| (name, (help, kind, flat(labels)))).collect()
}

/// METRICS: the table in docs/metrics.md is the page's own names, types, labels and help texts, and the
/// ledger's names are told by the rule.
#[test]
fn the_documented_table_is_the_page() {
    let metrics = Metrics::new();
    metrics.request_ended("scene.get", "ok", Duration::ZERO, Some(Duration::ZERO));
    let mut table = BTreeMap::new();
    for row in documented("| Ledger |") {
        let [ledger, name, kind, labels, help, _] = <[String; 6]>::try_from(row).expect("five cells");
        assert!(ledger.is_empty() || name == format!("spindle_{}_total", ledger.replace('.', "_")), "{ledger}");
        table.insert(name, (help, kind, labels));
    }
    assert_eq!(table, families(&metrics.text(&gauges())));
}

/// DROP_CLASSES: each kind falls in one class, that of docs/metrics.md.
#[test]
fn the_documented_classes_are_the_codes() {
    let mut left: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let rows = documented("| Class |");
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), DropClass::ALL.map(DropClass::name));
    for row in &rows {
        let kinds = row[1].split(';').next().expect("kinds");
        for name in kinds.split(", ") {
            let kind = Kind::from_name(name).expect(name);
            assert_eq!(drop_class(kind).name(), row[0], "{name}");
            assert!(left.remove(name), "{name} is there once");
        }
    }
    assert_eq!(left, BTreeSet::new(), "each kind has its row");
}
