//! What is in a scene, and pictures of it: what is asked of the server, and how its answers are told.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Blender, PNG, spindle};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// All pages, with the filter in each question.
#[test]
fn objects() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let (status, out, err) = spindle(folder.path(), &["objects", "C*", "--type", "MESH", "--selected"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let rows: Vec<&str> = out.lines().collect();
    assert!(
        rows.len() == 3 && rows[1].starts_with("Cube ") && rows[1].ends_with("MESH  1.000 -2.500 0.000  yes      A, B"),
        "{out}"
    );
    for part in [r#""name":"C*""#, r#""types":["MESH"]"#, r#""selected":true"#] {
        assert!(rows[2].contains(part), "{part} in {out}");
    }
    let list = json(&spindle(folder.path(), &["objects", "--json"]).1);
    assert_eq!((list.as_array().map(Vec::len), &list[0]["name"]), (Some(2), &json!("Cube")));
}

#[test]
fn get() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    for block in ["Cube", "objects/Cube"] {
        assert_eq!(spindle(&["get", block]), (0, "name    Cube\nparent  (none)\n".to_owned(), String::new()));
    }
    assert_eq!(spindle(&["get", "materials/Gold", "diffuse_color"]).1, "diffuse_color\n");
    assert_eq!(json(&spindle(&["get", "Cube", "location[0]", "--json"]).1)["value"], "location[0]");
    let (status, _, err) = spindle(&["get", "Lamp"]);
    assert!(status == 1 && err.contains("no object has the name"), "{err}");
    let (status, _, err) = spindle(&["get", "materials/Gold"]);
    assert!(status == 64 && err.contains("a property's path is needed"), "{err}");
}

#[test]
fn render() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    let spindle = |arguments: &[&str]| spindle(folder.path(), arguments);
    let (status, out, err) = spindle(&["render", "--width", "16", "--engine", "cycles", "--samples", "4"]);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "render.png: 16 x 9, cycles, 1.5 s\n", ""));
    assert_eq!(fs::read(folder.path().join("render.png")).expect("written"), PNG);
    let (status, out, _) = spindle(&["render", "--width", "16", "--engine", "eevee", "--out", "a.png", "--json"]);
    assert_eq!((status, &json(&out)["file"], &json(&out)["engine"]), (0, &json!("a.png"), &json!("eevee")));
    // Blender is told a folder that does not depend on where it was started.
    let (status, out, _) = spindle(&["render", "--frames", "3-7", "--out", "frames", "--json"]);
    let absolute = folder.path().canonicalize().expect("there").join("frames");
    assert_eq!((status, &json(&out)["files"]), (0, &json!([absolute, "3", "7"])));
    let (_, out, _) = spindle(&["render", "--frames", "3-7"]);
    assert!(out.ends_with("frames: 3 frames, 16 x 9, CYCLES, 1.5 s\n"), "{out}");
    let (status, _, err) = spindle(&["render", "--width", "1"]);
    assert!(status == 1 && err.contains("params.width: 1 is not within 4 and 16384"), "{err}");
    for wrong in [["--frames", "9-1"], ["--step", "2"], ["--engine", "povray"]] {
        assert_eq!(spindle(&[["render"].as_slice(), &wrong].concat()).0, 64, "{wrong:?}");
    }
    let (status, job, _) = spindle(&["render", "--width", "16", "--engine", "cycles", "--detach"]);
    assert_eq!((status, spindle(&["job", "wait", job.trim_end(), "--out", "later.png"]).0), (0, 0));
    assert_eq!(fs::read(folder.path().join("later.png")).expect("written"), PNG);
}

/// Pictures go to a terminal that says that it can show them.
#[cfg(unix)]
#[test]
fn shown_on_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let _blender = Blender::start(folder.path(), "");
    for (term, file) in [("xterm-kitty", false), ("xterm", true)] {
        let shot = support::terminal::Session::start_as(term, folder.path(), &["shot", "--width", "16"]);
        if file {
            shot.shows("shot.png: 16 x");
        }
        shot.ends(0);
        assert_eq!(folder.path().join("shot.png").exists(), file, "{term}");
    }
}
