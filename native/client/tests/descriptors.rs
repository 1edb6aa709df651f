//! Counts the descriptors of the whole process, hence a file, and so a process, of its own.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{hasty, instance, open, serve};
use spindle_client::{Client, ClientSettings, Connection, Settings};
use spindle_protocol::instance::Instance;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux").count()
}

/// A server that fails each connection in another way.
fn liar() -> Instance {
    let turn = AtomicUsize::new(0);
    serve(move |mut peer| match turn.fetch_add(1, Ordering::Relaxed) % 5 {
        0 => {}
        1 => drop(peer.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        2 => peer.greet(),
        3 => {
            peer.greet();
            if let Some((request, ..)) = peer.hear_hello() {
                let welcome = peer.welcome("00");
                peer.answer(&request, welcome);
            }
        }
        _ => peer.linger(),
    })
}

/// ASYNC_CLEANUP_001: 1,500 failures of every kind leave no descriptor behind.
#[test]
fn failures_release_their_sockets() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let liar = liar();
    // The listeners' own descriptors, and what the first connection sets up once.
    open(&liar).expect_err("a liar");
    let before = descriptors();
    let quick = Settings { connect: Duration::from_millis(2), ..hasty() };
    for round in 0..1000 {
        if round % 10 == 0 {
            open(&instance(nobody)).expect_err("nobody there");
        } else {
            Connection::open(&liar, &quick).expect_err("a liar");
        }
    }
    // The same through a pool, which has a place for each connection.
    let mut settings = ClientSettings::default();
    settings.choices.connect_s = Duration::from_millis(2);
    settings.choices.probe_s = Duration::ZERO;
    settings.choices.retry_attempts = 1;
    settings.choices.breaker_failures = 1000;
    let client = Client::of(liar.clone(), settings).expect("sound settings");
    for _ in 0..500 {
        client.take().expect_err("a liar");
    }
    assert_eq!(client.state().taken, 0);
    // The liar's threads close their ends when they see that the client has.
    let patience = Instant::now() + Duration::from_secs(5);
    while descriptors() > before && Instant::now() < patience {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(descriptors(), before);
}
