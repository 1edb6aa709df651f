//! Clients of other add-ons on the compatibility listener: conversations in each dialect byte by byte, and what the
//! listener refuses.

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::admit::Admitted;
use spindle_core::boundary::Bounds;
use spindle_core::consent::Decision;
use spindle_core::interpreter::Interpreter;
use spindle_core::settings::Settings;
use spindle_protocol::finding::Level;
use support::{Harness, Main, PATIENCE, Peer, eventually, kind};

fn start(change: impl FnOnce(&mut Settings)) -> (Harness, Main) {
    let harness = Harness::start(|settings| {
        settings.compat_port = Some(0);
        change(settings);
    });
    let main = harness.serve(stand_in);
    (harness, main)
}

/// What Blender would answer.
fn stand_in(admitted: &Admitted) -> Value {
    let params = serde_json::to_value(admitted.params()).expect("JSON");
    let raised = params["code"].as_str().is_some_and(|code| code.contains("raise"));
    let exception = json!({"type": "ValueError", "message": "no", "traceback": "Traceback: no\n", "line": 1});
    let ended = json!({
        "status": if raised { "raised" } else { "ok" }, "stdout": "1\n", "stderr": "", "result": {"n": 1},
        "stdout_omitted": if params["code"] == "much" { 7 } else { 0 },
        "exception": if raised { exception } else { Value::Null }, "duration_ms": 0.1,
    });
    match admitted.method().name {
        "script.run" | "compat.execute" => ended,
        "view.capture" => json!({"image": {"$blob": [0, 0], "media_type": "image/png"}}),
        name => json!({"method": name, "params": params}),
    }
}

fn connect(harness: &Harness) -> Peer {
    let port = harness.handle.status().compat_port.expect("it listens");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_nodelay(true).expect("set");
    Peer::silent(stream)
}

/// The answers to what was sent, and how many of the terminator came with them.
fn answers(mut peer: Peer, terminator: &[u8]) -> (Vec<Value>, usize) {
    peer.close_half();
    let said = peer.read_out();
    let ends =
        if terminator.is_empty() { 0 } else { said.iter().filter(|byte| terminator.ends_with(&[**byte])).count() };
    let text = String::from_utf8(said).expect("UTF-8").replace('\0', "\n");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    (values.map(|value| value.expect("JSON")).collect(), ends)
}

