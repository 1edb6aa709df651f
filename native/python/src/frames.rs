//! Where the main thread is: in the script, or in something of the user's that the script has set off.

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// The file name of the code of drivers (`BPY_driver_exec`).
const DRIVER: &str = "<bpy driver>";

/// How many frames are looked at, from the innermost one. A script that recurses and swallows what is raised is hit once
/// for each of its frames; with all of them looked at each time, that took a fifth of a second.
const DEPTH: usize = 100;

/// What an exception would hit first.
pub enum Place {
    /// The script, or functions that it has called.
    Script,
    /// A driver, a handler or a drawing method, by its name: Blender switches a driver off for an exception, and the
    /// others are left half-way.
    Inside(String),
    /// Nothing that the script has to do with.
    Elsewhere,
}

/// The Python frame that runs now.
pub fn current(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the interpreter's lock is held, and the frame that comes back is borrowed, or null where there is none.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) }
}

/// What lies between the frame at the address `floor`, which called the script, and the present one. What cannot be
/// read counts as the script's own, and so does what is deeper in it than is looked at.
pub fn place(py: Python<'_>, floor: usize) -> Place {
    let handlers = handlers(py).unwrap_or_default();
    let mut found = None;
    let mut last: Option<Bound<'_, PyAny>> = None;
    let mut frame = current(py);
    for _ in 0..DEPTH {
        let Some(this) = frame else { return Place::Elsewhere };
        if this.as_ptr() as usize == floor {
            break;
        }
        let code = this.getattr(intern!(py, "f_code")).ok();
        if let Some(code) = code.filter(|code| !last.as_ref().is_some_and(|last| last.is(code))) {
            if let Ok(Some(name)) = guarded(&code, &handlers) {
                found = Some(name);
            }
            last = Some(code);
        }
        frame = this.getattr(intern!(py, "f_back")).ok().filter(|back| !back.is_none());
    }
    found.map_or(Place::Script, Place::Inside)
}

/// What this code is, if an exception must not hit it.
fn guarded(code: &Bound<'_, PyAny>, handlers: &[Bound<'_, PyAny>]) -> PyResult<Option<String>> {
    let py = code.py();
    if code.getattr(intern!(py, "co_filename"))?.extract::<&str>()? == DRIVER {
        return Ok(Some("a driver".to_owned()));
    }
    if draws(code)? {
        return Ok(Some(format!("the interface, {}", code.getattr(intern!(py, "co_qualname"))?.extract::<&str>()?)));
    }
    if handlers.iter().any(|handler| handler.is(code)) {
        return Ok(Some(format!("the handler {}", code.getattr(intern!(py, "co_qualname"))?.extract::<&str>()?)));
    }
    Ok(None)
}

/// Whether it looks like a method by which Blender draws its interface: `draw(self, context)`, `draw_header`, `poll`.
fn draws(code: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = code.py();
    let name = code.getattr(intern!(py, "co_name"))?;
    let name = name.extract::<&str>()?;
    if !name.starts_with("draw") && name != "poll" {
        return Ok(false);
    }
    let names = code.getattr(intern!(py, "co_varnames"))?;
    Ok(names.get_item(1).is_ok_and(|second| second.extract::<&str>().is_ok_and(|second| second == "context")))
}

/// The code of all functions in `bpy.app.handlers`.
fn handlers(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyAny>>> {
    // Not by `import`, which a script may have replaced by a function of its own.
    // SAFETY: the interpreter's lock is held, and the module that comes back is owned, or null with an exception.
    let bpy = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyImport_GetModule(intern!(py, "bpy").as_ptr())) }?;
    let lists = bpy.getattr(intern!(py, "app"))?.getattr(intern!(py, "handlers"))?;
    let mut found = Vec::new();
    for list in lists.try_iter()? {
        let list = list?;
        // One of the items is a decorator.
        let Ok(list) = list.cast::<PyList>() else { continue };
        found.extend(list.iter().filter_map(|function| function.getattr(intern!(py, "__code__")).ok()));
    }
    Ok(found)
}
