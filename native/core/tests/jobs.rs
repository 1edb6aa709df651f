//! Requests whose outcome is kept: jobs and idempotency keys; and what a request tells before its answer.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::handle::Ending;
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::notification::{Progress, Stream};
use support::{Harness, Peer, eventually, kind, raw};

fn script(code: &str) -> Value {
    json!({"code": code})
}

fn detach(peer: &mut Peer, code: &str) -> String {
    let id = peer.request_with("script.run", script(code), json!({"detach": true}));
    let (reply, _) = peer.receive();
    assert_eq!(reply["id"], id, "{reply}");
    reply["result"]["job"].as_str().expect("a job").to_owned()
}

fn job(peer: &mut Peer, method: &str, job: &str) -> Value {
    peer.call(method, json!({"job": job}))
}

#[test]
fn a_detached_request_is_answered_at_once_and_its_outcome_is_kept() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let id = detach(&mut peer, "1");
    assert_eq!(job(&mut peer, "job.get", &id)["result"]["state"], "queued");
    let (ticket, _) = harness.take();
    harness.handle.progress(ticket, Progress { done: 1.0, total: Some(4.0), message: "one".to_owned() });
    let running = job(&mut peer, "job.get", &id);
    assert_eq!((&running["result"]["state"], &running["result"]["progress"]["done"]), (&json!("running"), &json!(1.0)));
    // It outlives the connection, and a wait from another one of the same client is answered at its end.
    drop(peer);
    let mut again = harness.client("a");
    let wait = again.request("job.wait", json!({"job": id, "timeout_ms": 20_000}));
    assert_eq!(again.call("ping", json!({}))["result"]["pong"], true, "a wait holds nobody up");
    harness.handle.reply(ticket, raw(&json!({"picture": {"$blob": [0, 3]}})), vec![1, 2, 3], Ending::ok());
    // The progress may not have been told before the wait.
    let (report, blob) = again.receive_reply(wait);
    assert_eq!(report["result"]["state"], "done", "{report}");
    assert_eq!((&report["result"]["result"]["picture"]["$blob"], blob), (&json!([0, 3]), vec![1, 2, 3]));
    assert_eq!(job(&mut again, "job.get", &id)["result"]["error"], Value::Null);
    let list = again.call("job.list", json!({}));
    assert_eq!(list["result"]["jobs"].as_array().map(Vec::len), Some(1), "{list}");
    // Another client knows nothing of it.
    let mut other = harness.client("b");
    assert_eq!(kind(&job(&mut other, "job.get", &id)), "not_found");
    assert_eq!(other.call("job.list", json!({}))["result"]["jobs"], json!([]));
    assert_eq!(kind(&job(&mut again, "job.get", "job-x")), "not_found");
}

#[test]
fn jobs_are_cancelled_and_waits_end() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let (first, second) = (detach(&mut peer, "1"), detach(&mut peer, "2"));
    let (ticket, _) = harness.take();
    assert_eq!(job(&mut peer, "job.cancel", &second)["result"]["outcome"], "dequeued");
    let report = job(&mut peer, "job.get", &second);
    assert_eq!(
        (&report["result"]["state"], &report["result"]["error"]["data"]["kind"]),
        (&json!("done"), &json!("cancelled"))
    );
    assert_eq!(job(&mut peer, "job.cancel", &first)["result"]["outcome"], "not_interruptible");
    let report = peer.call("job.wait", json!({"job": first, "timeout_ms": 30}));
    assert_eq!(report["result"]["state"], "running", "the time of the wait was over: {report}");
    // A wait can be cancelled by itself; its id is in flight until then.
    let wait = peer.request("job.wait", json!({"job": first}));
    peer.send(&json!({"jsonrpc": "2.0", "id": wait, "method": "ping"}), &[]);
    assert_eq!(kind(&peer.receive().0), "duplicate_id");
    let cancel = peer.request("cancel", json!({"id": wait}));
    assert_eq!(kind(&peer.receive().0), "cancelled");
    let (answer, _) = peer.receive();
    assert_eq!((&answer["id"], &answer["result"]["outcome"]), (&json!(cancel), &json!("dequeued")));
    harness.reply(ticket);
    let report = peer.call("job.wait", json!({"job": first}));
    assert_eq!(report["result"]["result"]["ran"], true, "{report}");
    assert_eq!(job(&mut peer, "job.cancel", &first)["result"]["outcome"], "finished");
    assert!(harness.handle.take(Duration::ZERO).is_none(), "the cancelled one never runs");
}

