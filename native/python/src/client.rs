//! Placeholder until the client is there.
use pyo3::prelude::*;
/// Nothing yet.
pub fn register(_: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
