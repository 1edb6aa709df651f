//! `spindle start` and `spindle stop`, with programs in the place of Blender.

#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::settings::Settings;
use support::{Blender, eventually, spindle};

/// A program in the place of Blender.
fn program(folder: &Path, script: &str) -> String {
    let path = folder.join("blender");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    path.to_str().expect("UTF-8").to_owned()
}

/// A program that serves, as [`serves`] does, after it has noted how it was started.
fn serving(folder: &Path, variables: &str) -> String {
    let test = std::env::current_exe().expect("this test");
    let script = format!(
        "printf '%s\\n' \"$@\" > \"{}\"\n{variables} exec \"{}\" --ignored --exact serves --nocapture",
        folder.join("arguments").display(),
        test.display()
    );
    program(folder, &script)
}

/// No test, but what stands for a Blender in those below: a process of its own that serves until it is told to end.
#[test]
#[ignore = "it serves until it is told to end"]
fn serves() {
    let folder = PathBuf::from(std::env::var_os("SPINDLE_RUNTIME_DIR").expect("set"));
    let settings = Settings { port: 0, runtime_dir: Some(folder), log: false, ..Settings::default() };
    let window = std::env::var_os("FAKE_WINDOW").is_some();
    let facts = BlenderFacts { version: "5.2.2".to_owned(), window, file: String::new() };
    let handle = Handle::start(settings, facts).expect("started");
    loop {
        // Whoever asks for anything but a sign of life waits.
        drop(handle.take(Duration::from_millis(100)));
    }
}

fn error(out: &str) -> Value {
    serde_json::from_str::<Value>(out).unwrap_or_else(|error| panic!("{error}: {out:?}"))["error"].clone()
}

#[test]
fn from_start_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.blend"), "").expect("written");
    let blender = serving(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, out, err) = spindle(&["start", "--blender", &blender, "--headless", "--file", "a.blend"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("pid ") && out.contains("Blender 5.2.2, headless"), "{out}");
    let arguments = fs::read_to_string(folder.path().join("arguments")).expect("noted");
    let file = folder.path().canonicalize().expect("there").join("a.blend");
    assert_eq!(arguments, format!("--background\n{}\n--command\nspindle\n", file.display()));
    assert!(spindle(&["ls"]).1.contains("idle"));
    // It has a process group of its own, so that the terminal's Ctrl-C is not for it.
    let pid: u32 = out["pid ".len()..].split(',').next().and_then(|pid| pid.parse().ok()).expect("a number");
    let group = rustix::process::getpgid(Pid::from_raw(pid as i32)).expect("it lives");
    assert_eq!(group.as_raw_nonzero().get() as u32, pid);
    let (status, out, err) = spindle(&["stop"]);
    assert!(status == 0 && out.starts_with("stopped: pid "), "{out}{err}");
    assert_eq!(spindle(&["ls", "--json"]).1, "[]\n");
    let left: Vec<String> = fs::read_dir(folder.path())
        .expect("there")
        .map(|entry| entry.expect("there").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!((left, spindle(&["stop"]).0), (Vec::new(), 2));
}

/// With a window: started by the variable, and ended only by who says so.
#[test]
fn a_window() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = serving(folder.path(), "FAKE_WINDOW=1");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, out, _) = spindle(&["start", "--blender", &blender, "--json"]);
    let started: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &started["server"]["window"]), (0, &json!(true)));
    let arguments = fs::read_to_string(folder.path().join("arguments")).expect("noted");
    assert!(
        arguments.starts_with("--python-exit-code\n1\n--python-expr\nimport bpy; bpy.ops.spindle.start"),
        "{arguments}"
    );
    let (status, out, _) = spindle(&["stop", "--json"]);
    assert_eq!((status, &error(&out)["kind"]), (1, &json!("has_window")));
    let (status, out, err) = spindle(&["stop", "--quit", "--discard-changes"]);
    assert!(status == 0 && out.contains("window"), "{out}{err}");
    assert_eq!(spindle(&["stop", "--discard-changes"]).0, 64);
}

