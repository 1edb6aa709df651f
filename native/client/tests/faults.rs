//! A client behind a proxy that harms every connection, against the server of `spindle-core`: whatever happens, no
//! call waits past its deadline, no reply reaches another caller, and nothing runs twice that must not.
//!
//! `SPINDLE_FAULTS` is how many faults there are, 2,400 by default; with 10,008 each byte of the first 834 of a
//! session is harmed, in both directions and in all six ways.
#![cfg(target_os = "linux")]

mod support;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use spindle_client::{Client, Options, Reply};
use spindle_protocol::error::Started;
use support::proxy::{Fault, HARMS, Harm, Proxy};
use support::{Blender, name, params, settings};

/// Bytes of a session that are harmed: greeting or hello, welcome, and some messages.
const SPAN: usize = 834;
const CALLERS: usize = 24;

/// Of a call, its connecting, and the patience with the server's own answer.
const TIMEOUT: Duration = Duration::from_millis(150);
const CONNECT: Duration = Duration::from_millis(250);
const GRACE: Duration = Duration::from_millis(100);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

fn faults() -> usize {
    std::env::var("SPINDLE_FAULTS").map_or(2400, |number| number.parse().expect("a number"))
}

/// Fault `n` of `total`, so that all ways and directions come at each place.
fn fault(n: usize, total: usize, harms: &[Harm]) -> Fault {
    let kinds = 2 * harms.len();
    let n = n % total;
    Fault {
        harm: harms[n % harms.len()],
        to_server: (n / harms.len()).is_multiple_of(2),
        at: (n / kinds) * SPAN / total.div_ceil(kinds),
    }
}

/// A client of a server behind such a proxy.
fn harmed(host: [u8; 4], total: usize, harms: &'static [Harm]) -> (tempfile::TempDir, Blender, Proxy, Client) {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path());
    let instance = blender.instance();
    let proxy = Proxy::start(Ipv4Addr::from(host), instance.port, (0..).map(move |n| fault(n, total, harms)));
    let mut settings = settings(|choices| {
        choices.pool_size = CALLERS as u32;
        (choices.connect_s, choices.stall_s, choices.grace_s) = (CONNECT, GRACE, GRACE);
    });
    settings.connection.host = proxy.host;
    let client = Client::of(instance, settings).expect("sound settings");
    (folder, blender, proxy, client)
}

/// A text that differs from that of every other number in at least two characters, so that one wrong bit cannot make
/// one out of another.
fn marker(number: u64) -> String {
    let scattered = (number as u32).wrapping_mul(2_654_435_761);
    format!("{number:08x}-{scattered:08x}")
}

/// Whether the reply is the one to this request, but for one character.
fn is_mine(reply: &Reply, expected: &str) -> bool {
    let heard = reply.result.get();
    heard.chars().count() == expected.chars().count()
        && heard.chars().zip(expected.chars()).filter(|(one, other)| one != other).count() <= 1
}

/// What all callers found.
#[derive(Default)]
struct Findings {
    next: AtomicU64,
    /// By how the calls ended.
    ends: Mutex<HashMap<&'static str, usize>>,
    /// Scripts that did not run, by what their callers were told.
    not_run: Mutex<Vec<String>>,
    slowest_ms: AtomicUsize,
}

impl Findings {
    /// One call: a script, a script with a key, or a read, in turn.
    fn call(&self, client: &Client) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = marker(number);
        let key = (number % 3 == 1).then(|| text.clone());
        let options = Options { idempotency_key: key, ..Options::within(TIMEOUT) };
        let (method, sent, expected) = match number % 3 {
            2 => ("object.get", json!({"name": text}), format!(r#"{{"name":"{text}","fields":null}}"#)),
            _ => (
                "script.run",
                json!({"code": text}),
                format!(r#"{{"code":"{text}","args":{{}},"name":null,"checkpoint":false}}"#),
            ),
        };
        let start = Instant::now();
        let outcome = client.call(method, &params(&sent), &[], &options);
        let took = start.elapsed();
        assert!(took < TIMEOUT + CONNECT + GRACE + SLACK, "{method} took {took:?}: {outcome:?}");
        self.slowest_ms.fetch_max(took.as_millis() as usize, Ordering::Relaxed);
        *self.ends.lock().expect("whole").entry(name(&outcome)).or_default() += 1;
        match outcome {
            Ok(reply) => assert!(is_mine(&reply, &expected), "{expected} was answered by {}", reply.result),
            Err(error) if error.started() == Started::No => self.not_run.lock().expect("whole").push(text),
            Err(_) => {}
        }
    }
}

/// Faults at each byte of a session, to calls from many threads at once. A wrong bit in an idempotency key makes
/// another key, so runs are counted by the key that arrived; it is TCP that has to notice.
#[test]
fn calls_through_faults() {
    let total = faults();
    let (_folder, blender, proxy, client) = harmed([127, 0, 0, 2], total, &HARMS);
    let findings = Findings::default();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while proxy.struck.load(Ordering::Relaxed) < total {
                    findings.call(&client);
                }
            });
        }
    });
    let ran = blender.ran.lock().expect("whole");
    let twice: Vec<_> = ran.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "ran more than once: {twice:?}");
    let codes: HashSet<&str> = ran.keys().map(|(code, _)| code.as_str()).collect();
    let not_run = findings.not_run.lock().expect("whole");
    let lies: Vec<_> = not_run.iter().filter(|text| codes.contains(text.as_str())).collect();
    assert!(lies.is_empty(), "ran, and its caller was told that it had not: {lies:?}");
    assert_eq!(client.state().taken, 0);
    eprintln!(
        "{} faults in {:.1} s, {} scripts ran, slowest call {} ms, ends: {:?}",
        proxy.struck.load(Ordering::Relaxed),
        start.elapsed().as_secs_f64(),
        ran.len(),
        findings.slowest_ms.load(Ordering::Relaxed),
        findings.ends.lock().expect("whole"),
    );
}

/// The same with several requests in flight on each connection. Nothing is corrupted here, as a wrong bit in an id makes
/// another id.
#[test]
fn requests_in_flight_through_faults() {
    const WAYS: [Harm; 5] = [Harm::Delay, Harm::Cut, Harm::Reset, Harm::Duplicate, Harm::Stall];
    let total = faults() / 6;
    let (_folder, blender, proxy, client) = harmed([127, 0, 0, 3], total, &WAYS);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while proxy.struck.load(Ordering::Relaxed) < total {
                    let Ok(mut connection) = client.take() else { continue };
                    let texts = [0; 3].map(|_| marker(next.fetch_add(1, Ordering::Relaxed)));
                    let sent = texts.map(|text| {
                        let options = Options::within(TIMEOUT);
                        (connection.send("script.run", &params(&json!({"code": text})), &[], &options), text)
                    });
                    for (ticket, text) in sent {
                        let Ok(reply) = ticket.and_then(|ticket| connection.wait(ticket)) else { continue };
                        assert!(reply.result.get().contains(&text), "{text} was answered by {}", reply.result);
                    }
                }
            });
        }
    });
    let ran = blender.ran.lock().expect("whole");
    assert!(ran.values().all(|count| *count == 1));
}
