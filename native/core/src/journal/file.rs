//! The log's files: each process writes its own, so that no two rotate the same one. Their names sort
//! by the time they were begun: `<time>-<process id>-<first 8 of the instance id>.<count>.jsonl`.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use spindle_protocol::log::{LOG_EXTENSION, LogLine};

use super::slots;
use crate::private::{new_private, remove};

/// Above the longest line: eight texts of 500 characters, and little besides.
const LINE_BYTES: u64 = 32 * 1024;

/// The file that is written to, and the bounds.
pub struct LogFile {
    dir: PathBuf,
    /// What the names of this process's files have in common.
    key: String,
    most_bytes: u64,
    most_files: usize,
    /// Files begun so far.
    begun: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    bytes: u64,
}

impl LogFile {
    /// The log of the process with this key. The first line makes the first file.
    pub fn new(dir: &Path, key: String, most_bytes: u64, most_files: usize) -> LogFile {
        LogFile { dir: dir.to_owned(), key, most_bytes, most_files, begun: 0, open: None }
    }

    /// Append a line, newline included, by one write; whether it is the first of a file.
    ///
    /// # Errors
    /// When the system refuses; nothing of the line is in the log then.
    pub fn append(&mut self, line: &[u8]) -> io::Result<bool> {
        let bytes = line.len() as u64;
        let fits = |open: &Open| open.bytes == 0 || open.bytes + bytes <= self.most_bytes;
        let mut open = match self.open.take().filter(fits) {
            Some(open) => open,
            None => self.begin()?,
        };
        let written = open.file.write_all(line);
        // A disk that fills up takes a part of the line. Where that cannot be taken back, the next
        // line begins another file.
        let whole = written.is_ok() || open.file.set_len(open.bytes).is_ok();
        let first = open.bytes == 0;
        if written.is_ok() {
            open.bytes += bytes;
        }
        self.open = Some(open).filter(|_| whole);
        written.map(|()| first)
    }

    fn begin(&mut self) -> io::Result<Open> {
        let path = self.dir.join(self.name(Timestamp::now()));
        let file = new_private().append(true).open(path)?;
        self.begun += 1;
        Ok(Open { file, bytes: 0 })
    }

    /// The clock may stand still or go back, the count does not.
    fn name(&self, time: Timestamp) -> String {
        format!("{}-{}.{}.{LOG_EXTENSION}", time.strftime("%Y%m%dT%H%M%S%.3fZ"), self.key, self.begun + 1)
    }

    /// Remove the oldest files beyond the bound: neither the one that is written to, nor one of another
    /// process that runs.
    ///
    /// # Errors
    /// When one is to go and cannot be removed.
    pub fn prune(&self) -> io::Result<()> {
        let names = names(&self.dir)?;
        let running = slots::keys(&self.dir)?;
        let current = format!("-{}.{}.{LOG_EXTENSION}", self.key, self.begun);
        let removable = |name: &&String| {
            let other = key(name) != self.key && running.iter().any(|running| running == key(name));
            !other && !name.ends_with(&current)
        };
        let excess = names.len().saturating_sub(self.most_files);
        names.iter().filter(removable).take(excess).try_for_each(|name| remove(&self.dir.join(name)))
    }
}

/// The names of all files of the log, the oldest first.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        // A name that is no text is not one of ours.
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(LOG_EXTENSION)));
    }
    names.sort_unstable();
    Ok(names)
}

/// The key in the name of a file of the log.
fn key(name: &str) -> &str {
    let rest = name.split_once('-').map_or("", |(_, rest)| rest);
    rest.split_once('.').map_or(rest, |(key, _)| key)
}

