//! The runtime watch: Python's audit events, judged while a script runs on this thread.
//!
//! It refuses what Python announces: processes, sockets, ctypes, deletes, and writes outside the allowed folders. It
//! does not contain a determined script. What it cannot see is a list of its own, tested in `tests/bpy/test_audit.py`:
//! above all Blender's native readers and writers, which announce nothing.
//!
//! Nothing here can be called from Python, and an arming within another obeys the outer one's rules: what a script
//! can reach makes the watch no laxer.

mod hook;
mod place;
mod policy;
mod values;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use spindle_protocol::finding::Level;
use spindle_protocol::methods::script::Watched;

use place::Folders;
use policy::{Judgement, Row};

/// Rows that are kept of one script. A script that does more different things than that has been seen enough.
const ROWS: usize = 50;

/// Characters of a row's detail.
const DETAIL_CHARS: usize = 200;

/// What becomes of an event that the policy refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The call fails with a `PermissionError`.
    Refuse,
    /// It goes on, and is told.
    Note,
}

/// What one script may do. Exists only where the hook is in place.
#[derive(Clone, Debug)]
pub struct Rules {
    mode: Mode,
    folders: Folders,
}

impl Rules {
    /// Rules for a script that may change files in and under these absolute folders. The first call in a process adds
    /// the hook, which cannot be removed again; fails where that cannot be done.
    pub fn new(py: Python<'_>, mode: Mode, folders: Vec<PathBuf>) -> PyResult<Rules> {
        hook::ensure(py)?;
        Ok(Rules::unhooked(mode, folders))
    }

    /// The same from a dictionary: `level`, at which the guard has judged the script, and `folders`. What runs as
    /// trusted is only told.
    pub fn read(watch: &Bound<'_, PyDict>) -> PyResult<Rules> {
        let item = |name: &str| watch.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("no {name} given")));
        let level: String = item("level")?.extract()?;
        let mode = if level == Level::Trusted.name() { Mode::Note } else { Mode::Refuse };
        Rules::new(watch.py(), mode, item("folders")?.extract()?)
    }

    fn unhooked(mode: Mode, folders: Vec<PathBuf>) -> Rules {
        Rules { mode, folders: Folders::new(folders) }
    }
}

/// What a script was seen to do.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// At most 50 different things, in the order of their first time.
    pub rows: Vec<Watched>,
    /// How many events had no row left.
    pub omitted: u64,
}

impl Seen {
    fn note(&mut self, event: &str, detail: String, refused: bool) {
        let same = |row: &&mut Watched| row.event == event && row.refused == refused && row.detail == detail;
        if let Some(row) = self.rows.iter_mut().find(same) {
            row.count += 1;
        } else if self.rows.len() < ROWS {
            self.rows.push(Watched { event: event.to_owned(), detail, refused, count: 1 });
        } else {
            self.omitted += 1;
        }
    }
}

/// A script under watch.
struct Watch {
    rules: Rules,
    seen: Seen,
}

/// How many scripts are under watch in this process: what the hook reads when there is nothing to do.
static ARMED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The scripts under watch on this thread, the innermost last.
    static WATCHES: RefCell<Vec<Watch>> = const { RefCell::new(Vec::new()) };
}

/// Call with the watch armed on this thread; what was seen comes back with the result. It is disarmed however the call
/// ends. Within another arming the outer rules hold.
pub fn armed<R>(rules: Rules, call: impl FnOnce() -> R) -> (R, Seen) {
    let arming = Arming::new(rules);
    let result = call();
    (result, arming.end())
}

/// Disarms when it goes, on the thread that armed.
struct Arming {
    depth: usize,
    on_this_thread: PhantomData<*const ()>,
}

impl Arming {
    fn new(rules: Rules) -> Arming {
        let depth = WATCHES.with_borrow_mut(|watches| {
            let rules = watches.last().map_or(rules, |outer| outer.rules.clone());
            watches.push(Watch { rules, seen: Seen::default() });
            watches.len() - 1
        });
        ARMED.fetch_add(1, Ordering::Relaxed);
        Arming { depth, on_this_thread: PhantomData }
    }

    fn end(self) -> Seen {
        WATCHES.with_borrow_mut(|watches| watches.pop()).map(|watch| watch.seen).unwrap_or_default()
    }
}

impl Drop for Arming {
    fn drop(&mut self) {
        ARMED.fetch_sub(1, Ordering::Relaxed);
        WATCHES.with_borrow_mut(|watches| watches.truncate(self.depth));
    }
}

/// Whether no script at all is under watch, so that no event matters.
fn is_idle() -> bool {
    ARMED.load(Ordering::Relaxed) == 0
}

/// Judge an event of this thread; the text of the refusal if it is refused.
fn judge(event: &str, arguments: &Bound<'_, PyTuple>) -> Option<String> {
    // Most events have no row, and are done with here.
    let row = policy::row(event)?;
    WATCHES
        .try_with(|watches| {
            // Judging raises no event of its own; were it to, that event would be let pass.
            let mut watches = watches.try_borrow_mut().ok()?;
            watches.last_mut()?.judge(row, event, arguments)
        })
        // A thread that ends has no script any more.
        .ok()
        .flatten()
}

impl Watch {
    fn judge(&mut self, row: &Row, event: &str, arguments: &Bound<'_, PyTuple>) -> Option<String> {
        let (detail, refusal) = match policy::judge(row, event, arguments, &self.rules.folders) {
            Judgement::Passed => return None,
            Judgement::Noted { detail } => (detail, None),
            Judgement::Refused { detail, reason, remedy } => {
                let text = format!("Spindle's watch refused {event} ({detail}): {reason}. {remedy}");
                (detail, Some(text).filter(|_| self.rules.mode == Mode::Refuse))
            }
        };
        self.seen.note(event, detail, refusal.is_some());
        refusal
    }
}
