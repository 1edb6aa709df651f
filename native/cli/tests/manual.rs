//! Help, completions and the manual.

mod support;

use std::fs;

use support::spindle;

const COMMANDS: [&str; 22] = [
    "ls",
    "start",
    "stop",
    "doctor",
    "ping",
    "health",
    "top",
    "run",
    "check",
    "limits",
    "scene",
    "objects",
    "get",
    "shot",
    "render",
    "call",
    "job",
    "log",
    "mcp",
    "setup",
    "completions",
    "man",
];

/// Each command has its help with an example; the whole tells the exit statuses.
#[test]
fn help() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, out, _) = spindle(folder.path(), &["--help"]);
    for part in ["64   the command line is wrong", "130  interrupted", "SPINDLE_BLENDER", "NO_COLOR"] {
        assert!(status == 0 && out.contains(part), "{part} in {out}");
    }
    for name in COMMANDS {
        assert!(out.contains(&format!("\n  {name} ")), "{name} in {out}");
        let (status, help, _) = spindle(folder.path(), &[name, "--help"]);
        assert!(status == 0 && help.contains("Example") && !help.contains('\u{1b}'), "{help}");
    }
}

#[test]
fn completions() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (status, script, err) = spindle(folder.path(), &["completions", shell]);
        let unknown = COMMANDS.iter().find(|name| !script.contains(*name));
        assert_eq!((status, unknown, err.as_str()), (0, None, ""), "{shell}");
    }
    assert_eq!(spindle(folder.path(), &["completions", "dcl"]).0, 64);
}

#[test]
fn man() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, page, _) = spindle(folder.path(), &["man"]);
    assert!(status == 0 && page.contains(".TH") && page.contains("interrupted"), "{page}");
    assert_eq!(spindle(folder.path(), &["man", "pages"]).0, 0);
    for name in COMMANDS {
        let page = fs::read_to_string(folder.path().join(format!("pages/spindle-{name}.1"))).expect(name);
        assert!(page.contains(".TH"), "{name}");
    }
}
