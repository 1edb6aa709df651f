//! The extension module `_native`: an index, no logic.

mod client;
mod convert;
mod server;

use pyo3::prelude::*;

/// Spindle's native part: `Server` for the add-on, `Client` for Python programs.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    server::register(module)?;
    client::register(module)
}
