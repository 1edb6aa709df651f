//! The instance file: what a running server leaves in the user's runtime folder, so that clients
//! find it without typing a port. Reading and writing it is the server's and the client's work.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Overrides the runtime folder, for tests and unusual systems.
pub const RUNTIME_DIR_VARIABLE: &str = "SPINDLE_RUNTIME_DIR";

/// One running server. The file is `<pid>-<first 8 of the instance id>.json`, readable by its owner only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The server's id, new at each start.
    pub instance: String,
    /// Loopback TCP port.
    pub port: u16,
    /// The secret, 64 hexadecimal digits.
    pub token: String,
    /// Blender's process id.
    pub pid: u32,
    /// Spindle's version, X.Y.Z.
    pub version: String,
    /// Blender's version, for people.
    pub blender: String,
    /// Whether Blender has a window.
    pub window: bool,
    /// The open .blend file, empty for an unsaved one.
    pub file: String,
}

/// The token does not show (SECRETS).
impl std::fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Instance { instance, port, pid, .. } = self;
        formatter
            .debug_struct("Instance")
            .field("instance", instance)
            .field("port", port)
            .field("pid", pid)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// The name of its file in the runtime folder.
    pub fn file_name(&self) -> String {
        let short: String = self.instance.chars().take(8).collect();
        format!("{}-{short}.json", self.pid)
    }
}

/// The folder of the instance files: `$SPINDLE_RUNTIME_DIR`, else `spindle` in the system's per-user
/// runtime folder, else in the user's local data folder. `system` is that folder, as found by the caller.
pub fn runtime_dir(system: Option<PathBuf>) -> Option<PathBuf> {
    match std::env::var_os(RUNTIME_DIR_VARIABLE) {
        Some(dir) if !dir.is_empty() => Some(PathBuf::from(dir)),
        _ => system.map(|dir| dir.join("spindle")),
    }
}
