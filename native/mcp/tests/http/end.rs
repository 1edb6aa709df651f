//! The end of calls and of the server: what is waited for, and what is not (UNHANDLED_PROMISE_001).

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Answer, GOOD, PATIENCE, Server, Wire, initialize, modern, small};

/// A server whose one tool waits for as many milliseconds as its name says.
#[derive(Clone, Default)]
struct Waiter {
    runs: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

impl ServerHandler for Waiter {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let wait = Duration::from_millis(request.name.parse().expect("a number"));
        self.runs.store(true, Ordering::SeqCst);
        tokio::select! {
            () = sleep(wait) => {}
            () = context.ct.cancelled() => self.cancelled.store(true, Ordering::SeqCst),
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("waited")]).into())
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn serve() -> (Waiter, Server) {
    let waiter = Waiter::default();
    let server = Server::with(waiter.clone(), small(), tempfile::tempdir().expect("a folder"));
    (waiter, server)
}

/// Begin a session, as far as calls.
fn session(server: &Server) -> String {
    let begun = server.post(&[], &initialize("2025-06-18"));
    let session = format!("Mcp-Session-Id: {}", begun.header("mcp-session-id").expect("a session"));
    server.post(&[&session], &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    session
}

/// Begin a call that takes so long; it runs when this returns.
fn call(server: &Server, waiter: &Waiter, session: Option<&str>, milliseconds: u64) -> Wire {
    let name = milliseconds.to_string();
    let mut message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name}});
    let header = format!("Mcp-Name: {name}");
    let mut lines = vec!["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", &header];
    match session {
        Some(session) => lines = vec![session],
        None => message = modern("tools/call", json!({"name": name})),
    }
    let mut wire = server.connect();
    wire.send(server.message(&lines, &message).as_bytes());
    eventually("it runs", || waiter.runs.load(Ordering::SeqCst));
    wire
}

fn result(answer: &Answer) -> Value {
    answer.message()["result"]["content"][0]["text"].clone()
}

/// UNHANDLED_PROMISE_001: in both eras a call that runs is answered, and then the server is gone.
#[test]
fn calls_are_waited_for() {
    for is_modern in [false, true] {
        let (waiter, server) = serve();
        let session = (!is_modern).then(|| session(&server));
        let mut wire = call(&server, &waiter, session.as_deref(), 400);
        server.stop.ask();
        assert_eq!(result(&wire.answer()), "waited", "modern: {is_modern}");
        assert!(wire.is_closed(), "modern: {is_modern}");
        assert!(server.has_ended(PATIENCE) && !waiter.cancelled.load(Ordering::SeqCst), "modern: {is_modern}");
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err(), "the port is free");
    }
}

/// Those that take too long are cancelled.
#[test]
fn calls_are_not_waited_for_for_ever() {
    for is_modern in [false, true] {
        let (waiter, server) = serve();
        let session = (!is_modern).then(|| session(&server));
        let _wire = call(&server, &waiter, session.as_deref(), 60_000);
        let start = Instant::now();
        server.stop.ask();
        assert!(server.has_ended(PATIENCE), "modern: {is_modern}");
        let took = start.elapsed();
        assert!(took >= small().farewell && took < 3 * small().farewell, "modern: {is_modern}: {took:?}");
    }
}

/// A client that only listens, or is idle, keeps nobody waiting, and is told by a proper end.
#[test]
fn listeners_are_not_waited_for() {
    let (_, server) = serve();
    let session = session(&server);
    let mut listener = server.connect();
    listener.send(server.head("GET /mcp", &[&GOOD[..], &[&session]].concat()).as_bytes());
    assert_eq!(listener.begin().status, 200);
    let mut idle = server.connect();
    idle.send(server.message(&[], &initialize("2025-06-18")).as_bytes());
    assert_eq!(idle.answer().status, 200);
    let mut silent = server.connect();
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    server.stop.ask();
    while listener.chunk().is_some() {}
    assert!(idle.is_closed() && silent.is_closed() && server.has_ended(PATIENCE));
    assert!(start.elapsed() < small().farewell, "{:?}", start.elapsed());
}

/// In 2026-07-28 a client cancels by closing the connection; before, that means nothing.
#[test]
fn a_closed_connection_cancels() {
    for is_modern in [false, true] {
        let (waiter, server) = serve();
        let session = (!is_modern).then(|| session(&server));
        drop(call(&server, &waiter, session.as_deref(), 60_000));
        if is_modern {
            eventually("it is cancelled", || waiter.cancelled.load(Ordering::SeqCst));
            continue;
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiter.cancelled.load(Ordering::SeqCst));
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        assert_eq!(server.post(&[&session.expect("begun")], &cancel).status, 202);
        eventually("it is cancelled", || waiter.cancelled.load(Ordering::SeqCst));
    }
}

/// A port that is taken is told, and nothing is left.
#[test]
fn a_taken_port_is_an_error() {
    let (_, server) = serve();
    let taken = spindle_mcp::http::HttpServer::bind(server.port, None, small()).err().map(|error| error.kind());
    assert_eq!(taken, Some(std::io::ErrorKind::AddrInUse));
}
