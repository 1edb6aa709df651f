//! Stops a script that is to stop, whatever it does in Python.
//!
//! The I/O thread decides that a script is to stop, and only leaves word of it here. A thread of the watchdog then has
//! Python raise KeyboardInterrupt in the script, in two ways at once: through the handler of SIGINT, which loops of C
//! code look after too (`re`, big integers, a sleep), and through pending calls, which Python makes between two
//! bytecodes of its main thread whatever the script catches. Both ask [`verdict`] on the main thread: only what lies
//! above the frame that called the script is ever hit, of the arming that the word was meant for.
//!
//! Lock order: the inbox, then `STATE`, then locks of Python's own pending calls. Nobody who holds `STATE` waits for the
//! interpreter's lock.

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;
use spindle_core::keys::Ticket;

use crate::frames::{self, Place};
use crate::signals;

/// Between two attempts to reach the script. Python takes 5 ms to hand its lock to a thread that asks, too.
const ROUND: Duration = Duration::from_millis(5);

/// What a script has for its `finally` blocks and context managers, from the first exception to the second. From then
/// on every bytecode at which Python looks for pending calls raises.
const GRACE: Duration = Duration::from_millis(10);

/// How long a driver, a handler of `bpy.app.handlers` or a drawing method that the script has set off may take to its
/// end.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a look at the frames counts for the frame that was the innermost: Python makes a pending call that queues
/// itself again up to 32 times in a row.
const LOOK: Duration = Duration::from_micros(50);

static STATE: Mutex<State> = Mutex::new(State { armed: None, generation: 0, has_signalled: false });
static CHANGED: Condvar = Condvar::new();

struct State {
    armed: Option<Armed>,
    /// The number of the last arming. A pending call carries its own, so that one that comes late finds that out.
    generation: u64,
    /// A SIGINT of the watchdog's may be on its way. Those that come in one after another may arrive as one, so they are
    /// not counted: all are the watchdog's until the script has returned.
    has_signalled: bool,
}

/// The script that runs.
struct Armed {
    ticket: Ticket,
    /// The address of the frame that called `run_script`, which lives until it is disarmed.
    floor: usize,
    stop: Option<Stop>,
}

/// How far stopping it has come.
#[derive(Default)]
struct Stop {
    /// A pending call of this arming waits to be made.
    queued: bool,
    raised: Option<Instant>,
    postponed: Option<Postponed>,
    broke_into: Option<String>,
}

/// The script is in something that an exception must not hit.
#[derive(Clone, Copy)]
struct Postponed {
    since: Instant,
    /// When the frames were last looked at, and the address of the innermost one then.
    looked: (Instant, usize),
}

/// What became of a script that was told to stop.
pub struct Stopped {
    /// The driver, handler or drawing method that it was stopped in, after all patience.
    pub broke_into: Option<String>,
}

/// Its threads. They wait without cost while no script is to stop.
pub struct Watchdog {
    stopping: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Watchdog {
    /// Start the threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start() -> io::Result<Watchdog> {
        signals::prepare_to_wake()?;
        let watchdog = Watchdog { stopping: Arc::default(), threads: Mutex::default() };
        watchdog.spawn("spindle-watchdog", patrol)?;
        watchdog.spawn("spindle-nudge", nudge_along)?;
        Ok(watchdog)
    }

    fn spawn(&self, name: &str, body: fn(&AtomicBool)) -> io::Result<()> {
        let stopping = Arc::clone(&self.stopping);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || body(&stopping))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// End the threads. To be called without the interpreter's lock, for which one may be waiting, and before the
    /// interpreter finalizes. Idempotent.
    pub fn stop(&self) {
        let threads = {
            let _state = STATE.lock();
            self.stopping.store(true, Ordering::Release);
            CHANGED.notify_all();
            std::mem::take(&mut *self.threads.lock())
        };
        for thread in threads {
            // A thread that panicked has said so, and is over like any other.
            thread.join().ok();
        }
    }
}

/// A script is armed as long as this lives.
pub struct Arming {
    /// Keeps the address of the floor from being used for another frame.
    _floor: Option<Py<PyAny>>,
}

