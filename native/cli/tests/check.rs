//! `spindle check`, and what `spindle run` tells of a script that the guard refuses.

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use spindle_core::limits::Limits;
use support::{Blender, command, spindle, told};

const DANGEROUS: &str = "import os\nif True:\n    os.system('x')\n";

/// The exit status is that of the worst file, and people read of each where, what and why.
#[test]
fn files() {
    let folder = tempfile::tempdir().expect("a folder");
    let scripts: [(&str, &[u8]); 5] = [
        ("good.py", b"x = 1\n"),
        ("bad.py", DANGEROUS.as_bytes()),
        ("broken.py", b"x = 1\ndef\n"),
        ("latin.py", b"# \xe9\nx = '\xe9'\n"),
        ("long.py", &[b'\n'; 100_001]),
    ];
    for (name, bytes) in scripts {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    let rows: [(&[&str], i32, &[&str]); 7] = [
        (&["good.py"], 0, &["good.py: would run\n"]),
        (
            &["bad.py"],
            1,
            &["bad.py:3:", ": danger ", "\n    os.system('x')\n    ", "^\n    ", "bad.py: would be refused; 1 danger"],
        ),
        (&["broken.py"], 2, &["broken.py:2:", "broken.py: unreadable\n"]),
        (&["latin.py"], 2, &["latin.py:1:3: the file is not UTF-8\n", "latin.py: unreadable\n"]),
        (&["long.py"], 1, &["long.py: would be refused; 100001 bytes; servers take 100000"]),
        (&["good.py", "bad.py"], 1, &["good.py: would run\n", "bad.py: would be refused"]),
        (&["bad.py", "broken.py", "good.py"], 2, &["would run", "would be refused", "unreadable"]),
    ];
    for (files, expected, parts) in rows {
        let arguments = [&["check"], files].concat();
        let (status, out, err) = spindle(folder.path(), &arguments);
        assert_eq!((status, err.as_str()), (expected, ""), "{files:?}\n{out}");
        for part in parts {
            assert!(out.contains(part), "{part:?} in\n{out}");
        }
        assert!(!out.contains('\u{1b}'), "colours are for terminals");
        let (status, out, _) = spindle(folder.path(), &[&arguments[..], &["--json"]].concat());
        let list: Vec<Value> = serde_json::from_str(&out).expect("JSON");
        assert_eq!((status, list.len()), (expected, files.len()));
        assert!(list.iter().zip(files).all(|(checked, file)| checked["file"] == **file));
        let policy = json!(spindle_guard::POLICY);
        assert!(list.iter().all(|checked| checked["level"] == "guarded" && checked["policy"] == policy), "{out}");
    }
    assert_eq!(spindle(folder.path(), &["check", "absent.py"]).0, 64);
    assert_eq!(spindle(folder.path(), &["check"]).0, 64);
    let usual = Limits::default().max_script_bytes;
    let (_, out, _) = spindle(folder.path(), &["check", "long.py"]);
    assert!(out.contains(&format!("servers take {usual}, ")), "the server's own default: {out}");
}

#[test]
fn standard_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = command(folder.path(), &["check", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(DANGEROUS.as_bytes()).expect("it reads");
    let (status, out, _) = told(child.wait_with_output().expect("it ends"));
    let checked = &serde_json::from_str::<Value>(&out).expect("JSON")[0];
    assert_eq!((status, &checked["file"], &checked["verdict"]), (1, &json!("<stdin>"), &json!("refused")));
    assert_eq!(checked["findings"][0]["line"], 3, "{out}");
}

/// A refusal is told with the lines that it is about; for programs it is the server's error.
#[test]
fn a_script_that_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    fs::write(folder.path().join("bad.py"), DANGEROUS).expect("written");
    let (status, out, err) = spindle(folder.path(), &["run", "bad.py"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.starts_with("spindle: the guard refused this (its level is guarded): line 3, "), "{err}");
    assert!(err.contains("\nbad.py:3:") && err.contains("\n    os.system('x')\n    ") && err.contains("^\n"), "{err}");
    let (status, out, err) = spindle(folder.path(), &["run", "bad.py", "--json"]);
    let error: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, err.as_str(), &error["error"]["kind"]), (1, "", &json!("script_refused")));
    assert_eq!(error["error"]["details"]["findings"][0]["line"], 3, "{out}");
    let (_, out, _) = spindle(folder.path(), &["health"]);
    assert!(out.contains(&format!("guard              guarded; rules {}", spindle_guard::POLICY)), "{out}");
    let log = folder.path().join("log");
    let (_, out, _) = spindle(folder.path(), &["log", "--dir", log.to_str().expect("UTF-8")]);
    assert!(out.contains("script_refused") && out.contains("spindle command"), "{out}");
}

/// What the guard lets pass is told quietly.
#[test]
fn a_script_that_is_let_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let (status, out, err) = spindle(folder.path(), &["run", "-c", "cautious"]);
    assert_eq!((status, out.as_str()), (0, "out\n{}\n"));
    assert_eq!(err, "err\nspindle: the guard let it pass, and has found: 2 cautions (a.rule, b.rule)\n");
}
