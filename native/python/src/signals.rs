//! Blender's own break: what ends a headless render before its time.
//!
//! A Blender started with `--background` handles SIGINT with a C function that sets its global `is_break`, which
//! renders look at between two batches of samples. The headless loop replaces that handler by Python's, and Python's
//! run only when the render has returned. So the C function is kept here and called directly: for a cancelled
//! request, and for a signal that comes in mid-render.

use pyo3::prelude::*;

#[cfg(unix)]
use unix as system;

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::{io, mem, ptr};

    /// What `signal(2)` installs.
    type Handler = extern "C" fn(c_int);

    /// Blender's. Called with SIGINT, it would also count, and end the process at the second call.
    static BLENDER: Kept = Kept::nothing();
    /// Python's, one for all signals; it only notes the number.
    static PYTHON: Kept = Kept::nothing();

    const NO_SIGNAL: c_int = 0;

    /// A handler that is read in signal handlers too, where nothing may lock or allocate.
    struct Kept(AtomicPtr<()>);

    impl Kept {
        const fn nothing() -> Kept {
            Kept(AtomicPtr::new(ptr::null_mut()))
        }

        fn keep(&self, handler: Handler) {
            self.0.store(handler as *mut (), Ordering::Release);
        }

        fn get(&self) -> Option<Handler> {
            let address = self.0.load(Ordering::Acquire);
            // SAFETY: an address that is not null was stored by `keep`, from a function of this very type. Code is
            // never unloaded: the function belongs to Blender's or Python's own executable, or to this module.
            (!address.is_null()).then(|| unsafe { mem::transmute::<*mut (), Handler>(address) })
        }
    }

    /// Remember what handles SIGINT now; whether there is such a function.
    pub fn capture() -> io::Result<bool> {
        let handler = handler_of(&action_of(libc::SIGINT)?);
        handler.inspect(|handler| BLENDER.keep(*handler));
        Ok(handler.is_some())
    }

    /// Call Blender's handler, if it is known.
    pub fn break_blender() -> bool {
        BLENDER.get().map(|handler| handler(NO_SIGNAL)).is_some()
    }

    /// Have a signal break Blender before its present handler, Python's, is called.
    pub fn break_on(number: c_int) -> io::Result<bool> {
        let mut action = action_of(number)?;
        let Some(python) = handler_of(&action) else { return Ok(false) };
        if BLENDER.get().is_none() || ptr::fn_addr_eq(python, break_then_tell_python as Handler) {
            return Ok(false);
        }
        PYTHON.keep(python);
        action.sa_sigaction = break_then_tell_python as Handler as libc::sighandler_t;
        // SAFETY: the action is the present one, its mask and flags included, but for the function, which is of the
        // type that these flags ask for and does only what a signal handler may do.
        match unsafe { libc::sigaction(number, &action, ptr::null_mut()) } {
            0 => Ok(true),
            _ => Err(io::Error::last_os_error()),
        }
    }

    extern "C" fn break_then_tell_python(number: c_int) {
        break_blender();
        if let Some(python) = PYTHON.get() {
            python(number);
        }
    }

    fn action_of(number: c_int) -> io::Result<libc::sigaction> {
        // SAFETY: `sigaction` is a C struct of integers, for which zeros are a value, and it is only written to here.
        unsafe {
            let mut action = mem::zeroed();
            match libc::sigaction(number, ptr::null(), &mut action) {
                0 => Ok(action),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// The function of an action, unless it is none or of another type.
    fn handler_of(action: &libc::sigaction) -> Option<Handler> {
        let address = action.sa_sigaction;
        let is_function = ![libc::SIG_DFL, libc::SIG_IGN].contains(&address) && action.sa_flags & libc::SA_SIGINFO == 0;
        // SAFETY: the system gives back the address of a function that some code of this process has installed, and
        // without SA_SIGINFO that function takes the number alone.
        is_function.then(|| unsafe { mem::transmute::<*const (), Handler>(ptr::with_exposed_provenance(address)) })
    }
}

/// Nothing of this is known of other systems.
#[cfg(not(unix))]
mod system {
    use std::ffi::c_int;
    use std::io;

    pub fn capture() -> io::Result<bool> {
        Ok(false)
    }

    pub fn break_blender() -> bool {
        false
    }

    pub fn break_on(_: c_int) -> io::Result<bool> {
        Ok(false)
    }
}

/// End the headless render that runs, after its current batch of samples; false where there is no way to. May be
/// called on any thread. A break that comes before Blender has begun the render is lost.
pub fn break_blender() -> bool {
    system::break_blender()
}

/// Remember Blender's own handler of SIGINT, for `break_blender`; whether there is one. To be called before Python
/// handles that signal, in a Blender without a window only.
#[pyfunction]
fn capture_break_handler() -> PyResult<bool> {
    Ok(system::capture()?)
}

/// Have a signal that Python handles end the running headless render too, after which Python sees it. To be called
/// after `signal.signal`, which undoes it. False where there is no way to break a render.
#[pyfunction]
fn break_on_signal(number: i32) -> PyResult<bool> {
    Ok(system::break_on(number)?)
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(capture_break_handler, module)?)?;
    module.add_function(wrap_pyfunction!(break_on_signal, module)?)
}
