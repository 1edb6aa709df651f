//! The extension module `_native`: an index, no logic.

mod client;
mod convert;
mod limits;
mod server;
mod signals;

use pyo3::prelude::*;

/// Spindle's native part: `Server` for the add-on, `Client` for Python programs.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    limits::register(module)?;
    server::register(module)?;
    signals::register(module)?;
    client::register(module)
}
