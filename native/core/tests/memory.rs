//! What `memory` says is what is used: a server in a process of its own is filled in every way that the limits leave to
//! its clients, part by part, and its resident memory is measured.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use spindle_core::admit::Admitted;
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::keys::Ticket;
use spindle_core::memory::{PARTS, worst_case};
use spindle_core::settings::{Settings, environment};
use spindle_protocol::frame::encode;
use spindle_protocol::instance::Instance;
use spindle_protocol::notification::Stream;
use support::{Peer, eventually, kind, raw};

const MIB: usize = 1 << 20;

/// Bytes of the tree that takes most when it is read: 128 times as much.
const TREE_BYTES: usize = MIB / 2;

/// What the allocator keeps of what came and went: between blocks that are held, up to four of the largest frames' were
/// seen.
const SLACK: usize = 40 * MIB;

/// As low as they may be, or so low that a test can reach them.
const SETTINGS: &[(&str, &str)] = &[
    ("SPINDLE_LOG", "false"),
    ("SPINDLE_MAX_CONNECTIONS", "40"),
    ("SPINDLE_MAX_SESSIONS", "300"),
    ("SPINDLE_MAX_SESSION_KEPT", "20"),
    ("SPINDLE_MAX_KEPT_MIB", "73"),
    ("SPINDLE_MAX_CACHE_MIB", "24"),
    ("SPINDLE_MAX_SAMPLES", "5000"),
    ("SPINDLE_MAX_UNREAD_MIB", "73"),
    ("SPINDLE_MAX_ALL_UNREAD_MIB", "80"),
    ("SPINDLE_MAX_QUEUED", "1000"),
    ("SPINDLE_MAX_SESSION_QUEUED", "1000"),
    ("SPINDLE_MAX_QUEUED_MIB", "73"),
    ("SPINDLE_MAX_RECEIVING_MIB", "16"),
    ("SPINDLE_STALL_S", "600"),
];

/// A server in a process of its own, and what its memory was when nobody had asked it anything.
struct Server {
    process: Child,
    dir: tempfile::TempDir,
    instance: Instance,
    idle: usize,
}

