//! `spindle top` on a terminal: a pseudo-terminal, and an emulator that reads what is drawn.

#![cfg(unix)]

mod support;

use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use support::terminal::Session;
use support::{Blender, spindle};

/// It shows what goes on, follows the file, and survives a restart of Blender, by which everything about it is new.
#[test]
fn a_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut top = Session::start(folder.path(), &["top", "--interval", "0.1"]);
    top.shows("waiting for Blender");
    top.shows("no running Blender with Spindle");
    for file in ["/m/chair.blend", "/m/table.blend"] {
        let blender = Blender::start(folder.path(), file);
        top.shows(&format!("port {}", blender.port()));
        top.shows(file);
        blender.handle.set_file("/m/other.blend").expect("written");
        top.shows("/m/other.blend");
        assert_eq!(spindle(folder.path(), &["run", "-c", "live", "--detach"]).0, 0);
        top.shows("main thread  busy");
        top.shows("50 %, 1 of 2, half");
        top.shows("CLIENTS (1)");
        blender.go();
        top.shows("main thread  ready");
        std::fs::remove_file(folder.path().join("go")).expect("removed");
        drop(blender);
        top.shows("waiting for Blender");
    }
    let _blender = Blender::start(folder.path(), "");
    top.shows("healthy");
    top.press(b"p");
    top.shows("paused");
    top.press(b"q");
    top.ends(0);
}

/// However it is told to end, the terminal is as before.
#[test]
fn ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    for keys in [b"q".as_slice(), b"\x1b", b"\x03"] {
        let mut top = Session::start(folder.path(), &["top"]);
        top.shows("main thread  ready");
        top.press(keys);
        top.ends(0);
    }
    for signal in [Signal::TERM, Signal::INT] {
        let top = Session::start(folder.path(), &["top"]);
        top.shows("main thread  ready");
        kill_process(Pid::from_child(&top.child), signal).expect("sent");
        top.ends(0);
    }
    // What waiting cannot mend is told at once.
    let _second = Blender::start(folder.path(), "");
    let top = Session::start(folder.path(), &["top"]);
    top.shows("choose with --instance");
    top.ends(2);
    drop(blender);
}

/// The line of progress goes again, and what the script writes stays.
#[test]
fn progress_of_a_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let blender = Blender::start(folder.path(), "");
    let run = Session::start(folder.path(), &["run", "-c", "live"]);
    run.shows("50 %, 1 of 2, half");
    blender.go();
    run.shows("{}");
    let screen = Arc::clone(&run.screen);
    run.ends(0);
    let drawn = screen.lock().expect("no panic").screen().contents();
    assert!(!drawn.contains('%') && drawn.contains("err\n") && drawn.ends_with("{}"), "{drawn:?}");
}
