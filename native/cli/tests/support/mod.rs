//! The server of `spindle-core` with a thread in the place of Blender, and the command.

#![allow(dead_code, reason = "each test file uses its part of this")]

#[cfg(unix)]
pub mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::keys::Ticket;
use spindle_core::settings::Settings;
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::notification::{Progress, Stream};

/// Far longer than anything takes; a test that waits this long has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// What comes with a picture.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// A server whose "Blender" answers each method with what a real one might, as long as this lives.
pub struct Blender {
    pub handle: Arc<Handle>,
    folder: PathBuf,
    quit: Arc<AtomicBool>,
    main_thread: Option<JoinHandle<()>>,
}

impl Blender {
    pub fn start(folder: &Path, file: &str) -> Blender {
        let blender = Blender::stuck(folder, |_| {});
        blender.handle.set_file(file).expect("written");
        blender.serving()
    }

    pub fn with_window(folder: &Path) -> Blender {
        Blender::new(folder, true, |_| {}).serving()
    }

    fn serving(mut self) -> Blender {
        let stage =
            Stage { handle: Arc::clone(&self.handle), folder: self.folder.clone(), quit: Arc::clone(&self.quit) };
        self.main_thread = Some(thread::spawn(move || stage.serve()));
        self
    }

    /// With nobody who takes requests.
    pub fn stuck(folder: &Path, change: impl FnOnce(&mut Settings)) -> Blender {
        Blender::new(folder, false, change)
    }

    fn new(folder: &Path, window: bool, change: impl FnOnce(&mut Settings)) -> Blender {
        let mut settings = Settings {
            port: 0,
            runtime_dir: Some(folder.to_owned()),
            log_dir: Some(folder.join("log")),
            ..Settings::default()
        };
        change(&mut settings);
        let facts = BlenderFacts { version: "5.2.2".to_owned(), window, file: String::new() };
        let handle = Arc::new(Handle::start(settings, facts).expect("started"));
        Blender { handle, folder: folder.to_owned(), quit: Arc::default(), main_thread: None }
    }

    pub fn port(&self) -> String {
        self.handle.status().port.to_string()
    }

    /// Let the scripts go on that wait for it.
    pub fn go(&self) {
        fs::write(self.folder.join("go"), "").expect("written");
    }
}

impl Drop for Blender {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        if let Some(thread) = self.main_thread.take() {
            thread.join().expect("no panic");
        }
        self.handle.stop();
    }
}

/// What the stand-in's thread has.
struct Stage {
    handle: Arc<Handle>,
    folder: PathBuf,
    quit: Arc<AtomicBool>,
}

impl Stage {
    fn serve(&self) {
        while !self.quit.load(Ordering::Relaxed) {
            let Some((ticket, request)) = self.handle.take(Duration::from_millis(20)) else { continue };
            let params = serde_json::to_value(request.params()).expect("JSON");
            match self.answer(ticket, request.method().name, &params) {
                Ok((result, blob)) => {
                    let result = to_raw_value(&result).expect("JSON");
                    self.handle.reply(ticket, result, blob.to_owned(), Ending::ok());
                }
                Err(error) => self.handle.fail(ticket, &error),
            }
        }
    }

    fn answer(&self, ticket: Ticket, method: &str, params: &Value) -> Result<(Value, &'static [u8]), WireError> {
        match method {
            "script.run" => Ok((self.run(ticket, params), b"")),
            "view.capture" => {
                let picture = json!({"image": {"$blob": [0, PNG.len()], "media_type": "image/png"},
                                     "width": params["width"], "height": params["height"], "source": params["from"]});
                Ok((picture, PNG))
            }
            "scene.get" => Ok((scene(), b"")),
            "object.list" => Ok((objects(params), b"")),
            "object.get" if params["name"] == "Cube" => Ok((json!({"object": {"name": "Cube", "parent": null}}), b"")),
            "data.get" => {
                Ok((json!({"value": params["path"], "type": "STRING", "readonly": true, "description": ""}), b""))
            }
            "render.image" => {
                self.handle.progress(ticket, Progress { done: 1.0, total: Some(2.0), message: "sample".to_owned() });
                let rendered = json!({"image": {"$blob": [0, PNG.len()]}, "path": null, "width": params["width"],
                                      "height": 9, "engine": params["engine"], "seconds": 1.5});
                Ok((rendered, PNG))
            }
            "render.animation" => {
                let rendered = json!({"files": [params["folder"], params["frame_start"].to_string(),
                                                params["frame_end"].to_string()],
                                      "width": 16, "height": 9, "engine": "CYCLES", "seconds": 1.5});
                Ok((rendered, b""))
            }
            _ => Err(WireError::started(Kind::NotFound, Started::No, "no object has the name \"Lamp\"")),
        }
    }