impl Server {
    fn start() -> Server {
        let dir = tempfile::tempdir().expect("a folder");
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "the_server", "--ignored", "--quiet"])
            .envs(SETTINGS.iter().copied())
            .env("SPINDLE_RUNTIME_DIR", dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        eventually("it serves", || instance_file(dir.path()).is_some());
        let text = instance_file(dir.path()).map(std::fs::read).expect("there").expect("readable");
        let instance = serde_json::from_slice(&text).expect("an instance");
        let mut server = Server { process, dir, instance, idle: 0 };
        server.client("first").call("ping", json!({}));
        server.idle = server.status("VmRSS:");
        server
    }

    /// A line of what Linux tells of a process's memory, in bytes.
    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    fn used(&self) -> usize {
        self.status("VmRSS:").saturating_sub(self.idle)
    }

    /// What is used once nothing comes or goes any more.
    fn settled(&self) -> usize {
        let mut last = usize::MAX;
        loop {
            let used = self.used();
            if used.abs_diff(last) < MIB / 4 {
                return used;
            }
            last = used;
            thread::sleep(Duration::from_millis(300));
        }
    }

    fn client(&self, id: &str) -> Peer {
        let mut peer = Peer::connect(self.instance.port);
        let welcome = peer.hello(&self.instance, id);
        assert!(welcome["result"].is_object(), "{welcome}");
        peer
    }

    /// Fill a part of the memory with so many bytes: they are held then, and no more than the limits say.
    fn fill<T>(&self, what: &str, bytes: usize, fill: impl FnOnce(&Server) -> T) -> T {
        let most = most(what);
        let before = self.settled();
        let filled = fill(self);
        eventually("it is held", || self.used().saturating_sub(before) >= bytes * 9 / 10);
        let grown = self.settled().saturating_sub(before);
        println!("{what}: {} MiB filled, {} MiB used, {} MiB at most", bytes / MIB, grown / MIB, most / MIB);
        assert!(grown < most + SLACK, "{what}: {} MiB are used, {} MiB at most", grown / MIB, most / MIB);
        filled
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn instance_file(dir: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("readable").path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json"))
}

/// The most that a part of the memory may take.
fn most(what: &str) -> usize {
    (PARTS.iter().find(|part| part.what == what).expect(what).bytes)(&settings().limits) as usize
}

fn settings() -> Settings {
    let variables = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::gather(&Map::new(), variables, &Map::new()).expect("sound settings")
}

/// The server's process, with a stand-in for Blender that answers by blobs as large as it is asked for.
#[test]
#[ignore = "it is the process that the other test measures"]
fn the_server() {
    let settings = Settings::gather(&Map::new(), environment(), &Map::new()).expect("sound settings");
    let dir = settings.runtime_dir.clone().expect("a folder");
    let handle = Handle::start(Settings { port: 0, ..settings }, BlenderFacts::default()).expect("started");
    loop {
        let Some((ticket, admitted)) = handle.take(Duration::from_millis(100)) else { continue };
        let params = serde_json::to_value(admitted.params()).expect("JSON");
        if params["code"] == "talk" {
            talk(&handle, ticket);
            std::fs::write(dir.join("told"), "").expect("written");
            while !dir.join("go on").exists() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let blob = vec![7; asked_for(&admitted, &params)];
        handle.reply(ticket, raw(&json!({"data": {"$blob": [0, blob.len()]}})), blob, Ending::ok());
    }
}

/// Write more than is held, in the smallest pieces.
fn talk(handle: &Handle, ticket: Ticket) {
    for stream in [Stream::Stdout, Stream::Stderr].iter().cycle().take(1_000_000) {
        handle.output(ticket, *stream, "x");
    }
}

fn asked_for(admitted: &Admitted, params: &Value) -> usize {
    if admitted.method().name == "object.get" { MIB } else { params["args"]["bytes"].as_u64().unwrap_or(0) as usize }
}

fn script(bytes: usize) -> Value {
    json!({"code": "1", "args": {"bytes": bytes}})
}

/// Have outcomes kept, under keys and labels as long as they may be.
fn keep(peer: &mut Peer, count: usize, bytes: usize) {
    for number in 0..count {
        let key = format!("{}{number:04}", "é".repeat(124));
        let options = json!({"detach": true, "idempotency_key": key, "label": "é".repeat(64)});
        peer.request_with("script.run", script(bytes), options);
    }
    for _ in 0..count {
        let (reply, _) = peer.receive();
        assert!(reply["result"]["job"].is_string(), "{reply}");
    }
    // The main thread takes them in order.
    peer.call("script.run", script(0));
}

/// What is remembered, while nobody is connected.
fn fill_what_is_kept(server: &Server) {
    server.fill("Kept outcomes", 72 * MIB, |server| keep(&mut server.client("kept"), 18, 4 * MIB));
    server.fill("What else is known of kept outcomes", 0, |server| {
        for number in 0..290 {
            keep(&mut server.client(&format!("{}{number:04}", "x".repeat(60))), 19, 0);
        }
    });
    server.fill("Kept answers", 24 * MIB, |server| {
        let mut peer = server.client("cached");
        for number in 0..30 {
            peer.call("object.get", json!({"name": number.to_string()}));
        }
    });
}

/// Replies of 72 MiB to each of five clients that do not read them: some are dropped.
fn leave_unread(server: &Server) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..5).map(|number| server.client(&format!("deaf-{number}"))).collect();
    for peer in &mut peers {
        for _ in 0..9 {
            peer.request("script.run", script(8 * MIB));
        }
    }
    // The main thread takes turns, so it has served the others by then.
    let mut polite = server.client("polite");
    for _ in 0..10 {
        polite.call("script.run", script(0));
    }
    peers
}

/// Have a script write, and go on for long.
fn keep_busy(server: &Server) -> Peer {
    let mut busy = server.client("busy");
    server.fill("Output that is not told yet", 0, |server| {
        busy.request("script.run", json!({"code": "talk"}));
        eventually("it has written all", || server.dir.path().join("told").exists());
    });
    busy
}

