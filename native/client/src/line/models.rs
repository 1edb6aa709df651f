//! The interleavings of a few threads, checked by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p spindle-client --lib --release models`.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Closed, Joined, Line, Place, Turn};

/// loom knows no time: a wait with an end is one without.
const FOREVER: Duration = Duration::from_secs(86_400);

/// How many threads use the one item at this moment.
type Users = Arc<AtomicUsize>;

/// As loom's book advises: interleavings in which threads are interrupted up to three times find almost everything.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn served(turn: &Turn<Users>) -> Place<Users> {
    loop {
        if let Some(place) = turn.wait(FOREVER).expect("open") {
            return place;
        }
    }
}

fn take(line: &Line<Users>) -> Place<Users> {
    match line.join().expect("open") {
        Joined::Served(place) => place,
        Joined::Waits(turn) => served(&turn),
    }
}

fn wait_in_line(line: &Line<Users>) -> Turn<Users> {
    match line.join().expect("open") {
        Joined::Waits(turn) => turn,
        Joined::Served(_) => panic!("nothing was free"),
    }
}

fn use_it(place: &mut Place<Users>) {
    let users = place.item.get_or_insert_with(Users::default);
    assert_eq!(users.fetch_add(1, Ordering::Relaxed), 0, "another one uses it");
    thread::yield_now();
    users.fetch_sub(1, Ordering::Relaxed);
}

/// RACE_CONDITION_001: one item is never with two at once, and all are served.
#[test]
fn models_one_item_for_three() {
    check(|| {
        let line: Line<Users> = Line::new(1);
        let others = [0; 2].map(|_| {
            let line = line.clone();
            thread::spawn(move || use_it(&mut take(&line)))
        });
        use_it(&mut take(&line));
        for other in others {
            other.join().expect("served");
        }
        let numbers = line.numbers();
        assert_eq!((numbers.taken, numbers.idle, numbers.waiting), (0, 1, 0));
    });
}

/// RACE_CONDITION_001: who came first is served first, whoever runs first.
#[test]
fn models_first_come_first_served() {
    check(|| {
        let line: Line<Users> = Line::new(1);
        let held = take(&line);
        let (first, second) = (wait_in_line(&line), wait_in_line(&line));
        let order = Arc::new(AtomicUsize::new(0));
        let threads = [(first, 0), (second, 1)].map(|(turn, expected)| {
            let order = Arc::clone(&order);
            thread::spawn(move || {
                let place = served(&turn);
                assert_eq!(order.fetch_add(1, Ordering::Relaxed), expected);
                drop(place);
            })
        });
        drop(held);
        for thread in threads {
            thread.join().expect("served");
        }
    });
}

/// RACE_CONDITION_002: two releases at once serve two who wait, neither skipped nor served twice.
#[test]
fn models_concurrent_releases() {
    check(|| {
        let line: Line<Users> = Line::new(2);
        let held = [take(&line), take(&line)];
        let turns = [wait_in_line(&line), wait_in_line(&line)];
        let threads = held.map(|place| thread::spawn(move || drop(place)));
        let places = turns.map(|turn| served(&turn));
        assert_eq!(line.numbers().taken, 2);
        drop(places);
        for thread in threads {
            thread.join().expect("given back");
        }
        assert_eq!(line.numbers().taken, 0);
    });
}

/// Who gives up while a place is handed to it passes it on, so that the next is served.
#[test]
fn models_giving_up() {
    check(|| {
        let line: Line<Users> = Line::new(1);
        let held = take(&line);
        let (gives_up, waits) = (wait_in_line(&line), wait_in_line(&line));
        let leaver = thread::spawn(move || drop(gives_up));
        let waiter = thread::spawn(move || drop(served(&waits)));
        drop(held);
        leaver.join().expect("gone");
        waiter.join().expect("served");
        let numbers = line.numbers();
        assert_eq!((numbers.taken, numbers.waiting), (0, 0));
    });
}

/// A closed line sends away who waits, and has all places back in the end.
#[test]
fn models_closing() {
    check(|| {
        let line: Line<Users> = Line::new(1);
        let held = take(&line);
        let turn = wait_in_line(&line);
        let waiter = thread::spawn(move || match turn.wait(FOREVER) {
            Ok(place) => drop(place),
            Err(Closed) => {}
        });
        let giver = thread::spawn(move || drop(held));
        line.close();
        waiter.join().expect("sent away or served");
        assert_eq!(line.drain(FOREVER), 0);
        giver.join().expect("given back");
        assert!(line.join().is_err());
    });
}
