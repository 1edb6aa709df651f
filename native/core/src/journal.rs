//! The request log: what Blender was asked to do, who asked, and how it ended (REQUEST_LOG).
//!
//! A request is written down twice. Before it runs it goes into the file of what runs, a slot of its
//! own, which is cleared at its end; so the next start can name what Blender did not survive. When it
//! has ended it becomes one line of the log, in one write. Written means handed to the system: that
//! outlives the process, however it ends, and takes microseconds; it does not outlive the machine.
//!
//! What cannot be written is counted and raised as a [`Fault`]. It never fails or delays a request.
//!
//! - [`file`]: the log's files, bounded in size and number;
//! - [`slots`]: what runs, and what ran when a process died.

mod file;
mod slots;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::Mutex;
use spindle_protocol::error::error_text;
use spindle_protocol::instance::Instance;
use spindle_protocol::limits::ERROR_TEXT_CHARS;
use spindle_protocol::log::{BLENDER_DIED, Call, End, Entry, LogLine, Moment, RUNNING, Script, log_dir};
use thiserror::Error;

use self::file::LogFile;
use self::slots::{SLOT_BYTES, Slots};
use crate::private::private_dir;
use crate::sequence::{Exhausted, Sequence};

/// Where the log is, and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The folder; the user's own one for such things when absent.
    pub dir: Option<PathBuf>,
    /// Bytes of one file. A line takes about 300.
    pub file_bytes: u64,
    /// Files that are kept, those of all processes together. The newest file of a process that runs is
    /// never removed, so there are more where more processes run.
    pub files: usize,
}

impl Default for JournalSettings {
    /// 128 MiB in all: months for a person, and half a minute of the fastest possible requests.
    fn default() -> JournalSettings {
        JournalSettings { dir: None, file_bytes: 16 * 1024 * 1024, files: 8 }
    }
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum JournalError {
    /// There is no place for it.
    #[error("this system names no folder for a user's own files; set one for the request log")]
    NoFolder,
    /// The system refused something.
    #[error("cannot {doing} of the request log in {}: {error}", dir.display())]
    System {
        /// What was being done.
        doing: &'static str,
        /// The log's folder.
        dir: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Something that cannot be written at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Since when.
    pub since: Instant,
    /// What the system said last.
    pub text: String,
}

/// A request that was running when its Blender died.
#[derive(Clone, Debug, PartialEq)]
pub struct Casualty {
    /// Its number in its server.
    pub seq: u64,
    /// Its server's id.
    pub instance: String,
    /// Its Blender's process id.
    pub pid: u32,
    /// When it began.
    pub began: Moment,
    /// What was asked for; of a script, its digest and how it begins.
    pub call: Call,
}

/// One line, for people.
impl fmt::Display for Casualty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Casualty { pid, began, call, .. } = self;
        write!(formatter, "Blender (process {pid}) died while it ran {}", call.method)?;
        if !call.label.is_empty() {
            write!(formatter, " {:?}", call.label)?;
        }
        write!(formatter, " of {}, begun {began}", call.client)?;
        let Some(script) = &call.script else { return Ok(()) };
        let (name, first) = (&script.name, script.excerpt.lines().next().unwrap_or_default());
        let name = if name.is_empty() { "the script" } else { name };
        write!(formatter, "; {name} begins with {first:?}")
    }
}

/// A request that was written down before it runs. It must come back by [`Journal::end`]: until then
/// it counts as running.
#[must_use]
#[derive(Debug)]
pub struct Begun {
    seq: Result<u64, Exhausted>,
    slot: Option<usize>,
    call: Box<Call>,
}

/// The log of one server. Its lock is held for nothing but writing to files.
pub struct Journal {
    instance: String,
    pid: u32,
    numbers: Sequence,
    files: Mutex<Files>,
}

struct Files {
    log: LogFile,
    slots: Slots,
    /// Lines that could not be written, and are not yet confessed.
    lost: u64,
    /// Of each part, what is wrong with it.
    faults: [Option<Fault>; 3],
}

