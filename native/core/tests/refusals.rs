//! What never starts: refused by the check worker, given up while it waits there, or left behind by a client that is
//! forgotten.

mod support;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spindle_core::admit::{Origin, Unchecked};
use spindle_core::handle::Ending;
use spindle_core::inbox::{Destination, Inbox};
use spindle_core::judge::{Judge, Trust};
use spindle_core::keys::{Address, ConnectionKey, SessionKey};
use spindle_core::limits::Limits;
use spindle_core::metrics::Metrics;
use spindle_core::settings::Settings;
use spindle_protocol::envelope::Request;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::method::find;
use spindle_protocol::methods::control::CancelOutcome;
use spindle_protocol::notification::{Progress, Stream};
use support::{Harness, Peer, eventually, kind, raw};

/// A script long enough for the check worker, with a parameter that there is not.
fn wrong() -> Value {
    json!({"code": " ".repeat(10_000), "colour": 1})
}

/// DROP_CLASSES: a refusal by the check worker is told and counted like one of the I/O thread: to the caller, or to
/// whoever asks for the job.
#[test]
fn the_check_worker_refuses() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let refused = peer.call("script.run", wrong());
    assert_eq!((kind(&refused), &refused["error"]["data"]["path"]), ("invalid_params", &json!("params.colour")));
    peer.request_with("script.run", wrong(), json!({"detach": true}));
    let job = peer.receive().0["result"]["job"].clone();
    let report = peer.call("job.wait", json!({"job": job}));
    assert_eq!(report["result"]["error"]["data"]["kind"], "invalid_params", "{report}");
    let metrics = peer.call("metrics", json!({}))["result"]["text"].to_string();
    assert!(metrics.contains(r#"spindle_messages_refused_total{class=\"header\"} 2"#), "{metrics}");
    assert!(harness.handle.take(Duration::ZERO).is_none(), "neither runs");
}

/// A request that is cancelled while it waits for the check worker is gone at once, with its blob: nobody can fill the
/// memory with requests that count no more.
#[test]
fn what_is_cancelled_before_its_check_is_not_checked() {
    let inbox = Inbox::new((&Limits::default()).into(), Arc::new(Metrics::new()));
    let (connection, session) = (ConnectionKey(1), SessionKey(1));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "script.run", "params": {"code": "1"}});
    let request = Request::parse(message.to_string().as_bytes()).expect("a request");
    let address = Address { connection, id: request.id.clone() };
    let origin = Origin { connection, session, client: Arc::from("a"), trust: Trust::Proven };
    let method = find("script.run").expect("a method");
    let request = Unchecked::new(request, vec![7; 100], method, origin, Instant::now(), Duration::from_secs(1));
    let reserve =
        || inbox.reserve(&request, Some(address.clone()), Destination::Caller(address.clone())).expect("room");
    let (first, second) = (reserve(), inbox.cancel(&address));
    assert_eq!((second.0, inbox.load(session).queued), (CancelOutcome::Dequeued, 0));
    assert!(inbox.take_to_check(first).is_none());
    let third = reserve();
    inbox.leave_for_check(third, request);
    let taken = inbox.take_to_check(third).expect("it waits for its check");
    assert_eq!((taken.bytes(), inbox.take_to_check(third).is_none()), (112, true), "it is taken once");
    let judge = Judge::new(&Settings::default(), false, Arc::new(Metrics::new()));
    inbox.fill(third, taken.admit(&judge).expect("sound"), Instant::now()).expect("room");
    assert!(inbox.take_to_check(third).is_none() && inbox.take(Duration::ZERO).is_some());
}

/// SESSION_STORE: a client that is forgotten to make room takes its jobs along: what waits never starts, what runs goes on.
#[test]
fn the_jobs_of_a_forgotten_client_never_start() {
    let harness = Harness::start(|settings| {
        settings.limits.max_connections = 2;
        settings.limits.max_sessions = 2;
    });
    let mut bystander = harness.client("bystander");
    let mut peer = harness.client("a");
    for _ in 0..3 {
        peer.request_with("script.run", json!({"code": "1"}), json!({"detach": true}));
        peer.receive();
    }
    let (running, _) = harness.take();
    drop(peer);
    eventually("it has left", || harness.handle.status().clients.len() == 1);
    let queued = |peer: &mut Peer| peer.call("health", json!({}))["result"]["queued"].clone();
    assert_eq!(queued(&mut bystander), 2, "it is remembered");
    let _newcomer = harness.client("b");
    assert_eq!(queued(&mut bystander), 0);
    assert_eq!(bystander.call("health", json!({}))["result"]["running"][0]["method"], "script.run");
    harness.reply(running);
    assert!(harness.handle.take(Duration::ZERO).is_none());
}

/// The outcomes of all clients have a bound: the oldest make room.
#[test]
fn max_kept_mib() {
    let harness = Harness::start(|settings| settings.limits.max_kept_mib = 73);
    let mut peer = harness.client("a");
    let keep = |peer: &mut Peer, mebibytes: usize| {
        peer.request_with("script.run", json!({"code": "1"}), json!({"detach": true}));
        let job = peer.receive().0["result"]["job"].clone();
        let (ticket, _) = harness.take();
        harness.handle.reply(ticket, raw(&json!({})), vec![7; mebibytes << 20], Ending::ok());
        job
    };
    let jobs = [30, 30, 20].map(|mebibytes| keep(&mut peer, mebibytes));
    let kept = |peer: &mut Peer| -> Vec<Value> {
        let list = peer.call("job.list", json!({}));
        list["result"]["jobs"].as_array().expect("jobs").iter().map(|job| job["job"].clone()).collect()
    };
    assert_eq!(peer.call("job.wait", json!({"job": jobs[2]}))["result"]["state"], "done");
    assert_eq!(kept(&mut peer), jobs[1..]);
    assert_eq!(kind(&peer.call("job.get", json!({"job": jobs[0]}))), "not_found");
}

/// What is told of a request that is over, as by a thread that its script has left behind, goes nowhere; and so does what
/// one tells whose client is gone.
#[test]
fn reports_to_nobody() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.request("script.run", json!({"code": "1"}));
    let (over, _) = harness.take();
    harness.reply(over);
    assert_eq!(peer.receive().0["result"]["ran"], true);
    let mut gone = harness.client("b");
    gone.request("script.run", json!({"code": "2"}));
    let (running, _) = harness.take();
    drop(gone);
    eventually("it has left", || harness.handle.status().clients.len() == 1);
    harness.handle.fail(over, &WireError::new(Kind::Internal, "late"));
    for ticket in [over, running] {
        harness.handle.output(ticket, Stream::Stdout, "late");
        harness.handle.progress(ticket, Progress { done: 1.0, total: None, message: String::new() });
    }
    thread::sleep(Duration::from_millis(100));
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "nothing came before it");
    harness.reply(running);
    assert_eq!(peer.call("health", json!({}))["result"]["running"], json!([]));
}
