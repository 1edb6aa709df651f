//! `spindle top` on a terminal: a pseudo-terminal, and an emulator that reads what is drawn.

#![cfg(unix)]

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use support::{Blender, LONG, command, eventually, spindle};

const LINES: NonZero<u16> = NonZero::new(24).expect("some");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("some");

/// The command on a terminal of its own.
struct Session {
    child: Child,
    keyboard: File,
    terminal: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Session {
    fn start(folder: &Path, arguments: &[&str]) -> Session {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("opened");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("granted");
        let path = ptsname(&keyboard, Vec::new()).expect("named").into_string().expect("UTF-8");
        let no_controller = OFlags::NOCTTY.bits() as i32;
        let terminal =
            OpenOptions::new().read(true).write(true).custom_flags(no_controller).open(path).expect("opened");
        let size = Winsize { ws_row: LINES.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("set");
        let end = || terminal.try_clone().expect("cloned");
        let mut top = command(folder, arguments);
        let child = top.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().expect("it runs");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(LINES, COLUMNS, 0)));
        let (keyboard, drawn) = (File::from(keyboard), Arc::clone(&screen));
        let mut output = keyboard.try_clone().expect("cloned");
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error once nobody has the terminal open.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                drawn.lock().expect("no panic").process(&bytes[..count]);
            }
        });
        Session { child, keyboard, terminal, screen }
    }

    fn shows(&self, text: &str) {
        let drawn = || self.screen.lock().expect("no panic").screen().contents();
        let start = Instant::now();
        while !drawn().contains(text) {
            assert!(start.elapsed() < LONG, "{text:?} never came on the screen:\n{}", drawn());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("pressed");
    }

    /// Wait for the end; the terminal is as it was before.
    fn ends(mut self, status: i32) {
        assert_eq!(self.child.wait().expect("it ends").code(), Some(status));
        let modes = tcgetattr(&self.terminal).expect("told").local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
        eventually("the screen is left", || {
            let parser = self.screen.lock().expect("no panic");
            !parser.screen().alternate_screen() && !parser.screen().hide_cursor()
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        self.child.kill().ok();
    }
}

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