/// A repeat gets the first outcome, never a second run, also after a reconnect.
#[test]
fn a_key_runs_once() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let key = json!({"idempotency_key": "k"});
    let first = peer.request_with("script.run", script("1"), key.clone());
    let (ticket, _) = harness.take();
    let again = peer.request_with("script.run", script("1"), key.clone());
    let conflict = peer.request_with("script.run", script("2"), key.clone());
    let (refused, _) = peer.receive();
    assert_eq!((&refused["id"], kind(&refused)), (&json!(conflict), "idempotency_conflict"));
    // The client goes while it runs; what runs goes on, since the client may come back and ask.
    drop(peer);
    let mut peer = harness.client("a");
    assert_eq!(harness.handle.stop_cause(ticket), None);
    let repeated = peer.request_with("script.run", script("1"), key.clone());
    harness.reply(ticket);
    let (reply, _) = peer.receive();
    assert_eq!((&reply["id"], &reply["result"]["ran"]), (&json!(repeated), &json!(true)));
    peer.request_with("script.run", script("1"), key.clone());
    assert_eq!(peer.receive().0["result"]["ran"], true, "the kept outcome");
    assert!(harness.handle.take(Duration::ZERO).is_none(), "nothing ran twice: {first} {again}");
    // Keys are the session's own.
    let mut other = harness.client("b");
    other.request_with("script.run", script("1"), key);
    harness.reply(harness.take().0);
    assert_eq!(other.receive().0["result"]["ran"], true);
}

/// What did not run may be run by a repeat; what is dropped because its client is gone has not run.
#[test]
fn a_key_of_which_nothing_ran_is_free_again() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let key = json!({"idempotency_key": "k"});
    peer.request_with("script.run", script("1"), key.clone());
    let (ticket, _) = harness.take();
    harness.handle.fail(ticket, &WireError::started(Kind::Busy, Started::No, "rendering"));
    assert_eq!(kind(&peer.receive().0), "busy");
    peer.request_with("script.run", script("1"), key.clone());
    eventually("it waits", || harness.handle.status().overview.queued == 1);
    drop(peer);
    eventually("it is dropped", || harness.handle.status().overview.queued == 0);
    assert!(harness.handle.take(Duration::ZERO).is_none());
    let mut peer = harness.client("a");
    peer.request_with("script.run", script("2"), key.clone());
    let (ticket, _) = harness.take();
    harness.handle.fail(ticket, &WireError::started(Kind::CommandFailed, Started::Yes, "half done"));
    assert_eq!(kind(&peer.receive().0), "command_failed");
    peer.request_with("script.run", script("2"), key);
    assert_eq!(kind(&peer.receive().0), "command_failed", "it ran, so it is not run again");
}

/// SESSION_STORE: what is kept for one client is bounded; the oldest that has ended makes room.
#[test]
fn kept_outcomes_are_bounded() {
    let harness = Harness::start(|settings| settings.limits.max_session_kept = 2);
    let mut peer = harness.client("a");
    let (first, second) = (detach(&mut peer, "1"), detach(&mut peer, "2"));
    peer.request_with("script.run", script("3"), json!({"detach": true}));
    let (refused, _) = peer.receive();
    assert_eq!((kind(&refused), &refused["error"]["data"]["setting"]), ("queue_full", &json!("max_session_kept")));
    harness.reply(harness.take().0);
    let done = peer.call("job.wait", json!({"job": first}));
    assert_eq!(done["result"]["state"], "done");
    let third = detach(&mut peer, "3");
    assert_eq!(kind(&job(&mut peer, "job.get", &first)), "not_found", "it made room");
    for id in [second, third] {
        assert_eq!(job(&mut peer, "job.get", &id)["result"]["state"], "queued");
    }
}

