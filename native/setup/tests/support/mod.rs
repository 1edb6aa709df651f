//! Configurations, real in shape, and how they are read.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::path::Path;

use spindle_setup::document::Document;
use spindle_setup::{Client, Launch};

/// Real in shape: with what users and clients have in them besides servers.
pub const FILES: &[(&str, &str)] = &[
    ("claude-desktop", include_str!("../files/claude-desktop.json")),
    ("claude-code", include_str!("../files/claude-code.json")),
    ("cursor", include_str!("../files/cursor.json")),
    ("vscode", include_str!("../files/vscode.json")),
    ("codex", include_str!("../files/codex.toml")),
    ("gemini", include_str!("../files/gemini.json")),
    ("antigravity", include_str!("../files/antigravity.json")),
    ("windsurf", include_str!("../files/windsurf.json")),
    ("zed", include_str!("../files/zed.json")),
];

pub fn client(id: &str) -> &'static Client {
    Client::named(id).expect("known")
}

pub fn launch(program: &str) -> Launch {
    Launch::new(Path::new(program)).expect("Unicode")
}

pub fn parse<'a>(id: &str, bytes: &[u8]) -> Document<'a> {
    Document::parse(client(id), Path::new("config"), bytes).unwrap_or_else(|error| panic!("{id}: {error}"))
}

pub fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

/// The same configuration as other editors and systems write it.
pub fn variants(text: &str) -> Vec<Vec<u8>> {
    let windows = text.replace('\n', "\r\n");
    let texts = [
        text.to_owned(),
        windows.clone(),
        format!("\u{feff}{windows}"),
        text.trim_end().to_owned(),
        format!("{text}\n\n"),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// What the original has and the result does not have, in this order, is nothing: bytes have only been put between its
/// own.
pub fn only_adds(original: &[u8], result: &[u8]) -> bool {
    let mut result = result.iter();
    original.iter().all(|wanted| result.any(|byte| byte == wanted))
}