    /// A "script" that does what it says: `fail`; `live` writes and tells progress at once, and `wait` is silent; both
    /// go on when they are told to, or end when they are to stop.
    fn run(&self, ticket: Ticket, params: &Value) -> Value {
        let code = params["code"].as_str().expect("a text");
        let fails = code == "fail";
        let goes_on = match code {
            "live" => {
                self.handle.output(ticket, Stream::Stdout, "o");
                self.handle.progress(ticket, Progress { done: 1.0, total: Some(2.0), message: "half".to_owned() });
                self.handle.output(ticket, Stream::Stderr, "err\n");
                let goes_on = self.wait_to_go(ticket);
                self.handle.output(ticket, Stream::Stdout, "ut\n");
                goes_on
            }
            "wait" => self.wait_to_go(ticket),
            "deaf" => self.wait_although(ticket, || false),
            _ => true,
        };
        let status = if fails {
            "raised"
        } else if goes_on {
            "ok"
        } else {
            "cancelled"
        };
        let finding = |rule: &str| json!({"rule": rule, "severity": "caution", "line": 1, "column": 1, "excerpt": code, "reason": "", "remedy": ""});
        let findings = if code == "cautious" { vec![finding("b.rule"), finding("a.rule")] } else { Vec::new() };
        let exception = match status {
            "raised" => raised("ValueError", "no"),
            "cancelled" => raised("KeyboardInterrupt", ""),
            _ => Value::Null,
        };
        json!({"status": status, "stdout": "out\n", "stderr": "err\n", "value": params["args"],
               "value_repr": params["args"].to_string(), "exception": exception,
               "duration_ms": 1.5, "findings": findings})
    }

    fn wait_to_go(&self, ticket: Ticket) -> bool {
        self.wait_although(ticket, || self.handle.stop_cause(ticket).is_some())
    }

    fn wait_although(&self, ticket: Ticket, is_stopped: impl Fn() -> bool) -> bool {
        self.handle.suspend(ticket);
        while !self.folder.join("go").exists() {
            if self.quit.load(Ordering::Relaxed) || is_stopped() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

/// What ended a script in its first line.
fn raised(r#type: &str, message: &str) -> Value {
    let traceback =
        format!("Traceback (most recent call last):\n  File \"<spindle>\", line 1, in <module>\n{type}: {message}\n");
    json!({"type": r#type, "message": message, "line": 1, "traceback": traceback})
}

/// Two pages; what was asked for is the second object's name.
fn objects(params: &Value) -> Value {
    let object = |name: &str| json!({"name": name, "type": "MESH", "location": [1.0, -2.5, 0.0], "visible": true, "collections": ["A", "B"]});
    let (name, next) = if params["cursor"] == json!(null) {
        ("Cube".to_owned(), json!("Cube"))
    } else {
        (params["filter"].to_string(), json!(null))
    };
    json!({"objects": [object(&name)], "total": 2, "next_cursor": next})
}

fn scene() -> Value {
    json!({"name": "Scene", "file": "", "dirty": true, "mode": "OBJECT", "active_object": "Cube",
           "selected": ["Cube"], "objects": {"MESH": 1, "LIGHT": 2}, "collections": ["Collection"],
           "camera": null, "world": "World", "frames": {"current": 1, "start": 1, "end": 250, "fps": 24.0},
           "render": {"engine": "CYCLES", "width": 1920, "height": 1080, "percentage": 100},
           "unit_system": "METRIC", "unit_scale": 1.0})
}

/// Run the command in a runtime folder; exit status, standard output, standard error.
pub fn spindle(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(command(folder, arguments).output().expect("it runs"))
}

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle"));
    command.args(arguments).env("SPINDLE_RUNTIME_DIR", folder).current_dir(folder);
    for variable in ["SPINDLE_INSTANCE", "SPINDLE_CLIENT_ID", "SPINDLE_BLENDER"] {
        command.env_remove(variable);
    }
    command.env("SPINDLE_LOG_DIR", folder.join("log"));
    command
}

pub fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit"), text(output.stdout), text(output.stderr))
}

/// Wait until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "{what} never came true");
        thread::sleep(Duration::from_millis(10));
    }
}
