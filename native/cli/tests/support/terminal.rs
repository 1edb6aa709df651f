//! The command on a pseudo-terminal, and an emulator that reads what is drawn.

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
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{LONG, command, eventually};

pub const LINES: NonZero<u16> = NonZero::new(24).expect("some");
pub const COLUMNS: NonZero<u16> = NonZero::new(80).expect("some");

/// The command on a terminal of its own.
pub struct Session {
    pub child: Child,
    pub keyboard: File,
    pub terminal: File,
    pub screen: Arc<Mutex<vt100::Parser>>,
}

impl Session {
    pub fn start(folder: &Path, arguments: &[&str]) -> Session {
        Session::start_as("xterm", folder, arguments)
    }

    /// On a terminal that says that it is of this kind.
    pub fn start_as(term: &str, folder: &Path, arguments: &[&str]) -> Session {
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
        let child = top.env("TERM", term).stdin(end()).stdout(end()).stderr(end()).spawn().expect("it runs");
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

    pub fn shows(&self, text: &str) {
        let drawn = || self.screen.lock().expect("no panic").screen().contents();
        let start = Instant::now();
        while !drawn().contains(text) {
            assert!(start.elapsed() < LONG, "{text:?} never came on the screen:\n{}", drawn());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("pressed");
    }

    /// Wait for the end; the terminal is as it was before.
    pub fn ends(mut self, status: i32) {
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
