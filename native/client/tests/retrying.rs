//! What is tried again, what is not, and when nothing is tried at all: RETRY, CIRCUIT_BREAKER.

mod common;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Peer, serve_known};
use serde_json::json;
use spindle_client::settings::Choices;
use spindle_client::{Alert, BreakerState, Client, ClientSettings, Error, Fate, Options, Reply};
use spindle_protocol::envelope::Request;
use spindle_protocol::error::{Kind, Started, WireError};
use support::{Diary, eventually, params, settings};

const MS: Duration = Duration::from_millis(1);

/// A client of a server that answers the n-th request like this; the count of requests.
fn against(
    answer: impl Fn(&mut Peer, &Request, usize) + Send + Sync + 'static,
    change: impl FnOnce(&mut Choices),
) -> (Client, Arc<AtomicUsize>, Diary) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let server = serve_known(move |mut peer| {
        while let Some((request, _)) = peer.next() {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            answer(&mut peer, &request, number);
        }
    });
    let diary = Diary::default();
    let settings = ClientSettings { observer: diary.observer(), ..settings(change) };
    (Client::of(server, settings).expect("sound settings"), count, diary)
}

fn refuse(peer: &mut Peer, request: &Request, error: &WireError) {
    peer.send(&json!({"jsonrpc": "2.0", "id": request.id, "error": error}), &[]);
}

fn close(peer: &mut Peer) {
    peer.stream.shutdown(std::net::Shutdown::Both).ok();
}

fn call(client: &Client, method: &str, options: Options) -> Result<Reply, Error> {
    client.call(method, &params(&json!({})), &[], &options)
}

fn keyed() -> Options {
    Options { idempotency_key: Some("k".to_owned()), ..Options::default() }
}

/// RETRY: a request that may have run is sent again only when that does no harm.
#[test]
fn a_lost_reply() {
    let rows = [
        ("scene.get", Options::default(), true),
        ("ping", Options::default(), true),
        ("script.run", keyed(), true),
        ("script.run", Options::default(), false),
        ("object.create", Options::default(), false),
        ("unheard.of", Options::default(), false),
    ];
    for (method, options, again) in rows {
        let lose_the_first = |peer: &mut Peer, request: &Request, number| match number {
            0 => close(peer),
            _ => peer.answer(request, json!({})),
        };
        let (client, count, diary) = against(lose_the_first, |_| {});
        let outcome = call(&client, method, options.clone());
        assert_eq!(count.load(Ordering::SeqCst), 1 + usize::from(again), "{method} {options:?}");
        match outcome {
            Ok(_) => assert!(again),
            Err(error) => {
                assert!(!again && matches!(error, Error::Disconnected { sent: true, .. }), "{method}: {error}");
                assert_eq!(error.started(), Started::Unknown);
            }
        }
        assert_eq!(diary.count("the outcome of"), 1, "{method}: it is told");
        assert_eq!(diary.count("failed, attempt 1"), usize::from(again));
    }
}

/// RETRY: a server keeps the newest 100 outcomes of a client. A request whose key may be forgotten is not sent again.
#[test]
fn forgotten_keys() {
    let lose_the_slow = |peer: &mut Peer, request: &Request, _| match request.options.idempotency_key.as_deref() {
        Some("slow") => close(peer),
        _ => peer.answer(request, json!({})),
    };
    let (client, count, diary) = against(lose_the_slow, |choices| {
        (choices.retry_first_s, choices.retry_most_s) = (500 * MS, 500 * MS);
    });
    let keyed = |key: &str| {
        let options = Options { idempotency_key: Some(key.to_owned()), ..Options::default() };
        call(&client, "script.run", options)
    };
    thread::scope(|scope| {
        let slow = scope.spawn(|| keyed("slow"));
        eventually("it is lost", || diary.count("failed, attempt 1") == 1);
        (0..60).for_each(|number| drop(keyed(&number.to_string()).expect("answered")));
        let error = slow.join().expect("no panic").expect_err("lost");
        assert!(matches!(error, Error::Disconnected { sent: true, .. }), "{error}");
    });
    assert_eq!(count.load(Ordering::SeqCst), 61);
}

