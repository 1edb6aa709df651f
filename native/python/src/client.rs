//! `Client`: calls from any thread of a Python program. Waits release the GIL and look at Python's signals every
//! 50 ms, so that Ctrl-C works.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::pythonize;
use serde_json::{Value, json};
use spindle_client::discovery::{folder, list};
use spindle_client::{ClientSettings, Error, Event, Listener, Notice, Options, Selector, Server, Settings};
use spindle_protocol::envelope::ClaimedEffect;
use spindle_protocol::error::Started;
use spindle_protocol::notification::{Progress, Stream};

use crate::blob::Blob;
use crate::convert::{Framed, frame_value};
use crate::wait::{self, Canceller};

create_exception!(
    _native,
    ClientError,
    PyException,
    "What can go wrong between a program and Blender: kind, message, {retryable, started, details}."
);

/// A client of one Blender, for as many threads as share it.
#[pyclass(frozen)]
struct Client {
    client: spindle_client::Client,
    reached: Reached,
}

/// The server that a connection was last opened to.
type Reached = Arc<Mutex<Option<Server>>>;

/// A result, the bytes that it refers to, and of a kept one its age in milliseconds and whether the scene has moved.
type Called<'py> = (Bound<'py, PyAny>, Blob, Option<(u64, bool)>);

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
    #[pyo3(signature = (instance=None, *, timeout=5.0, name="python", attempts=None))]
    fn connect(
        py: Python<'_>,
        instance: Option<Wanted>,
        timeout: f64,
        name: &str,
        attempts: Option<u32>,
    ) -> PyResult<Client> {
        let selector = instance.map(|wanted| match wanted {
            Wanted::Number(number) => Selector::Number(number),
            // Any text is a selector.
            Wanted::File(path) => path.to_string_lossy().parse().unwrap_or_else(|never| match never {}),
        });
        let reached = Reached::default();
        let mut settings = settings(name, &reached).map_err(|error| raise(py, error))?;
        settings.instance = selector;
        settings.choices.connect_s = duration(py, timeout)?;
        settings.choices.retry_attempts = attempts.unwrap_or(settings.choices.retry_attempts);
        let (opened, raised) = wait::watched(None, || {
            py.detach(|| {
                let client = spindle_client::Client::new(settings)?;
                // That there is nobody is to be told here, and not at the first call.
                drop(client.take()?);
                Ok(client)
            })
        });
        match raised {
            Some(raised) => Err(raised),
            None => Ok(Client { client: opened.map_err(|error| raise(py, error))?, reached }),
        }
    }

    /// Call a method: its result, and the bytes that `$blob` members of the result point into.
    ///
    /// `listener(kind, …)` is told of `("output", stream, text)` and `("progress", done, total, message)`
    /// while the request runs; what it raises ends the wait. So does the canceller.
    /// What became of the request is a note on what is raised then.
    #[pyo3(signature = (
        method, params, *, timeout=None, label=None, effect=None, detach=false, idempotency_key=None, max_age=None,
        listener=None, canceller=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        params: &Bound<'py, PyDict>,
        timeout: Option<f64>,
        label: Option<String>,
        effect: Option<&str>,
        detach: bool,
        idempotency_key: Option<String>,
        max_age: Option<f64>,
        listener: Option<Py<PyAny>>,
        canceller: Option<Bound<'py, Canceller>>,
    ) -> PyResult<Called<'py>> {
        let options = Options {
            timeout: timeout.map(|seconds| duration(py, seconds)).transpose()?,
            effect: effect.map(|effect| claim(py, effect)).transpose()?,
            label,
            detach,
            idempotency_key,
            max_age: max_age.map(|seconds| duration(py, seconds)).transpose()?,
            listener: listener.map(tell),
            on_main_thread: self.is_own_process() && is_main_thread(py)?,
        };
        let Framed { json, blob } = frame_value("params", params).map_err(|text| raise(py, Error::Invalid(text)))?;
        let (outcome, raised) = wait::watched(canceller.map(|canceller| canceller.get().clone()), || {
            py.detach(|| {
                let reply = self.client.call(method, &json, &blob, &options)?;
                Ok((reply.read::<Value>()?, reply.blob, reply.cached))
            })
        });
        if let Some(raised) = raised {
            if let Err(Error::Interrupted { fate }) = &outcome {
                raised.value(py).call_method1("add_note", (format!("Spindle: {fate}"),))?;
            }
            return Err(raised);
        }
        let (result, blob, cached) = outcome.map_err(|error| raise(py, error))?;
        Ok((pythonize(py, &result)?, Blob(blob), cached.map(|cached| (cached.age_ms, cached.moved))))
    }

    /// Who is on the other side; after a restart of Blender, who was reached last.
    #[getter]
    fn server<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let server = lock(&self.reached).clone();
        Ok(pythonize(py, &server)?)
    }

    /// Close the connections, once the calls of other threads have ended; at the latest after the setting
    /// `shutdown_s`. Idempotent. Raises what a signal handler raises meanwhile.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let (_running, raised) = wait::watched(None, || py.detach(|| self.client.shutdown()));
        raised.map_or(Ok(()), Err)
    }
}