#[derive(Clone, Copy)]
enum Part {
    Log,
    Slots,
    Pruning,
}

impl Journal {
    /// Begin the log of a server, and find what earlier processes did not survive: such requests are
    /// lines of the log now, and are returned for people to see.
    ///
    /// # Errors
    /// When there is no folder, it is not the user's own, or files cannot be made and locked there. A
    /// line that cannot be written is a fault, not an error.
    pub fn open(settings: &JournalSettings, server: &Instance) -> Result<(Journal, Vec<Casualty>), JournalError> {
        let dir = match &settings.dir {
            Some(dir) => dir.clone(),
            None => log_dir(dirs::state_dir().or_else(dirs::data_local_dir)).ok_or(JournalError::NoFolder)?,
        };
        let system = |doing| {
            let dir = dir.clone();
            move |error| JournalError::System { doing, dir, error }
        };
        private_dir(&dir).map_err(system("make the folder"))?;
        let key = key(server);
        let slots = Slots::create(&dir, &key).map_err(system("make a file"))?;
        let log = LogFile::new(&dir, key, settings.file_bytes, settings.files);
        let mut files = Files { log, slots, lost: 0, faults: [None, None, None] };
        let prepared = files.slots.prepare();
        files.judge(Part::Slots, prepared);
        let journal = Journal {
            instance: server.instance.clone(),
            pid: server.pid,
            numbers: Sequence::default(),
            files: Mutex::new(files),
        };
        let Instance { version, blender, port, window, .. } = server;
        let window = if *window { "window" } else { "headless" };
        journal.note("start", &format!("Spindle {version} in Blender {blender} ({window}), port {port}"));
        let casualties = journal.files.lock().bury(&dir).map_err(system("read the files"))?;
        Ok((journal, casualties))
    }

    /// Write down what is about to run.
    pub fn begin(&self, call: Call) -> Begun {
        let mut call = Box::new(call);
        for text in texts(&mut call) {
            tidy(text);
        }
        let seq = self.numbers.next();
        let mut slot = None;
        if let Ok(seq) = seq {
            let text = self.slot_text(seq, call.clone());
            let mut files = self.files.lock();
            let filled = files.slots.fill(&text);
            slot = files.judge(Part::Slots, filled);
        }
        if let Some(script) = &mut call.script {
            script.excerpt.clear();
        }
        Begun { seq, slot, call }
    }

    /// Write down how it ended.
    pub fn end(&self, begun: Begun, mut end: End) {
        tidy(&mut end.text);
        end.undo_step.iter_mut().for_each(tidy);
        let entry = Entry::Request { call: begun.call, end };
        let line = begun.seq.map(|seq| encode(&self.line(seq, entry)));
        let mut files = self.files.lock();
        self.write(&mut files, line);
        // In this order: a process killed in between has the line, and `slots` knows it by its number. One
        // killed within the line leaves it broken off where a page ends, and the request as one that ran.
        if let Some(slot) = begun.slot {
            let cleared = files.slots.clear(slot);
            files.judge(Part::Slots, cleared);
        }
    }

    /// Write down something that is no request, such as a stop.
    pub fn note(&self, event: &str, text: &str) {
        let line = self.numbers.next().map(|seq| encode(&self.line(seq, event_entry(event, text))));
        self.write(&mut self.files.lock(), line);
    }

    /// What cannot be written at the moment. It goes when a later write succeeds.
    pub fn fault(&self) -> Option<Fault> {
        let files = self.files.lock();
        files.faults.iter().flatten().min_by_key(|fault| fault.since).cloned()
    }

    /// Lines that could not be written and are not yet confessed in the log.
    pub fn lost(&self) -> u64 {
        self.files.lock().lost
    }

    fn line(&self, seq: u64, entry: Entry) -> LogLine {
        LogLine { t: Moment::now(), seq, instance: self.instance.clone(), pid: self.pid, entry }
    }

