//! Every interleaving of a few threads, checked by loom: see `line/models.rs`.

use std::time::{Duration, Instant};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Breaker, BreakerState};

const REST: Duration = Duration::from_secs(3600);

fn open() -> (Arc<Breaker>, Instant) {
    let (breaker, start) = (Arc::new(Breaker::new(1, REST)), Instant::now());
    assert!(breaker.admit(start).expect("closed").fail(start, String::new));
    (breaker, start + REST)
}

/// CIRCUIT_BREAKER: of all who come when the rest is over, one is let through at a time; a success ends it for all.
#[test]
fn models_one_probe() {
    loom::model(|| {
        let (breaker, later) = open();
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = [true, false].map(|succeeds| {
            let (breaker, inside) = (Arc::clone(&breaker), Arc::clone(&inside));
            thread::spawn(move || {
                let Ok(permit) = breaker.admit(later) else { return };
                if permit.probes {
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two probes at once");
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
                if succeeds {
                    permit.succeed();
                } else {
                    permit.fail(later, String::new);
                }
            })
        });
        for thread in threads {
            thread.join().expect("ended");
        }
        // The last verdict holds, and no probe is left over.
        assert_ne!(breaker.state(later), BreakerState::HalfOpen);
    });
}

/// A probe that ends without a verdict leaves room for exactly one other.
#[test]
fn models_a_probe_without_a_verdict() {
    loom::model(|| {
        let (breaker, later) = open();
        let probe = breaker.admit(later).expect("the rest is over");
        let other = Arc::clone(&breaker);
        let thread = thread::spawn(move || other.admit(later).map(super::Permit::succeed));
        drop(probe);
        match thread.join().expect("ended") {
            Ok(closed) => assert!(closed && breaker.state(later) == BreakerState::Closed),
            Err(_) => assert!(breaker.admit(later).is_ok(), "nobody probes any more"),
        }
    });
}

/// Whoever was let through before it opened neither closes it nor counts.
#[test]
fn models_late_verdicts() {
    loom::model(|| {
        let start = Instant::now();
        let breaker = Arc::new(Breaker::new(1, REST));
        let threads = [true, false].map(|succeeds| {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || {
                let Ok(permit) = breaker.admit(start) else { return };
                if succeeds {
                    assert!(!permit.succeed(), "only a probe closes it");
                } else {
                    assert!(permit.fail(start, String::new));
                }
            })
        });
        for thread in threads {
            thread.join().expect("ended");
        }
        assert_eq!(breaker.state(start), BreakerState::Open);
    });
}
