//! The policy as data. Python's documentation lists the events, in its "Audit events table".

use super::{Place, Rule};

/// One event, or a family of them where its name ends in a dot.
#[derive(Debug)]
pub struct Row {
    /// Python's name of it.
    pub event: &'static str,
    /// How it is judged.
    pub rule: Rule,
    /// Why it is refused, in half a sentence; empty where it never is.
    pub reason: &'static str,
}

/// An event of our own, by which the watch finds out whether it is heard.
pub const PROBE: &str = "spindle.probe";

/// Flags of the system's `open` with which a file is or may be changed.
#[cfg(unix)]
pub const WRITING_FLAGS: i64 = (libc::O_WRONLY | libc::O_RDWR | libc::O_APPEND | libc::O_CREAT | libc::O_TRUNC) as i64;

/// `_O_WRONLY`, `_O_RDWR`, `_O_APPEND`, `_O_CREAT` and `_O_TRUNC` of its fcntl.h.
#[cfg(windows)]
pub const WRITING_FLAGS: i64 = 0x1 | 0x2 | 0x8 | 0x100 | 0x200;

/// Modules that reach past what the watch sees. Libraries may import them: numpy has ctypes, subprocess has
/// `_posixsubprocess`, and without these they would be broken for all that comes after.
pub const UNWATCHED_MODULES: &[&str] =
    &["_ctypes", "_posixsubprocess", "_testcapi", "_testinternalcapi", "_winapi", "cffi", "ctypes"];

/// Modules that make other interpreters. Up to Python 3.12 the mere attempt, refused or not, ends Python's knowledge of
/// who holds its lock (`PyGILState_Check`), which Blender asks before it gives that lock away: from then on its drivers
/// run beside other threads of Python, and the process dies sooner or later.
pub const INTERPRETER_MODULES: &[&str] = &["_interpreters", "_xxsubinterpreters"];

/// Modules whose classes and functions a pickle of plain data names.
pub const PICKLED_MODULES: &[&str] = &[
    "__main__",
    "_codecs",
    "collections",
    "copyreg",
    "datetime",
    "decimal",
    "fractions",
    "mathutils",
    "numpy",
    "numpy._core.multiarray",
    "numpy._core.numeric",
    "numpy.core.multiarray",
    "numpy.core.numeric",
    "pathlib",
    "uuid",
];

/// The same of the built-in names.
pub const PICKLED_BUILTINS: &[&str] = &[
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
];

const PROCESS: &str = "scripts may not start or end programs";
const NETWORK: &str = "scripts may not use the network";
const MEMORY: &str = "scripts may not reach past Python into the process";
const FOLDER: &str = "it changes what is outside the allowed folders";
const REGISTRY: &str = "scripts may not change the registry";
const TERMINAL: &str = "it would wait for a terminal that nobody may see";
const HOOK: &str = "it would stay when the script has ended, and cannot be removed";
const PICKLE: &str = "a pickle may only hold plain data, as this name may run anything";
const MODULE: &str = "this module reaches past what can be watched";

const fn refused(event: &'static str, reason: &'static str) -> Row {
    Row { event, rule: Rule::Refused, reason }
}

const fn told(event: &'static str, rule: Rule) -> Row {
    Row { event, rule, reason: "" }
}

const fn change(event: &'static str, places: &'static [Place]) -> Row {
    Row { event, rule: Rule::Change(places), reason: FOLDER }
}

/// What is at the path itself, be it a link.
const fn entry(argument: usize, folder: usize) -> Place {
    Place { argument, folder: Some(folder), through_link: false }
}

/// What the path leads to.
const fn target(argument: usize, folder: Option<usize>) -> Place {
    Place { argument, folder, through_link: true }
}