/// The last whole line that the process with this key has written.
///
/// # Errors
/// When its newest file cannot be read.
pub fn last_line(dir: &Path, wanted: &str) -> io::Result<Option<LogLine>> {
    let Some(newest) = names(dir)?.into_iter().rfind(|name| key(name) == wanted) else { return Ok(None) };
    let mut file = File::open(dir.join(newest))?;
    let start = file.metadata()?.len().saturating_sub(2 * LINE_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    // What follows the last newline is a line that its process died in.
    let last = tail.rsplit(|byte| *byte == b'\n').nth(1);
    Ok(last.and_then(|line| serde_json::from_slice(line).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &Path, key: &str, most_bytes: u64, most_files: usize) -> LogFile {
        LogFile::new(dir, key.to_owned(), most_bytes, most_files)
    }

    fn content(dir: &Path) -> Vec<String> {
        let read = |name: &String| fs::read_to_string(dir.join(name)).expect("readable");
        names(dir).expect("listed").iter().map(read).collect()
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = log(dir.path(), "42-01234567", 8, 3);
        for line in ["a\n", "bcd\n", "ef\n", "longer than a file\n", "g\n", "h\n"] {
            if log.append(line.as_bytes()).expect("written") {
                log.prune().expect("pruned");
            }
        }
        // In each file as many lines as fit, at least one; `a` and `bcd` were in the oldest.
        assert_eq!(content(dir.path()), ["ef\n", "longer than a file\n", "g\nh\n"]);
    }

    #[test]
    fn files_of_other_processes_that_run_are_spared() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path();
        for key in ["1-dead", "2-lives", "3-dead"] {
            log(path, key, 8, 9).append(format!("{key}\n").as_bytes()).expect("written");
        }
        fs::write(path.join("2-lives.running"), "").expect("written");
        let mut own = log(path, "4-own", 1, 2);
        for line in ["a\n", "b\n"] {
            own.append(line.as_bytes()).expect("written");
            own.prune().expect("pruned");
        }
        assert_eq!(content(path), ["2-lives\n", "b\n"]);
        own.most_files = 1;
        own.prune().expect("pruned");
        assert_eq!(content(path), ["2-lives\n", "b\n"]);
    }

    #[test]
    fn names_sort_by_time_and_tell_whose_they_are() {
        let mut log = log(Path::new(""), "42-01234567", 8, 3);
        let at = |log: &LogFile, time: &str| log.name(time.parse().expect("a time"));
        let first = at(&log, "2026-07-25T10:11:12.34Z");
        assert_eq!((first.as_str(), key(&first)), ("20260725T101112.340Z-42-01234567.1.jsonl", "42-01234567"));
        log.begun = 9;
        assert!(at(&log, "2026-07-25T10:11:12.35Z") > first);
        assert_eq!([key("notes.jsonl"), key("-.jsonl"), key("a-b")], ["", "", "b"]);
    }

    #[test]
    fn the_last_line_of_a_process_that_died_while_writing() {
        let dir = tempfile::tempdir().expect("a folder");
        let line = |seq| format!(r#"{{"t":"2026-07-25T10:11:12Z","seq":{seq},"instance":"a","pid":1,"event":"e"}}"#);
        let seq = || last_line(dir.path(), "1-a").expect("readable").map(|line| line.seq);
        assert_eq!(seq(), None);
        let mut log = log(dir.path(), "1-a", 1 << 20, 3);
        for (text, expected) in
            [(line(1), None), ("\n".to_owned(), Some(1)), (line(2) + "\n", Some(2)), (line(3), Some(2))]
        {
            log.append(text.as_bytes()).expect("written");
            assert_eq!(seq(), expected);
        }
    }

    /// REQUEST_LOG: a full disk is an error at once, and the log goes on as soon as it can.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = log(dir.path(), "1-a", 1 << 20, 3);
        let file = fs::OpenOptions::new().append(true).open("/dev/full").expect("the device that is always full");
        log.open = Some(Open { file, bytes: 0 });
        assert_eq!(log.append(b"a\n").expect_err("full").kind(), io::ErrorKind::StorageFull);
        assert!(log.append(b"b\n").expect("written"));
        assert_eq!(content(dir.path()), ["b\n"]);
    }
}
