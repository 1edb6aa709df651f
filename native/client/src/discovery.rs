//! The servers of this user: instance files in the runtime folder, and the choice of one.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde::Serialize;
use spindle_protocol::hello::{Greeting, Token};
use spindle_protocol::instance::{Instance, runtime_dir};

use crate::error::Error;
use crate::handshake;
use crate::wire::{Settings, Wire};

/// An instance file takes a few hundred bytes, and a file name in it at most a few thousand.
const FILE_BYTES: u64 = 16 * 1024;

/// A server on this machine greets far sooner.
const PROBE: Duration = Duration::from_millis(500);

/// A running server, without its token: for lists and messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    /// Its id, new at each start.
    pub instance: String,
    /// Loopback TCP port.
    pub port: u16,
    /// Blender's process id.
    pub pid: u32,
    /// Spindle's version.
    pub version: String,
    /// Blender's version.
    pub blender: String,
    /// Whether Blender has a window.
    pub window: bool,
    /// The open .blend file, empty for an unsaved one.
    pub file: String,
}

impl From<&Instance> for Server {
    fn from(instance: &Instance) -> Server {
        Server {
            instance: instance.instance.clone(),
            port: instance.port,
            pid: instance.pid,
            version: instance.version.clone(),
            blender: instance.blender.clone(),
            window: instance.window,
            file: instance.file.clone(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { pid, port, blender, .. } = self;
        let window = if self.window { "window" } else { "headless" };
        let file = if self.file.is_empty() { "(unsaved)" } else { &self.file };
        write!(formatter, "pid {pid}, port {port}, Blender {blender}, {window}, {file}")
    }
}

/// A file in the runtime folder that was not taken for a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// What the runtime folder holds.
#[derive(Default)]
pub struct Found {
    /// The running servers, by pid and port.
    pub instances: Vec<Instance>,
    /// Files that were not read, and why.
    pub ignored: Vec<Ignored>,
}

/// Which of several servers is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A process id or a port, whichever fits.
    Number(u32),
    /// The name of the open .blend file, or its path, with or without the extension.
    File(String),
}

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Selector, Self::Err> {
        Ok(text.parse().map_or_else(|_| Selector::File(text.to_owned()), Selector::Number))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Number(number) => write!(formatter, "{number}"),
            Selector::File(name) => formatter.write_str(name),
        }
    }
}

impl Selector {
    fn fits(&self, instance: &Instance) -> bool {
        match self {
            Selector::Number(number) => instance.pid == *number || u32::from(instance.port) == *number,
            Selector::File(_) if instance.file.is_empty() => false,
            Selector::File(wanted) => {
                let file = Path::new(&instance.file);
                let forms = [Some(file.as_os_str()), file.file_name(), file.file_stem()];
                let absolute = std::path::absolute(wanted);
                forms.contains(&Some(wanted.as_ref())) || absolute.is_ok_and(|path| path == file)
            }
        }
    }
}

/// The folder of the instance files.
///
/// # Errors
/// [`Error::Folder`] when the system names no such folder.
pub fn folder() -> Result<PathBuf, Error> {
    runtime_dir(dirs::runtime_dir().or_else(dirs::data_local_dir)).ok_or_else(|| Error::Folder {
        folder: "of the running servers".to_owned(),
        reason: "this system names no folder for a user's own files".to_owned(),
    })
}

/// The one server that is meant: the only one that runs, or the only one that fits the choice.
///
/// # Errors
/// [`Error::NoServer`] and [`Error::SeveralServers`]; both list what runs.
pub fn find(wanted: Option<&Selector>) -> Result<Instance, Error> {
    let folder = folder()?;
    choose(list(&folder)?, wanted, &folder)
}

/// The one of these servers that is meant; `folder` is for the message.
///
/// # Errors
/// As [`find`].
pub fn choose(found: Found, wanted: Option<&Selector>, folder: &Path) -> Result<Instance, Error> {
    let servers = |instances: &[Instance]| instances.iter().map(Server::from).collect::<Vec<_>>();
    let running = servers(&found.instances);
    let mut fitting = found.instances;
    fitting.retain(|instance| wanted.is_none_or(|wanted| wanted.fits(instance)));
    let wanted = wanted.map(ToString::to_string);
    match fitting.len() {
        0 => {
            let folder = folder.display().to_string();
            Err(Error::NoServer { folder, wanted, running, ignored: found.ignored })
        }
        1 => Ok(fitting.swap_remove(0)),
        _ => Err(Error::SeveralServers { wanted, running: servers(&fitting) }),
    }
}

