//! A process without descriptors left. It is the process's limit, so this is a test binary of its own, with one test.

#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{Error, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use support::Harness;

/// Clock ticks that the I/O thread has used, a hundredth of a second each.
fn ticks_used() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").map(|task| task.expect("a task").path());
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.join("stat")).ok());
    let stat = stats.into_iter().find(|stat| stat.contains("(spindle-io)")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// Where no descriptor is left for one more connection, the server goes on, sleeps in between, and takes the connection
/// in once there is one.
#[test]
fn a_process_without_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).expect("lowered");
    let harness = Harness::start(|settings| settings.limits.max_connections = 100);
    let mut peer = harness.client("a");
    let late = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    late.set_read_timeout(Some(Duration::from_millis(500))).expect("set");
    let before = ticks_used();
    let mut files = Vec::new();
    let full = loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(full.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()), "{full}");
    late.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, harness.instance().port)).into()).expect("the kernel accepts");
    let mut greeting = [0; 8];
    let waited = (&late).read(&mut greeting).map_err(|error: Error| error.kind());
    assert!(waited.is_err(), "nobody accepts it");
    assert_eq!(peer.call("ping", json!({}))["result"]["pong"], true, "who is there is served");
    files.clear();
    thread::sleep(Duration::from_millis(300));
    (&late).read_exact(&mut greeting).expect("it is greeted");
    let used = ticks_used() - before;
    assert!(used < 30, "the I/O thread was busy for {used} of some 90 hundredths of a second");
}