#[test]
fn options_without_an_effect_are_refused() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    for (method, options, part) in [
        ("ping", json!({"detach": true}), "options.detach"),
        ("health", json!({"idempotency_key": "k"}), "options.idempotency_key"),
        ("script.run", json!({"max_age_ms": 5}), "options.max_age_ms"),
        ("render.image", json!({"max_age_ms": 5}), "options.max_age_ms"),
        ("scene.get", json!({"max_age_ms": 5, "detach": true}), "options.max_age_ms"),
    ] {
        peer.request_with(method, json!({}), options);
        let (reply, _) = peer.receive();
        assert_eq!((kind(&reply), &reply["error"]["data"]["path"]), ("invalid_request", &json!(part)), "{reply}");
    }
}

/// Output and progress reach whoever waits for the request while it runs; a quick one is told by its result alone.
#[test]
fn output_and_progress_arrive_while_it_runs() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let id = peer.request("script.run", script("slow"));
    let (ticket, _) = harness.take();
    harness.handle.output(ticket, Stream::Stdout, "first\n");
    let (output, _) = peer.receive();
    assert_eq!(
        (&output["method"], &output["params"]),
        (&json!("output"), &json!({"id": id, "stream": "stdout", "text": "first\n"}))
    );
    harness.handle.progress(ticket, Progress { done: 2.0, total: None, message: "two".to_owned() });
    let (progress, _) = peer.receive();
    assert_eq!(progress["params"], json!({"id": id, "done": 2.0, "total": null, "message": "two"}));
    assert_eq!(peer.call("health", json!({}))["result"]["running"][0]["progress"]["message"], "two");
    harness.handle.output(ticket, Stream::Stderr, "last");
    harness.reply(ticket);
    let (last, _) = peer.receive();
    assert_eq!((&last["params"]["stream"], &last["params"]["text"]), (&json!("stderr"), &json!("last")));
    assert_eq!(peer.receive().0["id"], id, "the answer comes after all that was told");

    let quick = peer.request("script.run", script("quick"));
    let (ticket, _) = harness.take();
    harness.handle.output(ticket, Stream::Stdout, "in the result");
    harness.reply(ticket);
    assert_eq!(peer.receive().0["id"], quick);
}

/// Somebody who waits for a job is told under the wait's own id.
#[test]
fn a_wait_is_told_what_its_job_writes() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let id = detach(&mut peer, "slow");
    let (ticket, _) = harness.take();
    let wait = peer.request("job.wait", json!({"job": id}));
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "it waits by now");
    harness.handle.output(ticket, Stream::Stdout, "x");
    let (output, _) = peer.receive();
    assert_eq!((&output["method"], &output["params"]["id"]), (&json!("output"), &json!(wait)));
    harness.reply(ticket);
    assert_eq!(peer.receive_reply(wait).0["result"]["state"], "done");
}

/// A cancel or a deadline breaks off what says that it can be, and nothing else.
#[test]
fn what_can_be_broken_off_is() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let id = peer.request("render.image", json!({}));
    let (ticket, _) = harness.take();
    assert_eq!(peer.call("cancel", json!({"id": id}))["result"]["outcome"], "not_interruptible");
    let stop = |_| {
        BROKEN.store(true, Ordering::Release);
        true
    };
    harness.handle.set_breaker(ticket, Some(stop));
    assert!(BROKEN.load(Ordering::Acquire), "it was to stop already");
    assert_eq!(peer.call("cancel", json!({"id": id}))["result"]["outcome"], "interrupting");
    harness.handle.set_breaker(ticket, None);
    assert_eq!(peer.call("cancel", json!({"id": id}))["result"]["outcome"], "not_interruptible");
    harness.reply(ticket);
    assert_eq!(peer.receive().0["id"], id);

    BROKEN.store(false, Ordering::Release);
    peer.request_with("render.image", json!({}), json!({"deadline_ms": 30}));
    let (ticket, _) = harness.take();
    harness.handle.set_breaker(ticket, Some(stop));
    eventually("the deadline breaks it", || BROKEN.load(Ordering::Acquire));
    harness.reply(ticket);
}

