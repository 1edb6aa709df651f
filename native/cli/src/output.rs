//! Where results and complaints go. Writing can fail, and says so: `println!` would
//! panic when the reader has gone.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::text::plain;

/// Standard output and standard error.
pub struct Output {
    /// Whether results go out as JSON.
    pub json: bool,
}

impl Output {
    /// For people, or as JSON for programs.
    pub fn new(json: bool) -> Output {
        Output { json }
    }

    /// One line of result.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }

    /// One line with colours, which only a terminal gets.
    pub fn styled_line(&mut self, text: &str) -> io::Result<()> {
        writeln!(anstream::stdout(), "{text}")
    }

    /// The same on standard error.
    pub fn styled_error_line(&mut self, text: &str) -> io::Result<()> {
        writeln!(anstream::stderr(), "{text}")
    }

    /// Wait. When nobody reads standard output any more it ends at once with an error, as writing would.
    #[cfg(unix)]
    pub fn pause(&mut self, duration: Duration) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        use rustix::io::Errno;

        let stdout = io::stdout();
        // Asked for nothing, it reports only that the other end is gone.
        let mut wanted = [PollFd::new(&stdout, PollFlags::empty())];
        match poll(&mut wanted, Some(&duration.try_into().map_err(io::Error::other)?)) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) if wanted[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            // Some systems cannot poll some devices, and say so at once.
            Ok(_) => {
                thread::sleep(duration);
                Ok(())
            }
        }
    }

    /// Wait.
    #[cfg(not(unix))]
    pub fn pause(&mut self, duration: Duration) -> io::Result<()> {
        thread::sleep(duration);
        Ok(())
    }

    /// A result as JSON, for people to read too.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string_pretty(value)?)
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// What a script wrote to its standard error.
    pub fn error_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::stderr().write_all(bytes)
    }

    /// One sentence about what went wrong.
    pub fn complain(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "spindle: {text}")
    }

    /// Rows in columns that line up. What others have written in them is made harmless.
    pub fn table<const N: usize>(&mut self, rows: &[[String; N]]) -> io::Result<()> {
        let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| plain(cell))).collect();
        let widths: [usize; N] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        for row in &rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
