//! Ctrl-C, and being told to end: the first one ends a wait, upon which the request is cancelled; a second one does not
//! wait for that.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use spindle_client::Interrupt;

/// Set by either, until a wait has seen it.
static PRESSED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// For a connection's settings: ends a wait once for each signal, or when `other` says so.
///
/// # Errors
/// What the system says to a handler.
pub fn interrupt(other: Option<Interrupt>) -> io::Result<Interrupt> {
    let pressed = watch()?;
    Ok(Arc::new(move || pressed.swap(false, Ordering::Relaxed) || other.as_ref().is_some_and(|other| other())))
}

fn watch() -> io::Result<Arc<AtomicBool>> {
    if let Some(pressed) = PRESSED.get() {
        return Ok(Arc::clone(pressed));
    }
    let pressed = Arc::clone(PRESSED.get_or_init(Arc::default));
    for signal in [SIGINT, SIGTERM] {
        // Where nobody waits, so that nobody has taken back the first one, the second does what it always did.
        flag::register_conditional_default(signal, Arc::clone(&pressed))?;
        flag::register(signal, Arc::clone(&pressed))?;
    }
    Ok(pressed)
}
