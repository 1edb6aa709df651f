//! `spindle doctor` in situations that people lose hours to, each faked as it really is on the wire and on the disk.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use spindle_protocol::frame;
use support::{Blender, command, eventually, told};

/// The checks, and the exit status. The user's settings of Blender are in the folder `settings`.
fn doctor(folder: &Path, arguments: &[&str]) -> (i32, Vec<Value>) {
    doctor_in(folder, folder, arguments)
}

fn doctor_in(runtime: &Path, folder: &Path, arguments: &[&str]) -> (i32, Vec<Value>) {
    let mut doctor = command(folder, &[&["doctor", "--json"], arguments].concat());
    doctor.env("SPINDLE_RUNTIME_DIR", runtime);
    let (status, out, err) =
        told(doctor.env("BLENDER_USER_RESOURCES", folder.join("settings")).output().expect("it runs"));
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out:?}"));
    assert_eq!(report["healthy"], json!(status == 0), "{out}");
    assert!(!out.contains(TOKEN), "SECRETS: {out}");
    (status, report["checks"].as_array().expect("a list").clone())
}

fn find<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let is_named = |check: &&Value| check["name"].as_str().is_some_and(|known| known.starts_with(name));
    checks.iter().find(is_named).unwrap_or_else(|| panic!("{name} is missing: {checks:?}"))
}

/// A check has come out like this; each problem says what to do.
fn check(checks: &[Value], name: &str, finding: &str, part: &str) {
    let found = find(checks, name);
    let text = found["text"].as_str().expect("a text");
    assert!(found["finding"] == finding && text.contains(part), "{name}: {finding}, {part}: {found}");
    assert_eq!(found["state"] == "problem", found["remedy"].is_string(), "{found}");
}

const TOKEN: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

/// An instance file of a server that is none.
fn leave(folder: &Path, name: &str, pid: u32, port: u16, mode: u32) {
    let instance = json!({"instance": format!("{name}0000"), "port": port, "token": TOKEN, "pid": pid,
                          "version": "0.1.0", "blender": "5.2.2", "window": true, "file": ""});
    let path = folder.join(format!("{name}.json"));
    fs::write(&path, instance.to_string()).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
}

/// Somebody who listens: what is said first, and what is answered to what has come so far. `None`: more is waited for.
fn listen(greeting: Vec<u8>, answer: fn(&[u8]) -> Option<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let serve = move |mut socket: TcpStream| -> std::io::Result<()> {
        socket.write_all(&greeting)?;
        let (mut heard, mut chunk) = (Vec::new(), [0; 4096]);
        while let count @ 1.. = socket.read(&mut chunk)? {
            heard.extend_from_slice(&chunk[..count]);
            if let Some(words) = answer(&heard) {
                socket.write_all(words)?;
                // Most say goodbye after an answer or an error.
                return Ok(());
            }
        }
        Ok(())
    };
    thread::spawn(move || {
        for socket in listener.incoming() {
            let serve = serve.clone();
            // A client that has gone is no failure of a fake.
            thread::spawn(move || serve(socket.expect("accepted")).ok());
        }
    });
    port
}

/// As the add-on in widest use: it answers once it has read a whole JSON value, and waits for more of anything else.
fn blender_mcp(heard: &[u8]) -> Option<&'static [u8]> {
    let whole = serde_json::from_slice::<Value>(heard).is_ok();
    whole.then_some(b"{\"status\": \"success\", \"result\": {\"pong\": true}}".as_slice())
}

/// As Blender Lab's: it answers once there is a zero.
fn blender_lab(heard: &[u8]) -> Option<&'static [u8]> {
    heard.contains(&0).then_some(b"{\"status\":\"error\",\"message\":\"unknown\"}\0".as_slice())
}

fn json_lines(heard: &[u8]) -> Option<&'static [u8]> {
    let line = heard.strip_suffix(b"\n").filter(|line| line.starts_with(b"{"));
    line.map(|_| b"{\"id\": \"1\", \"success\": true}\n".as_slice())
}

fn http(heard: &[u8]) -> Option<&'static [u8]> {
    let whole = heard.starts_with(b"GET ") && heard.ends_with(b"\r\n\r\n");
    whole.then_some(b"HTTP/1.0 404 Not Found\r\nServer: Fake/1.0\r\n\r\n".as_slice())
}

fn silent(_: &[u8]) -> Option<&'static [u8]> {
    None
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("bound").port()
}

/// A process that has ended.
fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().expect("it runs");
    child.wait().expect("it ends");
    child.id()
}

