//! `spindle doctor` in situations that people lose hours to, each faked as it really is on the wire and on the disk.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
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
    assert!(!out.contains("::"), "a name out of the source is told to people: {out}");
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
    assert!(found["state"] != "problem" || found["remedy"].is_string(), "{found}");
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

/// What somebody answers to what has come so far, of which there is nothing at first. `None`: more is waited for.
type Answer = fn(&[u8]) -> Option<&'static [u8]>;

/// Somebody who listens, and what is said first.
fn listen(greeting: Vec<u8>, answer: Answer) -> u16 {
    listen_and_note(greeting, answer, &Notes::default())
}

/// What was heard, a text for each connection.
type Notes = Arc<Mutex<Vec<Vec<u8>>>>;

fn listen_and_note(greeting: Vec<u8>, answer: Answer, notes: &Notes) -> u16 {
    let notes = Arc::clone(notes);
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("bound").port();
    let serve = move |mut socket: TcpStream| -> std::io::Result<()> {
        socket.write_all(&greeting)?;
        let (mut heard, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(words) = answer(&heard) {
                notes.lock().expect("whole").push(heard);
                // Most say goodbye after an answer or an error.
                return socket.write_all(words);
            }
            let count = socket.read(&mut chunk)?;
            if count == 0 {
                notes.lock().expect("whole").push(heard);
                return Ok(());
            }
            heard.extend_from_slice(&chunk[..count]);
        }
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

/// As mcp-for-blender's of 2026, which says what it is.
fn named(heard: &[u8]) -> Option<&'static [u8]> {
    let asked: Value = serde_json::from_slice(heard).ok()?;
    Some(match asked["type"].as_str() {
        Some("get_addon_info") => {
            br#"{"status": "success", "result": {"name": "MCP for Blender", "addon_version": [2, 2, 4], "blender_version": "5.2.0"}}"#
        }
        _ => br#"{"status": "error", "message": "Unknown command type: None"}"#,
    })
}

/// As those before it, and those that were made after them.
fn unnamed(heard: &[u8]) -> Option<&'static [u8]> {
    let whole = serde_json::from_slice::<Value>(heard).is_ok();
    whole.then_some(br#"{"status": "error", "message": "Unknown command type: get_addon_info"}"#)
}

/// As Spindle's own listener for their clients.
fn compatibility(heard: &[u8]) -> Option<&'static [u8]> {
    let asked: Value = serde_json::from_slice(heard).ok()?;
    (asked["type"] == "get_addon_info").then_some(
        br#"{"status": "success", "result": {"name": "MCP for Blender", "spindle": "0.9.8", "addon_version": [2, 2, 4]}}"#,
    )
}

/// The same, named otherwise.
fn by_name(heard: &[u8]) -> Option<&'static [u8]> {
    let asked: Value = serde_json::from_slice(heard).ok()?;
    (asked["type"] == "get_addon_info")
        .then_some(br#"{"status": "success", "result": {"name": "Spindle", "addon_version": [0, 9, 8]}}"#)
}

/// The same while Blender's main thread is busy.
fn busy_compatibility(heard: &[u8]) -> Option<&'static [u8]> {
    let asked: Value = serde_json::from_slice(heard).ok()?;
    (asked["command"] == "health").then_some(
        br#"{"success": true, "data": {"state": "busy", "guard": "guarded", "policy": "1", "version": "0.9.8"}}"#,
    )
}

fn command_data(heard: &[u8]) -> Option<&'static [u8]> {
    let asked: Value = serde_json::from_slice(heard).ok()?;
    asked["command"].is_string().then_some(br#"{"success": false, "error": "unknown command"}"#)
}

/// As those that want to know the length first, and wait for as much.
fn length_first(heard: &[u8]) -> Option<&'static [u8]> {
    let (length, rest) = heard.split_first_chunk::<4>()?;
    (rest.len() >= u32::from_be_bytes(*length) as usize).then_some(b"\x00\x00\x00\x11{\"type\": \"error\"}")
}

/// As those of them that have a limit.
fn length_limited(heard: &[u8]) -> Option<&'static [u8]> {
    let (length, _) = heard.split_first_chunk::<4>()?;
    (*length > [1, 0, 0, 0]).then_some(b"\x00\x00\x00\x11{\"type\": \"fatal\"}")
}

fn garbage(heard: &[u8]) -> Option<&'static [u8]> {
    (!heard.is_empty()).then_some(b"\xff\xfe{\"status\": \x1b[31m\x00\x00")
}

fn closing(_: &[u8]) -> Option<&'static [u8]> {
    Some(b"")
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