    fn slot_text(&self, seq: u64, call: Box<Call>) -> Vec<u8> {
        let mut line = self.line(seq, Entry::Request { call, end: End::new(RUNNING) });
        let text = encode(&line);
        if text.len() <= SLOT_BYTES {
            return text;
        }
        if let Entry::Request { call, .. } = &mut line.entry {
            texts(call).for_each(shorten);
        }
        encode(&line)
    }

    /// Write a line, after a confession of those that could not be written before it.
    fn write(&self, files: &mut Files, line: Result<Vec<u8>, Exhausted>) {
        let written = line.map_err(io::Error::other).and_then(|line| {
            if files.lost > 0 {
                let seq = self.numbers.next().map_err(io::Error::other)?;
                let text = format!("lines that could not be written: {}", files.lost);
                files.append(&encode(&self.line(seq, event_entry("lines_lost", &text))))?;
                files.lost = 0;
            }
            files.append(&line)
        });
        if files.judge(Part::Log, written).is_none() {
            files.lost = files.lost.saturating_add(1);
        }
    }
}

impl Files {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.log.append(line)? {
            let pruned = self.log.prune();
            self.judge(Part::Pruning, pruned);
        }
        Ok(())
    }

    /// Move what dead processes have left in their files of what ran into this log. What cannot be
    /// written stays for the next start.
    fn bury(&mut self, dir: &Path) -> io::Result<Vec<Casualty>> {
        let mut casualties = Vec::new();
        for dead in slots::dead(dir)? {
            let Some(dead) = self.judge(Part::Slots, dead) else { continue };
            let found: Vec<Casualty> = dead.ran.iter().cloned().filter_map(casualty).collect();
            let written = found.iter().try_for_each(|casualty| self.append(&epitaph(casualty)));
            if self.judge(Part::Log, written).is_some() {
                let removed = dead.remove();
                self.judge(Part::Slots, removed);
            }
            casualties.extend(found);
        }
        Ok(casualties)
    }

    /// A success clears the fault of a part, a failure raises or keeps it.
    fn judge<T>(&mut self, part: Part, result: io::Result<T>) -> Option<T> {
        let fault = &mut self.faults[part as usize];
        match result {
            Ok(done) => {
                *fault = None;
                Some(done)
            }
            Err(error) => {
                let since = fault.as_ref().map_or_else(Instant::now, |fault| fault.since);
                let doing = match part {
                    Part::Log => "write the request log",
                    Part::Slots => "write down what runs",
                    Part::Pruning => "remove old files of the request log",
                };
                *fault = Some(Fault { since, text: format!("cannot {doing}: {error}") });
                None
            }
        }
    }
}

/// What the names of a server's files have in common.
fn key(server: &Instance) -> String {
    let short: String = server.instance.chars().take(8).collect();
    format!("{}-{short}", server.pid)
}

fn event_entry(event: &str, text: &str) -> Entry {
    Entry::Event { event: error_text(event), text: error_text(text) }
}

fn encode(line: &LogLine) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).expect("a line is texts and finite numbers");
    text.push(b'\n');
    text
}

/// What people have chosen or written of a request.
fn texts(call: &mut Call) -> impl Iterator<Item = &mut String> {
    let Call { client, label, file, script, .. } = call;
    let script = script.iter_mut().flat_map(|Script { digest, name, excerpt, .. }| [digest, name, excerpt]);
    [client, label, file].into_iter().chain(script)
}

/// At most 500 characters, and none of them a control character but newlines, which JSON escapes.
fn tidy(text: &mut String) {
    if text.len() > ERROR_TEXT_CHARS || text.chars().any(|c| c.is_control() && c != '\n') {
        *text = error_text(text);
    }
}

/// So short that six of them fit into a slot.
fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(100) {
        text.truncate(end);
    }
}

/// What a slot's line says of a request that did not end.
fn casualty(line: LogLine) -> Option<Casualty> {
    let LogLine { t, seq, instance, pid, entry } = line;
    let Entry::Request { call, .. } = entry else { return None };
    Some(Casualty { seq, instance, pid, began: t, call: *call })
}

