//! The program that clients start. It must stay where it is: a configuration names it by its path, for years.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;
use crate::file;
use crate::system::{Os, System};

/// Why a program's place is not written into a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unstable {
    /// It is in a folder whose content goes away.
    Temporary,
    /// It belongs to a version of the extension, or of a Python package.
    Extension,
}

impl Unstable {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Unstable::Temporary => "a temporary folder",
            Unstable::Extension => "a folder of Blender's extension, which moves with its version",
        }
    }
}

/// The program that is written into configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Binary {
    /// Its place.
    pub path: PathBuf,
    /// The program that is to be copied there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<PathBuf>,
    /// Why it does not stay where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unstable: Option<Unstable>,
}

impl Binary {
    /// Which place is written for this program, an absolute path.
    pub fn choose(system: &System, program: &Path) -> Binary {
        let name = if system.os == Os::Windows { "spindle.exe" } else { "spindle" };
        let stable = system.local_data.join("spindle").join("bin").join(name);
        match unstable(system, program).filter(|_| program != stable) {
            None => Binary { path: program.to_owned(), copy_of: None, unstable: None },
            unstable => Binary { path: stable, copy_of: Some(program.to_owned()), unstable },
        }
    }

    /// Put it there, unless the same is there already. Whether it was put.
    ///
    /// # Errors
    /// [`Error::Binary`].
    pub fn install(&self) -> Result<bool, Error> {
        let Some(source) = &self.copy_of else { return Ok(false) };
        let failed =
            |error: std::io::Error| Error::Binary { path: self.path.display().to_string(), reason: error.to_string() };
        let program = fs::read(source).map_err(failed)?;
        if is_same(&self.path, &program) {
            return Ok(false);
        }
        file::write_program(&self.path, &program).map_err(failed)?;
        Ok(true)
    }

    /// Whether [`Binary::install`] would put something.
    pub fn is_due(&self) -> bool {
        self.copy_of.as_ref().is_some_and(|source| fs::read(source).is_ok_and(|program| !is_same(&self.path, &program)))
    }
}

/// Most differ by their length.
fn is_same(path: &Path, program: &[u8]) -> bool {
    let as_long = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == program.len() as u64);
    as_long && is_executable(path) && fs::read(path).is_ok_and(|bytes| bytes == program)
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}

/// Blender unpacks an extension into `extensions/REPOSITORY/ID`, and its wheels into
/// `extensions/.local/lib/.../site-packages`. An extension is known by its manifest as well, since users may move these
/// folders.
fn unstable(system: &System, program: &Path) -> Option<Unstable> {
    if system.temporary.iter().any(|folder| program.starts_with(folder)) {
        return Some(Unstable::Temporary);
    }
    let moved = ["BLENDER_USER_RESOURCES", "BLENDER_USER_EXTENSIONS"];
    let is_below = moved.iter().filter_map(|name| system.variables.get(name)).any(|folder| program.starts_with(folder));
    let has_manifest = program.ancestors().skip(1).take(4).any(|folder| folder.join("blender_manifest.toml").is_file());
    let names: Vec<String> = program.iter().map(|part| part.to_string_lossy().to_lowercase()).collect();
    let extensions = names.iter().position(|name| name == "extensions");
    let is_named = extensions.is_some_and(|at| names[..at].iter().any(|name| name.starts_with("blender")));
    let is_packaged = names.iter().any(|name| name == "site-packages");
    (is_below || has_manifest || is_named || is_packaged).then_some(Unstable::Extension)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn system(root: &Path) -> System {
        System {
            os: Os::Linux,
            home: root.join("home"),
            config: root.join("home/.config"),
            local_data: root.join("home/.local/share"),
            temporary: vec![root.join("tmp")],
            variables: BTreeMap::from([("BLENDER_USER_RESOURCES", root.join("studio"))]),
        }
    }

    #[test]
    fn places_that_stay() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("odd/spindle/bin")).expect("made");
        fs::write(root.path().join("odd/spindle/blender_manifest.toml"), "").expect("written");
        let stable = root.path().join("home/.local/share/spindle/bin/spindle");
        let rows = [
            ("home/.local/bin/spindle", None),
            ("usr/bin/spindle", None),
            // A checkout of Blender's own extensions is none that Blender unpacks.
            ("home/extensions/spindle", None),
            ("tmp/spindle", Some(Unstable::Temporary)),
            ("tmpfiles/spindle", None),
            ("home/.config/blender/5.2/extensions/user_default/spindle/bin/spindle", Some(Unstable::Extension)),
            (
                "home/AppData/Roaming/Blender Foundation/Blender/5.2/extensions/blender_org/spindle/spindle.exe",
                Some(Unstable::Extension),
            ),
            ("home/venv/lib/python3.13/site-packages/spindle/spindle", Some(Unstable::Extension)),
            ("studio/spindle", Some(Unstable::Extension)),
            ("odd/spindle/bin/spindle", Some(Unstable::Extension)),
            // Itself, wherever that is.
            ("home/.local/share/spindle/bin/spindle", None),
        ];
        for (program, unstable) in rows {
            let program = root.path().join(program);
            let expected = match unstable {
                None => Binary { path: program.clone(), copy_of: None, unstable: None },
                _ => Binary { path: stable.clone(), copy_of: Some(program.clone()), unstable },
            };
            assert_eq!(Binary::choose(&system(root.path()), &program), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn it_is_put_once() {
        use std::os::unix::fs::PermissionsExt;

        let root = tempfile::tempdir().expect("a folder");
        let program = root.path().join("tmp/spindle");
        fs::create_dir_all(root.path().join("tmp")).and_then(|()| fs::write(&program, "one")).expect("written");
        let binary = Binary::choose(&system(root.path()), &program);
        assert!(binary.is_due() && binary.install().expect("put") && !binary.is_due());
        assert!(!binary.install().expect("the same"));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&binary.path), 0o755);
        let folders: Vec<u32> = binary.path.ancestors().skip(1).take(2).map(mode).collect();
        assert_eq!(folders, [0o700, 0o700], "as the server wants its own");
        fs::write(&program, "two").expect("written");
        assert!(binary.is_due() && binary.install().expect("put"));
        assert_eq!(fs::read(&binary.path).expect("there"), b"two");
        let left: Vec<_> = fs::read_dir(binary.path.parent().expect("a folder")).expect("read").collect();
        assert_eq!(left.len(), 1, "no temporary file is left");
    }
}
