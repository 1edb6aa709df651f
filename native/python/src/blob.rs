//! Received bytes, as Python reads them without a copy.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::prelude::*;

/// The bytes behind a reply's JSON, read-only: `memoryview(blob)`, `numpy.frombuffer(blob)`.
#[pyclass(frozen)]
pub struct Blob(pub Vec<u8>);

#[pymethods]
impl Blob {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// # Safety
    /// `view` is one that Python wants filled.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = &slf.get().0;
        let length = ffi::Py_ssize_t::try_from(bytes.len())?;
        // SAFETY: the class is frozen and nothing in this module changes the vector, so the bytes stay where and as
        // they are as long as the object lives, and the view holds a reference to it. The view is read-only (the 1),
        // so nobody writes through the pointer. Without a `__releasebuffer__` Python drops that reference itself.
        let status =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), bytes.as_ptr().cast_mut().cast(), length, 1, flags) };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
