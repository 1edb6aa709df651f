//! The secret that HTTP clients show: a file that only its owner can read, made when it is missing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use thiserror::Error;

/// Random bytes of a token that is made here; written as hexadecimal digits.
const RANDOM_BYTES: usize = 32;

/// The fewest and most characters of a token that somebody else has made. Fewer could be guessed.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=512;

/// Why there is no token to serve with.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The system knows no folder for the user's data.
    #[error("this system names no folder for the token; name a file with --token-file")]
    NoPlace,
    /// The file cannot be made.
    #[error("the token file {} cannot be made: {error}", .path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file cannot be read, or could be by others.
    #[error("the token file {} cannot be used: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says, or what is wrong with the file.
        error: io::Error,
    },
    /// What the file holds is no token.
    #[error("the token file {} holds no token: one line of {} to {} visible ASCII characters is expected",
        .path.display(), LENGTH.start(), LENGTH.end())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
}

/// A secret. It is shown nowhere, and compared in constant time.
pub struct Token(String);

impl Token {
    /// Where the token is unless the user says otherwise: `spindle/mcp-token` in the user's local data.
    ///
    /// # Errors
    /// [`TokenError::NoPlace`].
    pub fn default_place() -> Result<PathBuf, TokenError> {
        Ok(dirs::data_local_dir().ok_or(TokenError::NoPlace)?.join("spindle").join("mcp-token"))
    }

    /// The token in this file; a new one, written there, if there is no such file.
    ///
    /// # Errors
    /// Where it can be neither read nor made, others can read it, or it holds something else.
    pub fn at(path: &Path) -> Result<Token, TokenError> {
        let unreadable = |error| TokenError::Read { path: path.to_owned(), error };
        let text = match read_private(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(path).map_err(|error| TokenError::Make { path: path.to_owned(), error })?;
                // What was written last: two processes may have begun at the same time, and one of them was the first.
                read_private(path).map_err(unreadable)?
            }
            text => text.map_err(unreadable)?,
        };
        let token = text.trim();
        let is_token = LENGTH.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token { Ok(Token(token.to_owned())) } else { Err(TokenError::NoToken { path: path.to_owned() }) }
    }

    /// Whether these bytes are the token. How long it takes tells only their number.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

/// Write a new token. Where a file has appeared in the meantime, that one stays; a half-written one is never there.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    // Only its owner can read it from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", hex::encode(bytes))?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
        Ok(_) => Ok(()),
    }
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn read_private(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    // Neither a link that leads elsewhere nor a pipe that never answers.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = File::options().read(true).custom_flags(flags as i32).open(path)?;
    let found = file.metadata()?;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !found.is_file() {
        return refuse("it is no regular file".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse("it belongs to somebody else".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o777;
        return refuse(format!(
            "others can read or change it (mode {mode:o}), so it is no secret; remove it for a new one, or, if nobody \
             else has seen it, `chmod 600` it"
        ));
    }
    read(file)
}

#[cfg(not(unix))]
fn read_private(path: &Path) -> io::Result<String> {
    // The user's local data folder is readable by its owner only.
    read(File::open(path)?)
}

fn read(file: File) -> io::Result<String> {
    let mut text = String::new();
    // Of something far too long as much as shows that it is.
    file.take(2 * *LENGTH.end() as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_made_once() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("not/yet/there");
        let token = Token::at(&path).expect("made");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text.trim().len(), 2 * RANDOM_BYTES);
        assert!(token.is(text.trim().as_bytes()));
        assert!(Token::at(&path).expect("read").is(text.trim().as_bytes()), "it is kept");
        let other = Token::at(&home.path().join("other")).expect("made");
        assert!(!other.is(text.trim().as_bytes()), "each is new");
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("there").count(), 1, "nothing else is left");
    }

    #[test]
    fn beginners_at_the_same_time_agree() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("token");
        let made: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Token::at(&path).expect("made").0)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(made.iter().all(|token| *token == made[0]), "{} are not one", made.len());
    }

    #[test]
    fn a_token_is_only_itself() {
        let token = Token("0123456789abcdef0123456789abcdef".to_owned());
        for (shown, expected) in [
            ("0123456789abcdef0123456789abcdef", true),
            ("0123456789abcdef0123456789abcdeF", false),
            ("0123456789abcdef0123456789abcde", false),
            ("0123456789abcdef0123456789abcdef0", false),
            ("", false),
        ] {
            assert_eq!(token.is(shown.as_bytes()), expected, "{shown}");
        }
    }

    #[cfg(unix)]
    fn private_file(path: &Path, text: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;

        fs::write(path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("folder/token");
        Token::at(&path).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&home.path().join("folder"))), (0o600, 0o700));
    }

    #[cfg(unix)]
    #[test]
    fn files_that_are_no_secret_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let good = "x".repeat(32);
        let rows: [(&str, u32, &str); 9] = [
            (&good, 0o600, ""),
            (&good, 0o400, ""),
            (&good, 0o640, "mode 640"),
            (&good, 0o604, "mode 604"),
            (&good, 0o620, "mode 620"),
            ("", 0o600, "holds no token"),
            (&"x".repeat(31), 0o600, "32 to 512"),
            (&"x".repeat(513), 0o600, "32 to 512"),
            ("x x                                      x", 0o600, "visible ASCII"),
        ];
        for (index, (text, mode, expected)) in rows.into_iter().enumerate() {
            let path = home.path().join(index.to_string());
            private_file(&path, text, mode);
            let told = Token::at(&path).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.is_empty(), expected.is_empty(), "{mode:o} {text:?}: {told}");
            assert!(told.contains(expected), "{mode:o} {text:?}: {told}");
            assert!(text.is_empty() || !told.contains(text), "the error shows the secret");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_folders_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let (file, link) = (home.path().join("file"), home.path().join("link"));
        private_file(&file, &"x".repeat(32), 0o600);
        std::os::unix::fs::symlink(&file, &link).expect("made");
        for path in [link.as_path(), home.path()] {
            assert!(matches!(Token::at(path), Err(TokenError::Read { .. })), "{}", path.display());
        }
    }
}
