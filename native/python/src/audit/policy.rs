//! Which events are refused, and which are only noted: rows by the event's name.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::place::{Folders, is_null_device, resolve};
use super::values::{self, Named, argument, cut, describe, number, path, raised_in};

mod rows;

use rows::{HEADS, ROWS, head};
pub use rows::{PROBE, Row};

/// What the policy says of one event.
#[derive(Debug)]
pub enum Judgement {
    /// Nothing to tell.
    Passed,
    /// It is told.
    Noted {
        /// The argument that matters.
        detail: String,
    },
    /// It is refused.
    Refused {
        /// The argument that matters.
        detail: String,
        /// Why, in half a sentence.
        reason: &'static str,
        /// What to do instead.
        remedy: String,
    },
}

/// How the event of a row is judged.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Refused, whatever its arguments.
    Refused,
    /// Noted, whatever its arguments.
    Noted,
    /// Noted where the script's own code does it: libraries do it all the time.
    NotedOfScript,
    /// One of an event family's members that is of no interest.
    Passed,
    /// The import of a module: some are refused to the script's own code.
    Import,
    /// The opening of a file, which may be for writing.
    Open,
    /// A change of files: each of these arguments must be in the allowed folders.
    Change(&'static [Place]),
    /// The opening of a database.
    Database,
    /// What a pickle names.
    Pickle,
    /// A library that is loaded; that of the process itself is allowed, as `import ctypes` loads it.
    Library,
}

/// An argument that names a file.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which argument.
    pub argument: usize,
    /// Which argument is the descriptor of the folder that a relative path begins at; -1 there means none.
    pub folder: Option<usize>,
    /// Whether the call goes through a link at the path's end, or is about the link itself.
    pub through_link: bool,
}

/// How the names of a script's own source files begin: it is compiled under such a one.
const OWN_SOURCE: &str = "<spindle";

/// The source of Python's import system, which writes byte code beside the modules that it loads.
const IMPORT_SYSTEM: &str = "<frozen importlib._bootstrap_external>";

const ALLOW: &str = "The user may allow it by the guard's level in Spindle's preferences";

/// Judge an event by its row.
pub fn judge(row: &Row, event: &str, arguments: &Bound<'_, PyTuple>, folders: &Folders) -> Judgement {
    let py = arguments.py();
    let first = || describe(argument(arguments, 0));
    match row.rule {
        Rule::Passed => Judgement::Passed,
        Rule::Noted => Judgement::Noted { detail: first() },
        Rule::NotedOfScript if is_own(py) => Judgement::Noted { detail: first() },
        Rule::NotedOfScript => Judgement::Passed,
        Rule::Refused => refused(row, arguments_of(event, arguments)),
        Rule::Import => import(row, arguments),
        Rule::Open if !is_for_writing(arguments) => Judgement::Passed,
        Rule::Open => change(row, arguments, &[Place { argument: 0, folder: None, through_link: true }], folders),
        Rule::Change(places) => change(row, arguments, places, folders),
        Rule::Database => database(row, arguments, folders),
        Rule::Pickle => pickle(row, arguments),
        Rule::Library if argument(arguments, 0).is_some_and(|name| name.is_none()) => Judgement::Passed,
        Rule::Library => refused(row, first()),
    }
}

/// The row of an event, if it has one, or else that of its family, such as `socket.`.
pub fn row(event: &str) -> Option<&'static Row> {
    let head = head(event.as_bytes());
    let alike = || HEADS.iter().zip(ROWS).filter(|(other, _)| **other == head).map(|(_, row)| row);
    alike().find(|row| row.event == event).or_else(|| {
        let family = &event[..=event.find('.')?];
        alike().find(|row| row.event == family)
    })
}

fn refused(row: &Row, detail: String) -> Judgement {
    Judgement::Refused { detail, reason: row.reason, remedy: ALLOW.to_owned() }
}

