//! What a request tells while it runs, requests that nobody waits for, kept answers, and health.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use support::{Blender, command, eventually, spindle, told};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// The first words are there before the script goes on; nothing comes twice; a pipe gets no line of progress.
#[test]
fn output_comes_as_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let mut running = command(folder.path(), &["run", "-c", "live"]);
    let mut child = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut first = [0];
    child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("something comes");
    blender.go();
    let (status, rest, err) = told(child.wait_with_output().expect("it ends"));
    assert_eq!((status, first, rest.as_str(), err.as_str()), (0, *b"o", "ut\n{}\n", "err\n"));
    let (status, out, err) = spindle(folder.path(), &["run", "-c", "live", "--json"]);
    assert_eq!((status, &json(&out)["stdout"], err.as_str()), (0, &json!("out\n"), ""));
}

/// A script whose reader has gone is stopped, as a program would be that writes to a closed pipe.
#[test]
fn a_reader_that_leaves_stops_the_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let mut running = command(folder.path(), &["run", "-c", "live"]);
    let mut child = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let (status, _, err) = told(child.wait_with_output().expect("it ends"));
    assert_eq!((status, err.as_str()), (0, ""));
    eventually("the script ends", || blender.handle.status().overview.running.is_empty());
}

fn detach(folder: &Path, arguments: &[&str]) -> String {
    let (status, out, err) = spindle(folder, &[arguments, &["--detach"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    out.trim_end().to_owned()
}

/// Jobs outlive the process that started them, and belong to its client.
#[test]
fn jobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let first = detach(folder.path(), &["run", "-c", "live"]);
    let second = detach(folder.path(), &["call", "view.capture"]);
    eventually("it runs", || spindle(&["job", "get", &first]).1.contains("running"));
    eventually("it tells its progress", || spindle(&["job", "ls"]).1.contains("50 %, 1 of 2, half"));
    let (status, out, err) = spindle(&["job", "ls"]);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(rows[1..], [[&first, "script.run", "running"], [&second, "view.capture", "queued"]]);
    let (status, out, err) = spindle(&["job", "wait", &first, "--timeout", "0.05"]);
    assert!(status == 1 && out.contains("running") && err.is_empty(), "{out}{err}");
    // Another client neither sees nor finds it.
    for arguments in [["--client-id", "other", "job", "ls"].as_slice(), &["--client-id", "other", "job", "get", &first]]
    {
        let (_, out, err) = spindle(arguments);
        assert!(!out.contains("script.run") && (out.starts_with("JOB") || err.contains("has no job")), "{out}{err}");
    }
    assert_eq!(spindle(&["--client-id", "a b", "job", "ls"]).0, 64);
    blender.go();
    // Its output is told once, with its value, as by the command that waits.
    assert_eq!(spindle(&["job", "wait", &first]), (0, "out\n{}\n".to_owned(), "err\n".to_owned()));
    let (status, out, err) = spindle(&["job", "wait", &second, "--out", "picture.png"]);
    assert_eq!((status, &json(&out)["image"]["$blob"][0], err.as_str()), (0, &json!(0), ""));
    assert_eq!(std::fs::read(folder.path().join("picture.png")).expect("written"), support::PNG);
    let (status, out, _) = spindle(&["job", "get", &first, "--json"]);
    assert_eq!((status, &json(&out)["state"], &json(&out)["result"]["status"]), (0, &json!("done"), &json!("ok")));
}

#[test]
fn jobs_that_fail_or_are_cancelled() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let failed =
        json(&detach(folder.path(), &["run", "-c", "fail", "--json"]))["job"].as_str().expect("an id").to_owned();
    let (status, out, err) = spindle(&["job", "wait", &failed]);
    assert_eq!((status, out.as_str(), err.lines().last()), (1, "out\n", Some("ValueError: no")));
    let (status, out, _) = spindle(&["job", "wait", &failed, "--json"]);
    assert_eq!((status, &json(&out)["result"]["status"]), (1, &json!("raised")));
    let refused = detach(folder.path(), &["call", "object.get", r#"{"name": "Lamp"}"#]);
    let (status, out, err) = spindle(&["job", "wait", &refused]);
    assert_eq!((status, out.as_str(), err.as_str()), (1, "", "spindle: no object has the name \"Lamp\"\n"));
    let (status, out, _) = spindle(&["job", "get", &refused, "--json"]);
    assert_eq!((status, &json(&out)["error"]["data"]["kind"]), (1, &json!("not_found")));

    let running = detach(folder.path(), &["run", "-c", "wait"]);
    let queued = detach(folder.path(), &["run", "-c", "1"]);
    eventually("it runs", || spindle(&["job", "get", &running]).1.contains("running"));
    for (job, expected) in
        [(&queued, "cancelled before it started"), (&running, "told to stop"), (&failed, "it has ended already")]
    {
        assert_eq!(spindle(&["job", "cancel", job]), (0, format!("{job}: {expected}\n"), String::new()));
    }
    let (status, out, err) = spindle(&["job", "wait", &running]);
    let stopped = err.starts_with("err\n") && err.ends_with("KeyboardInterrupt:\nspindle: the script was cancelled\n");
    assert!((status, out.as_str(), stopped) == (1, "out\n", true), "{err}");
    let (status, _, err) = spindle(&["job", "get", "job-999"]);
    assert!(status == 1 && err.contains("no job \"job-999\""), "{err}");
    let (status, _, err) = spindle(&["call", "ping", "--detach"]);
    assert!(status == 1 && err.contains("options.detach"), "{err}");
}

#[test]
fn kept_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let ask = || spindle(folder.path(), &["call", "scene.get", "--max-age", "60"]);
    let (status, fresh, err) = ask();
    assert_eq!((status, err.as_str()), (0, ""));
    // What was answered is kept a moment later.
    eventually("it is kept", || ask().2.contains("cached"));
    let (status, kept, err) = ask();
    assert_eq!((status, kept), (0, fresh));
    assert!(err.starts_with("spindle: a kept answer, cached ") && err.contains("no change"), "{err}");
    blender.handle.touch();
    assert!(ask().2.contains("the scene has changed since"));
}

/// HEALTH: only a main thread that stands still for no known cause is unhealthy, and the exit status says so.
#[test]
fn health() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::stuck(folder.path(), |settings| {
        (settings.limits.health_interval_s, settings.limits.blocked_after_s) = (0.1, 3.0);
    });
    let (status, out, err) = spindle(folder.path(), &["health"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let rows: Vec<(&str, &str)> = out.lines().filter_map(|line| line.split_once("  ")).collect();
    assert!(rows.iter().any(|(name, value)| *name == "healthy" && value.trim() == "yes"), "{out}");
    let report = json(&spindle(folder.path(), &["health", "--json"]).1);
    assert_eq!((&report["state"], &report["limits"]["health_interval_s"]), (&json!("ready"), &json!(0.1)));
    eventually("it is unhealthy", || spindle(folder.path(), &["health"]).0 == 1);
    let (_, out, err) = spindle(folder.path(), &["health"]);
    assert!(
        out.contains("main thread        blocked") && out.contains("alert              unhealthy: ") && err.is_empty(),
        "{out}"
    );
    drop(blender);
    assert_eq!(spindle(folder.path(), &["health"]).0, 2);
}

/// Without a terminal, one look.
#[test]
fn one_look() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(spindle(folder.path(), &["top"]).0, 2);
    let blender = Blender::start(folder.path(), "/m/chair.blend");
    let (status, out, err) = spindle(folder.path(), &["top"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let port = format!("port {}", blender.port());
    for part in ["healthy", "Blender 5.2.2, headless", &port, "/m/chair.blend", "main thread  ready", "spindle top"] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    assert!(!out.contains(['\u{1b}', '\r']) && !out.contains("quit"), "{out}");
    let (status, out, _) = spindle(folder.path(), &["top", "--json"]);
    let keys: Vec<String> = json(&out).as_object().expect("an object").keys().cloned().collect();
    assert_eq!((status, keys), (0, vec!["health".to_owned(), "stats".to_owned()]));
    assert_eq!(spindle(folder.path(), &["top", "--interval", "0"]).0, 64);
    let mut leaving = command(folder.path(), &["top"]).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(leaving.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(leaving.wait().expect("it ends").code(), Some(0));
}
