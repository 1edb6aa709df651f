//! Python objects to JSON and back. Parameters become Python objects by `pythonize`; results are
//! written by the serializer here, which knows bytes and says where in a value a fault is.

use std::cell::RefCell;
use std::fmt::Display;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use spindle_protocol::limits::{BLOB_BYTES, JSON_BYTES};

/// Deeper results are refused: the other side would refuse them too.
const DEPTH: usize = spindle_protocol::limits::JSON_DEPTH - 2;

/// A value, ready to be framed.
pub struct Framed {
    /// The value as JSON text.
    pub json: Box<RawValue>,
    /// The bytes that it refers to.
    pub blob: Vec<u8>,
}

/// Room that a frame has for what is around a result: the id, the names.
const ENVELOPE: usize = 4 * 1024;

impl Framed {
    /// Its size and the limit, if it does not fit into a frame.
    pub fn too_large(&self) -> Option<String> {
        let (json, most_json) = (self.json.get().len(), JSON_BYTES as usize - ENVELOPE);
        let (blob, most_blob) = (self.blob.len(), BLOB_BYTES as usize);
        if json > most_json {
            return Some(format!("it has {json} bytes of JSON, and at most {most_json} can be sent"));
        }
        (blob > most_blob).then(|| format!("it has {blob} bytes of bulk data, and at most {most_blob} can be sent"))
    }
}

/// Write a Python value of plain types (None, bool, int, float, str, list, tuple, dict with text
/// keys) as JSON. Bytes go into the blob; a dict's `$blob` member becomes their offset and length.
///
/// # Errors
/// A sentence that names the place in the value, which is called `name`, and what is wrong there.
pub fn frame_value(name: &str, value: &Bound<'_, PyAny>) -> Result<Framed, String> {
    let sink = Sink::default();
    let text = serde_json::to_string(&Plain { value, sink: &sink })
        .map_err(|error| format!("{name}{}: {error}", sink.path.borrow().concat()))?;
    let json = RawValue::from_string(text).map_err(|error| error.to_string())?;
    Ok(Framed { json, blob: sink.blob.into_inner() })
}

#[derive(Default)]
struct Sink {
    blob: RefCell<Vec<u8>>,
    /// Where the writer is; after a fault, where the fault is.
    path: RefCell<Vec<String>>,
}

impl Sink {
    /// Keep bytes, and say where they are.
    fn keep(&self, bytes: &[u8]) -> [usize; 2] {
        let mut blob = self.blob.borrow_mut();
        let offset = blob.len();
        blob.extend_from_slice(bytes);
        [offset, bytes.len()]
    }
}

struct Plain<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    sink: &'a Sink,
}

fn fault<E: serde::ser::Error>(error: impl Display) -> E {
    E::custom(error)
}

/// The bytes of a bytes-like object, kept; `None` for anything else.
fn keep_bytes(value: &Bound<'_, PyAny>, sink: &Sink) -> PyResult<Option<[usize; 2]>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Some(sink.keep(bytes.as_bytes())));
    }
    match PyBuffer::<u8>::get(value) {
        Ok(buffer) => Ok(Some(sink.keep(&buffer.to_vec(value.py())?))),
        Err(_) => Ok(None),
    }
}

impl Serialize for Plain<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value;
        if value.is_none() {
            serializer.serialize_unit()
        } else if let Ok(text) = value.cast::<PyString>() {
            serializer.serialize_str(&text.to_cow().map_err(fault)?)
        } else if let Ok(flag) = value.cast::<PyBool>() {
            serializer.serialize_bool(flag.is_true())
        } else if value.is_instance_of::<PyInt>() {
            write_integer(value, serializer)
        } else if let Ok(number) = value.cast::<PyFloat>() {
            write_number(number.value(), serializer)
        } else if let Ok(map) = value.cast::<PyDict>() {
            self.write_map(map, serializer)
        } else if let Ok(list) = value.cast::<PyList>() {
            self.write_items(list.len(), list.iter(), serializer)
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            self.write_items(tuple.len(), tuple.iter(), serializer)
        } else if let Some(range) = keep_bytes(value, self.sink).map_err(fault)? {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry("$blob", &range)?;
            map.end()
        } else {
            Err(fault(format!("a {} has no JSON form", value.get_type())))
        }
    }
}

fn write_integer<S: Serializer>(value: &Bound<'_, PyAny>, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(number) = value.extract::<i64>() {
        return serializer.serialize_i64(number);
    }
    match value.extract::<u64>() {
        Ok(number) => serializer.serialize_u64(number),
        Err(_) => Err(fault("the integer does not fit 64 bits; send it as a text")),
    }
}

fn write_number<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.is_finite() { serializer.serialize_f64(number) } else { Err(fault(format!("{number} is not finite"))) }
}

impl Plain<'_, '_> {
    fn child<'a, 'py>(&'a self, value: &'a Bound<'py, PyAny>) -> Plain<'a, 'py> {
        Plain { value, sink: self.sink }
    }

    fn enter<E: serde::ser::Error>(&self, step: String) -> Result<(), E> {
        let mut path = self.sink.path.borrow_mut();
        path.push(step);
        if path.len() > DEPTH { Err(fault(format!("nested deeper than {DEPTH}"))) } else { Ok(()) }
    }

    fn leave(&self) {
        self.sink.path.borrow_mut().pop();
    }

    fn write_map<S: Serializer>(&self, map: &Bound<'_, PyDict>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = serializer.serialize_map(Some(map.len()))?;
        for (key, value) in map.iter() {
            let Ok(key) = key.cast::<PyString>() else {
                return Err(S::Error::custom(format!("the key {key} is no text")));
            };
            let key = key.to_cow().map_err(fault)?;
            self.enter(format!("[{key:?}]"))?;
            match (key == "$blob").then(|| keep_bytes(&value, self.sink)).transpose().map_err(fault)?.flatten() {
                Some(range) => writer.serialize_entry(&key, &range)?,
                None => writer.serialize_entry(&key, &self.child(&value))?,
            }
            self.leave();
        }
        writer.end()
    }

    fn write_items<'py, S: Serializer>(
        &self,
        length: usize,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut writer = serializer.serialize_seq(Some(length))?;
        for (index, item) in items.enumerate() {
            self.enter(format!("[{index}]"))?;
            writer.serialize_element(&self.child(&item))?;
            self.leave();
        }
        writer.end()
    }
}
