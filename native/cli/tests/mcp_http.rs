//! `spindle mcp --http`: its line, its ends, and what keeps it from serving.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{command, told};

const PATIENCE: Duration = Duration::from_secs(20);

/// Start it with a token of its own, and wait for its line.
fn start(folder: &Path, input: Stdio) -> (Child, Value) {
    let token = folder.join("token");
    let asked = ["mcp", "--http", "--port", "0", "--token-file", token.to_str().expect("UTF-8")];
    let mut child =
        command(folder, &asked).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    (child, serde_json::from_str(&line).expect("JSON"))
}

fn port(listening: &Value) -> u16 {
    let url = listening["url"].as_str().expect("a URL");
    let port = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/mcp"));
    port.expect("an address of this machine").parse().expect("a port")
}

/// The status of the answer to a first message with this token.
fn greet(port: u16, token: &str) -> String {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.lines().next().unwrap_or_default().to_owned()
}

fn ends(mut child: Child, what: &str) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{what}: {status}");
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_tells_where_it_listens_and_ends_with_its_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, listening) = start(folder.path(), Stdio::piped());
    assert_eq!(listening["pid"], child.id());
    let place = Path::new(listening["token_file"].as_str().expect("a path"));
    let token = std::fs::read_to_string(place).expect("it was made");
    assert_eq!(greet(port(&listening), token.trim()), "HTTP/1.1 200 OK");
    assert_eq!(greet(port(&listening), "x"), "HTTP/1.1 401 Unauthorized");
    drop(child.stdin.take());
    ends(child, "its input has ended");
    assert!(TcpStream::connect(("127.0.0.1", port(&listening))).is_err());
}

/// UNHANDLED_PROMISE_001: with either signal, and not for want of an input that could end.
#[cfg(unix)]
#[test]
fn it_ends_with_a_signal() {
    use rustix::process::{Pid, Signal, kill_process};

    let folder = tempfile::tempdir().expect("a folder");
    for signal in [Signal::INT, Signal::TERM] {
        let (mut child, listening) = start(folder.path(), Stdio::null());
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().expect("a child").is_none(), "the null device does not end it");
        assert!(TcpStream::connect(("127.0.0.1", port(&listening))).is_ok());
        kill_process(Pid::from_child(&child), signal).expect("sent");
        ends(child, &format!("{signal:?}"));
    }
}

/// What is wrong, and what to do, with the status of a failure.
fn fails(folder: &Path, port: u16, token: &str, expected: &[&str]) {
    let port = port.to_string();
    let asked = ["mcp", "--http", "--port", &port, "--token-file", token];
    let (status, out, err) = told(command(folder, &asked).stdin(Stdio::null()).output().expect("it runs"));
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    for text in expected {
        assert!(err.contains(text), "{text}: {err}");
    }
}

#[test]
fn what_keeps_it_from_serving() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let good = folder.path().join("token");
    fails(folder.path(), port, good.to_str().expect("UTF-8"), &[&format!("port {port}"), "is taken", "--port"]);
    let short = folder.path().join("short");
    std::fs::write(&short, "secret").expect("written");
    let name = short.to_str().expect("UTF-8");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        std::fs::set_permissions(&short, PermissionsExt::from_mode(0o644)).expect("set");
        fails(folder.path(), 0, name, &[name, "others can read", "mode 644", "chmod 600", "--token-file"]);
        std::fs::set_permissions(&short, PermissionsExt::from_mode(0o600)).expect("set");
    }
    fails(folder.path(), 0, name, &[name, "holds no token", "32 to 512"]);
}
