//! The request log against real files, real processes and a real SIGKILL (REQUEST_LOG).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use spindle_core::journal::{Casualty, Journal, JournalError, JournalSettings};
use spindle_protocol::instance::Instance;
use spindle_protocol::log::{BLENDER_DIED, Call, End, Entry, LogLine, Millis, OK, Script};

const ROLE: &str = "SPINDLE_TEST_ROLE";
const FOLDER: &str = "SPINDLE_TEST_FOLDER";

fn server(name: &str) -> Instance {
    Instance {
        instance: format!("{name:0>8}"),
        port: 27182,
        token: "00".repeat(32),
        pid: std::process::id(),
        version: "0.1.0".to_owned(),
        blender: "5.2.2".to_owned(),
        window: true,
        file: String::new(),
    }
}

fn open(folder: &Path, name: &str) -> (Journal, Vec<Casualty>) {
    Journal::open(&settings(folder), &server(name)).expect("opened")
}

fn settings(folder: &Path) -> JournalSettings {
    JournalSettings { dir: Some(folder.join("log")), ..JournalSettings::default() }
}

fn call(label: &str) -> Call {
    Call { client: "agent".to_owned(), method: "scene.get".into(), label: label.to_owned(), ..Call::default() }
}

fn ok() -> End {
    End { ran: Some(Millis(Duration::from_micros(34))), ..End::new(OK) }
}

/// The files of the log, the oldest first, as text.
fn files(folder: &Path) -> Vec<String> {
    let mut paths: Vec<_> =
        fs::read_dir(folder.join("log")).expect("listed").map(|entry| entry.expect("listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("UTF-8")).collect()
}

/// All lines; each can be read. What a process was killed in has no newline, and is none.
fn lines(folder: &Path) -> Vec<LogLine> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    files(folder)
        .iter()
        .flat_map(|file| file.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(parse).collect::<Vec<_>>())
        .collect()
}

/// Label and outcome of each request in the log, in the order in which they began.
fn requests(folder: &Path) -> Vec<(String, String)> {
    let request = |line: LogLine| match line.entry {
        Entry::Request { call, end } => Some((call.label, end.outcome.into_owned())),
        Entry::Event { .. } => None,
    };
    let mut lines = lines(folder);
    lines.sort_by_key(|line| line.seq);
    lines.into_iter().filter_map(request).collect()
}

/// Not a test of its own: what the other tests run in a process of its own.
#[test]
#[ignore = "other tests start it"]
fn child() {
    let folder = std::env::var_os(FOLDER).expect("a folder");
    let (journal, _) = open(folder.as_ref(), "child");
    match std::env::var(ROLE).expect("a role").as_str() {
        "hang" => hang(&journal),
        "hurry" => hurry(&journal),
        #[cfg(unix)]
        "fill" => fill(&journal),
        role => panic!("no role {role}"),
    }
}

fn start(folder: &Path, role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "child", "--nocapture"]).env(ROLE, role).env(FOLDER, folder);
    command.stdout(Stdio::piped()).spawn().expect("it runs")
}

/// Requests that end, one that is suspended, and a script that does not end.
fn hang(journal: &Journal) {
    for label in ["a", "b", "c"] {
        journal.end(journal.begin(call(label)), ok());
    }
    let _suspended = journal.begin(call("suspended"));
    let script = Some(Script::of("loop.py", "import bpy\nwhile True:\n    pass\n"));
    let _running = journal.begin(Call { method: "script.run".into(), script, ..call("hangs") });
    writeln!(io::stdout(), "ready").expect("told");
    thread::sleep(Duration::from_secs(60));
}