/// Who listens where a server was, or is thought to be.
#[test]
fn strangers_on_the_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid = std::process::id();
    let greeting = json!({"jsonrpc": "2.0", "method": "greeting", "params": {
        "name": "spindle", "protocol": [98, 99], "instance": "newer0000", "nonce": "00".repeat(32)}});
    let newer = listen(frame::encode(greeting.to_string().as_bytes(), b"").expect("fits"), silent);
    let unity = listen(b"WELCOME UNITY-MCP 1 FRAMING=1\n".to_vec(), silent);
    let rows: [(&str, u16, &str, &str); 8] = [
        ("refused", free_port(), "refused", "nobody listens"),
        ("silent", listen(Vec::new(), silent), "silent", "says nothing"),
        ("http", listen(Vec::new(), http), "foreign_server", "a web server, Fake/1.0"),
        ("mcp", listen(Vec::new(), blender_mcp), "foreign_server", "blender-mcp"),
        ("lab", listen(Vec::new(), blender_lab), "foreign_server", "Blender Lab"),
        ("lines", listen(Vec::new(), json_lines), "foreign_server", "JSON lines"),
        ("unity", unity, "foreign_server", "WELCOME UNITY-MCP"),
        ("newer", newer, "version_mismatch", "update this client"),
    ];
    for (name, port, ..) in rows {
        leave(folder.path(), name, pid, port, 0o600);
    }
    leave(folder.path(), "dead", dead_pid(), free_port(), 0o600);
    leave(folder.path(), "public", pid, free_port(), 0o644);
    fs::write(folder.path().join("broken.json"), "{").expect("written");
    fs::set_permissions(folder.path().join("broken.json"), fs::Permissions::from_mode(0o600)).expect("set");
    std::os::unix::fs::symlink("dead.json", folder.path().join("link.json")).expect("linked");
    let (status, checks) = doctor(folder.path(), &[]);
    assert_eq!(status, 1);
    for (name, _, finding, part) in rows {
        check(&checks, &format!("server {name}"), finding, part);
    }
    check(&checks, "server dead", "stale", "killed");
    check(&checks, "server public", "file_unreadable", "others can read");
    check(&checks, "server link", "file_unreadable", "no regular file");
    check(&checks, "server broken", "file_malformed", "no JSON");
    // It looks, and changes nothing.
    assert!(folder.path().join("dead.json").exists());
}

#[test]
fn nothing_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, checks) = doctor_in(&folder.path().join("absent"), folder.path(), &[]);
    assert_eq!(status, 1);
    check(&checks, "runtime folder", "absent", "a server makes it");
    check(&checks, "installed", "not_installed", "settings");
    if find(&checks, "running Blenders")["state"] != "skipped" {
        assert_eq!(find(&checks, "running Blenders")["state"], "problem", "whether or not another test's Blender runs");
    }
}

#[test]
fn folders_that_are_not_private() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("set");
    check(&doctor(folder.path(), &[]).1, "runtime folder", "not_private", "others can change it (mode 777)");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set");
    check(&doctor(folder.path(), &[]).1, "runtime folder", "private", "yours alone");
}

/// What is installed is told without a start of Blender.
#[test]
fn not_enabled() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings");
    fs::create_dir_all(settings.join("extensions/user_default/spindle")).expect("made");
    fs::create_dir_all(settings.join("config")).expect("made");
    let manifest = settings.join("extensions/user_default/spindle/blender_manifest.toml");
    fs::write(manifest, "version = \"0.1.0\"\n").expect("written");
    for (preferences, finding) in
        [("BLENDER17", "not_enabled"), ("BLENDER17 bl_ext.user_default.spindle\0", "installed")]
    {
        fs::write(settings.join("config/userpref.blend"), preferences).expect("written");
        check(&doctor(folder.path(), &[]).1, "installed", finding, "Spindle 0.1.0 in");
    }
}

/// A healthy server, one whose file has another token, and one whose main thread stands still.
#[test]
fn servers() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let (status, checks) = doctor(folder.path(), &[]);
    assert_eq!(status, 0, "{checks:?}");
    check(&checks, "server", "healthy", "Blender 5.2.2: ready");
    let (status, out, _) = support::spindle(folder.path(), &["doctor"]);
    assert!(status == 0 && out.starts_with("ok       runtime folder") && out.ends_with("all is well\n"), "{out}");
    let entries = fs::read_dir(folder.path()).expect("there").map(|entry| entry.expect("there").path());
    let file = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).expect("one");
    let mut instance: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    instance["token"] = json!(TOKEN);
    fs::write(&file, instance.to_string()).expect("written");
    let (status, checks) = doctor(folder.path(), &[]);
    assert_eq!(status, 1);
    check(&checks, "server", "bad_token", "does not accept the token");
    drop(blender);
}

#[test]
fn a_main_thread_that_stands_still() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::stuck(folder.path(), |settings| {
        (settings.limits.health_interval_s, settings.limits.blocked_after_s) = (0.1, 3.0);
    });
    eventually("it is blocked", || find(&doctor(folder.path(), &[]).1, "server")["finding"] == "blocked");
    assert_eq!(support::spindle(folder.path(), &["ls"]).1.matches("blocked").count(), 1);
}

/// What a Blender says of itself, in the midst of what it says unasked.
#[test]
fn a_blender_that_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("blender");
    let rows = [
        (r#"{"blender": "5.2.2", "enabled": true, "works": true}"#, "enabled", "Blender 5.2.2"),
        (r#"{"blender": "5.2.2", "enabled": false, "works": false}"#, "not_enabled", "not enabled"),
        (r#"{"blender": "5.2.2", "enabled": true, "works": false}"#, "broken", "has failed"),
        ("what?", "no_answer", "bye"),
    ];
    for (told, finding, part) in rows {
        fs::write(&program, format!("#!/bin/sh\necho hello\necho 'spindle-doctor:{told}'\necho bye\n"))
            .expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let arguments = ["--blender", program.to_str().expect("UTF-8")];
        check(&doctor(folder.path(), &arguments).1, "this Blender", finding, part);
    }
    check(&doctor(folder.path(), &["--blender", "/no/such"]).1, "this Blender", "blender_not_found", "/no/such");
}
