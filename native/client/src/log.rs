//! The request log as it grows: the files of all servers of this user, merged by time. Reading it needs
//! no running Blender.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use spindle_protocol::log::{LOG_EXTENSION, LogLine, log_dir};

use crate::error::Error;

/// The folder of the log, unless a server was told to use another one.
///
/// # Errors
/// [`Error::Folder`] when the system names no such folder.
pub fn folder() -> Result<PathBuf, Error> {
    log_dir(dirs::state_dir().or_else(dirs::data_local_dir)).ok_or_else(|| Error::Folder {
        folder: "of the request log".to_owned(),
        reason: "this system names no folder for a user's own files".to_owned(),
    })
}

/// A log folder, and how far it has been read.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    /// Of each file, the bytes that have been read.
    read: HashMap<PathBuf, u64>,
}

/// Lines of the log.
#[derive(Debug, Default)]
pub struct Batch {
    /// By time, the oldest first.
    pub lines: Vec<LogLine>,
    /// Lines among these that are none of this version's, or broken off.
    pub unreadable: usize,
}

impl Log {
    /// The log in this folder, none of it read yet. The folder need not exist.
    pub fn new(folder: PathBuf) -> Log {
        Log { folder, read: HashMap::new() }
    }

    /// What was written since the last call: the newest `most` of the lines that are wanted. The first
    /// call begins with the oldest file.
    ///
    /// # Errors
    /// When the folder or a file is there and cannot be read.
    pub fn read(&mut self, most: usize, wanted: impl Fn(&LogLine) -> bool) -> io::Result<Batch> {
        let mut batch = Batch::default();
        let files = self.files()?;
        self.read.retain(|path, _| files.contains(path));
        for path in files {
            let text = self.unread(&path)?;
            // In a file the newest are the last: of one that is long, few lines are looked at.
            let newest = text.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let parsed = newest.filter_map(|line| match serde_json::from_slice(line) {
                Ok(line) => Some(line),
                Err(_) => {
                    batch.unreadable += 1;
                    None
                }
            });
            let mut lines: Vec<LogLine> = parsed.filter(&wanted).take(most).collect();
            lines.reverse();
            batch.lines.append(&mut lines);
        }
        // Stable: what a file has in the same millisecond stays in its order.
        batch.lines.sort_by_key(|line| line.t);
        batch.lines.drain(..batch.lines.len().saturating_sub(most));
        Ok(batch)
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == LOG_EXTENSION));
        files.sort_unstable();
        Ok(files)
    }

    /// The whole lines of a file that have not been read; what comes after them is still being written.
    fn unread(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let from = self.read.get(path).copied().unwrap_or(0);
        let mut text = Vec::new();
        match fs::metadata(path).map(|found| found.len()) {
            // The file was removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(text),
            Ok(length) if length <= from => return Ok(text),
            found => found?,
        };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        text.truncate(whole);
        self.read.insert(path.to_owned(), from + whole as u64);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Lines of an event each, at these seconds.
    fn write(folder: &Path, name: &str, seconds: &[u32]) {
        for second in seconds {
            let line = format!(
                r#"{{"t":"2026-07-25T10:11:{second:02}Z","seq":{second},"instance":"{name}","pid":1,"event":"e"}}"#
            );
            append(folder, name, &format!("{line}\n"));
        }
    }

    fn append(folder: &Path, name: &str, text: &str) {
        let path = folder.join(format!("{name}.jsonl"));
        let mut file = File::options().create(true).append(true).open(path).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn check(log: &mut Log, most: usize, expected: &[u64], unreadable: usize) {
        let batch = log.read(most, |line| line.seq != 13).expect("readable");
        let numbers: Vec<u64> = batch.lines.iter().map(|line| line.seq).collect();
        assert_eq!((numbers.as_slice(), batch.unreadable), (expected, unreadable));
    }

    #[test]
    fn files_are_merged_by_time_and_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        check(&mut Log::new(folder.join("none")), 3, &[], 0);
        write(folder, "a", &[1, 4, 13]);
        write(folder, "b", &[2, 3, 5]);
        append(folder, "c", "no line\n");
        check(&mut Log::new(folder.to_owned()), 10, &[1, 2, 3, 4, 5], 1);
        let mut log = Log::new(folder.to_owned());
        check(&mut log, 3, &[3, 4, 5], 1);
        check(&mut log, 3, &[], 0);
        append(folder, "b", r#"{"t":"2026-07-25T10:11:08Z","seq":8,"#);
        check(&mut log, 3, &[], 0);
        append(folder, "b", "\"instance\":\"b\",\"pid\":1,\"event\":\"e\"}\n");
        write(folder, "d", &[7]);
        check(&mut log, 3, &[7, 8], 0);
        fs::remove_file(folder.join("a.jsonl")).expect("removed");
        write(folder, "d", &[9]);
        check(&mut log, 3, &[9], 0);
    }
}