/// UNHANDLED_PROMISE_001: who waits for a job when the server stops is told so.
#[test]
fn a_stop_ends_every_wait() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let id = detach(&mut peer, "1");
    let wait = peer.request("job.wait", json!({"job": id}));
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true);
    harness.handle.stop();
    let (reply, _) = peer.receive();
    assert_eq!(reply["id"], wait);
    assert!(reply["result"]["error"]["data"]["kind"] == "shutting_down" || kind(&reply) == "shutting_down", "{reply}");
}

/// What waits for jobs is bounded like everything else, and an id is in flight once.
#[test]
fn repeats_are_bounded_and_keep_their_ids() {
    let harness = Harness::start(|settings| {
        settings.limits.max_queued = 2;
        settings.limits.max_session_queued = 2;
    });
    let mut peer = harness.client("a");
    let key = json!({"idempotency_key": "k"});
    let first = peer.request_with("script.run", script("1"), key.clone());
    let (ticket, _) = harness.take();
    let second = peer.request_with("script.run", script("1"), key.clone());
    let third = peer.request_with("script.run", script("1"), key.clone());
    let (refused, _) = peer.receive();
    assert_eq!((&refused["id"], kind(&refused)), (&json!(third), "queue_full"));
    for (id, options) in [(first, json!({"detach": true})), (second, json!({"detach": true})), (second, key)] {
        let params = script("1");
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "script.run", "params": params, "options": options});
        peer.send(&message, &[]);
        assert_eq!(kind(&peer.receive().0), "duplicate_id");
    }
    let plain = peer.request("script.run", script("2"));
    peer.send(&json!({"jsonrpc": "2.0", "id": plain, "method": "script.run", "params": script("3"), "options": {"detach": true}}), &[]);
    assert_eq!(kind(&peer.receive().0), "duplicate_id");
    harness.reply(ticket);
    assert_eq!((peer.receive().0["id"].clone(), peer.receive().0["id"].clone()), (json!(first), json!(second)));
}

/// A request whose repeat is detached is a job from then on: it outlives its connection.
#[test]
fn a_repeat_can_detach_what_was_sent_before() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    peer.request_with("script.run", script("1"), json!({"idempotency_key": "k"}));
    let detached = peer.request_with("script.run", script("1"), json!({"idempotency_key": "k", "detach": true}));
    let (reply, _) = peer.receive();
    assert_eq!(reply["id"], detached);
    let id = reply["result"]["job"].as_str().expect("a job").to_owned();
    drop(peer);
    let mut again = harness.client("a");
    assert_eq!(job(&mut again, "job.get", &id)["result"]["state"], "queued");
    harness.reply(harness.take().0);
    assert_eq!(again.call("job.wait", json!({"job": id}))["result"]["result"]["ran"], true);
}

/// A client that is gone for longer than it is remembered finds its jobs all the same, as long as they are kept.
#[test]
fn jobs_keep_their_client_remembered() {
    let harness = Harness::start(|settings| {
        settings.limits.ttl_least_s = 0.1;
        settings.limits.session_ttl_s = 0.1;
        settings.limits.job_ttl_s = 1.0;
    });
    let mut peer = harness.client("a");
    let id = detach(&mut peer, "long");
    let (ticket, _) = harness.take();
    drop(peer);
    let sessions = |harness: &Harness| harness.client("other").call("health", json!({}))["result"]["sessions"].clone();
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(sessions(&harness), 2);
    harness.reply(ticket);
    let mut again = harness.client("a");
    assert_eq!(job(&mut again, "job.get", &id)["result"]["result"]["ran"], true);
    drop(again);
    eventually("nothing is left of either", || sessions(&harness) == 1);
    assert_eq!(kind(&job(&mut harness.client("a"), "job.get", &id)), "not_found");
}