/// The server runs in this very process, so a signal would end the test.
#[test]
fn unsaved_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::with_window(folder.path());
    let (status, out, _) = spindle(folder.path(), &["stop", "--quit", "--json"]);
    assert_eq!((status, &error(&out)["kind"]), (1, &json!("unsaved_changes")));
    drop(blender);
}

#[test]
fn starts_that_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |script: &str, kind: &str, parts: &[&str]| {
        let blender = program(folder.path(), script);
        let arguments = ["start", "--headless", "--blender", &blender];
        let (status, out, err) = spindle(folder.path(), &[&arguments[..], &["--json"]].concat());
        assert_eq!((status, &error(&out)["kind"], err.as_str()), (1, &json!(kind), ""), "{out}");
        let (_, _, err) = spindle(folder.path(), &arguments);
        for part in parts {
            assert!(err.contains(part), "{part} in {err}");
        }
    };
    check("echo 'Unrecognized command: \"spindle\"'", "spindle_not_enabled", &["not enabled in", "install-file"]);
    let polled =
        "echo 'AttributeError: Polling operator \"bpy.ops.spindle.start\" error, could not be found' >&2; exit 1";
    check(polled, "spindle_not_enabled", &["Install from Disk"]);
    check("echo \"'X11': unable to open a display!\"; exit 1", "start_failed", &["--headless"]);
    check("echo first; echo boom >&2; exit 3", "start_failed", &["exit status: 3", "first\n  boom", "start-"]);
    let outputs = fs::read_dir(folder.path().join("log")).expect("there").count();
    assert_eq!(outputs, 8, "one for each start");
    for _ in 0..4 {
        spindle(folder.path(), &["start", "--blender", &program(folder.path(), "exit 1")]);
    }
    assert_eq!(fs::read_dir(folder.path().join("log")).expect("there").count(), 10, "the last ten are kept");
}

#[test]
fn one_that_does_not_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = program(folder.path(), "echo loading; exec sleep 60");
    let (status, out, _) =
        spindle(folder.path(), &["start", "--blender", &blender, "--headless", "--timeout", "0.5", "--json"]);
    let error = error(&out);
    assert_eq!(
        (status, &error["kind"], &error["details"]["last_lines"]),
        (1, &json!("start_timed_out"), &json!(["loading"]))
    );
    let pid = error["details"]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).expect("a number");
    // Whoever started it may look at it; here nobody does.
    kill_process(pid, Signal::KILL).expect("it runs on");
}

#[test]
fn no_blender() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _, err) = spindle(folder.path(), &["start", "--blender", "/no/such/blender"]);
    assert!(status == 1 && err.contains("/no/such/blender") && err.contains("SPINDLE_BLENDER"), "{err}");
    let blender = program(folder.path(), "exit 0");
    let (status, _, err) = spindle(folder.path(), &["start", "--blender", &blender, "--file", "absent.blend"]);
    assert!(status == 64 && err.contains("absent.blend"), "{err}");
    // On PATH, as a shell would find it; and the variable goes before it.
    let on_path = || support::command(folder.path(), &["start", "--json"]);
    let path = std::env::join_paths([folder.path()]).expect("a path");
    program(folder.path(), "echo 'Unrecognized command: \"spindle\"'");
    let found = support::told(on_path().env("PATH", &path).output().expect("it runs"));
    assert_eq!(error(&found.1)["kind"], json!("spindle_not_enabled"));
    let named =
        support::told(on_path().env("PATH", &path).env("SPINDLE_BLENDER", "/no/such").output().expect("it runs"));
    assert_eq!(error(&named.1)["kind"], json!("blender_not_found"));
}

/// A launcher that starts Blender as a process of its own.
#[cfg(target_os = "linux")]
#[test]
fn behind_a_launcher() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = fs::read_to_string(serving(folder.path(), "")).expect("written");
    let blender =
        program(folder.path(), &format!("{}\nexit $?", serving.replace(" exec ", " ").replace("#!/bin/sh\n", "")));
    let (status, out, err) = spindle(folder.path(), &["start", "--headless", "--blender", &blender]);
    assert!(status == 0 && out.contains("port "), "{out}{err}");
    assert_eq!(spindle(folder.path(), &["stop"]).0, 0);
    eventually("it is gone", || spindle(folder.path(), &["ls", "--json"]).1 == "[]\n");
}
