//! Connections that calls share: one caller each, first come, first served, and no wait without an end.

mod common;
mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{Peer, serve_known};
use serde_json::{Value, json};
use spindle_client::settings::Choices;
use spindle_client::{Alert, Client, ClientSettings, Error, Fate, Options};
use spindle_protocol::error::Started;
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;
use support::{Diary, eventually, params, script, settings};

const MS: Duration = Duration::from_millis(1);

/// Answers each request with its own parameters, after so long.
fn echo(after: Duration) -> impl Fn(Peer) + Send + Sync + 'static {
    move |mut peer| {
        while let Some((request, _)) = peer.next() {
            thread::sleep(after);
            let result: Value = serde_json::from_str(request.params.get()).expect("JSON");
            let pong = request.method == "ping";
            peer.answer(&request, if pong { json!({"pong": true}) } else { result });
        }
    }
}

fn client(server: &Instance, change: impl FnOnce(&mut Choices)) -> Client {
    Client::of(server.clone(), settings(change)).expect("sound settings")
}

fn ping(client: &Client) -> Result<bool, Error> {
    client.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).map(|(pong, _)| pong.pong)
}

/// RACE_CONDITION_001, RACE_CONDITION_002: thousands of calls of many threads over few connections. Each is answered
/// by its own reply, no connection serves two at once, and none is made that is not needed.
#[test]
fn thousands_of_calls_share_four_connections() {
    const THREADS: usize = 64;
    const CALLS: usize = 50;
    let server = serve_known(echo(Duration::ZERO));
    let diary = Diary::default();
    let shared = ClientSettings { observer: diary.observer(), ..settings(|choices| choices.pool_size = 4) };
    let client = Client::of(server, shared).expect("sound settings");
    let in_use = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (client, in_use) = (&client, &in_use);
            scope.spawn(move || {
                for call in 0..CALLS {
                    let text = format!("{thread}.{call}");
                    let mut connection = client.take().expect("a connection");
                    assert!(in_use.lock().expect("whole").insert(connection.number()), "two have it");
                    let reply = connection.call("script.run", &script(&text), &[], &Options::default());
                    assert_eq!(reply.expect("answered").read::<Value>().expect("JSON")["code"], text.as_str());
                    assert!(in_use.lock().expect("whole").remove(&connection.number()));
                }
            });
        }
    });
    let state = client.state();
    assert_eq!((state.taken, state.waiting), (0, 0));
    assert!(diary.count("opened") <= 4 && diary.count("taken after") == THREADS * CALLS);
    assert_eq!(diary.count("returned"), THREADS * CALLS, "RACE_CONDITION_001: ids of connections are told");
}

/// RACE_CONDITION_001: who comes first is served first.
#[test]
fn first_come_first_served() {
    let server = serve_known(echo(Duration::ZERO));
    let client = client(&server, |choices| choices.pool_size = 1);
    let held = client.take().expect("the only one");
    let (sender, order) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..20 {
            let (client, sender) = (&client, sender.clone());
            scope.spawn(move || {
                let connection = client.take().expect("in turn");
                sender.send(number).expect("heard");
                drop(connection);
            });
            eventually("it waits", || client.state().waiting == number + 1);
        }
        assert!(client.state().alerts.contains(&Alert::QueueDepth), "ALERTS: {:?}", client.state().alerts);
        drop(held);
    });
    assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert!(client.state().alerts.contains(&Alert::SlowAcquire), "ALERTS: it took longer than 10 ms");
    assert!(client.metrics_text().contains("spindle_client_pool_acquire_duration_seconds_count 21"));
}

