//! The command against the server of `spindle-core`, with a thread in the place of Blender.

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::limits::TABLE;
use spindle_core::settings::Settings;
use support::{Blender, PNG, command, eventually, spindle, told};

#[test]
fn without_a_blender() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, out, err) = spindle(folder.path(), &["ping"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("start Blender with Spindle enabled") && err.contains("spindle doctor"), "{err}");
    assert_eq!(err.lines().count(), 2, "{err}");
    let (status, out, _) = spindle(folder.path(), &["ping", "--json"]);
    let error: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &error["error"]["kind"]), (2, &json!("no_server")));
    assert_eq!(spindle(folder.path(), &["ls", "--json"]), (0, "[]\n".to_owned(), String::new()));
    assert_eq!(spindle(folder.path(), &["dance"]).0, 64);
    assert_eq!(spindle(folder.path(), &["run", "absent.py"]).0, 64);
    assert_eq!(spindle(folder.path(), &["run"]).0, 64, "nothing on standard input");
    assert_eq!(spindle(folder.path(), &["call", "scene.get", "{"]).0, 64);
}

#[test]
fn scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, out, err) = spindle(&["run", "-c", "1", "--arg", "n=[1,2]", "--arg", "name=Cube"]);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "out\n{\"n\":[1,2],\"name\":\"Cube\"}\n", "err\n"));
    fs::write(folder.path().join("ok.py"), "1").expect("written");
    assert_eq!(spindle(&["run", "ok.py"]), (0, "out\n".to_owned(), "err\n".to_owned()));
    let (status, out, err) = spindle(&["run", "-c", "fail"]);
    assert_eq!((status, out.as_str()), (1, "out\n"));
    assert_eq!(
        err,
        "err\nTraceback (most recent call last):\n  File \"<spindle>\", line 1, in <module>\n    fail\n    ^\nValueError: no\n"
    );
    let (status, out, err) = spindle(&["run", "-c", "fail", "--json"]);
    let result: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &result["exception"]["type"], err.as_str()), (1, &json!("ValueError"), ""));
}

#[test]
fn a_script_on_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    for arguments in [["run", "-"].as_slice(), &["run"]] {
        let mut child = command(folder.path(), arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("piped").write_all(b"fail").expect("it reads");
        assert_eq!(told(child.wait_with_output().expect("it ends")).0, 1);
    }
    let run = ["run", "-c", "live", "--label", "Raise the roof", "--detach"];
    assert_eq!(spindle(folder.path(), &run).0, 0);
    let jobs = spindle(folder.path(), &["job", "ls"]).1;
    assert!(jobs.contains("script.run \"Raise the roof\""), "{jobs}");
}

#[test]
fn one_of_two() {
    let folder = tempfile::tempdir().expect("a folder");
    let (chair, table) =
        (Blender::start(folder.path(), "/m/chair.blend"), Blender::start(folder.path(), "/m/table.blend"));
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, _, err) = spindle(&["ping"]);
    assert_eq!(status, 2);
    assert!(err.contains("/m/chair.blend") && err.contains("--instance"), "{err}");
    let (status, out, _) = spindle(&["ping", "--instance", "chair"]);
    assert!(status == 0 && out.contains(&format!("port {}", chair.port())), "{out}");
    let (status, out, _) = spindle(&["-i", &table.port(), "ping", "--json"]);
    let pong: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &pong["server"]["file"]), (0, &json!("/m/table.blend")));
    let (_, out, _) = spindle(&["ls"]);
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.contains("/m/table.blend") && out.contains("headless"), "{out}");
    let (_, out, _) = spindle(&["ls", "--json"]);
    let listed = serde_json::from_str::<Vec<Value>>(&out).expect("JSON");
    let states: Vec<&Value> = listed.iter().map(|listed| &listed["state"]).collect();
    assert_eq!(states, [&json!("idle"), &json!("idle")]);
    // What one is at shows without that it is disturbed.
    let job = spindle(&["-i", "chair", "run", "-c", "live", "--detach"]).1;
    eventually("it is busy", || spindle(&["ls"]).1.contains("busy for") && spindle(&["ls"]).1.contains("idle"));
    assert_eq!(spindle(&["-i", "chair", "job", "cancel", job.trim_end()]).0, 0);
    assert!(!out.contains("token"), "SECRETS: {out}");
}

#[test]
fn scene_shot_and_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, out, _) = spindle(&["scene"]);
    assert!(status == 0 && out.contains("objects   2 LIGHT, 1 MESH"), "{out}");
    let (_, out, _) = spindle(&["scene", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["camera"], Value::Null);
    let (status, out, _) = spindle(&["shot", "a.png", "--width", "320", "--camera"]);
    assert_eq!((status, out.as_str()), (0, "a.png: 320 x 540, camera\n"));
    assert_eq!(fs::read(folder.path().join("a.png")).expect("written"), PNG);
    let (status, _, err) = spindle(&["shot", "--width", "1"]);
    assert!(status == 1 && err.contains("params.width: 1 is not within 16 and 8192"), "{err}");
    assert_eq!(spindle(&["shot", "no/such/folder.png"]).0, 64);
    let (status, _, err) = spindle(&["call", "object.get", r#"{"name": "Lamp"}"#]);
    assert_eq!((status, err.as_str()), (1, "spindle: no object has the name \"Lamp\"\n"));
    let (status, out, _) = spindle(&["call", "ping"]);
    assert_eq!((status, serde_json::from_str::<Value>(&out).expect("JSON")), (0, json!({"pong": true})));
    let (_, out, err) = spindle(&["call", "view.capture"]);
    assert!(out.contains("$blob") && err.contains("--out FILE keeps them"), "{err}");
    assert_eq!(spindle(&["call", "view.capture", "--out", "b.png"]).0, 0);
    assert_eq!(fs::read(folder.path().join("b.png")).expect("written"), PNG);
}

/// Each limit with its value, its range, and where the value comes from.
#[test]
fn limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("UTF-8");
    let variables = [("SPINDLE_MAX_QUEUED", "3000"), ("SPINDLE_RUNTIME_DIR", dir), ("SPINDLE_LOG", "false")];
    let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let layer = |value: Value| value.as_object().cloned().expect("an object");
    let settings = Settings::gather(&layer(json!({"stall_s": 2.5})), variables, &layer(json!({"port": 0})));
    let _server = Handle::start(settings.expect("sound"), BlenderFacts::default()).expect("started");
    let (status, out, _) = spindle(folder.path(), &["limits"]);
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((status, rows.len()), (0, TABLE.len() + 1), "{out}");
    for expected in [
        ["max_queued", "3000", "requests", "1", "to", "100000", "environment"],
        ["stall_s", "2.5", "s", "0.1", "to", "3600", "preferences"],
        ["max_connections", "128", "connections", "1", "to", "10000", "default"],
    ] {
        assert!(rows.contains(&expected.to_vec()), "{expected:?} in\n{out}");
    }
    let (status, out, _) = spindle(folder.path(), &["limits", "--json"]);
    let list: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, list["limits"].as_array().map(Vec::len)), (0, Some(TABLE.len())));
    assert_eq!(list["limits"][0]["summary"], TABLE[0].summary);
}

/// Whoever reads our output may stop early; that is no failure and no panic.
#[test]
fn a_reader_that_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let mut child = command(folder.path(), &["call", "methods"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let (status, _, err) = told(child.wait_with_output().expect("it ends"));
    assert_eq!((status, err.as_str()), (0, ""));
}
