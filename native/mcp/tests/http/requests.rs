//! What is served, in both eras of the protocol, and what is refused.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spindle_mcp::http::limits::Limits;

use crate::support::{Answer, GOOD, PATIENCE, Server, Wire, initialize, modern, small};

/// Send bytes on a new connection, and see the status and the name of the refusal. The answer is short JSON, it does not
/// show the secret, and the server goes on.
fn check(server: &Server, what: &str, bytes: &[u8], status: u16, kind: &str) -> Answer {
    let mut wire = server.connect();
    wire.send(bytes);
    let answer = wire.answer();
    assert_eq!((answer.status, answer.kind().as_str()), (status, kind), "{what}: {answer:?}");
    let text = String::from_utf8_lossy(&answer.body);
    if !kind.is_empty() {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
        assert!(text.len() < 400 && answer.message()["error"]["message"].is_string(), "{what}: {text}");
    }
    assert!(!text.contains(&server.token), "{what}: {text}");
    answer
}

fn list() -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
}

#[test]
fn who_is_refused() {
    let server = Server::start(small());
    let post = |lines: &[&str]| server.head("POST /mcp", lines).into_bytes();
    let [host, token, accept, kind] = GOOD;
    let wrong = format!("Authorization: Bearer {}", "0".repeat(64));
    let rows: [(&str, Vec<u8>, u16, &str); 16] = [
        ("another host", post(&["Host: evil.example:PORT", token]), 403, "wrong_host"),
        ("another port", post(&["Host: 127.0.0.1:1", token]), 403, "wrong_host"),
        ("no port", post(&["Host: localhost", token]), 403, "wrong_host"),
        ("two hosts", post(&[host, "Host: evil.example", token]), 403, "wrong_host"),
        ("no host", b"GET /mcp HTTP/1.0\r\n\r\n".to_vec(), 403, "wrong_host"),
        // What a browser sends for a page of evil.example's, once that name points here.
        ("rebinding", post(&["Host: evil.example:PORT", "Origin: http://evil.example:PORT"]), 403, "wrong_host"),
        ("a page", post(&[host, "Origin: http://evil.example", token]), 403, "wrong_origin"),
        ("a page that hides", post(&[host, "Origin: null", token]), 403, "wrong_origin"),
        ("no token", post(&[host]), 401, "no_token"),
        ("a page of this machine without token", post(&[host, "Origin: http://localhost:6274"]), 401, "no_token"),
        ("another scheme", post(&[host, "Authorization: Basic TOKEN"]), 401, "no_token"),
        ("another token", post(&[host, &wrong]), 401, "wrong_token"),
        ("most of the token", post(&[host, "Authorization: Bearer TOKE"]), 401, "wrong_token"),
        ("the token in the URL", server.head("POST /mcp?access_token=TOKEN", &[host]).into_bytes(), 401, "no_token"),
        ("no types accepted", post(&[host, token, kind, "Content-Length: 2"]), 406, "protocol"),
        (
            "another type",
            post(&[host, token, accept, "Content-Type: text/plain", "Content-Length: 2"]),
            415,
            "protocol",
        ),
    ];
    for (what, mut bytes, status, kind) in rows {
        if status > 403 {
            bytes.extend(b"{}");
        }
        let answer = check(&server, what, &bytes, status, kind);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{what}");
    }
    assert_eq!(server.post(&[], &initialize("2025-06-18")).status, 200);
}

#[test]
fn methods_and_paths() {
    let server = Server::start(small());
    for method in ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW"] {
        let place = if method == "CONNECT" { "127.0.0.1:PORT" } else { "/mcp" };
        let bytes = server.head(&format!("{method} {place}"), &GOOD);
        let mut wire = server.connect();
        wire.send(bytes.as_bytes());
        let answer = wire.begin();
        let expected = if method == "CONNECT" { 404 } else { 405 };
        assert_eq!(answer.status, expected, "{method}: {answer:?}");
        assert_eq!(answer.header("allow").is_some(), expected == 405, "{method}");
    }
    for path in ["/", "/mcp/", "/mcp/x", "//mcp", "/MCP", "/sse", "/.well-known/oauth-protected-resource"] {
        check(&server, path, server.head(&format!("GET {path}"), &GOOD).as_bytes(), 404, "no_such_path");
    }
}

