//! Running Blenders, what is installed, and who has the well-known ports.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Check;
use crate::blenders::{self, Installed};
use crate::peer::{Peer, identify};
use crate::processes::{Process, all, listener};

/// Spindle's usual port, and the one that other add-ons for Blender share.
const PORTS: [u16; 2] = [27182, 9876];

/// A Blender with many add-ons takes a while to start.
const PATIENCE: Duration = Duration::from_secs(120);

const STEP: Duration = Duration::from_millis(50);

/// Comes before what Blender is asked to print, among all that it prints unasked.
const MARK: &str = "spindle-doctor:";

const ENABLE: &str = "switch it on in Edit > Preferences > Add-ons, and press Start Spindle in the sidebar of the 3D \
                      viewport, or `spindle start`";

const INSTALL: &str = "install its zip in Edit > Preferences > Add-ons > Install from Disk, or: BLENDER --command \
                       extension install-file -r user_default --enable ZIP";

/// Whether Blender runs at all, where no server answers.
pub fn blenders(works: bool) -> Check {
    let name = "running Blenders";
    let Some(processes) = all() else { return Check::skipped(name, "this system does not tell") };
    let (own, others): (Vec<Process>, Vec<Process>) =
        processes.into_iter().filter(Process::is_blender).partition(|process| process.own);
    let pids =
        |processes: &[Process]| processes.iter().map(|process| process.pid.to_string()).collect::<Vec<_>>().join(", ");
    match (own.as_slice(), others.as_slice()) {
        ([], []) if works => Check::ok(name, "none", "none by this name; a server answers".to_owned()),
        (own, _) if works => Check::ok(name, "running", format!("pid {}", pids(own))),
        ([], []) => Check::problem(name, "none", "no Blender runs".to_owned(), "`spindle start` starts one"),
        ([], others) => {
            let text = format!("only those of other users, pid {}", pids(others));
            Check::problem(name, "foreign", text, "each user has Blenders of their own: `spindle start` starts one")
        }
        (own, _) => {
            let text = format!("pid {}, and no server of it answers", pids(own));
            let remedy = "press Start Spindle in the sidebar of its 3D viewport; if there is no such button, the \
                          extension is missing. A Blender in a container or a sandbox, and one with another \
                          SPINDLE_RUNTIME_DIR or XDG_RUNTIME_DIR, does not share the runtime folder";
            Check::problem(name, "without_server", text, remedy)
        }
    }
}

/// Whether Spindle is in the user's settings of Blender.
pub fn installed(works: bool) -> Check {
    let name = "installed";
    let folders = blenders::settings_folders();
    let found: Vec<Installed> = folders.iter().filter_map(|folder| blenders::installed(folder)).collect();
    let describe = |installed: &Installed| {
        let state = match installed.enabled {
            Some(true) => "enabled",
            Some(false) => "not enabled",
            None => "enabled or not, which the preferences do not tell",
        };
        format!("Spindle {} in {}, {state}", installed.version, installed.folder.display())
    };
    let text = found.iter().map(describe).collect::<Vec<_>>().join("; ");
    match found.as_slice() {
        // It may be served by a Blender with other settings, or by Blender as a module.
        _ if works && found.is_empty() => Check::skipped(name, "not in this user's settings; a server answers"),
        [] if folders.is_empty() => {
            Check::problem(name, "no_settings", "this user has no settings of Blender".to_owned(), INSTALL)
        }
        [] => {
            let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
            Check::problem(name, "not_installed", format!("not in {}", folders.join(", ")), INSTALL)
        }
        found if found.iter().all(|installed| installed.enabled == Some(false)) && !works => {
            Check::problem(name, "not_enabled", text, ENABLE)
        }
        _ => Check::ok(name, "installed", text),
    }
}

/// What a Blender says of itself.
#[derive(Deserialize)]
struct Told {
    blender: String,
    enabled: bool,
    works: bool,
}