impl Client {
    fn is_own_process(&self) -> bool {
        lock(&self.reached).as_ref().is_some_and(|server| server.pid == std::process::id())
    }
}

fn lock(reached: &Reached) -> MutexGuard<'_, Option<Server>> {
    // Nothing panics while it is locked.
    reached.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the user's file and environment say, for this program.
fn settings(name: &str, reached: &Reached) -> Result<ClientSettings, Error> {
    let mut settings = ClientSettings::from_environment()?;
    settings.connection =
        Settings { name: name.to_owned(), interrupt: Some(Arc::new(wait::is_interrupted)), ..Settings::default() };
    // A thread of ours that asks for signals would have to wait for an interpreter that ends.
    settings.choices.probe_s = Duration::ZERO;
    let reached = Arc::clone(reached);
    settings.observer = Some(Arc::new(move |event: &Event<'_>| {
        if let Event::Opened { server, .. } = event {
            *lock(&reached) = Some(Server::clone(server));
        }
    }));
    Ok(settings)
}

/// Tell a Python callable, unless it has raised already.
fn tell(callable: Py<PyAny>) -> Listener {
    Listener(Arc::new(move |notice| {
        Python::attach(|py| {
            if wait::has_raised() {
                return;
            }
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
                wait::raise_later(error);
            }
        });
    }))
}

/// The one place where a client's error becomes a Python exception.
fn raise(py: Python<'_>, error: Error) -> PyErr {
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

fn duration(py: Python<'_>, seconds: f64) -> PyResult<Duration> {
    let invalid = |error| raise(py, Error::Invalid(format!("the timeout is {seconds}: {error}")));
    Duration::try_from_secs_f64(seconds).map_err(invalid)
}

fn claim(py: Python<'_>, effect: &str) -> PyResult<ClaimedEffect> {
    match effect {
        "read" => Ok(ClaimedEffect::Read),
        "write" => Ok(ClaimedEffect::Write),
        _ => {
            let text = format!("the effect is {effect:?}; it can be \"read\" or \"write\"");
            Err(raise(py, Error::Invalid(text)))
        }
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    threading.call_method0("current_thread")?.eq(threading.call_method0("main_thread")?)
}

/// The running Blenders of this user.
#[pyfunction]
fn servers(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let found = py.detach(|| folder().and_then(|folder| list(&folder)));
    let found = found.map_err(|error| raise(py, error))?;
    let servers: Vec<Server> = found.instances.iter().map(Server::from).collect();
    Ok(pythonize(py, &servers)?)
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ClientError", module.py().get_type::<ClientError>())?;
    module.add_class::<Blob>()?;
    module.add_class::<Canceller>()?;
    module.add_class::<Client>()?;
    module.add_function(wrap_pyfunction!(servers, module)?)
}
