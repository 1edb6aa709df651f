//! The extension module `_native`: an index, no logic.

mod audit;
mod blob;
mod client;
mod convert;
mod frames;
mod limits;
mod script_call;
mod server;
mod signals;
mod wait;
mod watchdog;

use pyo3::prelude::*;

/// Spindle's native part: `Server` for the add-on, `Client` for Python programs.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    limits::register(module)?;
    server::register(module)?;
    signals::register(module)?;
    watchdog::register(module)?;
    client::register(module)
}