/// Have many wait for one large outcome. They are told one by one, and those that leave too much unread are dropped.
fn wait_for_job(server: &Server) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..3).map(|_| server.client("patient")).collect();
    peers[0].request_with("script.run", script(8 * MIB), json!({"detach": true}));
    let (reply, _) = peers[0].receive();
    for peer in &mut peers {
        for _ in 0..50 {
            peer.request("job.wait", json!({"job": reply["result"]["job"], "timeout_ms": 600_000}));
        }
    }
    peers
}

/// Fill the queue: by blobs, and by the tree that takes most when it is read.
fn fill_queue(server: &Server) -> Peer {
    let mut peer = server.client("waiting");
    let tree = format!("{}0{}", "{\"\":".repeat(50), "}".repeat(50));
    let trees = vec![tree; TREE_BYTES / 256].join(",");
    let json = |id, args: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"script.run","params":{{"code":"1","args":{args}}}}}"#)
    };
    server.fill("Parameters and blobs of requests that wait", 72 * MIB + TREE_BYTES, |_| {
        peer.send_raw(&encode(json(1, &format!("{{\"trees\":[{trees}]}}")).as_bytes(), &[]).expect("it fits"));
        for id in 2..=11 {
            peer.send_raw(&encode(json(id, "{}").as_bytes(), &vec![7; 8 * MIB]).expect("it fits"));
        }
    });
    assert_eq!(peer.receive().0["error"]["data"]["setting"], "max_queued_mib");
    let mut many = server.client("many");
    server.fill("What else is known of requests that wait", 0, |_| {
        for number in 0..1_000 {
            let (id, label) = (format!("{}{number:04}", "é".repeat(124)), "é".repeat(64));
            let (params, options) = (json!({"code": "1"}), json!({"label": label}));
            many.send(
                &json!({"jsonrpc": "2.0", "id": id, "method": "script.run", "params": params, "options": options}),
                &[],
            );
        }
        assert_eq!(many.receive().0["error"]["data"]["setting"], "max_queued");
    });
    peer
}

/// Frames of 40 MiB from ten connections, that end only when all is measured: one comes in but for its end, and the others
/// wait. Then all of them come in, one after the other.
fn send_large_frames(server: &Server) {
    let measured = Arc::new(AtomicBool::new(false));
    let send = |number: usize| {
        let (mut peer, measured) = (server.client(&format!("large-{number}")), Arc::clone(&measured));
        thread::spawn(move || {
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": "script.run", "params": {"code": "1"}});
            let frame = encode(message.to_string().as_bytes(), &vec![7; 40 * MIB]).expect("it fits");
            let (last, most) = frame.split_last().expect("it is not empty");
            peer.send_raw(most);
            while !measured.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
            peer.send_raw(&[*last]);
            kind(&peer.receive().0).to_owned()
        })
    };
    let senders: Vec<_> = server.fill("Frames of which a part has arrived", 40 * MIB, |_| (0..10).map(send).collect());
    measured.store(true, Ordering::Release);
    for sender in senders {
        assert_eq!(sender.join().expect("sent"), "queue_full", "it has come in, and found no room");
    }
}

#[test]
fn memory_is_as_much_as_the_limits_say() {
    let server = Server::start();
    fill_what_is_kept(&server);
    let deaf = server.fill("Replies that are not read", 24 * MIB, leave_unread);
    let mut busy = keep_busy(&server);
    let patient = wait_for_job(&server);
    let mut waiting = fill_queue(&server);
    send_large_frames(&server);
    std::fs::write(server.dir.path().join("go on"), "").expect("written");
    waiting.stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    assert!(waiting.receive().0["result"].is_object(), "what waited is answered");
    assert_eq!(read_answer(&mut busy)["result"]["data"], json!({"$blob": [0, 0]}));

    // Nothing larger than this tree was read.
    let read = most("Parameters that are being read") - 2 * TREE_BYTES * 128;
    let (peak, most) = (server.status("VmHWM:"), worst_case(&settings().limits) as usize - read);
    println!("{} MiB were used, {} MiB at most", peak / MIB, most / MIB);
    assert!(peak < most, "{} MiB were used, {} MiB at most", peak / MIB, most / MIB);
    drop((deaf, patient));
}

/// The next message that is no notification.
fn read_answer(peer: &mut Peer) -> Value {
    loop {
        let (message, _) = peer.receive();
        if message.get("method").is_none() {
            return message;
        }
    }
}
