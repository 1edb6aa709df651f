//! Instance files: which are trusted, which are dropped, and which one is meant.
#![cfg(unix)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::{instance, serve};
use spindle_client::discovery::{choose, list};
use spindle_client::{Error, Selector};
use spindle_protocol::instance::Instance;

/// A process id that no process has: above the highest that Linux and macOS give.
const NO_PROCESS: u32 = 0x7fff_fff0;

fn write(folder: &Path, instance: &Instance) -> PathBuf {
    let path = folder.join(instance.file_name());
    fs::write(&path, serde_json::to_string(instance).expect("JSON")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
    path
}

/// A server that greets, under this pid and with this file open.
fn running(name: &str, pid: u32, file: &str) -> Instance {
    let mut instance = serve(|mut peer| {
        peer.instance.instance = "running".to_owned();
        peer.greet();
        peer.linger();
    });
    instance.instance = "running".to_owned();
    instance.blender = name.to_owned();
    Instance { pid, file: file.to_owned(), ..instance }
}

fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port()
}

#[test]
fn a_folder_that_is_not_there_holds_no_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent");
    let error = choose(list(&absent).expect("empty"), None, &absent).expect_err("none");
    assert!(matches!(error, Error::NoServer { .. }), "{error}");
    assert!(error.to_string().contains("start Blender with Spindle enabled"), "{error}");
}

#[test]
fn files_of_the_dead_are_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = write(folder.path(), &Instance { pid: NO_PROCESS, ..instance(unused_port()) });
    let seen_from_a_container = write(folder.path(), &running("a", NO_PROCESS - 1, ""));
    let other_process = write(folder.path(), &Instance { pid: std::process::id(), ..instance(unused_port()) });
    let found = list(folder.path()).expect("readable");
    assert_eq!(found.instances.iter().map(|i| i.pid).collect::<Vec<_>>(), [NO_PROCESS - 1]);
    assert_eq!(found.ignored.len(), 1, "{:?}", found.ignored);
    assert!(found.ignored[0].why.contains("nobody listens"), "{:?}", found.ignored);
    assert!(!gone.exists() && seen_from_a_container.exists() && other_process.exists());
}

/// A program that started Blender and does not look after it leaves it to the system in this state.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_has_ended_is_dead_though_its_parent_has_not_asked_how() {
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().expect("a folder");
    let mut child = std::process::Command::new("true").spawn().expect("a program");
    let path = write(folder.path(), &Instance { pid: child.id(), ..instance(unused_port()) });
    let until = Instant::now() + Duration::from_secs(10);
    while path.exists() && Instant::now() < until {
        list(folder.path()).expect("readable");
    }
    assert!(!path.exists());
    child.wait().expect("it was never waited for");
}

/// SECRETS: what others can read or have put there is not used, nor is what is no instance file.
#[test]
fn files_of_others_are_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let shared = write(folder.path(), &running("a", std::process::id(), ""));
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).expect("changed");
    fs::create_dir(folder.path().join("folder.json")).expect("made");
    symlink(&shared, folder.path().join("link.json")).expect("made");
    for (name, text) in [("empty.json", ""), ("other.json", "{\"a\": 1}"), ("draft.draft", "{"), ("readme", "x")] {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
    }
    let long = Instance { file: "x".repeat(100_000), ..instance(1) };
    write(folder.path(), &long);
    let found = list(folder.path()).expect("readable");
    assert!(found.instances.is_empty());
    assert_eq!(found.ignored.len(), 6, "{:?}", found.ignored);
    let error = choose(found, None, folder.path()).expect_err("none").to_string();
    assert!(error.contains("others can read or change it"), "{error}");
}

#[test]
fn one_is_chosen_by_pid_port_or_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let parent = std::os::unix::process::parent_id();
    let chair = running("chair", std::process::id(), "/models/chair.blend");
    let table = running("table", parent, "/models/table.blend");
    write(folder.path(), &chair);
    write(folder.path(), &table);
    let pick = |wanted: Option<&str>| {
        let wanted = wanted.map(|text| text.parse::<Selector>().expect("any text"));
        choose(list(folder.path()).expect("readable"), wanted.as_ref(), folder.path()).map(|instance| instance.blender)
    };
    for wanted in ["chair", "chair.blend", "/models/chair.blend", &chair.pid.to_string(), &chair.port.to_string()] {
        assert_eq!(pick(Some(wanted)).expect(wanted), "chair");
    }
    assert_eq!(pick(Some("table")).expect("the other"), "table");
    let several = pick(None).expect_err("two run");
    assert!(matches!(&several, Error::SeveralServers { running, .. } if running.len() == 2), "{several}");
    let text = several.to_string();
    assert!(text.contains(&format!("port {}", chair.port)) && text.contains("/models/table.blend"), "{text}");
    let none = pick(Some("lamp")).expect_err("no such file");
    assert!(none.to_string().contains("no running Blender fits \"lamp\"; these run:\n  pid"), "{none}");
    assert!(!format!("{several:?} {none:?}").contains(&chair.token), "SECRETS: a token in an error");
}
