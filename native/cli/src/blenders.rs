//! Where Blender is on this machine: its program, and its user's settings.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Trouble;

/// A Spindle in Blender's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The extension's folder.
    pub folder: PathBuf,
    /// Its version, or empty where its manifest does not tell.
    pub version: String,
    /// Whether Blender loads it; `None` where the settings cannot be read.
    pub enabled: Option<bool>,
}

/// The Blender to start: the one that is wanted, the one on PATH, or the newest in the usual places.
///
/// # Errors
/// `blender_not_found`, with where it was looked for.
pub fn find(wanted: Option<&Path>) -> Result<PathBuf, Trouble> {
    if let Some(wanted) = wanted {
        let path = if is_bare(wanted) { on_path(wanted.as_os_str()) } else { Some(wanted.to_owned()) };
        let program = path.map(|path| inside_bundle(&path)).filter(|path| is_program(path));
        return program.ok_or_else(|| not_found(&[wanted.display().to_string()]));
    }
    let usual = usual_places();
    let found = on_path(OsStr::new(PROGRAM)).or_else(|| newest(&usual));
    found.ok_or_else(|| {
        let places = usual.iter().map(|place| place.display().to_string());
        not_found(&std::iter::once("$PATH".to_owned()).chain(places).collect::<Vec<_>>())
    })
}

fn not_found(looked: &[String]) -> Trouble {
    Trouble {
        kind: "blender_not_found",
        message: format!("no Blender was found; looked for it in {}", looked.join(", ")),
        remedy: "name its program with --blender PATH or in the variable SPINDLE_BLENDER; it is to be had from \
                 blender.org"
            .to_owned(),
        details: json!({"looked": looked}),
    }
}

const PROGRAM: &str = if cfg!(windows) { "blender.exe" } else { "blender" };

/// A name without a folder is looked for on PATH, as a shell would.
fn is_bare(path: &Path) -> bool {
    path.parent() == Some(Path::new(""))
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// On macOS people name the application, and its program is inside.
fn inside_bundle(path: &Path) -> PathBuf {
    let program = path.join("Contents/MacOS/Blender");
    if program.is_file() { program } else { path.to_owned() }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Folders that hold Blender, or folders of Blenders, in each system's manner.
fn usual_places() -> Vec<PathBuf> {
    let home = |below: &str| dirs::home_dir().map(|home| home.join(below));
    let variable = |name: &str, below: &str| env::var_os(name).map(|folder| Path::new(&folder).join(below));
    let fixed = |path: &str| Some(PathBuf::from(path));
    let places = if cfg!(windows) {
        vec![
            variable("ProgramFiles", "Blender Foundation"),
            variable("ProgramFiles(x86)", "Steam\\steamapps\\common\\Blender"),
        ]
    } else if cfg!(target_os = "macos") {
        vec![fixed("/Applications/Blender.app/Contents/MacOS"), home("Applications/Blender.app/Contents/MacOS")]
    } else {
        let system = ["/usr/local/bin", "/usr/bin", "/snap/bin", "/opt"].map(fixed);
        let own = [".local/bin", "Applications", "opt", ""].map(home);
        system.into_iter().chain(own).chain([home(".steam/steam/steamapps/common/Blender")]).collect()
    };
    places.into_iter().flatten().collect()
}

/// The program in one of these folders, or in a folder in them whose name begins with Blender's; the newest by name.
fn newest(places: &[PathBuf]) -> Option<PathBuf> {
    let names: &[&str] = if cfg!(target_os = "macos") { &["Blender"] } else { &[PROGRAM] };
    let in_folder = |folder: &Path| names.iter().map(|name| folder.join(name)).find(|path| is_program(path));
    places.iter().find_map(|place| {
        in_folder(place).or_else(|| {
            let below = fs::read_dir(place).ok()?.flatten().map(|entry| entry.path());
            let is_named = |path: &PathBuf| {
                path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().starts_with("blender"))
            };
            let mut folders: Vec<PathBuf> = below.filter(is_named).collect();
            folders.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
            folders.iter().find_map(|folder| in_folder(folder))
        })
    })
}

/// The numbers in a file's name, so that 4.10 comes after 4.9.
fn numbers(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// The folders of this user's Blender settings, one for each version; the newest first.
pub fn settings_folders() -> Vec<PathBuf> {
    if let Some(folder) = env::var_os("BLENDER_USER_RESOURCES").filter(|folder| !folder.is_empty()) {
        return vec![PathBuf::from(folder)];
    }
    let below = if cfg!(windows) {
        "Blender Foundation/Blender"
    } else if cfg!(target_os = "macos") {
        "Blender"
    } else {
        "blender"
    };
    let Some(Ok(entries)) = dirs::config_dir().map(|folder| fs::read_dir(folder.join(below))) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir() && numbers(path).len() == 2);
    folders.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    folders
}

/// The Spindle in a folder of settings, in whatever repository of extensions.
pub fn installed(settings: &Path) -> Option<Installed> {
    let repositories = fs::read_dir(settings.join("extensions")).ok()?.flatten();
    let folder = repositories.map(|entry| entry.path().join("spindle")).find(|path| path.is_dir())?;
    let manifest = fs::read_to_string(folder.join("blender_manifest.toml")).unwrap_or_default();
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    let repository = folder.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    Some(Installed {
        version: version.unwrap_or_default().trim_matches('"').to_owned(),
        enabled: is_enabled(&settings.join("config/userpref.blend"), &format!("bl_ext.{repository}.spindle\0")),
        folder,
    })
}

/// Whether Blender's preferences name an add-on. They are a .blend file, as a rule not a compressed one.
fn is_enabled(preferences: &Path, module: &str) -> Option<bool> {
    let bytes = fs::read(preferences).ok()?;
    let named = || bytes.windows(module.len()).any(|part| part == module.as_bytes());
    bytes.starts_with(b"BLENDER").then(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Blender writes when the extension is installed, enabled, and switched off again.
    #[test]
    fn what_is_installed() {
        let settings = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = settings.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(path, text)).expect("written");
        };
        assert_eq!(installed(settings.path()), None);
        write("extensions/other/spindle/blender_manifest.toml", "id = \"spindle\"\nversion = \"0.1.0\"\n");
        let found = |enabled| {
            let folder = settings.path().join("extensions/other/spindle");
            Some(Installed { folder, version: "0.1.0".to_owned(), enabled })
        };
        assert_eq!(installed(settings.path()), found(None));
        for (text, enabled) in [
            ("BLENDER17 .. bl_ext.other.spindle\0 ..", Some(true)),
            ("BLENDER17 .. bl_ext.other.spindle_two\0 ..", Some(false)),
            ("\u{28} compressed", None),
        ] {
            write("config/userpref.blend", text);
            assert_eq!(installed(settings.path()), found(enabled), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_newest() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        for name in ["blender-4.9", "blender-4.10.2-linux-x64", "other-9.9", "blender-launcher"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        assert_eq!(newest(&[folder.path().to_owned()]), None);
        for name in ["blender-4.9", "blender-4.10.2-linux-x64", "other-9.9"] {
            let program = folder.path().join(name).join("blender");
            fs::write(&program, "").expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        }
        assert_eq!(newest(&[folder.path().to_owned()]), Some(folder.path().join("blender-4.10.2-linux-x64/blender")));
        let missing = find(Some(Path::new("/no/such/blender"))).expect_err("none");
        assert!(missing.message.contains("/no/such/blender") && missing.remedy.contains("SPINDLE_BLENDER"));
    }
}
