//! Reading an event's arguments without running anybody's Python: a script chooses the objects, and a method of one
//! of its classes must not run inside the hook.

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};

use super::DETAIL_CHARS;

/// Items of a list that are described.
const ITEMS: usize = 16;

/// One argument of an event, if it has that many.
pub fn argument<'py>(arguments: &Bound<'py, PyTuple>, index: usize) -> Option<Bound<'py, PyAny>> {
    arguments.get_item(index).ok()
}

/// What a path argument says.
pub enum Named {
    /// A path, as it was given.
    Path(PathBuf),
    /// An open file, or nothing at all: no new place is named.
    Nothing,
    /// An object that only its own code could turn into a path.
    Unreadable,
}

/// The path that an argument names. Python turns path objects into text before most events.
pub fn path(value: Option<Bound<'_, PyAny>>) -> Named {
    match value {
        None => Named::Nothing,
        Some(value) if value.is_none() || value.is_instance_of::<PyInt>() => Named::Nothing,
        Some(value) => match native(&value) {
            Some(text) => Named::Path(text.into()),
            None => Named::Unreadable,
        },
    }
}

/// The number in an argument. Of an int the C value is read, whatever its class.
pub fn number(value: Option<Bound<'_, PyAny>>) -> Option<i64> {
    value?.cast::<PyInt>().ok()?.extract().ok()
}

/// The text in an argument.
pub fn text(value: Option<Bound<'_, PyAny>>) -> Option<String> {
    native(&value?).map(|text| text.to_string_lossy().into_owned())
}

/// Text or bytes as the system takes them. The characters are read, whatever the object's class says of them.
fn native(value: &Bound<'_, PyAny>) -> Option<OsString> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return os_string(bytes.as_bytes());
    }
    value.cast::<PyString>().ok()?.extract().ok()
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes.to_vec()))
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> Option<OsString> {
    std::str::from_utf8(bytes).ok().map(OsString::from)
}

/// A value for people, at most 200 characters: text, numbers and lists of these; of all else the type's name.
pub fn describe(value: Option<Bound<'_, PyAny>>) -> String {
    let mut text = String::new();
    if let Some(value) = value {
        write(&value, 2, &mut text);
    }
    cut(text)
}

fn write(value: &Bound<'_, PyAny>, depth: u32, text: &mut String) {
    if let Some(own) = native(value) {
        text.push_str(&own.to_string_lossy());
    } else if value.is_none() {
        text.push_str("None");
    } else if let Some(number) = number(Some(value.clone())) {
        text.push_str(&number.to_string());
    } else if let (Ok(tuple), 1..) = (value.cast_exact::<PyTuple>(), depth) {
        write_items(tuple.iter(), depth, text);
    } else if let (Ok(list), 1..) = (value.cast_exact::<PyList>(), depth) {
        write_items(list.iter(), depth, text);
    } else if let Ok(name) = value.get_type().name() {
        text.push_str(&name.to_string_lossy());
    }
}

fn write_items<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>, depth: u32, text: &mut String) {
    for (index, item) in items.take(ITEMS).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        write(&item, depth - 1, text);
    }
}

/// At most 200 characters of a text.
pub fn cut(text: String) -> String {
    match text.char_indices().nth(DETAIL_CHARS) {
        None => text,
        Some(_) => text.chars().take(DETAIL_CHARS - 1).chain(['…']).collect(),
    }
}

/// The file name of the code that raised the event, as its compiler was told.
pub fn raised_in(py: Python<'_>) -> Option<String> {
    // SAFETY: this thread is attached, as `py` shows; the frame is borrowed, and null where no Python code runs.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    if frame.is_null() {
        return None;
    }
    // SAFETY: the frame is the running one, so it is alive; its code object comes as a reference of our own.
    let code = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetCode(frame).cast()) }?;
    // Code objects cannot be subclassed, so this attribute is C's own.
    text(code.getattr("co_filename").ok())
}
