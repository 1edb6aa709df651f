//! Ctrl-C: the first one cancels the request and waits for what becomes of it, a second one leaves.

#![cfg(unix)]

mod support;

use std::process::{Child, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use support::terminal::Session;
use support::{Blender, command, eventually, told};

fn press(child: &Child) {
    send(child, Signal::INT);
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("sent");
}

fn check(code: &str, signals: &[Signal], is_stopped: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let runs = || !blender.handle.status().overview.running.is_empty();
    let mut run = command(folder.path(), &["run", "-c", code]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    eventually("it runs", runs);
    for signal in signals {
        send(&child, *signal);
        // Two that come as one count as one.
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let (status, _, err) = told(child.wait_with_output().expect("it ends"));
    let told = if is_stopped {
        ["line 1, in <module>", "interrupted; the script was stopped"]
    } else {
        ["interrupted; the request had been sent and may have run", "spindle health"]
    };
    assert!(status == 130 && told.iter().all(|text| err.contains(text)), "{code}: {status} {err}");
    assert_eq!(runs(), !is_stopped, "{code}");
}

/// UNHANDLED_PROMISE_001: a script that can be stopped is, and its end is waited for.
#[test]
fn once() {
    check("wait", &[Signal::INT], true);
    check("wait", &[Signal::TERM], true);
}

/// Of one that cannot be stopped the end is not waited for.
#[test]
fn one_that_does_not_listen() {
    check("deaf", &[Signal::INT], false);
    check("deaf", &[Signal::INT, Signal::INT], false);
}

/// The line of progress goes.
#[test]
fn on_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let run = Session::start(folder.path(), &["run", "-c", "live"]);
    run.shows("50 %, 1 of 2, half");
    press(&run.child);
    run.shows("interrupted");
    let screen = Arc::clone(&run.screen);
    run.ends(130);
    let drawn = screen.lock().expect("no panic").screen().contents();
    assert!(!drawn.contains('%') && drawn.contains("err\n"), "{drawn:?}");
}

/// A wait for a job ends, and the job goes on.
#[test]
fn a_wait_for_a_job() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let job = support::spindle(folder.path(), &["run", "-c", "live", "--detach"]).1;
    let wait = Session::start(folder.path(), &["job", "wait", job.trim_end()]);
    wait.shows("50 %, 1 of 2, half");
    press(&wait.child);
    wait.ends(130);
    assert_eq!(blender.handle.status().overview.running.len(), 1);
}