/// In which dialect a port is answered, who it is where that shows, and what is asked to find out: no code, and never
/// two questions on a connection.
#[test]
fn dialects_on_a_port() {
    let unity = b"WELCOME UNITY-MCP 1 FRAMING=1\n".as_slice();
    let rows: [(&str, &[u8], Answer, &str, &str); 14] = [
        ("compatibility", b"", compatibility, "spindle_compatibility", "of Spindle 0.9.8"),
        ("compatibility", b"", by_name, "spindle_compatibility", "of Spindle 0.9.8"),
        ("compatibility", b"", busy_compatibility, "spindle_compatibility", "of Spindle 0.9.8"),
        ("taken", b"", named, "mcp_for_blender", "\"MCP for Blender\" 2.2.4 in Blender 5.2.0"),
        ("taken", b"", unnamed, "type_params", "blender-mcp (mcp-for-blender), or one of its kind"),
        ("taken", b"", blender_lab, "blender_lab", "Blender Lab"),
        ("taken", b"", command_data, "command_data", "commands and data"),
        ("taken", b"", json_lines, "json_lines", "JSON lines"),
        ("taken", b"", length_first, "length_first", "its length before it"),
        ("taken", b"", length_limited, "length_first", "its length before it"),
        ("taken", b"", http, "http", "a web server, Fake/1.0"),
        ("taken", b"", silent, "silent", "answers nothing"),
        ("taken", b"", closing, "silent", "answers nothing"),
        ("taken", b"", garbage, "unknown", "[31m"),
    ];
    thread::scope(|scope| {
        for (finding, greeting, answer, dialect, part) in rows {
            scope.spawn(move || on_a_port(greeting, answer, finding, dialect, part));
        }
        scope.spawn(|| on_a_port(unity, silent, "taken", "unknown", "WELCOME UNITY-MCP"));
    });
}

fn on_a_port(greeting: &[u8], answer: Answer, finding: &str, dialect: &str, part: &str) {
    let (folder, notes) = (tempfile::tempdir().expect("a folder"), Notes::default());
    let port = listen_and_note(greeting.to_vec(), answer, &notes).to_string();
    let (_, checks) = doctor(folder.path(), &["--port", &port]);
    let name = format!("port {port}");
    check(&checks, &name, finding, part);
    let found = find(&checks, &name);
    assert_eq!((found["dialect"].as_str(), &found["state"]), (Some(dialect), &json!("ok")), "{found}");
    assert!(found["remedy"].is_string() && !found.to_string().contains("\\u001b["), "{found}");
    for asked in notes.lock().expect("whole").iter() {
        let questions = asked.split(|byte| *byte == b'{').filter(|part| part.starts_with(b"\"")).count();
        let text = String::from_utf8_lossy(asked);
        assert!(questions <= 1 && !text.contains("execute") && !text.contains("code"), "{text}");
    }
}

/// Spindle's own listener for other add-ons' clients, while Blender's main thread stands still.
#[test]
fn the_compatibility_listener() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::stuck(folder.path(), |settings| settings.compat_port = Some(0));
    let port = blender.handle.status().compat_port.expect("it listens").to_string();
    let (_, checks) = doctor(folder.path(), &["--port", &port]);
    check(&checks, &format!("port {port}"), "compatibility", &format!("of Spindle {}", env!("CARGO_PKG_VERSION")));
}

/// The well-known ports are looked at whatever else is asked for.
#[test]
fn ports_that_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port().to_string();
    let (_, checks) = doctor(folder.path(), &["--port", &port]);
    check(&checks, &format!("port {port}"), "free", "free");
    find(&checks, "port 27182");
    find(&checks, "port 9876");
    let (_, checks) = doctor(folder.path(), &["--port", "9876"]);
    assert_eq!(checks.iter().filter(|check| check["name"] == "port 9876").count(), 1, "{checks:?}");
    assert_eq!(support::spindle(folder.path(), &["doctor", "--port", "0"]).0, 64);
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

/// A Blender in which Spindle is off. What counts is the name of its process, here a shell that waits for a line.
#[cfg(target_os = "linux")]
#[test]
fn a_blender_without_a_server() {
    use std::os::unix::fs::symlink;
    use std::process::Stdio;

    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("blender");
    symlink("/bin/sh", &program).expect("made");
    let mut blender = Command::new(program).args(["-c", "read line"]).stdin(Stdio::piped()).spawn().expect("it runs");
    let checks = doctor(folder.path(), &[]).1;
    blender.kill().and_then(|()| blender.wait()).expect("ended");
    check(&checks, "running Blenders", "without_server", &blender.id().to_string());
    let remedy = find(&checks, "running Blenders")["remedy"].as_str().expect("told");
    assert!(remedy.contains("press Start Spindle") && remedy.contains(" SPINDLE_RUNTIME_DIR or"), "{remedy}");
}

#[test]
fn folders_that_are_not_private() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("set");
    let checks = doctor(folder.path(), &[]).1;
    check(&checks, "runtime folder", "not_private", "others can change it (mode 777)");
    let remedy = find(&checks, "runtime folder")["remedy"].as_str().expect("told");
    assert!(remedy.contains("set SPINDLE_RUNTIME_DIR"), "{remedy}");
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