/// Start a Blender for a moment, and ask it. It prints one line, and changes nothing.
pub fn ask_blender(program: &Path) -> Check {
    let name = "this Blender";
    let shown = program.display();
    let program = match blenders::find(Some(program)) {
        Ok(program) => program,
        Err(trouble) => return Check::problem(name, trouble.kind, trouble.message, trouble.remedy),
    };
    let written = match run(&program, &["--background", "--python-exit-code", "1", "--python-expr", &question()]) {
        Ok(written) => written,
        Err(why) => {
            return Check::problem(
                name,
                "no_answer",
                format!("{shown}: {why}"),
                "start it by hand, and read what it says",
            );
        }
    };
    let line = written.lines().find_map(|line| line.strip_prefix(MARK));
    match line.and_then(|line| serde_json::from_str::<Told>(line).ok()) {
        None => {
            let last = written.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
            let remedy = "start it by hand, and read what it says; is it Blender?";
            Check::problem(name, "no_answer", format!("{shown} has not answered; it says: {last}"), remedy)
        }
        Some(Told { blender, enabled: false, .. }) => {
            let text = format!("Blender {blender}: Spindle is not enabled");
            Check::problem(name, "not_enabled", text, format!("{INSTALL}; if it is there, {ENABLE}"))
        }
        Some(Told { blender, works: false, .. }) => {
            let remedy = "start that Blender from a terminal: it says there why; update the extension";
            Check::problem(name, "broken", format!("Blender {blender}: Spindle is enabled, and has failed"), remedy)
        }
        Some(Told { blender, .. }) => Check::ok(name, "enabled", format!("Blender {blender}: Spindle is enabled")),
    }
}

/// What prints the line.
fn question() -> String {
    format!(
        "import bpy, json; names = [n.split('.')[-1] for n in bpy.context.preferences.addons.keys()]; print('{MARK}' + \
         json.dumps({{'blender': bpy.app.version_string, 'enabled': 'spindle' in names, 'works': \
         hasattr(bpy.types, 'SPINDLE_OT_start')}}))"
    )
}

/// What a program writes until it ends.
fn run(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut pipe = child.stdout.take().ok_or("it has no output")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let until = Instant::now() + PATIENCE;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if Instant::now() >= until {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            return Err(format!("it has not ended within {} s", PATIENCE.as_secs()));
        }
        thread::sleep(STEP);
    }
    let written = reader.join().map_err(|_| "its output was lost".to_owned())?;
    written.map_err(|error| error.to_string())
}

/// Who has the well-known ports, and this one, all at once.
pub fn ports(asked: Option<u16>, ours: &[u16]) -> Vec<Check> {
    let more = asked.filter(|port| !PORTS.contains(port));
    let ports: Vec<u16> = PORTS.into_iter().chain(more).collect();
    thread::scope(|scope| {
        let looks: Vec<_> = ports.iter().map(|number| scope.spawn(|| port(*number, ours))).collect();
        looks.into_iter().map(|look| look.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Who has a port. That it is taken is no problem: Spindle takes another one, and clients find it.
fn port(port: u16, ours: &[u16]) -> Check {
    let name = &format!("port {port}");
    if ours.contains(&port) {
        return Check::ok(name, "ours", "a Spindle of yours".to_owned());
    }
    let peer = identify(port);
    let who = match listener(port) {
        Some(found) => match found.process {
            Some(Process { pid, name, .. }) => format!(" (pid {pid}, {name})"),
            None => format!(" (a process of user {})", found.uid),
        },
        None => String::new(),
    };
    let facts = peer.facts();
    let (finding, more) = match &peer {
        Peer::Nobody => return Check::ok(name, "free", "free".to_owned()),
        Peer::Spindle => {
            ("spindle", "it is not in the runtime folder, so it is somebody else's, or has another folder")
        }
        Peer::Compatibility(_) => ("compatibility", facts.evidence),
        _ => ("taken", facts.evidence),
    };
    let text = format!("{}{who}; {more}", peer.describe());
    let check = Check { dialect: Some(facts.word), ..Check::ok(name, finding, text) };
    match facts.remedy {
        Some(_) if port == PORTS[0] => {
            Check { text: format!("{}; Spindle takes another port then, and clients find it", check.text), ..check }
        }
        remedy => Check { remedy: remedy.map(str::to_owned), ..check },
    }
}
