//! `spindle log` on logs that `spindle-core` has written. No Blender runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use spindle_core::journal::{Journal, JournalSettings};
use spindle_protocol::instance::Instance;
use spindle_protocol::log::{Call, End, LogLine, Millis, OK};

/// Far longer than a line takes to show.
const LONG: Duration = Duration::from_secs(20);

fn journal(folder: &Path, name: &str) -> Journal {
    let server = Instance {
        instance: name.to_owned(),
        port: 27182,
        token: "00".repeat(32),
        pid: std::process::id(),
        version: "0.1.0".to_owned(),
        blender: "5.2.2".to_owned(),
        window: false,
        file: String::new(),
    };
    let settings = JournalSettings { dir: Some(folder.to_owned()), file_bytes: 1000, files: 4 };
    Journal::open(&settings, &server).expect("opened").0
}

fn run(journal: &Journal, label: &str, outcome: &'static str) {
    let call =
        Call { client: "agent".to_owned(), method: "scene.get".into(), label: label.to_owned(), ..Call::default() };
    journal.end(journal.begin(call), End { ran: Some(Millis(Duration::from_micros(3400))), ..End::new(outcome) });
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spindle"));
    // A time zone in POSIX's own notation: nine hours east, and no need of a data base.
    command.arg("log").args(arguments).env("SPINDLE_LOG_DIR", folder).env("TZ", "TST-9");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit status, standard output, standard error.
fn spindle(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(folder, arguments).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit"), text(output.stdout), text(output.stderr))
}

#[test]
fn the_last_lines_of_all_servers() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let (status, out, err) = spindle(&log, &[]);
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(err.contains("no such lines in"), "{err}");

    let (first, second) = (journal(&log, "first"), journal(&log, "second"));
    for number in 0..4 {
        // Lines of one millisecond are in no order among servers.
        thread::sleep(Duration::from_millis(2));
        run(&first, &format!("a{number}"), OK);
        thread::sleep(Duration::from_millis(2));
        run(&second, &format!("b{number}"), if number == 2 { "raised" } else { OK });
    }
    let (status, out, err) = spindle(&log, &["-n", "5"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows[0].starts_with("TIME (TST)") && rows[0].contains("  PID  CLIENT"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours but on a terminal: {out}");
    let expected = ["b1\"   ok", "a2\"   ok", "b2\"  !raised", "a3\"   ok", "b3\"   ok"];
    assert_eq!(rows.len(), 1 + expected.len(), "{out}");
    for (row, expected) in rows[1..].iter().zip(expected) {
        let row = row.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(row.contains(&expected) && row.ends_with("3.4 ms"), "{row}");
    }
    assert_eq!(spindle(&log, &["--lines", "100"]).1.lines().count(), 1 + 2 + 8);

    let (_, out, _) = spindle(&log, &["--failed", "--json"]);
    let line: LogLine = serde_json::from_str(&out).expect("one line of JSON");
    assert!(line.failed() && out.contains("\"label\":\"b2\""), "{out}");
    let utc = line.t.to_string();
    let (_, out, _) = spindle(&log, &["--failed", "--dir", log.to_str().expect("UTF-8")]);
    let hour = |text: &str| text[11..13].parse::<u32>().expect("hours");
    assert_eq!(hour(out.lines().nth(1).expect("a row")), (hour(&utc) + 9) % 24, "local time");
}

fn follow(folder: &Path, arguments: &[&str]) -> (Child, Receiver<String>) {
    let mut child = command(folder, arguments).arg("--follow").spawn().expect("it runs");
    let (sender, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    thread::spawn(move || {
        // Until nobody waits for more.
        stdout.lines().map_while(|line| sender.send(line.expect("UTF-8")).ok()).for_each(drop);
    });
    (child, lines)
}

fn end(mut child: Child) -> i32 {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it was started") {
            return status.code().expect("an exit");
        }
        assert!(start.elapsed() < LONG, "it goes on");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn lines_are_followed_into_new_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let (mut child, lines) = follow(&log, &["--failed", "--json"]);
    let next = || {
        let line = lines.recv_timeout(LONG).expect("a line");
        line.split_once("\"label\":\"").expect("a label").1.split('"').next().expect("its end").to_owned()
    };
    let (first, second) = (journal(&log, "first"), journal(&log, "second"));
    for number in 0..6 {
        // A file holds three lines; older ones go.
        run(&first, "not wanted", OK);
        let (a, b) = (format!("a{number}"), format!("b{number}"));
        run(&first, &a, "raised");
        assert_eq!(next(), a);
        run(&second, &b, "cancelled");
        assert_eq!(next(), b);
    }
    child.kill().expect("killed");
    child.wait().expect("dead");
}

/// Whoever reads our output may stop early; it is noticed though nothing is written.
#[cfg(unix)]
#[test]
fn a_reader_that_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = command(folder.path(), &["--follow"]).spawn().expect("it runs");
    let mut heading = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut heading).expect("readable");
    assert!(heading.starts_with("TIME"), "{heading}");
    assert_eq!(end(child), 0);
}

#[test]
fn a_log_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let (status, _, err) = spindle(&file, &[]);
    assert!(status == 64 && err.contains("file"), "{status} {err}");
    std::fs::write(folder.path().join("a.jsonl"), "{\"t\":\n").expect("written");
    let (status, _, err) = spindle(folder.path(), &["--follow", "-n", "x"]);
    assert!(status == 64 && err.contains("invalid value 'x'"), "{err}");
    let (_, _, err) = spindle(folder.path(), &[]);
    assert!(err.contains("not shown: 1"), "{err}");
}
