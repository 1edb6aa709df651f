//! Every client's configuration, real in shape, in memory: our entry is added, updated, and taken out, and nothing else.

mod support;

use std::path::Path;

use serde_json::{Value, json};
use spindle_setup::clients::{Format, NAME};
use spindle_setup::document::Document;
use spindle_setup::{CLIENTS, State};
use support::{FILES, client, launch, only_adds, parse, text, variants};

/// The values without ours, read by another parser than the one that edits.
fn others(id: &str, bytes: &[u8]) -> Value {
    let text = text(bytes).trim_start_matches('\u{feff}');
    let Format::Json(_) = client(id).format else {
        let mut read: toml_edit::DocumentMut = text.parse().expect("TOML");
        let servers = read.get_mut(client(id).section).and_then(|servers| servers.as_table_like_mut());
        servers.map(|servers| servers.remove(NAME));
        return Value::from(read.iter().map(|(name, item)| format!("{name}{item}")).collect::<Vec<_>>());
    };
    // Lines whose first characters are of a comment, and what comes after a value's, are all the comments there are.
    let strip = |line: &str| {
        let end = [" // ", " /* "]
            .iter()
            .filter_map(|mark| line.find(mark))
            .min()
            .filter(|at| line[..*at].matches('"').count().is_multiple_of(2));
        line[..end.unwrap_or(line.len())].trim().to_owned()
    };
    let lines = text.lines().map(strip).filter(|line| !line.starts_with("//") && !line.starts_with("/*"));
    let plain = lines.collect::<String>().replace(",}", "}").replace(",]", "]");
    let mut value: Value = serde_json::from_str(&plain).unwrap_or_else(|error| panic!("{id}: {error} in {plain}"));
    if let Some(servers) = value.get_mut(client(id).section).and_then(Value::as_object_mut) {
        servers.remove(NAME);
    }
    value
}

/// Connect: our entry is there and right, every byte of the original is, and all else has the values that it had.
#[test]
fn an_entry_is_added_and_nothing_else() {
    let ours = launch("/opt/a \"b\"\\c/spindle");
    for (id, original) in FILES {
        for original in variants(original) {
            let document = parse(id, &original);
            assert_eq!(document.state(&ours), State::Absent, "{id}");
            let connected = document.with(&ours).unwrap_or_else(|error| panic!("{id}: {error}")).bytes();
            let read = parse(id, &connected);
            assert_eq!(read.state(&ours), State::Present, "{id}:\n{}", text(&connected));
            let entry = read.entry().expect("there");
            assert_eq!(
                (&entry["command"], &entry["args"]),
                (&json!("/opt/a \"b\"\\c/spindle"), &json!(["mcp"])),
                "{id}"
            );
            assert!(only_adds(&original, &connected), "{id}:\n{}", text(&connected));
            let (mut before, after) = (others(id, &original), others(id, &connected));
            if let Some(values) = before.as_object_mut() {
                // A section that there was not is there now, and empty without ours.
                values.entry(client(id).section).or_insert(json!({}));
            }
            assert_eq!(after, before, "{id}");
            let windows = text(&original).contains("\r\n");
            assert!(!windows || !text(&connected).replace("\r\n", "").contains('\n'), "{id}: line ends {connected:?}");
            assert_eq!(read.with(&ours).expect("the same").bytes(), connected, "{id}: twice is once");
        }
    }
    assert_eq!(FILES.len(), CLIENTS.len(), "every client has its file");
}