/// The line of the log for it.
fn epitaph(casualty: &Casualty) -> Vec<u8> {
    let Casualty { seq, instance, pid, began, call } = casualty.clone();
    let entry = Entry::Request { call: Box::new(call), end: End { began: Some(began), ..End::new(BLENDER_DIED) } };
    encode(&LogLine { t: Moment::now(), seq, instance, pid, entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Instance {
        Instance {
            instance: "0123456789abcdef".to_owned(),
            port: 27182,
            token: "00".repeat(32),
            pid: 42,
            version: "0.1.0".to_owned(),
            blender: "5.2.2".to_owned(),
            window: true,
            file: String::new(),
        }
    }

    fn open(dir: &Path, numbers: Sequence) -> Journal {
        let settings = JournalSettings { dir: Some(dir.join("log")), ..JournalSettings::default() };
        let (journal, _) = Journal::open(&settings, &server()).expect("opened");
        Journal { numbers, ..journal }
    }

    /// SEQUENCE: the last number is used, and the step past it is a fault, not a wrap.
    #[test]
    fn numbers_that_are_used_up() {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = open(dir.path(), Sequence::after(u64::MAX - 1));
        let run = || journal.end(journal.begin(Call::default()), End::new("ok"));
        run();
        assert_eq!((journal.fault(), journal.lost()), (None, 0));
        run();
        let fault = journal.fault().expect("no number is left");
        assert!(fault.text.contains("all sequence numbers up to 18446744073709551615 are used up"), "{}", fault.text);
        assert_eq!(journal.lost(), 1);
        let last = file::last_line(&dir.path().join("log"), &key(&server())).expect("readable").expect("a line");
        assert_eq!(last.seq, u64::MAX);
    }

    /// Whatever people write, it fits into a slot and reads back.
    #[test]
    fn long_texts_fit_into_a_slot() {
        let dir = tempfile::tempdir().expect("a folder");
        let journal = open(dir.path(), Sequence::default());
        let rows = [("", 0, 0), ("label", 1, 5), ("\0", 1000, 500), ("\u{1f980}", 1000, 100), ("\"\n", 1000, 100)];
        for (text, times, kept) in rows {
            let long = text.repeat(times);
            let script = Script { name: long.clone(), excerpt: long.clone(), ..Script::of("", "") };
            let (client, label, file) = (long.clone(), long.clone(), long.clone());
            let mut call = Call { client, label, file, script: Some(script), ..Call::default() };
            texts(&mut call).for_each(tidy);
            let slot = journal.slot_text(u64::MAX, Box::new(call));
            assert!(slot.len() <= SLOT_BYTES, "{text:?}: {}", slot.len());
            let line: LogLine = serde_json::from_slice(&slot).expect("reads back");
            let Entry::Request { call, .. } = line.entry else { panic!("{line:?}") };
            assert_eq!(call.label.chars().count(), kept, "{text:?}");
        }
    }

    #[test]
    fn casualties_are_told_in_a_line() {
        let began = Moment("2026-07-25T10:11:12Z".parse().expect("a time"));
        let told = |call| {
            Casualty {
                seq: 1,
                instance: "a".to_owned(),
                pid: 42,
                began,
                call: Call { client: "agent".to_owned(), ..call },
            }
            .to_string()
        };
        let plain = Call { method: "file.open".into(), ..Call::default() };
        let of = "of agent, begun 2026-07-25T10:11:12.000Z";
        assert_eq!(told(plain.clone()), format!("Blender (process 42) died while it ran file.open {of}"));
        let script = Some(Script::of("a.py", "import bpy\nwhile True: pass"));
        assert_eq!(
            told(Call { label: "chair".to_owned(), script, ..plain }),
            format!("Blender (process 42) died while it ran file.open \"chair\" {of}; a.py begins with \"import bpy\"")
        );
    }
}