impl Arming {
    /// Arm for the script of this request, which the present Python frame is about to call.
    ///
    /// # Errors
    /// `RuntimeError` when a script is armed already: one script cannot run another.
    pub fn new(py: Python<'_>, ticket: Ticket) -> PyResult<Arming> {
        let floor = frames::current(py);
        let mut state = STATE.lock();
        if state.armed.is_some() {
            return Err(PyRuntimeError::new_err("a script runs already, and cannot run another"));
        }
        state.generation += 1;
        let address = floor.as_ref().map_or(0, |frame| frame.as_ptr() as usize);
        state.armed = Some(Armed { ticket, floor: address, stop: None });
        signals::remember_main_thread();
        Ok(Arming { _floor: floor.map(Bound::unbind) })
    }

    /// Disarm, once the script has returned; whether it was told to stop. What was sent to it and has not arrived is
    /// swallowed: nothing of it is left for whoever runs next.
    pub fn disarm(self, py: Python<'_>) -> Option<Stopped> {
        let stop = STATE.lock().armed.take().and_then(|armed| armed.stop);
        if stop.is_some() {
            settle_signals(py);
        }
        stop.map(|stop| Stopped { broke_into: stop.broke_into })
    }
}

impl Drop for Arming {
    fn drop(&mut self) {
        STATE.lock().armed = None;
    }
}

/// Have Python handle a signal of ours now that it can hurt nobody, and a person's whose handler the stop has
/// interrupted.
fn settle_signals(py: Python<'_>) {
    handle_signals(py);
    STATE.lock().has_signalled = false;
    if signals::is_genuine() {
        // SAFETY: as in `reach_out`.
        unsafe { ffi::PyErr_SetInterruptEx(SIGINT) };
        handle_signals(py);
    }
}

fn handle_signals(py: Python<'_>) {
    if let Err(error) = py.check_signals()
        && !error.is_instance_of::<PyKeyboardInterrupt>(py)
    {
        error.write_unraisable(py, None);
    }
}

/// The script of this request is to stop; whether it is the one that runs. Stores and notifies, and waits for nobody:
/// the inbox is locked.
pub fn fire(ticket: Ticket) -> bool {
    let mut state = STATE.lock();
    let Some(armed) = state.armed.as_mut().filter(|armed| armed.ticket == ticket) else { return false };
    armed.stop.get_or_insert_default();
    CHANGED.notify_all();
    true
}

fn patrol(stopping: &AtomicBool) {
    let mut state = STATE.lock();
    while !stopping.load(Ordering::Acquire) {
        if state.reach_out(Instant::now()) {
            CHANGED.wait_for(&mut state, ROUND);
        } else {
            CHANGED.wait(&mut state);
        }
    }
}

/// Nudge while a script is to stop. On a thread of its own: native code that keeps the interpreter's lock and does look
/// for signals, such as a product of big integers, must get the next signal too where the script swallowed the first.
fn nudge_along(stopping: &AtomicBool) {
    let mut state = STATE.lock();
    while !stopping.load(Ordering::Acquire) {
        if state.stop(None).is_none() {
            CHANGED.wait(&mut state);
            continue;
        }
        MutexGuard::unlocked(&mut state, nudge);
        // A stop of the server that came while it was unlocked must not be slept over.
        if !stopping.load(Ordering::Acquire) {
            CHANGED.wait_for(&mut state, ROUND);
        }
    }
}

/// Ask for the interpreter's lock and give it back: up to Python 3.12 that is what makes the main thread look for
/// pending calls and signals that other threads have left. Waits as long as a native call keeps the lock.
fn nudge() {
    // None says that there is no interpreter to attach to.
    Python::try_attach(|_| ());
}

impl State {
    /// One attempt to have the script see an exception; false where none is to stop.
    fn reach_out(&mut self, now: Instant) -> bool {
        let generation = self.generation;
        let Some(stop) = self.armed.as_mut().and_then(|armed| armed.stop.as_mut()) else { return false };
        if stop.is_in_grace(now) {
            return true;
        }
        // In each round, also where the last one has not been answered: a pending call may have raised in the handler
        // before it could.
        self.has_signalled = true;
        // SAFETY: may be called on any thread without the interpreter's lock. Without a handler in Python it does
        // nothing, and the pending call remains.
        unsafe { ffi::PyErr_SetInterruptEx(SIGINT) };
        signals::wake_main_thread();
        stop.queue(generation);
        true
    }

