//! A client that floods the server costs a polite one no more than a turn.

#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Harness, Peer, eventually};

/// What each request costs on the main thread: many times the cost of its way there and back, also where other programs
/// take the cores. The thread sleeps instead of working, as it would else take a core from its clients: what is measured
/// is whose turn it is, not how many cores there are.
const WORK: Duration = Duration::from_millis(5);

const FLOODING_CONNECTIONS: usize = 4;
const IN_FLIGHT_EACH: usize = 250;

/// Calls of which the median is taken.
const CALLS: usize = 101;

fn send(peer: &mut Peer) {
    peer.request("object.get", json!({"name": "x"}));
}

/// Keep as many requests in flight on a connection as it has now, until told to stop.
fn flood(mut peer: Peer, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    (0..IN_FLIGHT_EACH).for_each(|_| send(&mut peer));
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        while !stop.load(Ordering::Acquire) {
            assert_eq!(peer.receive().0["result"]["ran"], true, "the flood is within its limits");
            send(&mut peer);
        }
    })
}

/// The median time of a client that sends one request after the other.
fn median(peer: &mut Peer) -> Duration {
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(peer.call("object.get", json!({"name": "y"}))["result"]["ran"], true);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[CALLS / 2]
}

/// A session that always has a thousand requests in flight, over four connections, slows one that sends one after the
/// other by no more than two times at the median, against that one alone in the same run: sessions take turns, so it
/// waits for one foreign request at most. In the order of arrival it would wait for a thousand, by connections for four.
///
/// On a machine that is busy with something else, a thread may wait for its core longer than a request takes; so the best
/// of three rounds counts. Turns cost the same in each, so a server that takes none passes none.
#[test]
fn a_flood_costs_a_polite_client_one_turn() {
    let harness = Harness::start(|_| {});
    let _main = harness.serve(|_| {
        thread::sleep(WORK);
        json!({"ran": true})
    });
    let mut polite = harness.client("polite");
    let mut ratio = || {
        let alone = median(&mut polite);
        let stop = Arc::new(AtomicBool::new(false));
        let floods: Vec<_> = (0..FLOODING_CONNECTIONS).map(|_| flood(harness.client("flood"), &stop)).collect();
        let beside = median(&mut polite);
        let queued = harness.handle.status().overview.queued;
        stop.store(true, Ordering::Release);
        floods.into_iter().for_each(|flood| flood.join().expect("a flood ends when told"));
        eventually("what it left has gone", || harness.handle.status().overview.queued == 0);
        assert!(queued > FLOODING_CONNECTIONS * IN_FLIGHT_EACH * 9 / 10, "only {queued} waited");
        println!("alone {alone:?}, beside a flood {beside:?}, {queued} waiting");
        beside.as_secs_f64() / alone.as_secs_f64()
    };
    let mut ratios = Vec::new();
    while ratios.len() < 3 {
        ratios.push(ratio());
        if ratios.last() <= Some(&2.0) {
            return;
        }
    }
    panic!("a polite client was slowed {ratios:?} times");
}