/// Each client's style is kept: what is put, line for line.
#[test]
fn what_is_written() {
    let ours = launch("/opt/spindle");
    let typed = r#""type": "stdio", "command": "/opt/spindle", "args": ["mcp"]"#;
    let rows: [(&str, &str); 9] = [
        (
            "claude-desktop",
            "    },|    \"blender\": {|      \"command\": \"/opt/spindle\",|      \"args\": [\"mcp\"]|    }",
        ),
        (
            "claude-code",
            "  },|  \"mcpServers\": {|    \"blender\": {|      \"type\": \"stdio\",|      \"command\": \"/opt/spindle\",|      \"args\": [\"mcp\"]|    }|  }",
        ),
        ("cursor", "\t\t\"blender\": {|\t\t\t\"command\": \"/opt/spindle\",|\t\t\t\"args\": [\"mcp\"]|\t\t},"),
        (
            "vscode",
            "        \"memory\": { \"type\": \"stdio\", \"command\": \"npx\", \"args\": [\"-y\", \"server-memory\"] }, // notes|        \"blender\": {|            \"type\": \"stdio\",|            \"command\": \"/opt/spindle\",|            \"args\": [\"mcp\"]|        }",
        ),
        ("codex", "|[mcp_servers.blender]|command = \"/opt/spindle\"|args = [\"mcp\"]"),
        ("gemini", "    },|    \"blender\": {|      \"command\": \"/opt/spindle\",|      \"args\": [\"mcp\"]|    }"),
        (
            "antigravity",
            "{\"mcpServers\": {\"firebase\": {\"command\": \"npx\", \"args\": [\"-y\", \"firebase-tools\", \"mcp\"]}, \"blender\": {\"command\": \"/opt/spindle\", \"args\": [\"mcp\"]}}}",
        ),
        (
            "windsurf",
            "  \"mcpServers\": {|    \"blender\": {|      \"command\": \"/opt/spindle\",|      \"args\": [\"mcp\"]|    }|  }",
        ),
        (
            "zed",
            "  \"context_servers\": {|    \"blender\": {|      \"command\": \"/opt/spindle\",|      \"args\": [\"mcp\"]|    }|  },",
        ),
    ];
    for ((id, expected), (of, original)) in rows.into_iter().zip(FILES) {
        assert_eq!(id, *of);
        let connected = parse(id, original.as_bytes()).with(&ours).expect("added").bytes();
        let lines = format!("\n{}", expected.replace('|', "\n"));
        assert!(format!("\n{}", text(&connected)).contains(&lines), "{id}:\n{}", text(&connected));
    }
    // Shapes that no client writes, but people do.
    let inline = r#""command":"/opt/spindle","args":["mcp"]"#;
    let lines = |margin: &str| {
        format!(
            "{margin}\"blender\": {{\n{margin}  \"command\": \"/opt/spindle\",\n{margin}  \"args\": [\"mcp\"]\n{margin}}}"
        )
    };
    for (id, original, expected) in [
        // Blank lines and comments stay, and the comma comes before them.
        ("cursor", "{\n  \"mcpServers\": {\n\n    // a\n    \"x\": {} /* b\n    c */ // d\n    // e\n\n  }\n}\n", format!("{{\n  \"mcpServers\": {{\n\n    // a\n    \"x\": {{}}, /* b\n    c */ // d\n{}\n    // e\n\n  }}\n}}\n", lines("    "))),
        ("cursor", "{\n  \"mcpServers\": {\n    \"x\": {} // a\n    , // b\n  }\n}\n", format!("{{\n  \"mcpServers\": {{\n    \"x\": {{}} // a\n    , // b\n{},\n  }}\n}}\n", lines("    "))),
        ("cursor", "{\n  \"mcpServers\": { // a\n    // b\n  }\n}", format!("{{\n  \"mcpServers\": {{ // a\n{}\n    // b\n  }}\n}}", lines("    "))),
        ("cursor", "{\n  \"mcpServers\": {\n    \"x\": {} }}", format!("{{\n  \"mcpServers\": {{\n    \"x\": {{}},\n{} }}}}", lines("    "))),
        ("cursor", "// a", "// a\n{\n  \"mcpServers\": {\n    \"blender\": {\n      \"command\": \"/opt/spindle\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n".to_owned()),
        ("cursor", "", "{\n  \"mcpServers\": {\n    \"blender\": {\n      \"command\": \"/opt/spindle\",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n".to_owned()),
        ("cursor", r#"{"a":1}"#, format!(r#"{{"a":1,"mcpServers":{{"blender":{{{inline}}}}}}}"#)),
        ("cursor", r#"{"mcpServers":{}}"#, format!(r#"{{"mcpServers":{{"blender":{{{inline}}}}}}}"#)),
        ("cursor", r#"{"mcpServers":{"x":{},},}"#, format!(r#"{{"mcpServers":{{"x":{{}},"blender":{{{inline}}},}},}}"#)),
        ("vscode", r#"{"servers": {"x": {}}, "inputs": []}"#, format!(r#"{{"servers": {{"x": {{}}, "blender": {{{typed}}}}}, "inputs": []}}"#)),
        ("codex", "", "[mcp_servers.blender]\ncommand = \"/opt/spindle\"\nargs = [\"mcp\"]\n".to_owned()),
        ("codex", "[mcp_servers]", "[mcp_servers]\n\n[mcp_servers.blender]\ncommand = \"/opt/spindle\"\nargs = [\"mcp\"]\n".to_owned()),
        ("codex", "mcp_servers = { x = { command = 'y' } } # z\n", "mcp_servers = { x = { command = 'y' }, blender = { command = \"/opt/spindle\", args = [\"mcp\"] } } # z\n".to_owned()),
        ("codex", "mcp_servers = {}\na = 1\n", "mcp_servers = { blender = { command = \"/opt/spindle\", args = [\"mcp\"] } }\na = 1\n".to_owned()),
    ] {
        let connected = parse(id, original.as_bytes()).with(&ours).expect("added").bytes();
        assert_eq!(text(&connected), expected, "{id}: {original}");
    }
}

/// A path of Windows is written as each format has it.
#[test]
fn paths_of_windows() {
    let program = r"C:\Users\Ada Ä\AppData\Local\spindle\bin\spindle.exe";
    for client in CLIENTS {
        let connected = parse(client.id, b"").with(&launch(program)).expect("added").bytes();
        assert_eq!(parse(client.id, &connected).entry().expect("there")["command"], program, "{}", client.id);
    }
}

/// What users have added to our entry stays when its path changes, and so does where it stands.
#[test]
fn an_outdated_entry_is_updated() {
    let rows = [
        (
            "cursor",
            r#"{"mcpServers": {"blender": {"args": ["mcp", "--old"], "command": "/old/spindle", "env": {"A": "1"}}, "z": {}}}"#,
            r#"{"mcpServers": {"blender": {"args": ["mcp"], "command": "/new/spindle", "env": {"A": "1"}}, "z": {}}}"#,
        ),
        (
            "vscode",
            "{\n  \"servers\": {\n    \"blender\": { // mine\n      \"type\": \"http\",\n      \"command\": \"/old/spindle\", // there\n      \"args\": [\"mcp\"]\n    }\n  }\n}",
            "{\n  \"servers\": {\n    \"blender\": { // mine\n      \"type\": \"stdio\",\n      \"command\": \"/new/spindle\", // there\n      \"args\": [\"mcp\"]\n    }\n  }\n}",
        ),
        (
            "codex",
            "[mcp_servers.blender]\r\nargs = ['mcp', 'x'] # a\r\ncommand = '/old/spindle'\r\ntool_timeout_sec = 600\r\n\r\n[tui]\r\n",
            "[mcp_servers.blender]\r\nargs = [\"mcp\"] # a\r\ncommand = \"/new/spindle\"\r\ntool_timeout_sec = 600\r\n\r\n[tui]\r\n",
        ),
        (
            "codex",
            "mcp_servers.blender = { command = \"/old/spindle\", args = [\"mcp\"], enabled = false }\n",
            "mcp_servers.blender = { command = \"/new/spindle\", args = [\"mcp\"], enabled = false }\n",
        ),
    ];
    for (id, original, expected) in rows {
        let document = parse(id, original.as_bytes());
        assert_eq!(document.state(&launch("/new/spindle")), State::Outdated, "{original}");
        assert_eq!(text(&document.with(&launch("/new/spindle")).expect("updated").bytes()), expected);
    }
}

/// Ours alone is taken out, in whatever way it is written, and with what a client has added below it.
#[test]
fn an_entry_is_taken_out() {
    let rows = [
        (
            "cursor",
            r#"{"mcpServers":{"blender":{"command":"/a/spindle","args":["mcp"]},"z":{}}}"#,
            r#"{"mcpServers":{"z":{}}}"#,
        ),
        (
            "cursor",
            r#"{"mcpServers":{"z":{},"blender":{"command":"/a/spindle","args":["mcp"]}}}"#,
            r#"{"mcpServers":{"z":{}}}"#,
        ),
        (
            "zed",
            "{\n  // a\n  \"context_servers\": {\n    // b\n    \"blender\": {\n      \"command\": \"spindle\",\n      \"args\": [\"mcp\"],\n    },\n    // c\n  },\n  \"z\": 1, // d\n}\n",
            "{\n  // a\n  \"context_servers\": {\n    // b\n    // c\n  },\n  \"z\": 1, // d\n}\n",
        ),
        (
            "codex",
            "a = 1\n# b\n\n[mcp_servers.blender]\ncommand = \"spindle\"\nargs = [\n  \"mcp\",\n] # c\n# d\n\n[mcp_servers.blender.env]\nA = '1'\n\n[mcp_servers.blender.tools.look]\napproval_mode = \"approve\"\n\n# e\n[tui]\nf = 1\n",
            "a = 1\n# b\n# d\n\n# e\n[tui]\nf = 1\n",
        ),
        (
            "codex",
            "[mcp_servers]\nblender = { command = 'spindle', args = ['mcp'] } # a\nz = { command = 'z' }\n",
            "[mcp_servers]\nz = { command = 'z' }\n",
        ),
        (
            "codex",
            "[mcp_servers]\r\nblender.command = 'spindle'\r\nblender.args = ['mcp']\r\nz.command = 'z'\r\n",
            "[mcp_servers]\r\nz.command = 'z'\r\n",
        ),
        (
            "codex",
            "mcp_servers = { z = { command = 'z' }, blender = { command = 'spindle', args = ['mcp'] } }\n",
            "mcp_servers = { z = { command = 'z' } }\n",
        ),
        (
            "codex",
            "mcp_servers = { blender = { command = 'spindle', args = ['mcp'] }, z = { command = 'z' } }\n",
            "mcp_servers = { z = { command = 'z' } }\n",
        ),
        ("codex", "[mcp_servers.blender]\ncommand = 'spindle'\nargs = ['mcp']", ""),
    ];
    for (id, original, expected) in rows {
        let left = parse(id, original.as_bytes()).without().expect("taken out").bytes();
        assert_eq!(text(&left), expected, "{id}: {original}");
    }
    for (id, original) in FILES {
        let document = parse(id, original.as_bytes());
        let left = document.with(&launch("/a/spindle")).expect("added").without().expect("taken out").bytes();
        let was_there = parse(id, &left).with(&launch("/a/spindle")).expect("added").bytes();
        assert_eq!(parse(id, &was_there).state(&launch("/a/spindle")), State::Present);
        // A section that was made for it may stay, empty.
        assert!(left == original.as_bytes() || text(&left).contains(client(id).section), "{id}:\n{}", text(&left));
    }
}

/// What is no configuration of the client's is refused, with what is wrong about it.
#[test]
fn unsound_files() {
    let deep = "[".repeat(100_000);
    let rows: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("claude-desktop", b"{\"mcpServers\": {".to_vec(), "malformed", "Unterminated object"),
        ("claude-desktop", b"{\"a\": 1}}".to_vec(), "malformed", "line 1 column 9"),
        ("claude-desktop", b"{ // strict\n}".to_vec(), "malformed", "omment"),
        ("claude-desktop", b"{\"a\": 1,}".to_vec(), "malformed", "railing comma"),
        ("claude-code", b"{'a': 1}".to_vec(), "malformed", "ingle"),
        ("claude-code", b"{\"a\": \"b\nc\"}".to_vec(), "malformed", "control character"),
        ("gemini", b"{\"a\": [1,], // no\n}".to_vec(), "malformed", "railing comma"),
        ("vscode", b"{\"a\": 1 \"b\": 2}".to_vec(), "malformed", "comma"),
        ("zed", b"{\"a\": \xff}".to_vec(), "malformed", "not UTF-8"),
        ("zed", deep.clone().into_bytes(), "malformed", "depth"),
        (
            "zed",
            b"{\"context_servers\": {}, \"context_servers\": {}}".to_vec(),
            "malformed",
            "`context_servers` occurs twice",
        ),
        (
            "zed",
            b"{\"context_servers\": {\"blender\": {}, \"blender\": 1}}".to_vec(),
            "malformed",
            "`blender` occurs twice",
        ),
        ("cursor", b"[]".to_vec(), "not_an_object", "the whole is no object"),
        ("cursor", b"{\"mcpServers\": []}".to_vec(), "not_an_object", "`mcpServers` is no object"),
        ("cursor", b"{\"mcpServers\": null}".to_vec(), "not_an_object", "`mcpServers` is no object"),
        ("codex", b"a = 1\nb = = 2\n".to_vec(), "malformed", "line 2"),
        ("codex", b"mcp_servers = 1\n".to_vec(), "not_an_object", "`mcp_servers` is no table"),
        ("codex", b"[[mcp_servers]]\na = 1\n".to_vec(), "not_an_object", "`mcp_servers` is no table"),
        ("codex", format!("a = {deep}").into_bytes(), "malformed", "recur"),
    ];
    for (id, bytes, kind, says) in rows {
        let document = Document::parse(client(id), Path::new("the/config"), &bytes);
        let refused = document.map(|document| document.bytes()).expect_err("refused");
        let told = refused.to_string();
        assert!(refused.kind() == kind && told.contains(says) && told.contains("the/config"), "{id}: {told}");
    }
}
