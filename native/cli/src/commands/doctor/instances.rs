//! The runtime folder, and each server that has left its file there. Nothing is changed here: `spindle ls` deletes what
//! a killed Blender has left behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use spindle_client::{Connection, Error, Options, Settings};
use spindle_protocol::error::Kind;
use spindle_protocol::hello::Token;
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{Health, HealthReport, State};

use super::Check;
use crate::peer::{Peer, identify};
use crate::processes::lives;
use crate::text;

/// How long a server may take; native code answers, whatever Blender does.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an instance file has led to.
pub struct Server {
    pub check: Check,
    /// The port in its file, 0 where that cannot be read.
    pub port: u16,
    /// Whether a Spindle listens on it.
    pub is_spindle: bool,
}

/// Whether the folder can be trusted with secrets.
pub fn folder(folder: &Path) -> Check {
    let (name, shown) = ("runtime folder", folder.display());
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::ok(name, "absent", format!("{shown} is not there; a server makes it"))
        }
        Err(error) => Check::problem(name, "unreadable", format!("{shown}: {error}"), access(folder)),
        Ok(found) if !found.is_dir() => {
            Check::problem(name, "no_folder", format!("{shown} is no folder"), "delete it; a server makes it anew")
        }
        Ok(found) => match (foreign(&found), fs::read_dir(folder)) {
            (Some(why), _) => Check::problem(name, "not_private", format!("{shown}: {why}"), access(folder)),
            (None, Err(error)) => Check::problem(name, "unreadable", format!("{shown}: {error}"), access(folder)),
            (None, Ok(_)) => Check::ok(name, "private", format!("{shown} is yours alone")),
        },
    }
}

fn access(folder: &Path) -> String {
    let shown = folder.display();
    format!(
        "make it yours alone: chmod 700 {shown}; if it belongs to somebody else, set SPINDLE_RUNTIME_DIR, for \
             Blender and its clients alike, to a folder of yours"
    )
}

/// Why a server would not keep its secret in this folder: as the server has it, whoever may read it is no matter, for
/// its files are private themselves.
#[cfg(unix)]
fn foreign(found: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;

    match found {
        _ if found.uid() != rustix::process::geteuid().as_raw() => Some("it belongs to somebody else".to_owned()),
        _ if found.mode() & 0o022 != 0 => {
            Some(format!("others can change it (mode {:o}), so Spindle refuses it", found.mode() & 0o777))
        }
        _ => None,
    }
}

#[cfg(not(unix))]
fn foreign(_: &fs::Metadata) -> Option<String> {
    None
}

