//! Health probes: RUNTIME_001, ASYNC_RACE_003, ALERTS.

mod common;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::serve_known;
use spindle_client::{Alert, Client, ClientSettings, Event};
use support::{Blender, Diary, eventually, settings};

const MS: Duration = Duration::from_millis(1);

fn probing(blender: &Blender, diary: &Diary) -> Client {
    let settings = ClientSettings {
        observer: diary.observer(),
        ..settings(|choices| (choices.probe_s, choices.health_s) = (20 * MS, 500 * MS))
    };
    Client::of(blender.instance(), settings).expect("sound settings")
}

/// RUNTIME_001: fresh figures each time; three failures in a row make the state unhealthy; the probes go on.
#[test]
fn three_failures_in_a_row() {
    let (folder, diary) = (tempfile::tempdir().expect("a folder"), Diary::default());
    let blender = Blender::start(folder.path());
    let client = probing(&blender, &diary);
    let uptime = || client.state().report.map(|(_, report)| report.uptime_ms);
    eventually("a probe succeeds", || uptime().is_some());
    let before = uptime();
    eventually("a later one tells more", || uptime() > before);
    eventually("ASYNC_RACE_003: probes close what they open", || {
        blender.handle.status().clients.iter().all(|client| client.connections <= 1)
    });
    drop(blender);
    eventually("it is unhealthy", || !client.state().healthy);
    assert!(client.state().failed_probes >= 3 && client.state().alerts.contains(&Alert::Unhealthy));
    eventually("and the probes go on", || client.state().failed_probes >= 6);
    assert!(diary.count("health probe failed, 1 in a row") == 1 && diary.count("the server is unhealthy") == 1);
    assert!(client.metrics_text().contains("\nspindle_client_healthy 0\n"));
    let start = Instant::now();
    client.shutdown();
    assert!(start.elapsed() < 1000 * MS, "RUNTIME_001: it ends on shutdown");
    let failures = client.state().failed_probes;
    std::thread::sleep(100 * MS);
    assert_eq!(client.state().failed_probes, failures);
}

/// RUNTIME_001: neither a panic in whoever is told, nor a server that does not answer, ends the probes; a client that
/// is dropped ends one that waits.
#[test]
fn nothing_ends_the_probes_but_a_shutdown() {
    let probes = Arc::new(AtomicUsize::new(0));
    let (count, silent) = (Arc::clone(&probes), Arc::new(AtomicBool::new(false)));
    let is_silent = Arc::clone(&silent);
    let server = serve_known(move |mut peer| {
        count.fetch_add(1, Ordering::Relaxed);
        if is_silent.load(Ordering::Relaxed) {
            peer.linger();
        }
    });
    let mut settings = settings(|choices| (choices.probe_s, choices.health_s) = (10 * MS, 10_000 * MS));
    settings.observer = Some(Arc::new(|event: &Event<'_>| {
        assert!(
            !matches!(event, Event::ProbeFailed { in_a_row: 2, .. }),
            "an observer that panics, as this test wants"
        );
    }));
    let client = Client::of(server, settings).expect("sound settings");
    eventually("four probes have failed", || client.state().failed_probes >= 4);
    silent.store(true, Ordering::Relaxed);
    let before = probes.load(Ordering::Relaxed);
    eventually("one waits", || {
        probes.load(Ordering::Relaxed) > before + 1 || client.state().failed_probes < 4 || {
            std::thread::sleep(100 * MS);
            true
        }
    });
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < 1000 * MS, "{:?}", start.elapsed());
}
