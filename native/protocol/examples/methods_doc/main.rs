//! Prints docs/methods.md: `cargo run -p spindle-protocol --example methods_doc > docs/methods.md`.

mod page;
mod schema;

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(page::page().as_bytes())
}