/// Look at each file of the folder, all at once.
pub fn servers(folder: &Path, settings: &Settings) -> Vec<Server> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort_unstable();
    let settings = Settings { connect: PATIENCE, ..settings.clone() };
    thread::scope(|scope| {
        let looks: Vec<_> = files.iter().map(|path| scope.spawn(|| server(path, &settings))).collect();
        looks.into_iter().map(|look| look.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn server(path: &Path, settings: &Settings) -> Server {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("server {}", file.trim_end_matches(".json"));
    let unusable = |finding, why: String, remedy: String| {
        let check = Check::problem(&name, finding, format!("{}: {why}", path.display()), remedy);
        Server { check, port: 0, is_spindle: false }
    };
    let instance = match read(path) {
        Ok(text) => parse(&text),
        Err(error) => {
            let remedy =
                "stop and start Spindle in that Blender, which writes it anew; if it is not your own Blender, \
                          delete the file"
                    .to_owned();
            return unusable("file_unreadable", error.to_string(), remedy);
        }
    };
    let instance = match instance {
        Ok(instance) => instance,
        Err(why) => {
            let remedy = "update the older one of the `spindle` command and the Spindle extension".to_owned();
            return unusable("file_malformed", why, remedy);
        }
    };
    let (check, is_spindle) = look(&name, &instance, settings);
    Server { check, port: instance.port, is_spindle }
}

/// As a client reads it: only what its user alone can read.
#[cfg(unix)]
fn read(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;

    let found = fs::symlink_metadata(path)?;
    let why = match found {
        _ if !found.is_file() => "it is no regular file",
        _ if found.uid() != rustix::process::geteuid().as_raw() => "it belongs to somebody else",
        _ if found.mode() & 0o077 != 0 => "others can read or change it, so its token is no secret",
        _ => return fs::read_to_string(path),
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(not(unix))]
fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

fn parse(text: &str) -> Result<Instance, String> {
    // The error of a file is told without what is in it (SECRETS).
    let value: Value = serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned())?;
    let version = value["version"].as_str().unwrap_or("unknown").to_owned();
    let instance = serde_json::from_value::<Instance>(value).ok();
    let instance = instance.ok_or(format!("it is not as this version writes it, but as Spindle {version} does"))?;
    Token::from_hex(&instance.token).is_some().then_some(instance).ok_or("its token is malformed".to_owned())
}

/// Connect as a client does; whether a Spindle listens.
fn look(name: &str, instance: &Instance, settings: &Settings) -> (Check, bool) {
    let asked = Connection::open(instance, settings)
        .and_then(|mut blender| Ok(blender.call_typed::<Health>(&Nothing {}, &[], &Options::within(PATIENCE))?.0));
    match asked {
        Ok(health) => (healthy(name, instance, &health), true),
        Err(error) => unreachable(name, instance, &error),
    }
}

fn healthy(name: &str, instance: &Instance, health: &HealthReport) -> Check {
    let (pid, port) = (instance.pid, instance.port);
    let what = format!("pid {pid}, port {port}, Blender {}: {}", health.blender, text::main_thread(health));
    let version = env!("CARGO_PKG_VERSION");
    match health.state {
        State::Blocked => Check::problem(
            name,
            "blocked",
            what,
            "Blender's main thread stands still: it may show a dialog, run a modal operator or be at a long piece of \
             work; finish that in its window. `spindle log --failed` tells what it was last asked to do",
        ),
        State::Stopping => Check::problem(name, "stopping", what, "wait until it has stopped, then `spindle start`"),
        State::Ready | State::Busy if major(&health.version) != major(version) => {
            let remedy = format!("it works, but update the older one: this command is {version}");
            Check::problem(name, "version_skew", format!("{what}, Spindle {}", health.version), remedy)
        }
        State::Ready | State::Busy => Check::ok(name, "healthy", what),
    }
}

/// Within 0.x each minor version is one that may differ.
fn major(version: &str) -> Vec<&str> {
    version.split('.').take(2).collect()
}

fn unreachable(name: &str, instance: &Instance, error: &Error) -> (Check, bool) {
    let (pid, port) = (instance.pid, instance.port);
    let peer = match error {
        Error::WrongServer { .. } | Error::BadToken { .. } | Error::VersionMismatch { .. } => Peer::Spindle,
        Error::Server(_) | Error::Malformed { .. } => Peer::Spindle,
        _ => identify(port),
    };
    let (finding, text, remedy) = match &peer {
        Peer::Spindle => refusal(instance, error),
        peer if lives(pid) == Some(false) => {
            let text = format!("left behind by a Blender that was killed; on the port is now {}", peer.describe());
            ("stale", text, STALE.to_owned())
        }
        peer => stranger(pid, peer),
    };
    let check = Check::problem(name, finding, format!("pid {pid}, port {port}: {text}"), remedy);
    (Check { dialect: Some(peer.facts().word), ..check }, peer == Peer::Spindle)
}

/// Of a problem: the stable word, what it is, and what to do.
type Diagnosis = (&'static str, String, String);

const STALE: &str = "`spindle ls` deletes the file";

/// A Spindle is there, and does not serve this client.
fn refusal(instance: &Instance, error: &Error) -> Diagnosis {
    let (finding, remedy) = match error {
        Error::BadToken { .. } => (
            "bad_token",
            "the file is not the server's own: stop and start Spindle in that Blender, which writes it anew".to_owned(),
        ),
        Error::VersionMismatch { .. } => ("version_mismatch", "update the side that it names".to_owned()),
        Error::WrongServer { .. } => ("wrong_server", STALE.to_owned()),
        Error::Malformed { .. } => {
            let (theirs, ours) = (&instance.version, env!("CARGO_PKG_VERSION"));
            let remedy = "update the older one of the `spindle` command and the Spindle extension";
            let text = format!("Spindle {theirs} answers otherwise than this command, {ours}, knows: {error}");
            return ("version_skew", text, remedy.to_owned());
        }
        Error::Server(refusal) if refusal.data.kind == Kind::TooManyConnections => (
            "too_many_connections",
            "close clients, or raise max_connections in the extension's preferences".to_owned(),
        ),
        _ => ("no_answer", "try again; it may be overloaded".to_owned()),
    };
    (finding, error.to_string(), remedy)
}

/// The process lives, and on its port is no Spindle.
fn stranger(pid: u32, peer: &Peer) -> Diagnosis {
    match peer {
        Peer::Nobody => (
            "refused",
            "the process lives, and nobody listens".to_owned(),
            "press Start Spindle in that Blender; if the process is no Blender, its number was used again, and the \
             file can be deleted"
                .to_owned(),
        ),
        Peer::Silent => (
            "silent",
            "it takes connections and says nothing: it is not Spindle, or its process stands still".to_owned(),
            format!("if the process is suspended, `kill -CONT {pid}`; else end it, and `spindle start`"),
        ),
        peer => (
            "foreign_server",
            format!("on its port is now {}", peer.describe()),
            "press Stop Spindle and Start Spindle in that Blender: it finds a free port by itself".to_owned(),
        ),
    }
}
