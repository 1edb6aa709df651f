//! The only place that writes to the terminal. Writing can fail, and says so: `println!` would
//! panic when the reader has gone.

use std::io::{self, Write};

use serde::Serialize;

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

    /// Rows in columns that line up.
    pub fn table<const N: usize>(&mut self, rows: &[[String; N]]) -> io::Result<()> {
        let widths: [usize; N] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        for row in rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
