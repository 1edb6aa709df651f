//! A file on the disk, read within a limit, and written whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::document::MOST_BYTES;
use crate::error::Error;

/// A configuration as it was found.
#[derive(Debug)]
pub struct Found {
    /// The file itself, behind whatever links.
    pub target: PathBuf,
    /// Its content; none of one that does not exist.
    pub bytes: Option<Vec<u8>>,
}

/// Read a configuration. A link is followed, so that it stays a link when its target is written.
///
/// # Errors
/// [`Error::Unreadable`] and [`Error::TooLarge`].
pub fn read(path: &Path) -> Result<Found, Error> {
    let refused = |reason: &dyn ToString| unreadable(path, reason);
    let target = match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => refused(&"it is a link to a file that does not exist"),
            _ => refused(&error),
        })?,
        Ok(_) => path.to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found { target: path.to_owned(), bytes: None }),
        Err(error) => return Err(refused(&error)),
    };
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !target.metadata().map_err(|error| refused(&error))?.is_file() {
        return Err(refused(&"it is no file"));
    }
    let mut bytes = Vec::new();
    let opened = File::open(&target).map_err(|error| refused(&error))?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::TooLarge { path: path.display().to_string(), limit: MOST_BYTES });
    }
    Ok(Found { target, bytes: Some(bytes) })
}

/// Whether a file may be written. By its permissions: a rename would not ask for them.
///
/// # Errors
/// [`Error::Unwritable`].
pub fn ask(target: &Path) -> Result<(), Error> {
    match target.metadata() {
        Ok(found) if found.permissions().readonly() => Err(unwritable(target, &"it is read-only")),
        _ => Ok(()),
    }
}

/// Write a file by way of a temporary one beside it. It gets the permissions of `model`, or, without one, is its
/// owner's alone: configurations hold keys.
///
/// # Errors
/// [`Error::Unwritable`]; the file is then as it was.
pub fn write(target: &Path, bytes: &[u8], model: Option<&Path>) -> Result<(), Error> {
    let permissions = model.map(fs::metadata).transpose().map(|found| found.map(|found| found.permissions()));
    let written = permissions.and_then(|permissions| replace(target, bytes, permissions));
    written.map_err(|error| unwritable(target, &error))
}

/// The same for a program. Its folders are their owner's alone, whatever the umask: where a system has no folder for
/// what runs, Spindle's server uses the outer one, and does not start when others can change it.
#[cfg(unix)]
pub fn write_program(target: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    if let Some(folder) = target.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    replace(target, bytes, Some(Permissions::from_mode(0o755)))
}

/// The same for a program. One that runs cannot be replaced on Windows, but it can be renamed.
#[cfg(not(unix))]
pub fn write_program(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = target.with_extension("old.exe");
    match replace(target, bytes, None) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied && target.exists() => {
            // What is left there from the last time runs no more, or this fails as the first attempt did.
            fs::remove_file(&aside)
                .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
            fs::rename(target, &aside)?;
            replace(target, bytes, None)
        }
        done => done,
    }
}

fn replace(target: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let folder = target.parent().ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    if let Some(permissions) = permissions {
        temporary.as_file().set_permissions(permissions)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// Remove a file.
///
/// # Errors
/// [`Error::Unwritable`], unless it is gone already.
pub fn remove(target: &Path) -> Result<(), Error> {
    match fs::remove_file(target) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(target, &error)),
        _ => Ok(()),
    }
}

fn unreadable(path: &Path, reason: &dyn ToString) -> Error {
    Error::Unreadable { path: path.display().to_string(), reason: reason.to_string() }
}

fn unwritable(path: &Path, reason: &dyn ToString) -> Error {
    Error::Unwritable { path: path.display().to_string(), reason: reason.to_string() }
}
