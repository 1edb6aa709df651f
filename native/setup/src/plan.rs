//! What is there, what would change, and doing it.
//!
//! Beside a configuration that is changed its original is kept, as `NAME.spindle-backup`. To undo, the backup is
//! written back when adding our entry to it gives exactly what is there: then nothing else has changed since. Otherwise
//! our entry alone is taken out. A file that was made for the entry goes with it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::clients::{Client, Location};
use crate::diff;
use crate::document::Document;
use crate::entry::{Launch, State, program, shown};
use crate::error::Error;
use crate::file;
use crate::system::System;

/// What a backup's name ends with.
pub const BACKUP: &str = ".spindle-backup";

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The client starts our server.
    Connect {
        /// Whether a foreign entry is given up.
        replace: bool,
    },
    /// It does so no more.
    Disconnect,
}

/// What a plan does to the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// All is as it is to be.
    Nothing,
    /// Our entry is added.
    Add,
    /// Our entry gets another path or other arguments.
    Update,
    /// A foreign entry is replaced.
    Replace,
    /// The original comes back, byte for byte.
    Restore,
    /// The file, which was made for the entry, is deleted.
    Delete,
    /// Our entry is taken out of a file that has changed otherwise.
    TakeOut,
}

/// What is there.
#[derive(Debug)]
pub struct Survey {
    /// Of whom.
    pub client: &'static Client,
    /// Where, and whether the client seems to be here.
    pub location: Location,
    /// What our name stands for there.
    pub state: Result<State, Error>,
    /// The entry, without the values of its variables.
    pub entry: Option<Value>,
}

impl Survey {
    /// Look at a client's configuration.
    pub fn of(client: &'static Client, system: &System, launch: &Launch) -> Survey {
        let location = client.locate(system);
        let found = file::read(&location.file).and_then(|found| {
            let document = Document::parse(client, &location.file, &found.bytes.unwrap_or_default())?;
            Ok((document.state(launch), document.entry().map(shown)))
        });
        let (state, entry) = found.map_or_else(|error| (Err(error), None), |(state, entry)| (Ok(state), entry));
        Survey { client, location, state, entry }
    }
}

/// What becomes of the backup.
#[derive(Debug, PartialEq, Eq)]
enum Backup {
    /// It stays as it is, if there is one.
    Keep,
    /// It becomes what is there now.
    Write,
    /// It is of no more use.
    Remove,
}

/// A change to a client's configuration, which has not been made yet.
#[derive(Debug)]
pub struct Plan {
    /// Of whom.
    pub client: &'static Client,
    /// What is done.
    pub action: Action,
    target: PathBuf,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    backup: Backup,
}

impl Plan {
    /// Find out what is to be done.
    ///
    /// # Errors
    /// All but those of the program; nothing has been changed.
    pub fn new(client: &'static Client, path: &Path, goal: Goal, launch: &Launch) -> Result<Plan, Error> {
        let found = file::read(path)?;
        let document = Document::parse(client, path, found.bytes.as_deref().unwrap_or_default())?;
        let plan = match goal {
            Goal::Connect { replace } => connect(&document, path, &found.target, replace, launch),
            Goal::Disconnect => disconnect(&document, client, path, &found, launch),
        };
        let (action, after, backup) = plan?;
        if action != Action::Nothing {
            file::ask(&found.target)?;
        }
        Ok(Plan { client, action, target: found.target, before: found.bytes, after, backup })
    }

    /// What changes in the text, for people; see [`diff::lines`]. Values of variables and headers are left out.
    pub fn diff(&self) -> Vec<String> {
        if self.action == Action::Nothing {
            return Vec::new();
        }
        let bytes = [&self.before, &self.after].map(|bytes| bytes.as_deref().unwrap_or_default());
        let read = |bytes| Document::parse(self.client, &self.target, bytes).ok();
        let secrets: Vec<String> = bytes.into_iter().filter_map(read).flat_map(|document| document.secrets()).collect();
        let shown = bytes.map(|bytes| {
            secrets.iter().fold(String::from_utf8_lossy(bytes).into_owned(), |text, secret| text.replace(secret, "..."))
        });
        diff::lines(&shown[0], &shown[1])
    }

