//! `Client`: one connection for Python programs, shared by their threads. Waits release the GIL and
//! look at Python's signals every 50 ms, so that Ctrl-C works.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use pythonize::pythonize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use spindle_client::discovery::{folder, list};
use spindle_client::{Connection, Error, Interrupt, Listener, Notice, Options, Selector, Server, Settings, find};
use spindle_protocol::envelope::ClaimedEffect;
use spindle_protocol::error::Started;
use spindle_protocol::limits::DEADLINE_MS;
use spindle_protocol::notification::{Progress, Stream};

use crate::convert::{Framed, frame_value};

create_exception!(
    _native,
    ClientError,
    PyException,
    "What can go wrong between a program and Blender: kind, message, {retryable, started, details}."
);

/// How often a wait for another thread looks at the signals.
const STEP: Duration = Duration::from_millis(50);

/// What a signal handler raised during a wait, to be raised again where the wait was.
type Raised = Arc<Mutex<Option<PyErr>>>;

/// A connection to one Blender. Threads may share it; their calls go one after the other.
#[pyclass(frozen)]
struct Client {
    seat: Mutex<Seat>,
    returned: Condvar,
    server: Server,
    own_process: bool,
    raised: Raised,
}

/// Where the connection is: a call takes it and puts it back.
enum Seat {
    Free(Box<Connection>),
    Taken(ThreadId),
    Closed,
}

/// A result, the bytes that it refers to, and of a kept one its age in milliseconds and whether the scene has moved.
type Called<'py> = (Bound<'py, PyAny>, Bound<'py, PyBytes>, Option<(u64, bool)>);

/// Which Blender, in Python's types.
#[derive(FromPyObject)]
enum Wanted {
    Number(u32),
    File(PathBuf),
}

#[pymethods]
impl Client {
    /// Connect to the running Blender with this pid, port or open file; to the only one when none is named.
    #[staticmethod]
    #[pyo3(signature = (instance=None, *, timeout=5.0, name="python"))]
    fn connect(py: Python<'_>, instance: Option<Wanted>, timeout: f64, name: &str) -> PyResult<Client> {
        let selector = instance.map(|wanted| match wanted {
            Wanted::Number(number) => Selector::Number(number),
            // Any text is a selector.
            Wanted::File(path) => path.to_string_lossy().parse().unwrap_or_else(|never| match never {}),
        });
        let raised = Raised::default();
        let settings = Settings {
            name: name.to_owned(),
            connect: duration(py, timeout)?,
            interrupt: Some(signals(Arc::clone(&raised))),
            ..Settings::default()
        };
        let opened = py.detach(|| find(selector.as_ref()).and_then(|instance| Connection::open(&instance, &settings)));
        let connection = opened.map_err(|error| to_python(py, error, &raised))?;
        Ok(Client {
            server: connection.server().clone(),
            own_process: connection.is_own_process(),
            seat: Mutex::new(Seat::Free(Box::new(connection))),
            returned: Condvar::new(),
            raised,
        })
    }

    /// Call a method: its result, and the bytes that `$blob` members of the result point into.
    ///
    /// `listener(kind, …)` is told of `("output", stream, text)` and `("progress", done, total, message)`
    /// while the request runs; what it raises ends the wait.
    #[pyo3(signature = (
        method, params, *, blob=None, timeout=None, label=None, effect=None, detach=false, idempotency_key=None,
        max_age=None, listener=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        params: &Bound<'py, PyDict>,
        blob: Option<PyBackedBytes>,
        timeout: Option<f64>,
        label: Option<String>,
        effect: Option<&str>,
        detach: bool,
        idempotency_key: Option<String>,
        max_age: Option<f64>,
        listener: Option<Py<PyAny>>,
    ) -> PyResult<Called<'py>> {
        let options = Options {
            timeout: timeout.map(|seconds| duration(py, seconds)).transpose()?,
            effect: effect.map(|effect| claim(py, effect)).transpose()?,
            label,
            detach,
            idempotency_key,
            max_age: max_age.map(|seconds| duration(py, seconds)).transpose()?,
            listener: listener.map(|callable| tell(callable, Arc::clone(&self.raised))),
            on_main_thread: self.own_process && is_main_thread(py)?,
        };
        let (params, blob) = frame(py, params, blob)?;
        let mut connection = self.take(py, options.timeout)?;
        let outcome = py.detach(|| {
            let reply = connection.call(method, &params, &blob, &options)?;
            Ok((reply.read::<Value>()?, reply.blob, reply.cached))
        });
        self.put_back(connection);
        let (result, blob, cached) = outcome.map_err(|error| to_python(py, error, &self.raised))?;
        let cached = cached.map(|cached| (cached.age_ms, cached.moved));
        Ok((pythonize(py, &result)?, PyBytes::new(py, &blob), cached))
    }

    /// Who is on the other side.
    #[getter]
    fn server<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(pythonize(py, &self.server)?)
    }

    /// Close the connection; after a call in another thread, if one is under way. Idempotent.
    fn close(&self) {
        let was = std::mem::replace(&mut *self.lock(), Seat::Closed);
        self.returned.notify_all();
        drop(was);
    }
}