/// RETRY: what certainly did not run is sent again, whatever it is, as often as the settings say and no oftener.
#[test]
fn a_refusal_before_the_start() {
    for (kind, attempts) in [(Kind::Busy, 4), (Kind::QueueFull, 4), (Kind::InvalidParams, 1), (Kind::ScriptRefused, 1)]
    {
        let always = move |peer: &mut Peer, request: &Request, _| refuse(peer, request, &WireError::new(kind, "no"));
        let (client, count, _) = against(always, |choices| choices.retry_attempts = 4);
        let error = call(&client, "script.run", Options::default()).expect_err("refused");
        assert_eq!((error.server_kind(), count.load(Ordering::SeqCst)), (Some(kind), attempts));
        assert_eq!(client.state().breaker, BreakerState::Closed, "an answer is no failure of the server");
        let page = client.metrics_text();
        assert!(page.contains(&format!("spindle_client_calls_total{{outcome=\"{}\"}} 1", kind.name())), "{page}");
    }
    let started = |peer: &mut Peer, request: &Request, _| {
        refuse(peer, request, &WireError::started(Kind::Busy, Started::Yes, "half done"));
    };
    let (client, count, _) = against(started, |_| {});
    call(&client, "script.run", Options::default()).expect_err("half done");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// RETRY: the server's own `retry_after_ms` is heeded, and the call's deadline holds for all attempts together.
#[test]
fn pauses_and_deadlines() {
    let limited = |peer: &mut Peer, request: &Request, number| match number {
        0 => refuse(peer, request, &WireError::new(Kind::RateLimited, "wait").with("retry_after_ms", 200)),
        _ => peer.answer(request, json!({})),
    };
    let (client, ..) = against(limited, |_| {});
    let start = Instant::now();
    call(&client, "script.run", Options::default()).expect("answered in the end");
    assert!(start.elapsed() >= 200 * MS, "{:?}", start.elapsed());
    let (client, count, _) = against(limited, |_| {});
    call(&client, "script.run", Options::within(100 * MS)).expect_err("there is no time for another attempt");
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let for_ever = |peer: &mut Peer, request: &Request, _| {
        refuse(peer, request, &WireError::new(Kind::RateLimited, "wait").with("retry_after_ms", u64::MAX));
    };
    let (client, count, _) = against(for_ever, |_| {});
    call(&client, "script.run", Options::default()).expect_err("nobody waits so long");
    assert_eq!(count.load(Ordering::SeqCst), 1);

    let busy = |peer: &mut Peer, request: &Request, _| refuse(peer, request, &WireError::new(Kind::Busy, "no"));
    let (client, count, _) = against(busy, |choices| choices.retry_attempts = 100);
    let start = Instant::now();
    call(&client, "script.run", Options::within(300 * MS)).expect_err("busy all the time");
    assert!(start.elapsed() < 300 * MS + 700 * MS && count.load(Ordering::SeqCst) > 2, "{:?}", start.elapsed());
}

/// A call is interrupted between two attempts, too.
#[test]
fn an_interrupt_ends_a_pause() {
    let server = serve_known(|mut peer| {
        while let Some((request, _)) = peer.next() {
            refuse(&mut peer, &request, &WireError::new(Kind::RateLimited, "wait").with("retry_after_ms", 20_000));
        }
    });
    let mut settings = settings(|_| {});
    let asked = AtomicUsize::new(0);
    settings.connection.interrupt = Some(Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) == 3));
    let client = Client::of(server, settings).expect("sound settings");
    let start = Instant::now();
    let error = call(&client, "script.run", Options::default()).expect_err("interrupted");
    assert!(matches!(error, Error::Interrupted { fate: Fate::NotSent }), "{error}");
    assert!(start.elapsed() < 2000 * MS, "{:?}", start.elapsed());
}

