//! The sets of scripts beside these tests, as rows.
//!
//! A file is a family. A row begins with `# --- name: what it does`; in brackets may stand how one sees that it did
//! it. A picture of a control character stands for the character, which an editor would not keep.

use std::fs;
use std::path::Path;

/// One script of a set.
pub struct Script {
    /// The file that it is in.
    pub family: String,
    /// Its name, unique in the family.
    pub name: String,
    /// What the guard is given.
    pub source: String,
}

impl Script {
    /// As the kept list and messages name it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.family, self.name)
    }
}

/// Every script of a set, in the order of the files' names.
pub fn scripts(set: &str) -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(set);
    let entries = fs::read_dir(&folder).expect("the set lies beside the tests");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().flat_map(|path| family(path)).collect()
}

fn family(path: &Path) -> Vec<Script> {
    let text = fs::read_to_string(path).expect("a set is UTF-8");
    let family = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let rows = text.split("\n# --- ").skip(1).map(|row| {
        let (head, source) = row.split_once('\n').expect("a script follows its head");
        let (name, _) = head.split_once(": ").expect("a name, a colon and what it does");
        Script { family: family.clone(), name: name.to_owned(), source: without_pictures(source) }
    });
    rows.collect()
}

fn without_pictures(text: &str) -> String {
    text.replace('␌', "\x0c").replace('␍', "\r").replace('␉', "\t")
}
