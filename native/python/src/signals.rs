//! Blender's own break: what ends a headless render before its time.
//!
//! A Blender started with `--background` handles SIGINT with a C function that sets its global `is_break`, which
//! renders look at between two batches of samples. The headless loop replaces that handler by Python's, and Python's
//! run only when the render has returned. So the C function is kept here and called directly: for a cancelled
//! request, and for a signal that comes in mid-render.
//!
//! And what the watchdog needs: to know a person's Ctrl-C from its own signal, and to wake a main thread that sleeps.

use std::io;

use pyo3::prelude::*;

#[cfg(unix)]
use unix as system;

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
    use std::{io, mem, ptr};

    /// What `signal(2)` installs.
    type Handler = extern "C" fn(c_int);

    /// Blender's. Called with SIGINT, it would also count, and end the process at the second call.
    static BLENDER: Kept = Kept::nothing();
    /// Python's, one for all signals; it only notes the number.
    static PYTHON: Kept = Kept::nothing();

    /// Whether a SIGINT came in from outside of Python that its handler has not seen yet.
    static GENUINE: AtomicBool = AtomicBool::new(false);
    /// The main thread as pthreads know it; 0 before it is known.
    static MAIN_THREAD: AtomicU64 = AtomicU64::new(0);

    const NO_SIGNAL: c_int = 0;
    /// Programs that do not ask for it ignore this signal, so nobody else takes it for news.
    const WAKE: c_int = libc::SIGURG;

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
        let action = action_of(number)?;
        let Some(python) = handler_of(&action) else { return Ok(false) };
        if !ptr::fn_addr_eq(python, break_then_tell_python as Handler) {
            PYTHON.keep(python);
            install(number, action, break_then_tell_python)?;
        }
        Ok(BLENDER.get().is_some())
    }

    /// Have this function handle a signal, else as the present action says.
    fn install(number: c_int, mut action: libc::sigaction, handler: Handler) -> io::Result<()> {
        action.sa_sigaction = handler as libc::sighandler_t;
        // SAFETY: the action is the present one, its mask and flags included, but for the function, which is of the
        // type that these flags ask for and does only what a signal handler may do.
        match unsafe { libc::sigaction(number, &action, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn is_genuine() -> bool {
        GENUINE.load(Ordering::Acquire)
    }

    pub fn take_genuine() -> bool {
        GENUINE.swap(false, Ordering::AcqRel)
    }

    /// Handle the signal that wakes, unless somebody else does. Its handler has no SA_RESTART, so a system call that
    /// waits returns, and Python looks what it should do.
    pub fn prepare_to_wake() -> io::Result<()> {
        let action = action_of(WAKE)?;
        if action.sa_sigaction == libc::SIG_DFL { install(WAKE, action, do_nothing) } else { Ok(()) }
    }

    extern "C" fn do_nothing(_: c_int) {}

    pub fn remember_main_thread() {
        // SAFETY: it only asks who calls.
        MAIN_THREAD.store(unsafe { libc::pthread_self() } as u64, Ordering::Release);
    }

    pub fn wake_main_thread() {
        let main = MAIN_THREAD.load(Ordering::Acquire);
        let handled = action_of(WAKE).is_ok_and(|action| action.sa_sigaction == do_nothing as Handler as usize);
        if main != 0 && handled {
            // SAFETY: the main thread lives as long as the process. An error says that it is over, and does not matter.
            unsafe { libc::pthread_kill(main as libc::pthread_t, WAKE) };
        }
    }

    extern "C" fn break_then_tell_python(number: c_int) {
        if number == libc::SIGINT {
            GENUINE.store(true, Ordering::Release);
        }
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

    pub fn is_genuine() -> bool {
        false
    }

    pub fn take_genuine() -> bool {
        false
    }

    pub fn prepare_to_wake() -> io::Result<()> {
        Ok(())
    }

    pub fn remember_main_thread() {}

    pub fn wake_main_thread() {}
}

/// End the headless render that runs, after its current batch of samples; false where there is no way to. May be
/// called on any thread. A break that comes before Blender has begun the render is lost.
pub fn break_blender() -> bool {
    system::break_blender()
}

/// Whether a SIGINT of a person's has not been seen by its handler yet, as far as `break_on_signal` lets that be known.
/// The watchdog's own does not go through the system.
pub fn is_genuine() -> bool {
    system::is_genuine()
}

/// The same, and from now on it has been seen.
pub fn take_genuine() -> bool {
    system::take_genuine()
}

/// Make `wake_main_thread` possible.
///
/// # Errors
/// The system's.
pub fn prepare_to_wake() -> io::Result<()> {
    system::prepare_to_wake()
}

/// The thread that calls is the main one.
pub fn remember_main_thread() {
    system::remember_main_thread();
}

/// Have a system call in which the main thread waits return, as `time.sleep` and `Lock.acquire` do, so that Python
/// looks for signals. May be called on any thread.
pub fn wake_main_thread() {
    system::wake_main_thread();
}

/// Remember Blender's own handler of SIGINT, for `break_blender`; whether there is one. To be called before Python
/// handles that signal, in a Blender without a window only.
#[pyfunction]
fn capture_break_handler() -> PyResult<bool> {
    Ok(system::capture()?)
}

/// Have a signal that Python handles end the running headless render too, after which Python sees it, and have a
/// SIGINT from outside be known for one. To be called after `signal.signal`, which undoes it. False where there is no
/// way to break a render.
#[pyfunction]
fn break_on_signal(number: i32) -> PyResult<bool> {
    Ok(system::break_on(number)?)
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(capture_break_handler, module)?)?;
    module.add_function(wrap_pyfunction!(break_on_signal, module)?)
}