/// A command is more than its program, and an address more than its socket.
fn arguments_of(event: &str, arguments: &Bound<'_, PyTuple>) -> String {
    match event {
        "subprocess.Popen" | "os.exec" | "os.posix_spawn" | "os.spawn" | "socket.bind" | "socket.connect" => {
            describe(argument(arguments, 1))
        }
        _ => describe(argument(arguments, 0)),
    }
}

fn is_own(py: Python<'_>) -> bool {
    raised_in(py).is_some_and(|file| file.starts_with(OWN_SOURCE))
}

fn import(row: &Row, arguments: &Bound<'_, PyTuple>) -> Judgement {
    let Some(name) = values::text(argument(arguments, 0)) else { return Judgement::Passed };
    let is_in = |modules: &[&str]| modules.contains(&name.as_str());
    if is_in(rows::INTERPRETER_MODULES) || is_in(rows::UNWATCHED_MODULES) && is_own(arguments.py()) {
        return refused(row, name);
    }
    Judgement::Passed
}

/// `open` in any of its forms: a mode, or the system's flags, or both.
fn is_for_writing(arguments: &Bound<'_, PyTuple>) -> bool {
    let by_mode = values::text(argument(arguments, 1)).is_some_and(|mode| mode.contains(['w', 'a', 'x', '+']));
    by_mode || number(argument(arguments, 2)).is_some_and(|flags| flags & rows::WRITING_FLAGS != 0)
}

fn change(row: &Row, arguments: &Bound<'_, PyTuple>, places: &[Place], folders: &Folders) -> Judgement {
    let mut noted = Judgement::Passed;
    for place in places {
        let given = match path(argument(arguments, place.argument)) {
            Named::Nothing => continue,
            Named::Unreadable => {
                let detail = describe(argument(arguments, place.argument));
                let remedy = "Give the path as text: str(path)".to_owned();
                return Judgement::Refused { detail, reason: "it names a file by an object that is no text", remedy };
            }
            Named::Path(given) if is_null_device(&given) => continue,
            Named::Path(given) => given,
        };
        let folder = place.folder.and_then(|index| number(argument(arguments, index))).filter(|number| *number >= 0);
        let resolved = resolve(&given, folder, place.through_link);
        let is_allowed = resolved.as_deref().is_some_and(|resolved| folders.hold(resolved));
        let detail = cut(given.to_string_lossy().into_owned());
        if is_allowed {
            noted = Judgement::Noted { detail };
        } else if is_byte_code(arguments.py(), &given) {
            return Judgement::Passed;
        } else {
            let allowed = format!("Allowed: {}. Spindle's preferences can allow more", folders.listed());
            return Judgement::Refused { detail, reason: row.reason, remedy: allowed };
        }
    }
    noted
}

/// Whether it is the import system, keeping the byte code of a module.
fn is_byte_code(py: Python<'_>, path: &std::path::Path) -> bool {
    path.components().any(|part| part.as_os_str() == "__pycache__")
        && raised_in(py).is_some_and(|file| file == IMPORT_SYSTEM)
}

fn database(row: &Row, arguments: &Bound<'_, PyTuple>, folders: &Folders) -> Judgement {
    match values::text(argument(arguments, 0)).as_deref() {
        // The first two are in memory, or in a temporary file of SQLite's own.
        Some(":memory:" | "") => Judgement::Passed,
        Some(name) if name.starts_with("file:") => refused(row, cut(name.to_owned())),
        _ => change(row, arguments, &[Place { argument: 0, folder: None, through_link: true }], folders),
    }
}

fn pickle(row: &Row, arguments: &Bound<'_, PyTuple>) -> Judgement {
    let [module, name] = [0, 1].map(|index| values::text(argument(arguments, index)).unwrap_or_default());
    let is_data = match module.as_str() {
        "builtins" | "__builtin__" => rows::PICKLED_BUILTINS.contains(&name.as_str()),
        _ => rows::PICKLED_MODULES.contains(&module.as_str()),
    };
    // The family of a name with dots is the first part's attribute, which may be anything.
    if is_data && !name.contains('.') { Judgement::Passed } else { refused(row, cut(format!("{module}.{name}"))) }
}
