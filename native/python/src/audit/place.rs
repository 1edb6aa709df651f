//! Which place a path means, and whether it is in one of the allowed folders: the rule of `addon/paths.py`, for paths
//! that Python is about to use.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

/// Links that are followed in one path, as many as Linux does.
const LINKS: u32 = 40;

/// The folders in and under which a script may change files.
#[derive(Clone, Debug)]
pub struct Folders {
    given: Vec<PathBuf>,
    /// With links resolved: needed only once a script changes a file at all.
    resolved: OnceCell<Vec<PathBuf>>,
}

impl Folders {
    /// Relative folders do not count.
    pub fn new(given: Vec<PathBuf>) -> Folders {
        Folders { given, resolved: OnceCell::new() }
    }

    /// Whether a resolved path is one of them or below one.
    pub fn hold(&self, path: &Path) -> bool {
        self.resolved().iter().any(|folder| is_under(path, folder))
    }

    /// The folders, for people.
    pub fn listed(&self) -> String {
        let names: Vec<_> = self.resolved().iter().map(|folder| folder.to_string_lossy()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn resolved(&self) -> &[PathBuf] {
        self.resolved.get_or_init(|| {
            let mut folders: Vec<PathBuf> =
                self.given.iter().filter(|folder| folder.is_absolute()).filter_map(|folder| real(folder)).collect();
            folders.sort();
            folders.dedup();
            folders
        })
    }
}

/// The absolute path that `path` means, links resolved. Relative ones begin at the open folder `descriptor`, else at the
/// working folder. The last part's own link is resolved only where the call goes through it. None if it cannot be told.
pub fn resolve(path: &Path, descriptor: Option<i64>, through_link: bool) -> Option<PathBuf> {
    let base = match descriptor {
        Some(descriptor) if path.is_relative() => folder_of(descriptor)?,
        _ => env::current_dir().ok()?,
    };
    let path = base.join(path);
    match (path.parent(), path.components().next_back()) {
        (Some(folder), Some(Component::Normal(name))) if !through_link => Some(real(folder)?.join(name)),
        _ => real(&path),
    }
}

/// Whether it is the file that swallows everything.
pub fn is_null_device(path: &Path) -> bool {
    if cfg!(windows) { path.as_os_str().eq_ignore_ascii_case("nul") } else { path == Path::new("/dev/null") }
}

/// An absolute path with its links resolved, as far as it exists. What does not exist has none. None at too many links.
fn real(path: &Path) -> Option<PathBuf> {
    let mut left: Vec<OsString> = parts(path);
    let mut links = 0;
    let mut found = PathBuf::new();
    while let Some(part) = left.pop() {
        if part == ".." {
            found.pop();
            continue;
        }
        let next = found.join(&part);
        match fs::read_link(&next) {
            Ok(target) => {
                links += 1;
                if links > LINKS {
                    return None;
                }
                left.extend(parts(&target));
            }
            Err(_) => found = next,
        }
    }
    Some(found)
}

/// The parts of a path, last first, without `.`; joining them in turn gives the path again.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(not(windows))]
fn is_under(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder)
}

/// Case does not count on Windows.
#[cfg(windows)]
fn is_under(path: &Path, folder: &Path) -> bool {
    let lower = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    lower(path).starts_with(lower(folder))
}

/// Where a folder that is open by this descriptor lies.
#[cfg(target_os = "linux")]
fn folder_of(descriptor: i64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()
}

/// Where a folder that is open by this descriptor lies.
#[cfg(target_os = "macos")]
fn folder_of(descriptor: i64) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;

    let mut path = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the system writes a path of at most PATH_MAX bytes, its NUL included, where there is room for as many.
    let status = unsafe { libc::fcntl(i32::try_from(descriptor).ok()?, libc::F_GETPATH, path.as_mut_ptr()) };
    path.truncate(path.iter().position(|byte| *byte == 0)?);
    (status == 0).then(|| PathBuf::from(OsString::from_vec(path)))
}

/// There is no way to tell, and Python takes no descriptors of folders on Windows.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn folder_of(_: i64) -> Option<PathBuf> {
    None
}