impl Client {
    fn lock(&self) -> MutexGuard<'_, Seat> {
        // No code panics while it holds the lock, and the seat is whole at every moment.
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take the connection; wait for it while another thread's call is under way.
    fn take(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<Box<Connection>> {
        let until = Instant::now() + timeout.unwrap_or(Duration::MAX).min(Duration::from_millis(DEADLINE_MS[1]));
        loop {
            if let Some(connection) =
                py.detach(|| self.try_take()).map_err(|error| to_python(py, error, &self.raised))?
            {
                return Ok(connection);
            }
            py.check_signals()?;
            if Instant::now() >= until {
                let what = "the connection was in use by another thread all the time".to_owned();
                return Err(to_python(py, Error::TimedOut { what, sent: false }, &self.raised));
            }
        }
    }

    /// Take the connection if it is free, or becomes free within a step.
    fn try_take(&self) -> Result<Option<Box<Connection>>, Error> {
        let me = thread::current().id();
        let mut seat = self.lock();
        if matches!(*seat, Seat::Taken(holder) if holder != me) {
            seat = self.returned.wait_timeout(seat, STEP).unwrap_or_else(PoisonError::into_inner).0;
        }
        match std::mem::replace(&mut *seat, Seat::Taken(me)) {
            Seat::Free(connection) => Ok(Some(connection)),
            Seat::Taken(holder) => {
                *seat = Seat::Taken(holder);
                if holder == me { Err(in_use()) } else { Ok(None) }
            }
            Seat::Closed => {
                *seat = Seat::Closed;
                Err(Error::Invalid("this client is closed".to_owned()))
            }
        }
    }

    fn put_back(&self, connection: Box<Connection>) {
        let mut seat = self.lock();
        if !matches!(*seat, Seat::Closed) {
            *seat = Seat::Free(connection);
        }
        self.returned.notify_one();
    }
}

fn in_use() -> Error {
    Error::Invalid(
        "this thread is in a call of this client already; a signal handler needs a client of its own".to_owned(),
    )
}

/// Tell a Python callable. What it raises is raised where the wait is, at the next look at the signals.
fn tell(callable: Py<PyAny>, raised: Raised) -> Listener {
    Listener(Arc::new(move |notice| {
        Python::attach(|py| {
            let told = match notice {
                Notice::Output(output) => {
                    let stream = if output.stream == Stream::Stdout { "stdout" } else { "stderr" };
                    callable.call1(py, ("output", stream, &output.text, output.omitted))
                }
                Notice::Progress(Progress { done, total, message }) => {
                    callable.call1(py, ("progress", done, total, message))
                }
            };
            if let Err(error) = told {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        });
    }))
}

/// Asked during waits: run Python's signal handlers, and leave when one raises, or a listener has.
fn signals(raised: Raised) -> Interrupt {
    Arc::new(move || {
        if raised.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return true;
        }
        Python::attach(|py| match py.check_signals() {
            Ok(()) => false,
            Err(error) => {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                true
            }
        })
    })
}

/// The one place where a client's error becomes a Python exception.
fn to_python(py: Python<'_>, error: Error, raised: &Raised) -> PyErr {
    let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Error::Interrupted { .. }, Some(raised)) = (&error, raised) {
        return raised;
    }
    let started = match error.started() {
        Started::No => Some(false),
        Started::Yes => Some(true),
        Started::Unknown => None,
    };
    let data = json!({"retryable": error.retryable(), "started": started, "details": error.details()});
    match pythonize(py, &data) {
        Ok(data) => ClientError::new_err((error.kind(), error.to_string(), data.unbind())),
        Err(error) => error.into(),
    }
}

fn invalid(py: Python<'_>, text: String) -> PyErr {
    to_python(py, Error::Invalid(text), &Raised::default())
}

fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| invalid(py, format!("the timeout is {seconds}: {error}")))
}

fn claim(py: Python<'_>, effect: &str) -> PyResult<ClaimedEffect> {
    match effect {
        "read" => Ok(ClaimedEffect::Read),
        "write" => Ok(ClaimedEffect::Write),
        _ => Err(invalid(py, format!("the effect is {effect:?}; it can be \"read\" or \"write\""))),
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    threading.call_method0("current_thread")?.eq(threading.call_method0("main_thread")?)
}

/// Parameters as JSON, with the bytes that they hold or that come beside them.
fn frame(
    py: Python<'_>,
    params: &Bound<'_, PyDict>,
    blob: Option<PyBackedBytes>,
) -> PyResult<(Box<RawValue>, Vec<u8>)> {
    let Framed { json, blob: held } = frame_value("params", params).map_err(|text| invalid(py, text))?;
    match blob.filter(|blob| !blob.is_empty()) {
        None => Ok((json, held)),
        Some(blob) if held.is_empty() => Ok((json, blob.to_vec())),
        Some(_) => Err(invalid(py, "bytes go either into the parameters or into blob, not both".to_owned())),
    }
}

/// The running Blenders of this user.
#[pyfunction]
fn servers(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = py.detach(|| folder().and_then(|folder| list(&folder)));
    let found = found.map_err(|error| to_python(py, error, &Raised::default()))?;
    let servers: Vec<Server> = found.instances.iter().map(Server::from).collect();
    Ok(pythonize(py, &servers)?)
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ClientError", module.py().get_type::<ClientError>())?;
    module.add_class::<Client>()?;
    module.add_function(wrap_pyfunction!(servers, module)?)
}
