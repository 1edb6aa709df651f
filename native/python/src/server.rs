//! `Server` and `Request`: what the add-on's shell works with.

use std::time::{Duration, Instant};

use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pythonize::{depythonize, pythonize};
use spindle_core::admit::Admitted;
use spindle_core::consent::{Asked, Decision};
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::inbox::{Breaker, StopCause};
use spindle_core::keys::{SessionKey, Ticket};
use spindle_core::overview::{Overview, Verdict};
use spindle_core::settings::{Settings, environment};
use spindle_protocol::envelope::ClaimedEffect;
use spindle_protocol::error::{ErrorData, Kind, Started, WireError, error_text};
use spindle_protocol::finding::Level;
use spindle_protocol::method::{Effect, METHODS};
use spindle_protocol::notification::{Progress, Stream};

use crate::convert::{Framed, frame_value};
use crate::script_call::{self, Ended};
use crate::signals::break_blender;
use crate::watchdog::Watchdog;

create_exception!(_native, StartError, PyRuntimeError, "The server did not start; nothing is left behind.");

/// A request for the main thread.
#[pyclass(frozen, get_all)]
struct Request {
    ticket: u64,
    method: &'static str,
    effect: &'static str,
    params: Py<PyDict>,
    blob: Py<PyBytes>,
    client: String,
    session: u64,
    label: String,
    claimed_effect: Option<&'static str>,
    /// What the guard found and let pass.
    findings: Py<PyAny>,
    /// Whether the guard could not read the script.
    unreadable: bool,
    /// How strict the guard is with it.
    guard: &'static str,
}

impl Request {
    fn new(py: Python<'_>, ticket: Ticket, admitted: &Admitted, guard: Level) -> PyResult<Request> {
        let method = admitted.method();
        let options = admitted.options();
        let findings = admitted.report().map_or(&[][..], |report| &report.findings);
        Ok(Request {
            ticket: ticket.0,
            method: method.name,
            effect: effect_name(method.effect),
            params: pythonize(py, &*admitted.params())?.cast_into::<PyDict>()?.unbind(),
            blob: PyBytes::new(py, admitted.blob()).unbind(),
            client: admitted.origin().client.to_string(),
            session: admitted.origin().session.0,
            label: options.label.clone().unwrap_or_default(),
            claimed_effect: options.effect.map(|claimed| match claimed {
                ClaimedEffect::Read => "read",
                ClaimedEffect::Write => "write",
            }),
            findings: pythonize(py, findings)?.unbind(),
            unreadable: admitted.report().is_some_and(|report| report.unreadable.is_some()),
            guard: guard.name(),
        })
    }
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Control => "control",
    }
}

/// The socket server.
#[pyclass(frozen)]
struct Server {
    handle: Handle,
    watchdog: Watchdog,
}

#[pymethods]
impl Server {
    /// Start a server in a Blender of this version, with settings from three layers: the preferences,
    /// the environment, the arguments of the command line.
    #[new]
    #[pyo3(signature = (preferences, *, arguments, blender, window, file))]
    fn new(
        preferences: &Bound<'_, PyDict>,
        arguments: &Bound<'_, PyDict>,
        blender: String,
        window: bool,
        file: String,
    ) -> PyResult<Server> {
        let layer = |dict| depythonize(dict).map_err(|error| StartError::new_err(error.to_string()));
        let settings = Settings::gather(&layer(preferences)?, environment(), &layer(arguments)?)
            .map_err(|error| StartError::new_err(error.to_string()))?;
        let handle = Handle::start(settings, BlenderFacts { version: blender, window, file })
            .map_err(|error| StartError::new_err(error.to_string()))?;
        let watchdog =
            Watchdog::start().map_err(|error| StartError::new_err(format!("cannot start the watchdog: {error}")))?;
        Ok(Server { handle, watchdog })
    }

    /// The next request, waiting up to `timeout` seconds with the GIL released.
    fn take(&self, py: Python<'_>, timeout: f64) -> PyResult<Option<Request>> {
        let timeout = Duration::try_from_secs_f64(timeout).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let taken = if timeout.is_zero() { self.handle.take(timeout) } else { py.detach(|| self.handle.take(timeout)) };
        let Some((ticket, admitted)) = taken else { return Ok(None) };
        Request::new(py, ticket, &admitted, self.handle.guard_of(&admitted)).map(Some).inspect_err(|error| {
            let text = format!("the request cannot be handed to Python: {error}");
            self.handle.fail(ticket, &WireError::new(Kind::Internal, text));
        })
    }