/// A killed process loses nothing, and the next start names what it was running.
#[test]
fn a_process_that_is_killed_in_a_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = start(folder.path(), "hang");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    assert!(stdout.lines().any(|line| line.expect("readable").ends_with("ready")), "it did not come so far");
    let (journal, casualties) = open(folder.path(), "meanwhile");
    assert_eq!(casualties, [], "it lives");
    child.kill().expect("killed");
    child.wait().expect("dead");

    let (_next, casualties) = open(folder.path(), "next");
    let [suspended, hangs] = &casualties[..] else { panic!("{casualties:?}") };
    assert_eq!((suspended.call.label.as_str(), hangs.call.label.as_str()), ("suspended", "hangs"));
    assert_eq!((hangs.pid, hangs.instance.as_str()), (child.id(), "000child"));
    let script = hangs.call.script.as_ref().expect("its script");
    assert!(script.excerpt.starts_with("import bpy\nwhile True:"), "{script:?}");
    assert_eq!(script.digest, Script::of("", "import bpy\nwhile True:\n    pass\n").digest);
    assert!(hangs.to_string().contains("loop.py begins with \"import bpy\""), "{hangs}");
    let expected = [("a", OK), ("b", OK), ("c", OK), ("suspended", BLENDER_DIED), ("hangs", BLENDER_DIED)];
    assert_eq!(requests(folder.path()), expected.map(|(label, outcome)| (label.to_owned(), outcome.to_owned())));
    drop(journal);
    assert_eq!(open(folder.path(), "later").1, [], "told once");
}

/// Requests as fast as they can be written, each told on standard output once its line is written.
fn hurry(journal: &Journal) {
    for number in 0.. {
        let label = number.to_string();
        journal.end(journal.begin(call(&label)), ok());
        writeln!(io::stdout(), "{label}").expect("told");
    }
}

/// Wherever the kill strikes: what was answered is in the log, and no more than one was running.
#[test]
fn processes_that_are_killed_at_any_moment() {
    for round in 0..10 {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = start(folder.path(), "hurry");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = String::new();
        while !told.ends_with("\n100\n") {
            assert!(stdout.read_line(&mut told).expect("readable") > 0, "{told}");
        }
        thread::sleep(Duration::from_micros(137 * round));
        child.kill().expect("killed");
        stdout.read_to_string(&mut told).expect("readable");
        child.wait().expect("dead");

        let (_next, casualties) = open(folder.path(), "next");
        let written = requests(folder.path());
        let mut numbers = told.lines().filter_map(|line| line.parse::<usize>().ok());
        let last = numbers.next_back().expect("some");
        assert!(casualties.len() <= 1 && (last + 1..=last + 3).contains(&written.len()), "{last} {}", written.len());
        let outcomes = written.iter().map(|(_, outcome)| outcome == BLENDER_DIED);
        assert_eq!(outcomes.filter(|died| *died).count(), casualties.len());
        for (number, (label, _)) in written.iter().enumerate() {
            assert_eq!(label, &number.to_string());
        }
    }
}

/// A disk that takes only a part of a line. The file size limit stands in for it, as it needs no rights.
#[cfg(unix)]
fn fill(journal: &Journal) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(8192), maximum }).expect("lowered");
    let run = |number: u32| journal.end(journal.begin(call(&number.to_string())), ok());
    (0..100).for_each(run);
    let fault = journal.fault().expect("the file is full");
    assert!(fault.text.starts_with("cannot write the request log: "), "{}", fault.text);
    let lost = journal.lost();
    assert!((50..100).contains(&lost), "{lost}");
    run(100);
    let since = journal.fault().expect("still full").since;
    assert_eq!((since, journal.lost()), (fault.since, lost + 1));
    setrlimit(Resource::Fsize, Rlimit { current: maximum, maximum }).expect("raised");
    run(101);
    assert_eq!((journal.fault(), journal.lost()), (None, 0));
    writeln!(io::stdout(), "lost {}", lost + 1).expect("told");
}

/// What cannot be written is a fault that passes, and is counted in the log; no line is torn.
#[cfg(unix)]
#[test]
fn a_file_that_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    // With the limit's signal ignored, which a program cannot do without unsafe code, the write fails.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --ignored --exact child --nocapture"])
        .arg(std::env::current_exe().expect("this program"))
        .env(ROLE, "fill")
        .env(FOLDER, folder.path())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let lost: usize = told.lines().find_map(|line| line.rsplit_once("lost ")?.1.parse().ok()).expect("told");
    assert_eq!(requests(folder.path()).len(), 102 - lost);
    let confession = format!("lines that could not be written: {lost}");
    let events: Vec<Entry> = lines(folder.path()).into_iter().map(|line| line.entry).collect();
    assert!(events.contains(&Entry::Event { event: "lines_lost".to_owned(), text: confession }), "{events:?}");
}

