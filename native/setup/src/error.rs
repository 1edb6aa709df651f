//! Why a configuration was not changed. Whatever is told here, the file is as it was.

use std::path::PathBuf;

use serde_json::{Value, json};

/// Why a configuration was not read or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system names no home folder.
    #[error("this system names no {folder} for this user")]
    NoFolder {
        /// Which folder.
        folder: &'static str,
    },
    /// The file cannot be read, or is no file.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words, or ours.
        reason: String,
    },
    /// The file is above [`MOST_BYTES`](crate::document::MOST_BYTES).
    #[error("{path} has more than {limit} bytes, and was not touched: so large a file is not edited here")]
    TooLarge {
        /// The file.
        path: String,
        /// The most that is read.
        limit: u64,
    },
    /// The text is not of the client's format.
    #[error("{path} is not sound, and was not touched: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Where, and what.
        reason: String,
    },
    /// Something else is where servers are to be listed.
    #[error("in {path} {what} is no {wanted}, so that no server can be added to it; it was not touched")]
    NotAnObject {
        /// The file.
        path: String,
        /// What was looked at.
        what: String,
        /// What it is to be.
        wanted: &'static str,
    },
    /// There is an entry `blender` which starts something else.
    #[error("{path} has another server named `blender`, which was not touched: {existing}")]
    Foreign {
        /// The file.
        path: String,
        /// The entry, without the values of its variables.
        existing: Value,
    },
    /// The file, or its folder, cannot be written.
    #[error("{path} cannot be written: {reason}")]
    Unwritable {
        /// The file.
        path: String,
        /// The system's words, or ours.
        reason: String,
    },
    /// Somebody else wrote the file at the same time.
    #[error("{path} was changed by another program meanwhile, and was not touched")]
    Changed {
        /// The file.
        path: String,
    },
    /// The program cannot be put where clients will find it.
    #[error("{path} cannot be installed: {reason}")]
    Binary {
        /// Where it was to be.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// Configurations are Unicode, and this path is not.
    #[error("the path {path:?} is not Unicode, and cannot be written into a configuration")]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
}

impl Error {
    /// The stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::NoFolder { .. } => "no_folder",
            Error::Unreadable { .. } => "unreadable",
            Error::TooLarge { .. } => "too_large",
            Error::Malformed { .. } => "malformed",
            Error::NotAnObject { .. } => "not_an_object",
            Error::Foreign { .. } => "foreign",
            Error::Unwritable { .. } => "unwritable",
            Error::Changed { .. } => "changed",
            Error::Binary { .. } => "binary",
            Error::NotUnicode { .. } => "not_unicode",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::NoFolder { .. } => "set HOME, or run this as the user who uses the AI client",
            Error::Unreadable { .. } => {
                "mend the file or its permissions; `spindle setup --print CLIENT` prints what to paste by hand"
            }
            Error::TooLarge { .. } => "look at the file; `spindle setup --print CLIENT` prints what to paste by hand",
            Error::Malformed { .. } => "mend it in an editor: the client cannot read it either; then run this again",
            Error::NotAnObject { .. } => "mend it in an editor, then run this again",
            Error::Foreign { .. } => "rename that server, or give it up with --replace; a backup is kept",
            Error::Unwritable { .. } => {
                "make the file and its folder writable; `spindle setup --print CLIENT` prints what to paste by hand"
            }
            Error::Changed { .. } => "quit the client, and run this again",
            Error::Binary { .. } => {
                "make the folder writable, or start `spindle setup` from a folder in which the program can stay"
            }
            Error::NotUnicode { .. } => "move the program to a folder with another name",
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let mut told = json!({"kind": self.kind(), "message": self.to_string(), "remedy": self.remedy()});
        if let Error::Foreign { existing, .. } = self {
            told["existing"] = existing.clone();
        }
        told
    }
}
