//! What runs, in a file of fixed slots: `<process id>-<first 8 of the instance id>.running`. Its process
//! holds a lock on it. The system lets go of the lock however the process ends, so a file without one
//! was left by a process that died.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use spindle_protocol::log::LogLine;

use super::file::last_line;
use crate::private::{new_private, remove};

/// One request in the file, at most: a page, which is written as a whole or not at all, even by a
/// process that is killed. A slot holds a line up to its newline, and nothing when that comes first.
pub const SLOT_BYTES: usize = 4096;

/// Slots that are written once at the start: a disk that is full later has room for them.
const READY: usize = 16;

const EXTENSION: &str = "running";

/// The file of what runs in this process. It exists as long as this value.
pub struct Slots {
    file: File,
    path: PathBuf,
    count: usize,
    free: Vec<usize>,
}

impl Slots {
    /// Make the file.
    ///
    /// # Errors
    /// When it cannot be made or locked; nothing is left behind.
    pub fn create(dir: &Path, key: &str) -> io::Result<Slots> {
        let path = dir.join(key).with_extension(EXTENSION);
        // It has its lock before it has its name, or another process might take it for a dead one's.
        let draft = path.with_extension("draft");
        let file = new_private().write(true).open(&draft)?;
        match file.try_lock().map_err(io::Error::from).and_then(|()| fs::rename(&draft, &path)) {
            Ok(()) => Ok(Slots { file, path, count: 0, free: Vec::new() }),
            Err(error) => remove(&draft).and(Err(error)),
        }
    }

    /// Write the first slots, all empty.
    ///
    /// # Errors
    /// When the system refuses; slots can be filled if it does not refuse any more.
    pub fn prepare(&mut self) -> io::Result<()> {
        write_at(&self.file, &[b'\n'; READY * SLOT_BYTES], 0)
    }

    /// Write a line, newline included, into a free slot; which one.
    ///
    /// # Errors
    /// When the system refuses, or the line is too long.
    pub fn fill(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.len() > SLOT_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the line is longer than a slot"));
        }
        let slot = self.free.pop().unwrap_or(self.count);
        self.count = self.count.max(slot + 1);
        let written = write_at(&self.file, line, slot * SLOT_BYTES);
        if written.is_err() {
            self.free.push(slot);
        }
        written.map(|()| slot)
    }

    /// Empty a slot.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn clear(&mut self, slot: usize) -> io::Result<()> {
        self.free.push(slot);
        write_at(&self.file, b"\n", slot * SLOT_BYTES)
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // A leftover has no lock, and the next start removes it.
        remove(&self.path).ok();
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], position: usize) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, position as u64)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], position: usize) -> io::Result<()> {
    // A disk takes a slot or refuses it; the rest of one would make no line.
    let written = std::os::windows::fs::FileExt::seek_write(file, bytes, position as u64)?;
    if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A dead process's file, locked by this one until it is removed.
pub struct Dead {
    file: File,
    path: PathBuf,
    /// What ran when the process died, each with the time when it began.
    pub ran: Vec<LogLine>,
}

impl Dead {
    /// Remove the file. It is emptied first: another process may have opened it and wait for the lock.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(self) -> io::Result<()> {
        self.file.set_len(0)?;
        remove(&self.path)
    }
}

/// The files that dead processes have left, and those that cannot be looked into.
///
/// # Errors
/// When the folder cannot be read.
pub fn dead(dir: &Path) -> io::Result<Vec<io::Result<Dead>>> {
    Ok(keys(dir)?.iter().filter_map(|key| look(dir, key).transpose()).collect())
}

/// The keys of the processes that have such a file.
///
/// # Errors
/// When the folder cannot be read.
pub fn keys(dir: &Path) -> io::Result<Vec<String>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let key = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == EXTENSION));
        keys.extend(key.and_then(|key| key.to_str()).map(str::to_owned));
    }
    Ok(keys)
}

/// The file of this process if it is dead.
fn look(dir: &Path, key: &str) -> io::Result<Option<Dead>> {
    let path = dir.join(key).with_extension(EXTENSION);
    let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        locked => locked?,
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let mut ran: Vec<LogLine> = content.chunks(SLOT_BYTES).filter_map(line).collect();
    if !ran.is_empty() {
        // It may have died after it wrote the line of a request's end and before it cleared the slot.
        let last = last_line(dir, key)?;
        ran.retain(|line| last.as_ref().is_none_or(|last| (last.seq, &last.instance) != (line.seq, &line.instance)));
    }
    ran.sort_by_key(|line| line.seq);
    Ok(Some(Dead { file, path, ran }))
}

/// What a slot holds. What does not parse was never written as a whole, so its request did not begin.
fn line(slot: &[u8]) -> Option<LogLine> {
    let text = slot.split(|byte| *byte == b'\n').next()?;
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seq: u64) -> Vec<u8> {
        let call = r#""client":"c","session":1,"method":"m","waited_ms":0,"outcome":"running""#;
        format!("{{\"t\":\"2026-07-25T10:11:12Z\",\"seq\":{seq},\"instance\":\"a\",\"pid\":1,{call}}}\n").into_bytes()
    }

    fn left(dir: &Path) -> Option<Vec<u64>> {
        let mut dead = dead(dir).expect("listed");
        dead.pop().map(|dead| dead.expect("readable").ran.iter().map(|line| line.seq).collect())
    }

    /// What a process leaves is what it had not cleared, and only once it has let go of the lock.
    #[test]
    fn what_ran_is_what_was_not_cleared() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut slots = Slots::create(dir.path(), "1-a").expect("made");
        slots.prepare().expect("written");
        let filled: Vec<usize> = (1..=20).map(|seq| slots.fill(&text(seq)).expect("written")).collect();
        for slot in &filled[1..19] {
            slots.clear(*slot).expect("cleared");
        }
        assert!(filled[1..19].contains(&slots.fill(&text(21)).expect("a slot is used again")));
        assert_eq!(left(dir.path()), None, "its process lives");
        slots.file.unlock().expect("as at its death");
        assert_eq!(left(dir.path()), Some(vec![1, 20, 21]));
        for dead in dead(dir.path()).expect("listed") {
            dead.expect("readable").remove().expect("removed");
        }
        assert_eq!(left(dir.path()), None);
        drop(slots);
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
    }

    #[test]
    fn what_has_its_line_in_the_log_had_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut slots = Slots::create(dir.path(), "1-a").expect("made");
        for seq in [7, 8] {
            slots.fill(&text(seq)).expect("written");
        }
        slots.file.unlock().expect("as at its death");
        fs::write(dir.path().join("20260725T101112.000Z-1-a.1.jsonl"), [text(6), text(8)].concat()).expect("written");
        assert_eq!(left(dir.path()), Some(vec![7]));
    }

    #[test]
    fn broken_files_hold_nothing() {
        for content in [&b""[..], b"\n", b"{", &[0; 3 * SLOT_BYTES], &text(1)[..20]] {
            let dir = tempfile::tempdir().expect("a folder");
            fs::write(dir.path().join("1-a.running"), content).expect("written");
            assert_eq!(left(dir.path()), Some(vec![]));
        }
        let dir = tempfile::tempdir().expect("a folder");
        let mut slots = Slots::create(dir.path(), "1-a").expect("made");
        let error = slots.fill(&[b' '; SLOT_BYTES + 1]).expect_err("it would reach into the next slot");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
