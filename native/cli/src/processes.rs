//! Processes of this machine, as far as the system tells of them: all of it on Linux, little elsewhere.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use self::linux::{all, is_below, listener};

use std::io;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its program's name, as the system has it.
    pub name: String,
    /// Whether it belongs to this user.
    pub own: bool,
}

impl Process {
    /// Whether it is a Blender, by its name.
    pub fn is_blender(&self) -> bool {
        // Blender's helpers have longer names.
        matches!(self.name.to_ascii_lowercase().as_str(), "blender" | "blender.exe")
    }
}

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The process, where it is this user's own.
    pub process: Option<Process>,
    /// The user's number.
    pub uid: u32,
}

/// All processes; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn all() -> Option<Vec<Process>> {
    None
}

/// Whether a process was started by another, directly or not; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn is_below(_: u32, _: u32) -> Option<bool> {
    None
}

/// Who listens on a loopback port; `None` where nobody does, or the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn listener(_: u16) -> Option<Listener> {
    None
}

/// Whether a process is there and has not ended; `None` where that cannot be told.
#[cfg(unix)]
pub fn lives(pid: u32) -> Option<bool> {
    use rustix::io::Errno;
    use rustix::process::test_kill_process;

    // One that has ended, and that its parent has not asked for, is still there.
    #[cfg(target_os = "linux")]
    if linux::has_ended(pid) {
        return Some(false);
    }
    // "Not permitted" means that it is there.
    Some(id(pid).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH)))
}

/// Whether a process is there; `None` where that cannot be told.
#[cfg(not(unix))]
pub fn lives(_: u32) -> Option<bool> {
    None
}

/// Tell a process to end in order.
///
/// # Errors
/// What the system says; one that is gone is none.
#[cfg(unix)]
pub fn terminate(pid: u32) -> io::Result<()> {
    use rustix::io::Errno;
    use rustix::process::{Signal, kill_process};

    match id(pid).map(|pid| kill_process(pid, Signal::TERM)) {
        None | Some(Ok(()) | Err(Errno::SRCH)) => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Tell a process to end in order.
///
/// # Errors
/// Always: this system knows no such signal.
#[cfg(not(unix))]
pub fn terminate(pid: u32) -> io::Result<()> {
    Err(io::Error::other(format!("this system has no signal for it; close its window, or `taskkill /F /PID {pid}`")))
}

#[cfg(unix)]
fn id(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blender_by_its_name() {
        for (name, expected) in [("blender", true), ("Blender", true), ("blender-launcher", false), ("bash", false)] {
            assert_eq!(Process { pid: 1, name: name.to_owned(), own: true }.is_blender(), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn who_lives() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it runs");
        assert_eq!(lives(child.id()), Some(true));
        terminate(child.id()).expect("told");
        // Nobody has asked for its status, and yet it has ended.
        #[cfg(target_os = "linux")]
        while lives(child.id()) == Some(true) {
            std::thread::yield_now();
        }
        child.wait().expect("it ends");
        assert_eq!(lives(child.id()), Some(false));
        terminate(child.id()).expect("one that is gone");
    }
}