#[test]
fn many_threads() {
    const THREADS: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(folder.path(), "own");
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..50 {
                    let begun = [journal.begin(call("one")), journal.begin(call("two"))];
                    together.wait();
                    begun.into_iter().for_each(|begun| journal.end(begun, ok()));
                }
            });
        }
    });
    let lines = lines(folder.path());
    let numbers: BTreeSet<u64> = lines.iter().map(|line| line.seq).collect();
    // The first is that of the start.
    assert_eq!((lines.len(), numbers.len(), numbers.last()), (801, 801, Some(&801)));
    let running = fs::read(folder.path().join("log").join(format!("{}-00000own.running", std::process::id())));
    assert!(running.expect("readable").chunks(4096).all(|slot| slot[0] == b'\n'), "nothing runs");
    drop(journal);
    assert_eq!(fs::read_dir(folder.path().join("log")).expect("listed").count(), 1, "only the log is left");
}

/// ERROR_TEXT: no control character reaches the log raw, and no text is endless.
#[test]
fn hostile_texts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = open(folder.path(), "own");
    let hostile = "a\nb\r\u{1b}[2J\0\u{7f}\u{85}\u{9b}\"\\,\"outcome\":\"ok\"}".to_owned();
    let script = Script { name: hostile.clone(), ..Script::of("", &hostile) };
    let (client, label) = (hostile.clone(), hostile.repeat(1000));
    let begun = journal.begin(Call { client, file: hostile.clone(), script: Some(script), ..call(&label) });
    journal.end(begun, End { text: label.clone(), undo_step: Some(label.clone()), ..End::new("raised") });
    journal.note(&hostile, &label);
    let text = files(folder.path()).concat();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    let lines = lines(folder.path());
    let [_, LogLine { entry: Entry::Request { call, end }, .. }, LogLine { entry: Entry::Event { text, .. }, .. }] =
        &lines[..]
    else {
        panic!("{lines:?}")
    };
    assert_eq!((call.client.lines().next(), end.outcome.as_ref()), (Some("a"), "raised"));
    let script = call.script.as_ref().expect("kept");
    assert_eq!((script.bytes, script.excerpt.as_str()), (hostile.len() as u64, ""), "it has ended");
    for cut in [&call.label, &end.text, end.undo_step.as_ref().expect("kept"), text] {
        assert_eq!(cut.chars().count(), 500);
    }
}

#[test]
fn files_are_rotated_and_their_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = JournalSettings { file_bytes: 2000, files: 4, ..settings(folder.path()) };
    let (journal, _) = Journal::open(&settings, &server("own")).expect("opened");
    for number in 0..200 {
        journal.end(journal.begin(call(&number.to_string())), ok());
    }
    let files = files(folder.path());
    assert!(files.len() == 4 && files.iter().all(|file| file.len() <= 2000), "{files:?}");
    let labels: Vec<usize> =
        requests(folder.path()).iter().map(|(label, _)| label.parse().expect("a number")).collect();
    assert!(labels.len() > 20 && labels.iter().copied().eq(200 - labels.len()..200), "{labels:?}");
    #[cfg(unix)]
    for entry in fs::read_dir(folder.path().join("log")).expect("listed") {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.expect("listed");
        assert_eq!(entry.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    fs::create_dir(&log).expect("made");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o777)).expect("changed");
    let refused = Journal::open(&settings(folder.path()), &server("own")).err().expect("refused");
    assert!(matches!(&refused, JournalError::System { error, .. } if error.kind() == io::ErrorKind::PermissionDenied));
    assert!(refused.to_string().contains("belongs to, or can be changed by, somebody else"), "{refused}");
    assert_eq!(fs::read_dir(log).expect("listed").count(), 0);
}