    /// The armed script's way to its stop; of this generation where one is given.
    fn stop(&mut self, generation: Option<u64>) -> Option<&mut Stop> {
        let is_meant = generation.is_none_or(|meant| meant == self.generation);
        self.armed.as_mut().filter(|_| is_meant)?.stop.as_mut()
    }

    /// The floor of the armed script.
    fn floor(&self) -> Option<usize> {
        self.armed.as_ref().map(|armed| armed.floor)
    }
}

const SIGINT: c_int = 2;

impl Stop {
    fn is_in_grace(&self, now: Instant) -> bool {
        self.raised.is_some_and(|first| now.saturating_duration_since(first) < GRACE)
    }

    fn has_just_looked(&self, now: Instant, innermost: usize) -> bool {
        self.postponed
            .is_some_and(|Postponed { looked: (when, what), .. }| what == innermost && now.duration_since(when) < LOOK)
    }

    fn judge(&mut self, place: Place, innermost: usize, now: Instant) -> Verdict {
        match place {
            Place::Elsewhere => return Verdict::Nothing,
            // What the script sets off next has its own time.
            Place::Script => self.postponed = None,
            Place::Inside(name) => {
                let since = self.postponed.map_or(now, |postponed| postponed.since);
                self.postponed = Some(Postponed { since, looked: (now, innermost) });
                if now.saturating_duration_since(since) < PATIENCE {
                    return Verdict::Wait;
                }
                self.broke_into.get_or_insert(name);
            }
        }
        self.raised.get_or_insert(now);
        Verdict::Raise
    }

    /// Leave a pending call, unless one waits already. A full queue is tried again in the next round.
    fn queue(&mut self, generation: u64) {
        if !self.queued {
            // SAFETY: may be called on any thread without the interpreter's lock. The argument is a number.
            self.queued =
                unsafe { ffi::Py_AddPendingCall(Some(pending_call), generation as usize as *mut c_void) } == 0;
        }
    }
}

/// What Python calls on its main thread, holding its lock; -1 says that an exception is set.
extern "C" fn pending_call(argument: *mut c_void) -> c_int {
    let generation = argument as usize as u64;
    match STATE.lock().stop(Some(generation)) {
        Some(stop) => stop.queued = false,
        None => return 0,
    }
    Python::attach(|py| {
        let verdict = verdict(py, Some(generation));
        if verdict != Verdict::Nothing
            && let Some(stop) = STATE.lock().stop(Some(generation))
        {
            // Python makes it as soon as it looks again. In the grace that it may come in, it does nothing.
            stop.queue(generation);
        }
        if verdict == Verdict::Raise {
            stopped().restore(py);
            return -1;
        }
        0
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Raise here and now.
    Raise,
    /// Look again as soon as may be.
    Wait,
    /// It is none of ours, or the script has its grace.
    Nothing,
}

/// What to do here and now. To be called on the main thread.
fn verdict(py: Python<'_>, generation: Option<u64>) -> Verdict {
    let innermost = frames::current(py).map_or(0, |frame| frame.as_ptr() as usize);
    let floor = {
        let mut state = STATE.lock();
        let now = Instant::now();
        match state.stop(generation) {
            Some(stop) if stop.is_in_grace(now) => return Verdict::Nothing,
            Some(stop) if stop.has_just_looked(now, innermost) => return Verdict::Wait,
            Some(_) => state.floor(),
            None => return Verdict::Nothing,
        }
    };
    let place = frames::place(py, floor.unwrap_or_default());
    match STATE.lock().stop(generation) {
        Some(stop) => stop.judge(place, innermost, Instant::now()),
        None => Verdict::Nothing,
    }
}

fn stopped() -> PyErr {
    PyKeyboardInterrupt::new_err("Spindle stops this script: its deadline has passed, or it was cancelled")
}

/// For the handler of SIGINT: whether the watchdog alone has sent the signal that Python handles now, and it is dealt
/// with. Raises KeyboardInterrupt where it is to stop the script here and now.
#[pyfunction]
fn answer_interrupt(py: Python<'_>) -> PyResult<bool> {
    let is_ours = STATE.lock().has_signalled;
    // In this order: one of a person's must be told once, also where it came together with ours.
    if signals::take_genuine() || !is_ours {
        return Ok(false);
    }
    if verdict(py, None) == Verdict::Raise { Err(stopped()) } else { Ok(true) }
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(answer_interrupt, module)?)
}