#[test]
fn what_is_no_http_is_closed() {
    let server = Server::start(small());
    let tls: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let long = server.head("POST /mcp", &[&format!("X: {}", "x".repeat(9_000))]);
    let many = server.head("POST /mcp", &vec!["X: x"; 120]);
    for (what, bytes, status) in [
        ("TLS", tls, 400),
        ("JSON", b"{\"jsonrpc\":\"2.0\"}\r\n\r\n", 400),
        ("too long a header", long.as_bytes(), 431),
        ("too many fields", many.as_bytes(), 431),
    ] {
        let mut wire = server.connect();
        wire.send(bytes);
        assert_eq!(wire.begin().status, status, "{what}");
        assert!(wire.is_closed(), "{what}");
    }
    assert_eq!(server.post(&[], &initialize("2025-06-18")).status, 200);
}

#[test]
fn bodies_have_limits() {
    let server = Server::start(small());
    let with = |more: &[&str]| server.head("POST /mcp", &[&GOOD, more].concat());
    check(&server, "declared", with(&["Content-Length: 100001"]).as_bytes(), 413, "body_too_large");
    check(
        &server,
        "declared without end",
        with(&["Content-Length: 99999999999999999"]).as_bytes(),
        413,
        "body_too_large",
    );
    // The whole of it is sent before the answer is read, as most clients do: it must not be lost in a reset.
    let mut chunked = with(&["Transfer-Encoding: chunked"]).into_bytes();
    for _ in 0..400 {
        chunked.extend(format!("400\r\n{}\r\n", "x".repeat(1024)).bytes());
    }
    chunked.extend(b"0\r\n\r\n");
    check(&server, "chunked", &chunked, 413, "body_too_large");
    let declared = [with(&["Content-Length: 400000"]).into_bytes(), vec![b'x'; 400_000]].concat();
    check(&server, "declared and sent", &declared, 413, "body_too_large");
    let broken = with(&["Transfer-Encoding: chunked"]) + "zz\r\nx\r\n";
    check(&server, "no chunk", broken.as_bytes(), 400, "broken_body");
    // As much as the limit is read: it is only no JSON.
    let most = [with(&["Content-Length: 100000"]).into_bytes(), vec![b'x'; 100_000]].concat();
    let answer = check(&server, "just as long", &most, 415, "protocol");
    assert!(answer.message()["error"]["message"].as_str().is_some_and(|text| !text.contains("limit")));
}

