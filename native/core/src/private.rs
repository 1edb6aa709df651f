//! Files and folders that are their owner's alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Make the folder if it is not there, and see that it is the user's own.
///
/// # Errors
/// When it cannot be made, or somebody else owns it or can change it.
#[cfg(unix)]
pub fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::metadata(dir)?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        let text = format!("the folder {} belongs to, or can be changed by, somebody else", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// Make the folder if it is not there. The user's local data folder is readable by its owner only.
///
/// # Errors
/// When it cannot be made.
#[cfg(not(unix))]
pub fn private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// How to open a new file that only its owner can read. Add how it is written.
pub fn new_private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Write a file that only its owner can read, in the place of one that may be there.
///
/// # Errors
/// When the system refuses; a part may have been written.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    remove(path)?;
    new_private().write(true).open(path)?.write_all(content)
}

/// Remove a file if it is there.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
