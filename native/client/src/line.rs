//! A fixed number of places that are taken and given back. Who finds none waits in line, and is served in the order
//! of coming, exactly once (RACE_CONDITION_001, RACE_CONDITION_002).
//!
//! A place holds an item or nothing; what the items are, and how an empty place gets one, is the pool's business. A
//! place that is given back goes straight to the first who waits, so nobody who comes later can be faster. `models`
//! checks the interleavings.

#[cfg(all(loom, test))]
mod models;

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::{Arc, Condvar, Mutex, lock};

/// The line was closed; nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// How many places are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Places in use.
    pub taken: usize,
    /// Free places that hold an item.
    pub idle: usize,
    /// Who waits.
    pub waiting: usize,
}

struct State<T> {
    /// Free places. Last in, first out, so that what is not needed grows old. Empty as long as anybody waits.
    free: Vec<Option<T>>,
    /// Places in use, those in `served` included.
    taken: usize,
    waiting: VecDeque<(u64, Arc<Condvar>)>,
    /// Places that were handed to somebody who has not woken up yet.
    served: HashMap<u64, Option<T>>,
    last_number: u64,
    closed: bool,
}

struct Inner<T> {
    state: Mutex<State<T>>,
    /// Rung whenever a place comes back to a closed line.
    returned: Condvar,
}

/// The places, and who waits for them.
pub(crate) struct Line<T>(Arc<Inner<T>>);

impl<T> Clone for Line<T> {
    fn clone(&self) -> Line<T> {
        Line(Arc::clone(&self.0))
    }
}

/// What comes of asking for a place.
pub(crate) enum Joined<T> {
    /// There was one.
    Served(Place<T>),
    /// There was none.
    Waits(Turn<T>),
}

/// A place in use. Dropping it gives it back, with the item that is in it then.
pub(crate) struct Place<T> {
    line: Line<T>,
    /// What the place holds.
    pub item: Option<T>,
}

/// Somebody's turn to come. Dropping it leaves the line; a place that was handed over meanwhile goes to the next.
pub(crate) struct Turn<T> {
    line: Line<T>,
    number: u64,
    bell: Arc<Condvar>,
}

impl<T> Line<T> {
    /// So many places, all free and empty.
    pub fn new(places: usize) -> Line<T> {
        let state = State {
            free: std::iter::repeat_with(|| None).take(places).collect(),
            taken: 0,
            waiting: VecDeque::new(),
            served: HashMap::new(),
            last_number: 0,
            closed: false,
        };
        Line(Arc::new(Inner { state: Mutex::new(state), returned: Condvar::new() }))
    }

    /// Take a place if there is one, one with an item before others; else join the line.
    pub fn join(&self) -> Result<Joined<T>, Closed> {
        let mut state = lock(&self.0.state);
        if state.closed {
            return Err(Closed);
        }
        if let Some(item) = state.take_free() {
            drop(state);
            return Ok(Joined::Served(Place { line: self.clone(), item }));
        }
        state.last_number += 1;
        let (number, bell) = (state.last_number, Arc::new(Condvar::new()));
        state.waiting.push_back((number, Arc::clone(&bell)));
        drop(state);
        Ok(Joined::Waits(Turn { line: self.clone(), number, bell }))
    }

    /// A place comes back. The item of a closed line is dropped, outside the lock.
    fn give(&self, item: Option<T>) {
        let mut state = lock(&self.0.state);
        if state.closed {
            state.taken -= 1;
            self.0.returned.notify_all();
            drop(state);
            drop(item);
        } else if let Some((number, bell)) = state.waiting.pop_front() {
            state.served.insert(number, item);
            bell.notify_one();
        } else {
            state.taken -= 1;
            state.free.push(item);
        }
    }

    /// Take no more, and send all away who wait; the idle items. What is in use stays so until it is given back.
    pub fn close(&self) -> Vec<T> {
        let mut state = lock(&self.0.state);
        state.closed = true;
        for (_, bell) in &state.waiting {
            bell.notify_one();
        }
        std::mem::take(&mut state.free).into_iter().flatten().collect()
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0.state).closed
    }

    /// Wait at most so long until a closed line has all its places back; how many are still out.
    pub fn drain(&self, at_most: Duration) -> usize {
        let until = Instant::now() + at_most;
        let mut state = lock(&self.0.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.taken == 0 || left.is_zero() {
                return state.taken;
            }
            state = self.0.returned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Take the items out of free places that do not fit, to be dropped outside the lock.
    pub fn weed(&self, fits: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = lock(&self.0.state);
        let unfit = state.free.iter_mut().filter(|item| item.as_ref().is_some_and(|item| !fits(item)));
        unfit.filter_map(Option::take).collect()
    }

    /// How things stand.
    pub fn numbers(&self) -> Numbers {
        let state = lock(&self.0.state);
        let idle = state.free.iter().flatten().count();
        Numbers { taken: state.taken, idle, waiting: state.waiting.len() }
    }
}

impl<T> State<T> {
    fn take_free(&mut self) -> Option<Option<T>> {
        let index = self.free.iter().rposition(Option::is_some).or(self.free.len().checked_sub(1))?;
        self.taken += 1;
        Some(self.free.swap_remove(index))
    }
}

impl<T> Turn<T> {
    /// Wait at most so long for the place; `None` when it has not come yet.
    pub fn wait(&self, at_most: Duration) -> Result<Option<Place<T>>, Closed> {
        let mut state = lock(&self.line.0.state);
        for look in 0..2 {
            if state.closed {
                return Err(Closed);
            }
            if let Some(item) = state.served.remove(&self.number) {
                drop(state);
                return Ok(Some(Place { line: self.line.clone(), item }));
            }
            if look == 0 {
                state = self.bell.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        Ok(None)
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.line.0.state);
        let handed = state.served.remove(&self.number);
        if handed.is_none() {
            state.waiting.retain(|(number, _)| *number != self.number);
        }
        drop(state);
        if let Some(item) = handed {
            self.line.give(item);
        }
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.line.give(self.item.take());
    }
}