/// What a server's file says of it now, as another .blend file may be open; `None` once the server has stopped.
///
/// # Errors
/// [`Error::Folder`] when the file is there and cannot be read.
pub fn renew(instance: &Instance, folder: &Path) -> Result<Option<Instance>, Error> {
    let path = folder.join(instance.file_name());
    match read_private(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Folder { folder: path.display().to_string(), reason: error.to_string() }),
    }
}

/// Read the instance files of a folder. Those of servers that are gone are deleted; what others own
/// or can read is not trusted (SECRETS).
///
/// # Errors
/// [`Error::Folder`] when the folder is there and cannot be read.
pub fn list(folder: &Path) -> Result<Found, Error> {
    let unreadable =
        |error: io::Error| Error::Folder { folder: folder.display().to_string(), reason: error.to_string() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Found::default();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        // A server writes a draft beside its file before it takes the file's place.
        if path.extension().is_some_and(|extension| extension == "json") {
            found.add(path);
        }
    }
    found.instances.sort_by_key(|instance| (instance.pid, instance.port));
    Ok(found)
}

impl Found {
    fn add(&mut self, path: PathBuf) {
        let instance = match read_private(&path) {
            Ok(text) => parse(&text),
            // Its server was stopped, or another reader was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.ignore(path, error.to_string()),
        };
        let Some(instance) = instance else {
            return self.ignore(path, "it is no instance file of this version".to_owned());
        };
        match state(&instance) {
            State::Running => self.instances.push(instance),
            State::Doubtful(why) => self.ignore(path, why),
            State::Gone => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.ignore(path, error.to_string()),
                _ => {}
            },
        }
    }

    fn ignore(&mut self, path: PathBuf, why: String) {
        self.ignored.push(Ignored { path, why });
    }
}

fn parse(text: &str) -> Option<Instance> {
    let instance: Instance = serde_json::from_str(text).ok()?;
    Token::from_hex(&instance.token).is_some().then_some(instance)
}

enum State {
    Running,
    Gone,
    Doubtful(String),
}

/// The port tells more than the process: ids are used again, and cannot be seen from a container.
fn state(instance: &Instance) -> State {
    match (greet(instance), process_lives(instance.pid)) {
        (Ok(greeting), _) if greeting.instance == instance.instance => State::Running,
        (_, Some(false)) => State::Gone,
        // It stands still, or has no room for one more connection.
        (Err(Error::TimedOut { .. } | Error::Server(_)), _) => State::Running,
        (_, None) => State::Gone,
        (Ok(_), Some(true)) => State::Doubtful(format!("another server has taken its port, {}", instance.port)),
        (Err(error), Some(true)) => State::Doubtful(error.to_string()),
    }
}

fn greet(instance: &Instance) -> Result<Greeting, Error> {
    let settings = Settings { connect: PROBE, ..Settings::default() };
    let until = Instant::now() + PROBE;
    handshake::greeting(&mut Wire::connect(instance.port, &settings, until)?, instance.port, until)
}

/// Whether there is a process with this id, where that can be told.
#[cfg(unix)]
fn process_lives(pid: u32) -> Option<bool> {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // "Not permitted" means that it is there.
    Some(pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH) && !is_zombie(pid)))
}

/// Whether it has ended, and nobody has asked how (proc(5), the third field of `stat`). Only Linux tells.
#[cfg(unix)]
fn is_zombie(pid: rustix::process::Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

#[cfg(not(unix))]
fn process_lives(_: u32) -> Option<bool> {
    None
}

#[cfg(unix)]
fn read_private(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    // Neither a link that leads elsewhere nor a pipe that never answers.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags as i32).open(path)?;
    let found = file.metadata()?;
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !found.is_file() {
        return refuse("it is no file");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to somebody else");
    }
    if found.mode() & 0o077 != 0 {
        return refuse("others can read or change it");
    }
    read(file)
}

#[cfg(not(unix))]
fn read_private(path: &Path) -> io::Result<String> {
    // The user's local data folder is readable by its owner only.
    read(File::open(path)?)
}

fn read(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
