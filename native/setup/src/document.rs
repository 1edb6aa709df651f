//! A configuration in memory: bytes in, bytes out. Whatever the format, an edit is read again before it is handed out.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use crate::clients::{Client, Format, NAME};
use crate::entry::{Field, Launch, State, secrets};
use crate::error::Error;
use crate::{json, toml};

/// The largest configuration that is read. Most take a few kilobytes; Claude Code's, which remembers projects in it,
/// some hundred. One that has grown beyond this has taken up what is no configuration.
pub const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// What Windows' editors put before a text.
const BOM: &str = "\u{feff}";

/// An entry that is to be in a text.
#[derive(Debug)]
pub(crate) struct Edit<'a> {
    pub(crate) name: &'a str,
    pub(crate) fields: Vec<(&'static str, Field)>,
    /// Whether an entry that is there keeps what else it has.
    pub(crate) merge: bool,
}

/// Why a text is not edited.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// It cannot be read.
    Malformed(String),
    /// This is to be an object, or a table, and is none.
    NotAnObject { what: String, wanted: &'static str },
}

impl Flaw {
    pub(crate) fn not_an_object(what: &str, wanted: &'static str) -> Flaw {
        Flaw::NotAnObject { what: what.to_owned(), wanted }
    }

    fn at(self, path: &Path) -> Error {
        let path = path.display().to_string();
        match self {
            Flaw::Malformed(reason) => Error::Malformed { path, reason },
            Flaw::NotAnObject { what, wanted } => Error::NotAnObject { path, what, wanted },
        }
    }
}

/// A text with something else in the place of a stretch.
pub(crate) fn splice(text: &str, range: Range<usize>, inserted: &str) -> String {
    format!("{}{inserted}{}", &text[..range.start], &text[range.end..])
}

/// How a text ends its lines, by the first one.
pub(crate) fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// A client's configuration, which has been read.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    client: &'static Client,
    path: &'a Path,
    marked: bool,
    text: String,
    servers: Value,
}

impl<'a> Document<'a> {
    /// Read a configuration; `path` is for messages. No bytes are an empty one.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::NotAnObject`].
    pub fn parse(client: &'static Client, path: &'a Path, bytes: &[u8]) -> Result<Document<'a>, Error> {
        let text = str::from_utf8(bytes)
            .map_err(|error| Flaw::Malformed(format!("it is not UTF-8 text: {error}")).at(path))?;
        let unmarked = text.strip_prefix(BOM);
        Document::read(client, path, unmarked.is_some(), unmarked.unwrap_or(text).to_owned())
    }

    fn read(client: &'static Client, path: &'a Path, marked: bool, text: String) -> Result<Document<'a>, Error> {
        let servers = match client.format {
            Format::Json(dialect) => json::servers(&text, dialect, client.section, NAME),
            Format::Toml => toml::servers(&text, client.section),
        };
        Ok(Document { client, path, marked, text, servers: servers.map_err(|flaw| flaw.at(path))? })
    }

    /// The entry of our name, whosoever it is.
    pub fn entry(&self) -> Option<&Value> {
        self.servers.get(NAME)
    }

    /// What that entry amounts to.
    pub fn state(&self, launch: &Launch) -> State {
        launch.judge(self.client, self.entry())
    }

    /// The same with our entry. One of ours that is there keeps what users have added to it; a foreign one is replaced
    /// as a whole.
    ///
    /// # Errors
    /// As [`Document::parse`], when the place for the entry is written in a way that cannot be added to.
    pub fn with(&self, launch: &Launch) -> Result<Document<'a>, Error> {
        let merge = self.state(launch) != State::Foreign;
        let edit = Edit { name: NAME, fields: launch.fields(self.client), merge };
        let text = match self.client.format {
            Format::Json(dialect) => json::put(&self.text, dialect, self.client.section, &edit),
            Format::Toml => toml::put(&self.text, self.client.section, &edit),
        };
        self.edited(text, |edited| edited.state(launch) == State::Present)
    }

    /// The same without the entry.
    ///
    /// # Errors
    /// As [`Document::with`].
    pub fn without(&self) -> Result<Document<'a>, Error> {
        let text = match self.client.format {
            Format::Json(dialect) => json::take(&self.text, dialect, self.client.section, NAME),
            Format::Toml => toml::take(&self.text, self.client.section, NAME),
        };
        self.edited(text, |edited| edited.entry().is_none())
    }

    fn edited(
        &self,
        text: Result<String, Flaw>,
        is_done: impl Fn(&Document<'a>) -> bool,
    ) -> Result<Document<'a>, Error> {
        let text = text.map_err(|flaw| flaw.at(self.path))?;
        let edited = Document::read(self.client, self.path, self.marked, text)?;
        let unusual =
            || Flaw::Malformed(format!("`{}` is written in a way that cannot be edited", self.client.section));
        if is_done(&edited) { Ok(edited) } else { Err(unusual().at(self.path)) }
    }

    /// Texts in it that are keys more often than not, and are not shown.
    pub(crate) fn secrets(&self) -> Vec<String> {
        secrets(&self.servers)
    }

    /// What is to be written.
    pub fn bytes(&self) -> Vec<u8> {
        let mark = if self.marked { BOM } else { "" };
        [mark, &self.text].concat().into_bytes()
    }
}

/// What to paste into a configuration that has no servers yet.
///
/// # Errors
/// None that are known: the texts are our own.
pub fn snippet(client: &'static Client, launch: &Launch) -> Result<String, Error> {
    Ok(Document::parse(client, Path::new("the snippet"), b"")?.with(launch)?.text)
}