    /// Answer a request with a value of plain types, bytes included. A value that has no JSON form is
    /// answered as `bad_result`; of one that is too large for a frame comes back how large it is, and nothing is answered. `failure` is how and why a script did not end well, for the panel.
    /// `undo_step` names what holds its changes, and `notes` what the watch saw and what was left behind, for the log.
    #[pyo3(signature = (ticket, result, failure=None, undo_step=None, notes=Vec::new()))]
    fn reply(
        &self,
        ticket: u64,
        result: &Bound<'_, PyAny>,
        failure: Option<(String, String)>,
        undo_step: Option<String>,
        notes: Vec<String>,
    ) -> Option<String> {
        let verdict = failure
            .map_or_else(Verdict::ok, |(outcome, text)| Verdict { outcome: outcome.into(), text: error_text(&text) });
        match frame_value("result", result) {
            Ok(framed) => {
                let fault = framed.too_large();
                if fault.is_none() {
                    let Framed { json, blob } = framed;
                    self.handle.reply(Ticket(ticket), json, blob, Ending { verdict, undo_step, notes });
                }
                fault
            }
            Err(text) => {
                self.handle.fail(Ticket(ticket), &WireError::started(Kind::BadResult, Started::Yes, text));
                None
            }
        }
    }

    /// Answer a request with an error of a kind of docs/protocol.md; `started` None means unknown.
    #[pyo3(signature = (ticket, kind, message, *, started, details=None))]
    fn fail(
        &self,
        ticket: u64,
        kind: &str,
        message: &str,
        started: Option<bool>,
        details: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let kind = Kind::from_name(kind).ok_or_else(|| PyValueError::new_err(format!("unknown kind {kind:?}")))?;
        let started = match started {
            Some(false) => Started::No,
            Some(true) => Started::Yes,
            None => Started::Unknown,
        };
        let mut error = WireError::started(kind, started, message);
        if let Some(details) = details {
            let ErrorData { details: target, .. } = &mut error.data;
            *target = depythonize(details)?;
        }
        self.handle.fail(Ticket(ticket), &error);
        Ok(())
    }