    /// Whether the file does not exist yet.
    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// The file that is written, behind whatever links.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where the original is kept once this is done.
    pub fn backup(&self) -> Option<PathBuf> {
        let path = backup_of(&self.target);
        match self.backup {
            Backup::Write => self.before.as_ref().map(|_| path),
            Backup::Keep => Some(path).filter(|path| path.is_file()),
            Backup::Remove => None,
        }
    }

    /// Do it.
    ///
    /// # Errors
    /// [`Error::Changed`] and [`Error::Unwritable`]; the configuration is then as it was.
    pub fn commit(&self) -> Result<(), Error> {
        if self.action == Action::Nothing {
            return Ok(());
        }
        if file::read(&self.target)?.bytes != self.before {
            return Err(Error::Changed { path: self.target.display().to_string() });
        }
        let backup = backup_of(&self.target);
        let model = self.before.as_ref().map(|_| self.target.as_path());
        if let (Backup::Write, Some(before)) = (&self.backup, &self.before) {
            file::write(&backup, before, model)?;
        }
        match &self.after {
            Some(after) => file::write(&self.target, after, model)?,
            None => file::remove(&self.target)?,
        }
        if self.backup == Backup::Remove { file::remove(&backup) } else { Ok(()) }
    }
}

fn backup_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(BACKUP);
    PathBuf::from(name)
}

type Change = (Action, Option<Vec<u8>>, Backup);

fn connect(
    document: &Document<'_>,
    path: &Path,
    target: &Path,
    replace: bool,
    launch: &Launch,
) -> Result<Change, Error> {
    let (action, backup) = match document.state(launch) {
        State::Present => return Ok((Action::Nothing, None, Backup::Keep)),
        State::Absent => (Action::Add, Backup::Write),
        // What is kept is the original, not what we have made of it, unless that is all there is.
        State::Outdated if backup_of(target).is_file() => (Action::Update, Backup::Keep),
        State::Outdated => (Action::Update, Backup::Write),
        State::Foreign if replace => (Action::Replace, Backup::Write),
        State::Foreign => return Err(foreign(document, path)),
    };
    Ok((action, Some(document.with(launch)?.bytes()), backup))
}

fn foreign(document: &Document<'_>, path: &Path) -> Error {
    Error::Foreign { path: path.display().to_string(), existing: document.entry().map(shown).unwrap_or_default() }
}

fn disconnect(
    document: &Document<'_>,
    client: &'static Client,
    path: &Path,
    found: &file::Found,
    launch: &Launch,
) -> Result<Change, Error> {
    let Some(entry) = document.entry() else { return Ok((Action::Nothing, None, Backup::Keep)) };
    if document.state(launch) == State::Foreign {
        return Err(foreign(document, path));
    }
    // Of another version of this program the path may have been another.
    let written = program(entry).map(|command| Launch::new(Path::new(command))).transpose()?;
    let gives_this = |original: &[u8]| {
        let original = Document::parse(client, path, original).ok()?;
        let is_ours = matches!(original.state(written.as_ref()?), State::Present | State::Outdated);
        let made = original.with(written.as_ref()?).ok().filter(|_| !is_ours)?;
        Some(made.bytes()).filter(|made| Some(made) == found.bytes.as_ref())
    };
    let backup = backup_of(&found.target);
    let original =
        file::read(&backup).ok().and_then(|backup| backup.bytes).filter(|original| gives_this(original).is_some());
    if original.is_some() {
        return Ok((Action::Restore, original, Backup::Remove));
    }
    if gives_this(b"").is_some() {
        return Ok((Action::Delete, None, Backup::Remove));
    }
    Ok((Action::TakeOut, Some(document.without()?.bytes()), Backup::Write))
}
