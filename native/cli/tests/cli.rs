//! The command against the server of `spindle-core`, with a thread in the place of Blender.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use spindle_core::handle::{BlenderFacts, Handle};
use spindle_core::overview::Verdict;
use spindle_core::settings::Settings;
use spindle_protocol::error::{Kind, Started, WireError};

/// A server whose "Blender" answers each method with what a real one might, as long as this lives.
struct Blender {
    handle: Arc<Handle>,
    quit: Arc<AtomicBool>,
}

impl Blender {
    fn start(folder: &Path, file: &str) -> Blender {
        let settings = Settings { port: 0, runtime_dir: Some(folder.to_owned()), ..Settings::default() };
        let facts = BlenderFacts { version: "5.2.2".to_owned(), window: false, file: file.to_owned() };
        let blender =
            Blender { handle: Arc::new(Handle::start(settings, facts).expect("started")), quit: Arc::default() };
        let (handle, quit) = (Arc::clone(&blender.handle), Arc::clone(&blender.quit));
        thread::spawn(move || {
            while !quit.load(Ordering::Relaxed) {
                let Some((ticket, request)) = handle.take(Duration::from_millis(20)) else { continue };
                let params = serde_json::to_value(request.params()).expect("JSON");
                match answer(request.method().name, &params) {
                    Ok((result, blob)) => {
                        handle.reply(ticket, &to_raw_value(&result).expect("JSON"), blob, Verdict::ok())
                    }
                    Err(error) => handle.fail(ticket, &error),
                }
            }
        });
        blender
    }

    fn port(&self) -> String {
        self.handle.status().port.to_string()
    }
}

impl Drop for Blender {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        self.handle.stop();
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn answer(method: &str, params: &Value) -> Result<(Value, &'static [u8]), WireError> {
    match method {
        "script.run" => Ok((run(params), b"")),
        "view.capture" => {
            let picture = json!({"image": {"$blob": [0, PNG.len()], "media_type": "image/png"},
                                 "width": params["width"], "height": params["height"], "source": params["from"]});
            Ok((picture, PNG))
        }
        "scene.get" => Ok((
            json!({"name": "Scene", "file": "", "dirty": true, "mode": "OBJECT", "active_object": "Cube",
                   "selected": ["Cube"], "objects": {"MESH": 1, "LIGHT": 2}, "collections": ["Collection"],
                   "camera": null, "world": "World", "frames": {"current": 1, "start": 1, "end": 250, "fps": 24.0},
                   "render": {"engine": "CYCLES", "width": 1920, "height": 1080, "percentage": 100},
                   "unit_system": "METRIC", "unit_scale": 1.0}),
            b"",
        )),
        _ => Err(WireError::started(Kind::NotFound, Started::No, "no object has the name \"Lamp\"")),
    }
}

/// A "script" that fails when it says so.
fn run(params: &Value) -> Value {
    let fails = params["code"] == "fail";
    let exception = json!({"type": "ValueError", "message": "no", "line": 1,
                           "traceback": "Traceback (most recent call last):\nValueError: no\n"});
    json!({"status": if fails { "raised" } else { "ok" }, "stdout": "out\n", "stderr": "err\n", "value": params["args"],
           "value_repr": params["args"].to_string(), "exception": if fails { exception } else { Value::Null },
           "duration_ms": 1.5})
}

/// Run the command in a runtime folder; exit status, standard output, standard error.
fn spindle(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(command(folder, arguments).output().expect("it runs"))
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle"));
    command.args(arguments).env("SPINDLE_RUNTIME_DIR", folder).env_remove("SPINDLE_INSTANCE").current_dir(folder);
    command
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit"), text(output.stdout), text(output.stderr))
}

#[test]
fn without_a_blender() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, out, err) = spindle(folder.path(), &["ping"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("start Blender with Spindle enabled") && err.lines().count() == 1, "{err}");
    let (status, out, _) = spindle(folder.path(), &["ping", "--json"]);
    let error: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &error["error"]["kind"]), (2, &json!("no_server")));
    assert_eq!(spindle(folder.path(), &["ls", "--json"]), (0, "[]\n".to_owned(), String::new()));
    assert_eq!(spindle(folder.path(), &["dance"]).0, 64);
    assert_eq!(spindle(folder.path(), &["run", "absent.py"]).0, 64);
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
    assert_eq!(err, "err\nTraceback (most recent call last):\nValueError: no\n");
    let (status, out, err) = spindle(&["run", "-c", "fail", "--json"]);
    let result: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &result["exception"]["type"], err.as_str()), (1, &json!("ValueError"), ""));
}

#[test]
fn a_script_on_standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let mut child = command(folder.path(), &["run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(b"fail").expect("it reads");
    assert_eq!(told(child.wait_with_output().expect("it ends")).0, 1);
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
    assert_eq!(serde_json::from_str::<Vec<Value>>(&out).expect("JSON").len(), 2);
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