/// CIRCUIT_BREAKER: after failures in a row calls fail at once; then one is let through, and its success ends it.
#[test]
fn the_breaker() {
    let well_after_three = |peer: &mut Peer, request: &Request, number| match number {
        0..3 => close(peer),
        _ => {
            thread::sleep(100 * MS);
            peer.answer(request, json!({}));
        }
    };
    let (client, count, diary) = against(well_after_three, |choices| {
        (choices.retry_attempts, choices.breaker_failures, choices.breaker_rest_s) = (1, 3, 200 * MS);
    });
    let read = || call(&client, "scene.get", Options::default());
    for _ in 0..3 {
        assert!(matches!(read(), Err(Error::Disconnected { .. })));
    }
    assert!(client.state().breaker == BreakerState::Open && client.state().alerts.contains(&Alert::BreakerOpen));
    let error = read().expect_err("open");
    assert!(matches!(error, Error::BreakerOpen { failures: 3, .. }), "{error}");
    assert!(error.to_string().contains("the last like this: the connection ended"), "{error}");
    assert_eq!((error.started(), count.load(Ordering::SeqCst)), (Started::No, 3), "nothing was sent");
    thread::sleep(250 * MS);
    assert_eq!(client.state().breaker, BreakerState::HalfOpen);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        let outcomes: Vec<_> = calls.into_iter().map(|call| call.join().expect("no panic")).collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "one probe: {outcomes:?}");
    });
    assert_eq!((client.state().breaker, count.load(Ordering::SeqCst)), (BreakerState::Closed, 4));
    read().expect("closed");
    assert_eq!((diary.count("breaker opened"), diary.count("breaker closed")), (1, 1));
}

/// A cancel names a request of its own connection, which the pool cannot know.
#[test]
fn a_cancel_needs_its_connection() {
    let (client, count, _) = against(|_, _, _| {}, |_| {});
    let error = call(&client, "cancel", Options::default()).expect_err("refused");
    assert!(matches!(error, Error::Invalid(_)) && error.to_string().contains("Client::take"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

/// Scripts that fail are errors of their own, with what they had printed.
#[test]
fn a_script_that_raised() {
    let raise = |peer: &mut Peer, request: &Request, _| {
        let exception = json!({"type": "KeyError", "message": "'Cube'", "traceback": "…", "line": 2});
        peer.answer(
            request,
            json!({"status": "raised", "stdout": "so far\n", "stderr": "", "exception": exception, "duration_ms": 1.0}),
        );
    };
    let (client, count, _) = against(raise, |_| {});
    let error = client.run("x", Default::default(), &keyed()).expect_err("raised");
    assert_eq!((error.kind(), error.started(), error.retryable()), ("script_failed", Started::Yes, false));
    assert_eq!(error.to_string(), "the script raised KeyError: 'Cube'");
    let Error::ScriptFailed(result) = error else { panic!("{error}") };
    assert_eq!((result.stdout.as_str(), count.load(Ordering::SeqCst)), ("so far\n", 1));
}

/// A refusal of the guard has a name, and its findings are there for programs.
#[test]
fn a_refused_script() {
    let finding = json!({"rule": "process.os_system", "severity": "danger", "line": 1, "column": 1, "excerpt": "x",
        "reason": "It starts a program.", "remedy": "Ask the user."});
    let refusal =
        WireError::new(Kind::ScriptRefused, "line 1: It starts a program.").with("findings", json!([finding]));
    let (client, ..) = against(move |peer, request, _| refuse(peer, request, &refusal), |_| {});
    let error = client.run("os.system('x')", Default::default(), &Options::default()).expect_err("refused");
    assert_eq!((error.kind(), error.started()), ("script_refused", Started::No));
    assert_eq!(error.findings().iter().map(|finding| finding.rule.as_str()).collect::<Vec<_>>(), ["process.os_system"]);
}
