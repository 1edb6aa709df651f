//! A Blender as a process that outlives this one, and what it writes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use spindle_client::log;

use crate::args::Start;
use crate::failure::Failure;
use crate::text::plain;

/// Outputs that are kept beside the request log.
const KEPT: usize = 10;

/// As much of an output's end as is read.
const TAIL_BYTES: i64 = 16 * 1024;

/// Starts the server in a window, unless the preferences have done so. Without the add-on it raises.
const START: &str = "import bpy; bpy.ops.spindle.start.poll() and bpy.ops.spindle.start()";

/// A Blender that was started.
pub struct Launch {
    child: Child,
    program: PathBuf,
    output: PathBuf,
}

impl Launch {
    /// Start Blender, never through a shell, away from this terminal.
    pub fn start(program: &Path, asked: &Start) -> Result<Launch, Failure> {
        let (output, file) = output_file()?;
        let both = file.try_clone().map_err(|error| Failure::file(&output, &error))?;
        let mut command = Command::new(program);
        command.args(arguments(asked)).stdin(Stdio::null()).stdout(file).stderr(both);
        command.envs(asked.port.map(|port| ("SPINDLE_PORT", port.to_string())));
        detach(&mut command);
        let child = command.spawn().map_err(|error| Failure::file(program, &error))?;
        Ok(Launch { child, program: program.to_owned(), output })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What was started.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The file with what it writes.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The last lines that it wrote and that say something.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        // It is told with an error that matters more than one of reading this.
        let text = tail(&self.output).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(plain).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

fn arguments(asked: &Start) -> Vec<OsString> {
    let file = asked.file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()).into());
    // `--background` comes first, lest the file be opened in a window. Were the server not to start in a window, one
    // would stay that nobody has asked for.
    let (before, after): (&[&str], &[&str]) = if asked.headless {
        (&["--background"], &["--command", "spindle"])
    } else {
        (&[], &["--python-exit-code", "1", "--python-expr", START])
    };
    let [before, after] = [before, after].map(|texts| texts.iter().map(OsString::from));
    before.chain(file).chain(after).collect()
}

/// A new file beside the request log, which is its owner's alone; the oldest ones go.
fn output_file() -> Result<(PathBuf, File), Failure> {
    let folder = log::folder()?;
    let failure = |error: io::Error| Failure::file(&folder, &error);
    make_private(&folder).map_err(failure)?;
    let mut old: Vec<PathBuf> = fs::read_dir(&folder).map_err(failure)?.flatten().map(|entry| entry.path()).collect();
    old.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("start-")));
    old.sort_unstable();
    for path in &old[..old.len().saturating_sub(KEPT - 1)] {
        match fs::remove_file(path) {
            // Another start was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(failure)?,
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // The time comes first, so that names sort by it.
    let path = folder.join(format!("start-{now:014}-{}.txt", std::process::id()));
    let file = File::options().create_new(true).append(true).open(&path).map_err(failure)?;
    Ok((path, file))
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// A process group of its own: neither Ctrl-C nor the end of this terminal is for it.
#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// No console of this one's: neither Ctrl-C nor its closing is for it.
#[cfg(windows)]
fn detach(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
    file.seek(SeekFrom::End(-TAIL_BYTES.min(length)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headless: bool, file: Option<&str>, expected: &[&str]) {
        let asked = Start { file: file.map(PathBuf::from), blender: None, headless, port: None };
        assert_eq!(arguments(&asked), expected);
    }

    #[test]
    fn what_blender_is_told() {
        check(true, None, &["--background", "--command", "spindle"]);
        check(true, Some("/m/a.blend"), &["--background", "/m/a.blend", "--command", "spindle"]);
        check(false, Some("/m/a.blend"), &["/m/a.blend", "--python-exit-code", "1", "--python-expr", START]);
    }
}
