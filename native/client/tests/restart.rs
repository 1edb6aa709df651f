//! Blender is restarted in the middle of a client's work: the client finds it again, and says what was lost.
#![cfg(unix)]

mod support;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use spindle_client::settings::Choices;
use spindle_client::{Client, ClientSettings, Error, Options};
use spindle_protocol::error::Started;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;
use support::{Blender, Diary, eventually, params, script, settings};

fn client(folder: &tempfile::TempDir, diary: &Diary) -> Client {
    let more_patient = |choices: &mut Choices| {
        (choices.retry_attempts, choices.retry_most_s) = (50, Duration::from_millis(100));
    };
    let settings = ClientSettings {
        runtime_dir: Some(folder.path().to_owned()),
        observer: diary.observer(),
        ..settings(more_patient)
    };
    Client::new(settings).expect("sound settings")
}

/// An idle client just goes on: its connection is seen to be closed, the new server is found by its file, and nothing
/// that was kept of the old one is told any more.
#[test]
fn an_idle_client_finds_the_new_server() {
    let (folder, diary) = (tempfile::tempdir().expect("a folder"), Diary::default());
    let client = client(&folder, &diary);
    let read = || {
        let cube = params(&json!({"name": "Cube"}));
        client.call_cached("object.get", &cube, Duration::from_secs(60), &Options::default()).map(|reply| reply.blob)
    };
    assert_eq!(read().expect_err("none runs").kind(), "no_server");
    let first = Blender::start(folder.path());
    read().expect("answered");
    read().expect("kept");
    drop(first);
    let second = Blender::start(folder.path());
    client.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).expect("found");
    assert_eq!(client.take().expect("connected").server().pid, second.instance().pid);
    read().expect("asked anew");
    assert_eq!((diary.count("another server"), diary.count("the outcome of")), (1, 0));
    let page = client.metrics_text();
    for line in ["cache_hits_total 1", "cache_misses_total 3", "servers_changed_total 1", "lost_total 0"] {
        assert!(page.contains(&format!("\nspindle_client_{line}\n")), "{line}: {page}");
    }
}

/// While Blender starts anew a read waits for it; a script that had been sent is told as lost, and never sent again,
/// also with a key: the new server does not know the old one's keys.
#[test]
fn what_was_in_flight_is_told() {
    let (folder, diary) = (tempfile::tempdir().expect("a folder"), Diary::default());
    let client = client(&folder, &diary);
    let first = Blender::start(folder.path());
    client.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).expect("there");
    first.work_ms.store(60_000, Ordering::Relaxed);
    let call = |key: Option<&str>, code: &'static str| {
        let options = Options { idempotency_key: key.map(str::to_owned), ..Options::default() };
        client.call("script.run", &script(code), &[], &options)
    };
    thread::scope(|scope| {
        let script = scope.spawn(|| call(None, "plain"));
        eventually("it runs", || first.runs_of("plain") == 1);
        let keyed = scope.spawn(|| call(Some("k"), "keyed"));
        let read = scope.spawn(|| {
            let reply = client.call("object.get", &params(&json!({"name": "Cube"})), &[], &Options::default());
            reply.and_then(|reply| reply.read::<Value>())
        });
        eventually("all are sent", || first.handle.status().overview.queued == 2);
        // As a killed process: no answers. The stand-in for Blender sleeps on.
        first.handle.stop();
        let second = Blender::start(folder.path());
        let lost = script.join().expect("no panic").expect_err("lost");
        assert_ne!(lost.started(), Started::No, "{lost}");
        assert!(matches!(lost, Error::Server(_) | Error::Disconnected { sent: true, .. }), "{lost}");
        assert_eq!(read.join().expect("no panic").expect("asked again")["name"], "Cube");
        // Whether the keyed one was told that it had not started, or told nothing, it has run at most once.
        let keyed = keyed.join().expect("no panic");
        assert_eq!(first.runs_of("keyed") + second.runs_of("keyed"), usize::from(keyed.is_ok()));
        assert_eq!(second.runs_of("plain"), 0);
    });
    assert_eq!(diary.count("another server"), 1);
}