/// Sorted by event; none has less than four bytes.
pub const ROWS: &[Row] = &[
    refused("_posixsubprocess.fork_exec", PROCESS),
    told("_thread.start_joinable_thread", Rule::Noted),
    told("_thread.start_new_thread", Rule::Noted),
    refused("_winapi.CreateFile", FOLDER),
    refused("_winapi.CreateJunction", FOLDER),
    refused("_winapi.CreateProcess", PROCESS),
    refused("_winapi.OpenProcess", PROCESS),
    refused("_winapi.TerminateProcess", PROCESS),
    refused("builtins.breakpoint", TERMINAL),
    refused("builtins.input", TERMINAL),
    told("code.__new__", Rule::NotedOfScript),
    told("compile", Rule::NotedOfScript),
    refused("cpython.PyInterpreterState_New", MEMORY),
    refused("cpython._PySys_ClearAuditHooks", HOOK),
    refused("cpython.remote_debugger_script", PROCESS),
    refused("cpython.run_stdin", TERMINAL),
    refused("ctypes.", MEMORY),
    Row { event: "ctypes.dlopen", rule: Rule::Library, reason: MEMORY },
    refused("ensurepip.bootstrap", PROCESS),
    told("exec", Rule::NotedOfScript),
    refused("ftplib.", NETWORK),
    told("gc.get_objects", Rule::Noted),
    told("gc.get_referents", Rule::Noted),
    told("gc.get_referrers", Rule::Noted),
    refused("http.client.connect", NETWORK),
    refused("http.client.send", NETWORK),
    refused("imaplib.", NETWORK),
    Row { event: "import", rule: Rule::Import, reason: MODULE },
    refused("nntplib.", NETWORK),
    Row { event: "open", rule: Rule::Open, reason: FOLDER },
    told("os.chdir", Rule::Noted),
    change("os.chflags", &[target(0, None)]),
    change("os.chmod", &[target(0, Some(2))]),
    change("os.chown", &[target(0, Some(3))]),
    refused("os.exec", PROCESS),
    told("os.fchdir", Rule::Noted),
    refused("os.fork", PROCESS),
    refused("os.forkpty", PROCESS),
    refused("os.kill", PROCESS),
    refused("os.killpg", PROCESS),
    change("os.link", &[target(0, Some(2)), entry(1, 3)]),
    change("os.mkdir", &[entry(0, 2)]),
    refused("os.posix_spawn", PROCESS),
    told("os.putenv", Rule::Noted),
    change("os.remove", &[entry(0, 1)]),
    change("os.removexattr", &[target(0, None)]),
    change("os.rename", &[entry(0, 2), entry(1, 3)]),
    change("os.rmdir", &[entry(0, 1)]),
    change("os.setxattr", &[target(0, None)]),
    refused("os.spawn", PROCESS),
    refused("os.startfile", PROCESS),
    refused("os.startfile/2", PROCESS),
    change("os.symlink", &[entry(1, 2)]),
    refused("os.system", PROCESS),
    change("os.truncate", &[target(0, None)]),
    told("os.unsetenv", Rule::Noted),
    change("os.utime", &[target(0, Some(3))]),
    Row { event: "pickle.find_class", rule: Rule::Pickle, reason: PICKLE },
    refused("poplib.", NETWORK),
    refused("pty.spawn", PROCESS),
    told("resource.prlimit", Rule::Noted),
    told("resource.setrlimit", Rule::Noted),
    change("shutil.rmtree", &[entry(0, 1)]),
    refused("signal.pthread_kill", PROCESS),
    refused("smtplib.", NETWORK),
    refused("socket.", NETWORK),
    told("socket.__new__", Rule::Passed),
    told("socket.gethostname", Rule::Passed),
    told("socket.getservbyname", Rule::Passed),
    told("socket.getservbyport", Rule::Passed),
    told(PROBE, Rule::Noted),
    Row { event: "sqlite3.connect", rule: Rule::Database, reason: FOLDER },
    refused("sqlite3.enable_load_extension", MEMORY),
    refused("sqlite3.load_extension", MEMORY),
    refused("subprocess.Popen", PROCESS),
    refused("sys.addaudithook", HOOK),
    refused("sys.remote_exec", PROCESS),
    told("sys.setprofile", Rule::Noted),
    told("sys.settrace", Rule::Noted),
    refused("telnetlib.", NETWORK),
    refused("urllib.Request", NETWORK),
    refused("webbrowser.open", PROCESS),
    refused("winreg.ConnectRegistry", NETWORK),
    refused("winreg.CreateKey", REGISTRY),
    refused("winreg.DeleteKey", REGISTRY),
    refused("winreg.DeleteValue", REGISTRY),
    refused("winreg.LoadKey", REGISTRY),
    refused("winreg.SaveKey", REGISTRY),
    refused("winreg.SetValue", REGISTRY),
];

/// The first bytes of each row's event: comparing these numbers rules almost every row out, at a tenth of the time that
/// comparing texts takes.
pub const HEADS: [u32; ROWS.len()] = {
    let mut heads = [0; ROWS.len()];
    let mut index = 0;
    while index < heads.len() {
        heads[index] = head(ROWS[index].event.as_bytes());
        index += 1;
    }
    heads
};

/// The first four bytes of a name as a number.
pub const fn head(name: &[u8]) -> u32 {
    match *name {
        [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}
