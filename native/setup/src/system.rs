//! Whose home this is, and which system. A value, so that the table of clients is tested for each system on any.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A system on which clients run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux, and what is like it.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// Variables by which users move a client's configuration, or Blender's.
const VARIABLES: [&str; 6] = [
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "FLATPAK_XDG_CONFIG_HOME",
    "BLENDER_USER_RESOURCES",
    "BLENDER_USER_EXTENSIONS",
];

/// A user's folders on a system.
#[derive(Clone, Debug)]
pub struct System {
    /// Which.
    pub os: Os,
    /// The home folder.
    pub home: PathBuf,
    /// Where programs keep settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    pub config: PathBuf,
    /// Where programs keep data of this machine: `~/.local/share`, `~/Library/Application Support`, `%LOCALAPPDATA%`.
    pub local_data: PathBuf,
    /// Folders whose content goes away.
    pub temporary: Vec<PathBuf>,
    /// Of the variables that move something, those that are set.
    pub variables: BTreeMap<&'static str, PathBuf>,
}

impl System {
    /// This one.
    ///
    /// # Errors
    /// [`Error::NoFolder`] without a home.
    pub fn this() -> Result<System, Error> {
        let os = if cfg!(windows) {
            Os::Windows
        } else if cfg!(target_os = "macos") {
            Os::MacOs
        } else {
            Os::Linux
        };
        let folder = |folder: Option<PathBuf>, name| folder.ok_or(Error::NoFolder { folder: name });
        let set =
            |name: &'static str| Some((name, PathBuf::from(env::var_os(name).filter(|value| !value.is_empty())?)));
        Ok(System {
            os,
            home: folder(dirs::home_dir(), "home folder")?,
            config: folder(dirs::config_dir(), "folder for settings")?,
            local_data: folder(dirs::data_local_dir(), "folder for data")?,
            temporary: temporary(),
            variables: VARIABLES.into_iter().filter_map(set).collect(),
        })
    }
}

/// The system's own, and those that it has whatever TMPDIR says; macOS hands out folders below /var/folders.
fn temporary() -> Vec<PathBuf> {
    let mut folders = vec![env::temp_dir()];
    if cfg!(unix) {
        folders.extend(
            [
                "/tmp",
                "/var/tmp",
                "/private/tmp",
                "/private/var/tmp",
                "/var/folders",
                "/private/var/folders",
                "/dev/shm",
            ]
            .map(PathBuf::from),
        );
    }
    folders.extend(folders.clone().iter().filter_map(|folder| Path::canonicalize(folder).ok()));
    folders
}