/// The deadline is for the whole: a byte now and then does not put it off.
fn slow(server: &Server, begin: &str, drop: &[u8], kind: &str) {
    let mut wire = server.connect();
    wire.send(begin.as_bytes());
    let start = Instant::now();
    while start.elapsed() < small().body_time + Duration::from_millis(200) {
        wire.send(drop);
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = wire.answer();
    assert_eq!((answer.status, answer.kind().as_str()), (408, kind), "{begin:?}: {answer:?}");
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
}

#[test]
fn slow_clients_are_given_up() {
    let server = Server::start(small());
    let declared = server.head("POST /mcp", &[&GOOD[..], &["Content-Length: 1000"]].concat());
    let chunked = server.head("POST /mcp", &[&GOOD[..], &["Transfer-Encoding: chunked"]].concat());
    slow(&server, &declared, b" ", "body_too_slow");
    slow(&server, &declared, b"", "body_too_slow");
    slow(&server, &chunked, b"1\r\n \r\n", "body_too_slow");
    slow(&server, "POST /mcp HTTP/1.1\r\nX: ", b"x", "header_too_slow");
    slow(&server, "P", b"", "header_too_slow");
    // One that says nothing is closed without a word.
    assert!(server.connect().is_closed());
}

#[test]
fn connections_are_counted() {
    let server = Server::start(Limits { header_time: PATIENCE, ..small() });
    let mut held: Vec<Wire> = (0..small().connections).map(|_| server.connect()).collect();
    for wire in &mut held {
        wire.send(server.message(&[], &initialize("2025-06-18")).as_bytes());
        assert_eq!(wire.answer().status, 200, "each of these has its place");
    }
    let answer = server.post(&[], &initialize("2025-06-18"));
    assert_eq!((answer.status, answer.kind().as_str()), (503, "too_many_connections"), "{answer:?}");
    assert!(answer.message()["error"]["message"].as_str().is_some_and(|text| text.contains("4 connections")));
    held.pop();
    let start = Instant::now();
    while server.post(&[], &initialize("2025-06-18")).status != 200 {
        assert!(start.elapsed() < PATIENCE, "the place is free again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The older revisions: a handshake, a session, and calls in it.
fn session(server: &Server, revision: &str) {
    let begun = server.post(&["Origin: http://localhost:6274"], &initialize(revision));
    assert_eq!(begun.message()["result"]["protocolVersion"], revision, "{begun:?}");
    let session = format!("Mcp-Session-Id: {}", begun.header("mcp-session-id").expect("a session"));
    let version = format!("MCP-Protocol-Version: {revision}");
    let lines: [&str; 2] = [&session, &version];
    let ready = server.post(&lines, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(ready.status, 202, "{revision}");
    let listed = server.post(&lines, &list()).message();
    assert!(listed["result"]["tools"].as_array().is_some_and(|tools| tools.len() == 9), "{revision}: {listed}");
    let call = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "status"}});
    let called = server.post(&lines, &call).message();
    assert_eq!(called["result"]["structuredContent"]["blenders"], json!([]), "{revision}: {called}");
    let end = server.head("DELETE /mcp", &[&GOOD[..], &lines].concat());
    let mut wire = server.connect();
    wire.send(end.as_bytes());
    assert!((200..300).contains(&wire.answer().status), "{revision}");
    let gone = server.post(&lines, &list());
    assert_eq!((gone.status, gone.kind().as_str()), (404, "protocol"), "{revision}");
}

#[test]
fn revisions_with_a_handshake() {
    let server = Server::start(small());
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        session(&server, revision);
    }
}

#[test]
fn the_revision_without_a_handshake() {
    let server = Server::start(small());
    let ask = |method: &str, name: &str, params: Value| {
        let (method_line, name_line) = (format!("Mcp-Method: {method}"), format!("Mcp-Name: {name}"));
        let lines = ["MCP-Protocol-Version: 2026-07-28", &method_line, &name_line];
        server.post(if name.is_empty() { &lines[..2] } else { &lines }, &modern(method, params))
    };
    let discovered = ask("server/discover", "", json!({})).message();
    assert!(discovered["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{discovered}");
    let listed = ask("tools/list", "", json!({}));
    assert_eq!(listed.header("mcp-session-id"), None, "there are no sessions");
    assert_eq!(listed.message()["result"]["tools"].as_array().map(Vec::len), Some(9), "{listed:?}");
    let called = ask("tools/call", "status", json!({"name": "status"})).message();
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    let mismatch = ask("tools/call", "execute", json!({"name": "status"}));
    assert_eq!((mismatch.status, &mismatch.message()["error"]["code"]), (400, &json!(-32020)), "{mismatch:?}");
    let unknown = ask("no/such", "", json!({}));
    assert_eq!((unknown.status, &unknown.message()["error"]["code"]), (404, &json!(-32601)), "{unknown:?}");
    let mut wire = server.connect();
    wire.send(server.head("GET /mcp", &[&GOOD[..], &["MCP-Protocol-Version: 2026-07-28"]].concat()).as_bytes());
    assert_eq!(wire.answer().status, 405);
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::start(small());
    let mut wire = server.connect();
    let message = modern("tools/list", json!({}));
    let lines = ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"];
    for _ in 0..50 {
        wire.send(server.message(&lines, &message).as_bytes());
        assert_eq!(wire.answer().status, 200);
    }
}

/// Each would take 40 ms where the rest of an answer waits for its beginning to be acknowledged.
#[test]
fn answers_go_out_at_once() {
    let server = Server::start(small());
    let begun = server.post(&[], &initialize("2025-06-18"));
    let session = format!("Mcp-Session-Id: {}", begun.header("mcp-session-id").expect("a session"));
    server.post(&[&session], &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let mut wire = server.connect();
    let mut took: Vec<Duration> = (0..40)
        .map(|_| {
            let start = Instant::now();
            wire.send(server.message(&[&session], &list()).as_bytes());
            assert_eq!(wire.answer().status, 200);
            start.elapsed()
        })
        .collect();
    took.sort();
    assert!(took[20] < Duration::from_millis(30), "{took:?}");
}

#[test]
fn sessions_are_counted() {
    let server = Server::start(small());
    let begin = || {
        let begun = server.post(&[], &initialize("2025-06-18"));
        let session = format!("Mcp-Session-Id: {}", begun.header("mcp-session-id").expect("a session"));
        server.post(&[&session], &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        session
    };
    let (first, second) = (begin(), begin());
    assert_eq!(server.post(&[&first], &list()).status, 200, "used again, so it is not the next to end");
    let third = begin();
    let status = |session: &str| server.post(&[session], &list()).status;
    assert_eq!([status(&first), status(&second), status(&third)], [200, 404, 200]);
}
