//! Configurations as no client writes them: real ones with a piece cut out and another put in. Whatever they are, an
//! edit is refused, or adds our entry and keeps every byte, and is undone.

mod support;

use std::path::Path;

use proptest::prelude::*;
use spindle_setup::State;
use spindle_setup::document::Document;
use support::{FILES, client, launch, only_adds};

/// A shape that no client writes, beside those that they do.
const IN_LINE: (&str, &str) =
    ("codex", "mcp_servers = { docs = { command = 'npx' }, blender.args = [ 'mcp' ] }\n[tui]\n");

/// What breaks, opens, closes, and hides things in either format.
const PIECES: &str = r#"(\{|\}|\[|\]|,|:|=|\.|"|'|#|//|/\*|\*/|\\|\n|\r\n| |\t|a|1|"mcpServers"|"servers"|"context_servers"|"blender"|\[mcp_servers\]|\[mcp_servers\.blender\]|blender|command = "spindle"|args = \["mcp"\]|ä){0,6}"#;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn refused_or_kept(file in 0..=FILES.len(), at in any::<prop::sample::Index>(), cut in 0_usize..24, piece in PIECES, windows: bool) {
        let (id, text) = *FILES.get(file).unwrap_or(&IN_LINE);
        let text = if windows { text.replace('\n', "\r\n") } else { text.to_owned() };
        let start = at.index(text.len());
        let end = (start + cut).min(text.len());
        let bytes = [&text.as_bytes()[..start], piece.as_bytes(), &text.as_bytes()[end..]].concat();
        let ours = launch("/opt/spindle");
        let Ok(document) = Document::parse(client(id), Path::new("config"), &bytes) else { return Ok(()) };
        let state = document.state(&ours);
        if let Ok(connected) = document.with(&ours) {
            prop_assert_eq!(connected.state(&ours), State::Present);
            prop_assert_eq!(connected.with(&ours).expect("the same").bytes(), connected.bytes(), "twice is once");
            let shown = [&bytes, &connected.bytes()].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            prop_assert!(state != State::Absent || only_adds(&bytes, &connected.bytes()), "{:?}", shown);
            if let Ok(left) = connected.without() {
                prop_assert_eq!(left.state(&ours), State::Absent);
                prop_assert!(only_adds(&left.bytes(), &connected.bytes()), "{}", String::from_utf8_lossy(&left.bytes()));
            }
        }
    }
}