/// Messages and what they are answered with.
fn rows() -> Vec<(&'static str, Value)> {
    let read = |command: &str, params: Value| json!({"method": "compat.read", "params": {"command": command, "params": params}});
    let inner = json!({"exception_type": "ValueError", "message": "no", "traceback": "Traceback: no\n"}).to_string();
    vec![
        (r#"{"type": "ping"}"#, json!({"status": "success", "result": {"pong": true}})),
        (r#"{"type":"ping","params":{"x":1}}"#, json!({"status": "success", "result": {"pong": true}})),
        (
            r#"{"type": "execute_code", "params": {"code": "print(1)", "timeout": 5}}"#,
            json!({"status": "success", "result": {"executed": true, "result": "1\n"}}),
        ),
        (
            r#"{"type": "execute_code", "params": {"code": "much"}}"#,
            json!({"status": "success", "result": {
                "executed": true,
                "result": "1\n\n[7 more characters were printed; Spindle keeps the first 256 KiB]\n",
            }}),
        ),
        (
            r#"{"params": {"code": "raise ValueError('no')"}, "type": "execute_code"}"#,
            json!({"status": "error", "message": inner}),
        ),
        (
            r#"{"type": "get_object_info", "params": {"name": "C{u\"be"}}"#,
            json!({"status": "success", "result": read("get_object_info", json!({"name": "C{u\"be"}))}),
        ),
        (r#"{"type": "get_scene_info"}"#, json!({"status": "success", "result": read("get_scene_info", json!({}))})),
        (r#"{"type": "X"}"#, json!({"status": "error", "message": "Unknown command type: X"})),
        (r#"{"type": "scene.get"}"#, json!({"status": "error", "message": "Unknown command type: scene.get"})),
        (r#"{"a": [1, {}]}"#, json!({"status": "error", "message": "Unknown command type: none"})),
        (
            r#"{"type": "execute", "code": "result = {'n': 1}", "strict_json": true}"#,
            json!({"status": "ok", "result": {"n": 1}, "stdout": "1\n", "stderr": ""}),
        ),
        (
            r#"{"type":"execute","code":"raise ValueError('no')"}"#,
            json!({"status": "error", "message": "Traceback: no\n", "stdout": "1\n", "stderr": ""}),
        ),
        (r#"{"command": "ping", "data": {}}"#, json!({"success": true, "data": {"pong": true}})),
        (
            r#"{"command": "object.get", "data": {"name": "Cube"}}"#,
            json!({"success": true, "data": {"method": "object.get", "params": {"name": "Cube", "fields": null}}}),
        ),
        (
            r#"{"command": "view.capture", "data": null}"#,
            json!({"success": true, "data": {"image": {"$blob": [0, 0], "media_type": "image/png"}}}),
        ),
        (r#"{"command": "get_scene_info"}"#, json!({"success": true, "data": read("get_scene_info", json!({}))})),
    ]
}

/// Every row in every manner of sending: whole, byte by byte, several in one segment, with NUL, newline and nothing
/// between.
#[test]
fn conversations() {
    let (harness, _main) = start(|_| {});
    let rows = rows();
    for terminator in [&b""[..], b"\0", b"\n", b"\r\n"] {
        for split in [false, true] {
            for (sent, expected) in &rows {
                let mut peer = connect(&harness);
                let message = [sent.as_bytes(), terminator].concat();
                if split {
                    message.iter().for_each(|byte| peer.send_raw(&[*byte]));
                } else {
                    peer.send_raw(&message);
                }
                let (said, ends) = answers(peer, terminator);
                assert_eq!(said.len(), 1, "{sent} {terminator:?}");
                assert_eq!(&said[0], expected, "{sent}");
                // Byte by byte, the answer may go before the terminator has come.
                assert!(split || ends == usize::from(!terminator.is_empty()), "{sent} {terminator:?}: {ends}");
            }
        }
        let mut peer = connect(&harness);
        let all: Vec<u8> = rows.iter().flat_map(|(sent, _)| [sent.as_bytes(), terminator].concat()).collect();
        peer.send_raw(&all);
        let (said, ends) = answers(peer, terminator);
        assert_eq!(said.len(), rows.len(), "in one segment, {terminator:?}");
        for ((sent, expected), answer) in rows.iter().zip(&said) {
            assert_eq!(answer, expected, "{sent}");
        }
        assert!(terminator.is_empty() || ends == rows.len(), "{terminator:?}: {ends}");
    }
}

/// One after the other on one connection, each answered before the next is sent.
#[test]
fn a_connection_persists() {
    let (harness, _main) = start(|_| {});
    let mut peer = connect(&harness);
    for _ in 0..3 {
        peer.send_raw(b"{\"type\": \"execute_code\", \"params\": {\"code\": \"1\"}}\n");
        assert_eq!(peer.read_line(), "{\"result\":{\"executed\":true,\"result\":\"1\\n\"},\"status\":\"success\"}\n");
    }
    let status = harness.handle.status();
    assert_eq!(status.clients[0].name, "other add-ons' clients");
    assert_eq!(status.overview.answered, 3);
}

/// What ends a conversation: one answer in the dialect's shape, then the connection is closed, and nothing runs.
#[test]
fn faults_of_the_stream() {
    let (harness, _main) = start(|settings| settings.limits.compat_message_mib = 1);
    let mut bystander = connect(&harness);
    let http = "POST / HTTP/1.1\r\nHost: localhost:9876\r\nContent-Type: text/plain\r\n\r\n{\"type\":\"execute_code\",\"params\":{\"code\":\"1\"}}";
    let deep = format!("{{\"type\":{}", "[".repeat(100));
    let long = format!("{{\"type\":\"ping\",\"params\":\"{}", "x".repeat(1 << 20));
    let rows: Vec<(&[u8], &str)> = vec![
        (http.as_bytes(), "0x50"),
        (b"\x16\x03\x01", "0x16"),
        (b"\0\0\0\x19{\"type\":\"ping\"}", "0x19"),
        (b"[1]", "begins with {"),
        (b"{\"type\": \"execute_code\", \"params\": {\"code\": NaN}}", "expected value"),
        (b"{\"type\": \"\xff\xfe\"}", "invalid utf-8"),
        (b"{\"type\": 'ping'}", "expected value"),
        (b"{\"type\": \"ping\", \"type\": \"execute_code\"}", "type"),
        (b"{\"type\": \"ping\"]", "']'"),
        (deep.as_bytes(), "deeper than 64"),
        (long.as_bytes(), "longer than 1048576 bytes (compat_message_mib)"),
    ];
    for (sent, part) in rows {
        let shown = String::from_utf8_lossy(&sent[..sent.len().min(60)]).into_owned();
        let mut peer = connect(&harness);
        peer.send_raw(sent);
        let said = String::from_utf8(peer.read_out()).expect("UTF-8");
        let last = said.replace('\0', "").rsplit_once("}{").map_or(said.clone(), |(_, last)| format!("{{{last}"));
        let answer: Value = serde_json::from_str(last.trim_matches(['\0', '\n'])).expect(&said);
        assert_eq!(answer["status"], "error", "{shown}: {said}");
        assert!(answer["message"].as_str().expect("a text").contains(part), "{shown}: {said}");
        bystander.send_raw(b"{\"type\": \"ping\"}\n");
        assert!(bystander.read_line().contains("pong"), "{shown}: others are served");
    }
    let overview = harness.handle.status().overview;
    assert_eq!((overview.answered, overview.recent.len()), (0, 0), "nothing ran");
}

/// MEMORY_LEAK_001: a message that drips in and never ends.
#[test]
fn a_message_that_drips_in() {
    let (harness, _main) = start(|settings| settings.limits.compat_small_reads = 20);
    let mut peer = connect(&harness);
    peer.send_raw(b"{\"type\": \"");
    for _ in 0..200 {
        if peer.stream.write_all(b"x").is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let said = String::from_utf8_lossy(&peer.read_to_the_end()).into_owned();
    assert!(said.contains("20 reads in a row") && said.contains("compat_small_reads"), "{said}");
}

/// MEMORY_LEAK_001: what stands between messages is not kept, however much of it comes.
#[test]
fn space_without_end() {
    let mut interpreter = Interpreter::new(Bounds { bytes: 1 << 20, small_reads: 10 });
    for _ in 0..1_000 {
        interpreter.feed(&[b' '; 10_000]);
        assert_eq!(interpreter.next_request(), Ok(None));
        assert_eq!(interpreter.held(), 0);
    }
    interpreter.feed(b" {\"type\"");
    assert_eq!(interpreter.next_request(), Ok(None));
    interpreter.feed(b": \"ping\"}");
    assert!(interpreter.next_request().expect("sound").is_some());
}

/// What runs is watched at the same level as it was judged at.
#[test]
fn what_runs_is_guarded_too() {
    let harness = Harness::start(|settings| {
        settings.compat_port = Some(0);
        settings.guard_level = Level::Trusted;
    });
    let mut peer = connect(&harness);
    peer.send_raw(b"{\"type\": \"execute_code\", \"params\": {\"code\": \"1\"}}\n");
    let (_, unproven) = harness.take();
    let mut native = harness.client("a");
    native.request("script.run", json!({"code": "1"}));
    let (_, proven) = harness.take();
    assert_eq!(
        (harness.handle.guard_of(&unproven), harness.handle.guard_of(&proven)),
        (Level::Guarded, Level::Trusted)
    );
}

/// The listener is at `guarded` or stricter, whatever the level is.
#[test]
fn never_trusted() {
    let dangerous = "{\"type\": \"execute_code\", \"params\": {\"code\": \"import os\\nos.system('x')\"}}\n";
    let check = "{\"command\": \"script.check\", \"data\": {\"code\": \"import os\\nos.system('x')\"}}\n";
    for level in [Level::Trusted, Level::Guarded, Level::Locked] {
        let (harness, _main) = start(|settings| settings.guard_level = level);
        let mut peer = connect(&harness);
        peer.send_raw(dangerous.as_bytes());
        let refused = peer.read_line();
        assert!(refused.contains("the guard refused this"), "{level:?}: {refused}");
        peer.send_raw(check.as_bytes());
        let told: Value = serde_json::from_str(&peer.read_line()).expect("JSON");
        assert_eq!(told["data"]["verdict"], "refused", "{told}");
        let mut native = harness.client("a");
        let reply = native.call("script.run", json!({"code": "import os\nos.system('x')"}));
        assert_eq!(kind(&reply), if level == Level::Trusted { "no error" } else { "script_refused" }, "{reply}");
    }
}

/// The user may allow one script; nobody knows who sends the next one.
#[test]
fn nobody_is_allowed_everything() {
    let harness = Harness::start(|settings| {
        settings.compat_port = Some(0);
        settings.guard_level = Level::Ask;
    });
    let mut peer = connect(&harness);
    for _ in 0..2 {
        peer.send_raw(b"{\"type\": \"execute_code\", \"params\": {\"code\": \"import os\\nos.system('x')\"}}\n");
        eventually("the user is asked", || !harness.handle.asking().is_empty());
        let (ticket, _) = harness.handle.asking().remove(0);
        assert!(harness.handle.decide(ticket, Decision::Session));
        let (ticket, admitted) = harness.take();
        let answer = support::raw(&stand_in(&admitted));
        harness.handle.reply(ticket, answer, Vec::new(), spindle_core::handle::Ending::ok());
        assert!(peer.read_line().contains("executed"));
    }
}

/// The budget is one for all of them, so that connecting anew gives no new one.
#[test]
fn a_flood_meets_the_limits() {
    let (harness, _main) = start(|settings| settings.limits.requests_per_minute = 10);
    let mut refused = 0;
    for _ in 0..40 {
        let mut peer = connect(&harness);
        peer.send_raw(b"{\"type\": \"ping\"}\n");
        refused += u32::from(peer.read_line().contains("requests_per_minute"));
    }
    assert!(refused >= 20, "{refused} of 40 were refused");
    assert_eq!(harness.client("a").call("ping", json!({}))["result"]["pong"], true, "others have theirs");
}

/// A taken port is an alert and no failure: other add-ons like this one.
#[test]
fn a_taken_port_is_an_alert() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let harness = Harness::start(|settings| settings.compat_port = Some(port));
    assert_eq!(harness.handle.status().compat_port, None);
    let health = harness.client("a").call("health", json!({}));
    let alert = &health["result"]["alerts"][0];
    assert_eq!(alert["name"], "compat_port", "{health}");
    assert!(alert["text"].as_str().expect("a text").contains(&port.to_string()), "{health}");
}