/// RACE_CONDITION_001: a waiter gives up after its deadline, with an error of its own; 30 s unless told otherwise.
#[test]
fn waiting_has_an_end() {
    assert_eq!(Choices::default().pool_wait_s, Duration::from_secs(30));
    let server = serve_known(echo(Duration::ZERO));
    let client = client(&server, |choices| (choices.pool_size, choices.pool_wait_s) = (1, 100 * MS));
    let held = client.take().expect("the only one");
    let start = Instant::now();
    let error = ping(&client).expect_err("none is free");
    assert!(matches!(error, Error::PoolTimedOut { size: 1, .. }), "{error}");
    assert_eq!((error.kind(), error.started(), error.retryable()), ("pool_timed_out", Started::No, true));
    assert!((100 * MS..2000 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    let short = Options::within(10 * MS);
    client.call("scene.get", &params(&json!({})), &[], &short).expect_err("the call's own deadline is earlier");
    drop(held);
    assert!(ping(&client).expect("free again"));
    assert_eq!(client.state().waiting, 0);
}

/// Ctrl-C ends the wait for a connection too, at once and with nothing sent.
#[test]
fn an_interrupt_ends_a_wait_for_the_pool() {
    let server = serve_known(echo(Duration::ZERO));
    let pressed = Arc::new(AtomicBool::new(false));
    let mut settings = settings(|choices| choices.pool_size = 1);
    let asked = Arc::clone(&pressed);
    settings.connection.interrupt = Some(Arc::new(move || asked.swap(false, Ordering::Relaxed)));
    let client = Client::of(server, settings).expect("sound settings");
    let held = client.take().expect("the only one");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| ping(&client));
        eventually("it waits", || client.state().waiting == 1);
        let start = Instant::now();
        pressed.store(true, Ordering::Relaxed);
        let error = waiter.join().expect("no panic").expect_err("interrupted");
        assert!(matches!(error, Error::Interrupted { fate: Fate::NotSent }), "{error}");
        assert!(start.elapsed() < 1000 * MS, "{:?}", start.elapsed());
    });
    drop(held);
    assert!(ping(&client).expect("goes on"));
}

/// UNHANDLED_PROMISE_001: a shutdown takes no new work, sends away who waits, and lets running calls end.
#[test]
fn a_shutdown_drains() {
    let server = serve_known(echo(200 * MS));
    let client = client(&server, |choices| choices.pool_size = 1);
    thread::scope(|scope| {
        let running = scope.spawn(|| ping(&client));
        eventually("it runs", || client.state().taken == 1);
        let waiting = scope.spawn(|| ping(&client));
        eventually("it waits", || client.state().waiting == 1);
        assert_eq!(client.shutdown(), 0, "none was left");
        assert!(running.join().expect("no panic").expect("its reply came"));
        assert!(matches!(waiting.join().expect("no panic"), Err(Error::ShutDown)));
    });
    let error = ping(&client).expect_err("no new work");
    assert_eq!((error.kind(), error.started()), ("client_shut_down", Started::No));
    assert_eq!((client.shutdown(), client.state().taken, client.state().idle), (0, 0, 0));
}

/// A shutdown has a deadline, and tells what it left.
#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let server = serve_known(|mut peer| peer.linger());
    let client = client(&server, |choices| (choices.pool_size, choices.shutdown_s) = (2, 100 * MS));
    let held = client.take().expect("one");
    assert_eq!(client.shutdown(), 1);
    drop(held);
    assert_eq!(client.shutdown(), 0);
}

/// A connection that the server closed, or that was not used for too long, is replaced before anything is sent.
#[test]
fn idle_connections_are_looked_at_before_use() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let server = serve_known(move |mut peer| {
        // The first says goodbye after one answer; the second hears no ping; the third is well.
        let number = count.fetch_add(1, Ordering::Relaxed);
        while let Some((request, _)) = peer.next() {
            match (number, request.method.as_str()) {
                (1, "ping") => {}
                _ => peer.answer(&request, json!({"name": "Cube"})),
            }
            if number == 0 {
                return;
            }
        }
    });
    let diary = Diary::default();
    let choices = |choices: &mut Choices| {
        (choices.pool_check_s, choices.pool_idle_s, choices.health_s) = (100 * MS, 5000 * MS, 50 * MS);
    };
    let settings = ClientSettings { observer: diary.observer(), ..settings(choices) };
    let client = Client::of(server, settings).expect("sound settings");
    let read = || client.call("object.get", &params(&json!({"name": "Cube"})), &[], &Options::default());
    read().expect("answered");
    thread::sleep(50 * MS);
    read().expect("over a new one");
    assert_eq!((diary.count("closed: the server closed it"), diary.count("the outcome of")), (1, 0));
    thread::sleep(150 * MS);
    read().expect("over another one");
    assert_eq!(diary.count("closed: it did not answer a ping"), 1);
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

/// A reply to a caller that has left reaches nobody: the connection is closed instead of being given to the next.
#[test]
fn what_is_left_in_flight_is_closed() {
    let server = serve_known(echo(50 * MS));
    let client = client(&server, |choices| choices.pool_size = 1);
    let mut connection = client.take().expect("the only one");
    let first = connection.number();
    let ticket = connection.send("script.run", &script("late"), &[], &Options::default()).expect("sent");
    drop((connection, ticket));
    let mut connection = client.take().expect("another");
    assert_ne!(connection.number(), first);
    let reply = connection.call("script.run", &script("mine"), &[], &Options::default()).expect("answered");
    assert_eq!(reply.read::<Value>().expect("JSON")["code"], "mine");
}
