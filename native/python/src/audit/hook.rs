//! How Python calls the watch: a C audit hook, added once and for good.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{mem, ptr};

use pyo3::exceptions::{PyPermissionError, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::policy::PROBE;
use super::{Mode, Rules, armed, is_idle, judge};

/// `Py_AuditHookFunction`.
type Hook = extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

/// `PySys_AddAuditHook`. The stable ABI lacks it, so it is looked up by name.
type AddHook = unsafe extern "C" fn(Hook, *mut c_void) -> c_int;

/// Add the hook, unless this process has it. A C hook also sees sub-interpreters, which one added by
/// `sys.addaudithook` does not; that one is the fallback.
pub fn ensure(py: Python<'_>) -> PyResult<()> {
    static IN_PLACE: PyOnceLock<()> = PyOnceLock::new();
    IN_PLACE.get_or_try_init(py, || add(py)).copied()
}

fn add(py: Python<'_>) -> PyResult<()> {
    match system::find(py, c"PySys_AddAuditHook")? {
        Some(address) => {
            // SAFETY: it is the address of the function of that name in the Python that runs this code, whose type
            // has been this one since 3.8.
            let add_hook = unsafe { mem::transmute::<*mut c_void, AddHook>(address) };
            // SAFETY: Python is initialised and this thread attached; the hook lives as long as the process, and takes
            // no user data.
            if unsafe { add_hook(called_by_c, ptr::null_mut()) } != 0 {
                return Err(PyErr::fetch(py));
            }
        }
        None => {
            let function = PyCFunction::new_closure(py, None, None, called_by_python)?;
            py.import("sys")?.call_method1("addaudithook", (function,))?;
        }
    }
    // Another's hook can keep ours out, and Python reports that as success.
    let (raised, seen) = armed(Rules::unhooked(Mode::Note, Vec::new()), || raise_probe(py));
    raised?;
    if seen.rows.is_empty() {
        return Err(PyRuntimeError::new_err(
            "another audit hook in this process keeps Spindle's watch from being added",
        ));
    }
    Ok(())
}

fn raise_probe(py: Python<'_>) -> PyResult<()> {
    py.import("sys")?.call_method1("audit", (PROBE,)).map(drop)
}

extern "C" fn called_by_c(event: *const c_char, arguments: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    if is_idle() || event.is_null() || arguments.is_null() {
        return 0;
    }
    // A panic must not cross into C.
    let refusal = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: Python calls hooks on a thread that is attached to it.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: the event is a C string, and the arguments an object, that live until the hook returns.
        let (event, arguments) = unsafe { (CStr::from_ptr(event), Bound::from_borrowed_ptr(py, arguments)) };
        refusal(event.to_str().ok()?, &arguments)
    }));
    let error = match refusal {
        Ok(None) => return 0,
        Ok(Some(text)) => PyPermissionError::new_err(text),
        Err(_) => PyRuntimeError::new_err("Spindle's watch failed, and refuses what it could not judge"),
    };
    // SAFETY: as above.
    error.restore(unsafe { Python::assume_attached() });
    -1
}

fn called_by_python(arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
    if is_idle() {
        return Ok(());
    }
    let (event, arguments) = arguments.extract::<(String, Bound<'_, PyAny>)>()?;
    refusal(&event, &arguments).map_or(Ok(()), |text| Err(PyPermissionError::new_err(text)))
}

fn refusal(event: &str, arguments: &Bound<'_, PyAny>) -> Option<String> {
    judge(event, arguments.cast::<PyTuple>().ok()?)
}

#[cfg(unix)]
mod system {
    use super::*;

    /// The address of one of Python's functions.
    pub fn find(_: Python<'_>, name: &CStr) -> PyResult<Option<*mut c_void>> {
        // SAFETY: the name is a C string. The search covers the executable and all libraries loaded for everybody,
        // where Python's own functions are found when this module is loaded.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        Ok((!address.is_null()).then_some(address))
    }
}

#[cfg(windows)]
mod system {
    use super::*;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetProcAddress(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }

    /// The address of one of Python's functions, in the library that it names as its own.
    pub fn find(py: Python<'_>, name: &CStr) -> PyResult<Option<*mut c_void>> {
        let handle: usize = py.import("sys")?.getattr("dllhandle")?.extract()?;
        // SAFETY: `sys.dllhandle` is the handle of Python's library, which stays loaded; the name is a C string.
        let address = unsafe { GetProcAddress(ptr::with_exposed_provenance_mut(handle), name.as_ptr()) };
        Ok((!address.is_null()).then_some(address))
    }
}
