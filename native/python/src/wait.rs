//! A Python thread that waits for a reply: what ends the wait, and what is to be raised after it.
//!
//! A connection asks on the thread that waits, and tells listeners there. So what belongs to one wait is kept for its
//! thread, and threads that share a client do not meet in it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

/// Ends a wait from another thread: the request is cancelled, and its answer waited for as after Ctrl-C.
#[pyclass(frozen, skip_from_py_object)]
#[derive(Clone, Default)]
pub struct Canceller(Arc<AtomicBool>);

#[pymethods]
impl Canceller {
    #[new]
    fn new() -> Canceller {
        Canceller::default()
    }

    /// End the wait; a second time, do not wait for the answer either.
    fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is known of the wait of a thread.
#[derive(Default)]
struct Wait {
    canceller: Option<Canceller>,
    /// What a signal handler or a listener raised.
    raised: Option<PyErr>,
    /// Whether a listener raised it, and the connection has not been told.
    untold: bool,
}

thread_local! {
    static WAIT: RefCell<Wait> = RefCell::default();
}

/// Call a function that waits for a connection; its result, and what is to be raised.
pub fn watched<T>(canceller: Option<Canceller>, function: impl FnOnce() -> T) -> (T, Option<PyErr>) {
    // A signal handler may call from inside a wait of the same thread.
    let outer = WAIT.replace(Wait { canceller, ..Wait::default() });
    let outcome = function();
    (outcome, WAIT.replace(outer).raised)
}

/// Whether the wait is to end. Each cause says so once, so that a second one can end the wait for the answer to the
/// cancelled request.
pub fn is_interrupted() -> bool {
    let told = WAIT.with_borrow_mut(|wait| {
        let cancelled = wait.canceller.as_ref().is_some_and(|canceller| canceller.0.swap(false, Ordering::Relaxed));
        std::mem::take(&mut wait.untold) || cancelled
    });
    told || Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(error) => {
            keep(error);
            true
        }
    })
}

/// Have what a listener raised end the wait, and raise it afterwards.
pub fn raise_later(error: PyErr) {
    keep(error);
    WAIT.with_borrow_mut(|wait| wait.untold = true);
}

/// Whether something is to be raised already.
pub fn has_raised() -> bool {
    WAIT.with_borrow(|wait| wait.raised.is_some())
}

fn keep(error: PyErr) {
    // Dropping an exception may run Python code, which may come here.
    let earlier = WAIT.with_borrow_mut(|wait| wait.raised.replace(error));
    drop(earlier);
}
