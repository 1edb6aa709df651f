//! A script is called from here, so that it is armed and disarmed in native code: in Python an exception that is meant
//! for the script could hit the line that disarms.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::pythonize;
use spindle_core::handle::Handle;
use spindle_core::inbox::{Breaker, StopCause};
use spindle_core::keys::Ticket;

use crate::audit::{self, Rules};
use crate::watchdog::{self, Arming};

/// How a script's call ended.
#[pyclass(frozen, get_all)]
pub struct Ended {
    /// What the function returned; None where it raised.
    value: Option<Py<PyAny>>,
    /// What it raised.
    error: Option<Py<PyAny>>,
    /// Why it was told to stop while it ran, if it was; also where it then ended by itself.
    stopped: Option<&'static str>,
    /// The driver or handler that it was stopped in, where it would not leave it.
    broke_into: Option<String>,
    /// What the watch saw: a list of dictionaries with `event`, `detail`, `refused` and `count`.
    watched: Py<PyAny>,
    /// How much more it saw.
    watched_omitted: u64,
}

#[pymethods]
impl Ended {
    /// An exception holds the frames that it came through, and so the one that holds this: without the garbage
    /// collector neither would ever go.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.value.as_ref())?;
        visit.call(self.error.as_ref())?;
        visit.call(&self.watched)
    }
}

/// Call the function of a running request's script under watch, and have a cancel or a deadline stop it.
///
/// # Errors
/// `RuntimeError` when a script runs already.
pub fn run(handle: &Handle, ticket: Ticket, function: &Bound<'_, PyAny>, watch: &Bound<'_, PyDict>) -> PyResult<Ended> {
    let py = function.py();
    let rules = Rules::read(watch)?;
    let arming = Arming::new(py, ticket)?;
    handle.set_breaker(ticket, Some(watchdog::fire as Breaker));
    let (outcome, seen) = audit::armed(rules, || function.call0());
    let stopped = arming.disarm(py);
    handle.set_breaker(ticket, None);
    let cause = stopped.as_ref().map(|_| match handle.stop_cause(ticket) {
        Some(StopCause::TimedOut) => "timed_out",
        // None says that the server has stopped meanwhile.
        Some(StopCause::Cancelled) | None => "cancelled",
    });
    let broke_into = stopped.and_then(|stopped| stopped.broke_into);
    let (value, error) = match outcome {
        Ok(value) => (Some(value.unbind()), None),
        Err(error) => (None, Some(error.into_value(py).into_any())),
    };
    let watched = pythonize(py, &seen.rows)?.unbind();
    Ok(Ended { value, error, stopped: cause, broke_into, watched, watched_omitted: seen.omitted })
}