    /// A running request has written `text` to its `stdout` or `stderr`. Never waits.
    fn output(&self, ticket: u64, stream: &str, text: &str) -> PyResult<()> {
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return Err(PyValueError::new_err(format!("no stream is called {stream:?}"))),
        };
        self.handle.output(Ticket(ticket), stream, text);
        Ok(())
    }

    /// A running request has come this far. Never waits; any thread may call it.
    #[pyo3(signature = (ticket, done, total, message))]
    fn progress(&self, ticket: u64, done: f64, total: Option<f64>, message: &str) -> PyResult<()> {
        if !done.is_finite() || total.is_some_and(|total| !total.is_finite()) {
            return Err(PyValueError::new_err("progress takes finite numbers"));
        }
        self.handle.progress(Ticket(ticket), Progress { done, total, message: error_text(message) });
        Ok(())
    }

    /// Blender reports a change of the scene: kept answers are older than it from now on.
    fn touch(&self) {
        self.handle.touch();
    }

    /// From now on, or no more, a cancel or a deadline breaks off what Blender renders for this request.
    fn set_breakable(&self, ticket: u64, breakable: bool) {
        self.handle.set_breaker(Ticket(ticket), breakable.then_some((|_| break_blender()) as Breaker));
    }

    /// Call the function of a running request's script, under the watchdog; how it ended. To be called on the main
    /// thread. `watch` is what it may do, for the runtime watch.
    fn run_script(&self, ticket: u64, function: &Bound<'_, PyAny>, watch: &Bound<'_, PyDict>) -> PyResult<Ended> {
        script_call::run(&self.handle, Ticket(ticket), function, watch)
    }

    /// Cancel a request, as the user in front of Blender.
    fn cancel(&self, ticket: u64) {
        // What came of it shows in the status; the button has nobody else to tell.
        self.handle.cancel(Ticket(ticket));
    }

    /// What the user is asked about, oldest first.
    fn asking<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let now = Instant::now();
        let describe = |(ticket, asked): (Ticket, Asked)| {
            let Asked { session, until, case } = asked;
            let dict = PyDict::new(py);
            dict.set_item("ticket", ticket.0)?;
            dict.set_item("client", &*case.client)?;
            dict.set_item("session", session.0)?;
            dict.set_item("label", &case.label)?;
            dict.set_item("name", case.script.as_ref().map_or("", |script| &script.name))?;
            dict.set_item("code", &case.code)?;
            dict.set_item("findings", pythonize(py, &case.report.findings)?)?;
            dict.set_item("findings_omitted", case.report.omitted)?;
            dict.set_item("seconds_left", until.saturating_duration_since(now).as_secs_f64())?;
            Ok(dict)
        };
        self.handle.asking().into_iter().map(describe).collect()
    }

    /// The user has decided: `once`, `session` or `refuse`. Returns whether they were still asked.
    fn decide(&self, ticket: u64, decision: &str) -> PyResult<bool> {
        let unknown = || PyValueError::new_err(format!("no decision is called {decision:?}"));
        Ok(self.handle.decide(Ticket(ticket), Decision::from_name(decision).ok_or_else(unknown)?))
    }

    /// The guard's level.
    fn guard(&self) -> &'static str {
        self.handle.guard().name()
    }

    /// A limit as it is now.
    fn limit(&self, name: &str) -> PyResult<f64> {
        self.handle.limit(name).ok_or_else(|| PyValueError::new_err(format!("no limit is called {name:?}")))
    }

    /// A request has ended its turn without an answer.
    fn suspend(&self, ticket: u64) {
        self.handle.suspend(Ticket(ticket));
    }

    /// Why a suspended request is to stop: `cancelled`, `timed_out` or None.
    fn stop_cause(&self, ticket: u64) -> Option<&'static str> {
        self.handle.stop_cause(Ticket(ticket)).map(|cause| match cause {
            StopCause::Cancelled => "cancelled",
            StopCause::TimedOut => "timed_out",
        })
    }

    /// End the current or next wait in `take` at once.
    fn interrupt(&self) {
        self.handle.interrupt();
    }

    /// Whether any connection is open.
    fn has_connections(&self) -> bool {
        self.handle.has_connections()
    }

    /// Whether any request is in flight.
    fn has_requests(&self) -> bool {
        self.handle.has_requests()
    }

    /// Whether a session has a connection now.
    fn is_connected(&self, session: u64) -> bool {
        self.handle.is_connected(SessionKey(session))
    }

    /// Another file is open in Blender; clients read its name in the instance file.
    fn set_file(&self, path: &str) -> PyResult<()> {
        self.handle.set_file(path).map_err(PyOSError::new_err)
    }

    /// What the panel shows, as plain values.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let status = self.handle.status();
        let dict = PyDict::new(py);
        dict.set_item("port", status.port)?;
        dict.set_item("taken_port", status.taken_port)?;
        dict.set_item("compat_port", status.compat_port)?;
        let clients = status.clients.iter().map(|client| (&client.name, &client.version, client.connections));
        dict.set_item("clients", clients.collect::<Vec<_>>())?;
        let waiting =
            status.waiting.iter().map(|(ticket, waiting)| (ticket.0, &waiting.method, &waiting.label, &waiting.client));
        dict.set_item("waiting", waiting.collect::<Vec<_>>())?;
        let alerts = status.alerts.iter().map(|alert| (&alert.name, &alert.text));
        dict.set_item("alerts", alerts.collect::<Vec<_>>())?;
        describe_overview(&dict, &status.overview)?;
        Ok(dict)
    }

    /// The JSON of the instance file, token included: what "copy connection" copies.
    fn connection_info(&self) -> PyResult<String> {
        serde_json::to_string_pretty(&self.handle.instance())
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    /// Stop: answer what is in flight, join the threads, remove the instance file. Idempotent, and
    /// allowed from within a request.
    fn stop(&self, py: Python<'_>) {
        // The watchdog may be waiting for the interpreter's lock. It ends last, as the I/O thread leaves word to it.
        py.detach(|| {
            self.handle.stop();
            self.watchdog.stop();
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Python::attach(|py| self.stop(py));
    }
}

fn describe_overview(dict: &Bound<'_, PyDict>, overview: &Overview) -> PyResult<()> {
    dict.set_item("state", pythonize(dict.py(), &overview.state)?)?;
    dict.set_item("queued", overview.queued)?;
    dict.set_item("asking", overview.asking)?;
    dict.set_item("answered", overview.answered)?;
    let running = overview.running.iter().map(|(ticket, running)| {
        let progress = running.progress.as_ref().map(|progress| (progress.done, progress.total, &progress.message));
        (ticket.0, &running.method, &running.label, &running.client, progress)
    });
    dict.set_item("running", running.collect::<Vec<_>>())?;
    let recent = overview.recent.iter().map(|finished| {
        let Verdict { outcome, text } = &finished.verdict;
        (finished.method, &finished.client, &finished.label, outcome, text, finished.duration.as_secs_f64())
    });
    dict.set_item("recent", recent.collect::<Vec<_>>())
}

/// The methods that the shell must have a function for, with their effects.
#[pyfunction]
fn main_methods() -> Vec<(&'static str, &'static str)> {
    METHODS
        .iter()
        .filter(|method| !method.is_control())
        .map(|method| (method.name, effect_name(method.effect)))
        .collect()
}

/// The guard's levels, the laxest first.
#[pyfunction]
fn guard_levels() -> Vec<&'static str> {
    Level::ALL.iter().map(|level| level.name()).collect()
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("StartError", module.py().get_type::<StartError>())?;
    module.add_class::<Server>()?;
    module.add_class::<Request>()?;
    module.add_class::<Ended>()?;
    module.add_function(wrap_pyfunction!(guard_levels, module)?)?;
    module.add_function(wrap_pyfunction!(main_methods, module)?)
}
