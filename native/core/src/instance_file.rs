//! The instance file: written at start, owner-only, removed at stop (SECRETS).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spindle_protocol::instance::{Instance, runtime_dir};

use crate::private::{private_dir, remove, write_private};

/// A file that exists as long as this value.
#[derive(Debug)]
pub struct InstanceFile {
    path: PathBuf,
}

impl InstanceFile {
    /// Write the file into `dir`, or into the user's runtime folder.
    ///
    /// # Errors
    /// When there is no such folder, it is not the user's own, or writing fails. Nothing is left behind.
    pub fn create(instance: &Instance, dir: Option<&Path>) -> io::Result<InstanceFile> {
        let dir = match dir {
            Some(dir) => dir.to_owned(),
            None => runtime_dir(dirs::runtime_dir().or_else(dirs::data_local_dir)).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "this system names no folder for a user's own files")
            })?,
        };
        private_dir(&dir)?;
        let file = InstanceFile { path: dir.join(instance.file_name()) };
        file.write(instance)?;
        Ok(file)
    }

    /// Write new content, so that readers see either the old one or the new one.
    ///
    /// # Errors
    /// When writing fails; the old content stays.
    pub fn write(&self, instance: &Instance) -> io::Result<()> {
        let draft = self.path.with_extension("draft");
        let written =
            write_private(&draft, &serde_json::to_vec_pretty(instance)?).and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            remove(&draft)?;
        }
        written
    }

    /// Remove the file. Dropping the value does the same, without telling of a failure.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

impl Drop for InstanceFile {
    fn drop(&mut self) {
        // A leftover is harmless, and readers drop it: its process is gone.
        remove(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            instance: "0123456789abcdef".to_owned(),
            port: 27182,
            token: "00".repeat(32),
            pid: 42,
            version: "0.1.0".to_owned(),
            blender: "5.2.2".to_owned(),
            window: true,
            file: String::new(),
        }
    }

    /// SECRETS: the file is its owner's alone, and goes with the server.
    #[test]
    fn the_file_is_private_and_temporary() {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = dir.path().join("spindle");
        let file = InstanceFile::create(&instance(), Some(&runtime)).expect("created");
        let path = runtime.join("42-01234567.json");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&runtime).expect("there").permissions().mode() & 0o777, 0o700);
        }
        let changed = Instance { file: "/tmp/a.blend".to_owned(), ..instance() };
        file.write(&changed).expect("rewritten");
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(serde_json::from_str::<Instance>(&text).expect("JSON"), changed);
        drop(file);
        assert_eq!(fs::read_dir(&runtime).expect("there").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("changed");
        let error = InstanceFile::create(&instance(), Some(dir.path())).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
