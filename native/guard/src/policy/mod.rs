//! The policy, as tables: which rule applies to what a script can reach. Nothing here knows about syntax.

pub mod attributes;
pub mod blender;
pub mod builtins;
pub mod index;
pub mod members;
pub mod modules;
pub mod refused;
pub mod stdlib;
pub mod text;

use std::sync::LazyLock;

use spindle_protocol::finding::Severity;

use index::Index;

/// Why something is refused or worth knowing, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name, `noun.verb`: what findings, logs and tests call it.
    pub id: &'static str,
    /// Whether a script is refused for it at the level `guarded`.
    pub severity: Severity,
    /// Why the rule exists, in one sentence.
    pub reason: &'static str,
    /// What to write instead, or whom to ask.
    pub remedy: &'static str,
}

impl Rule {
    const fn danger(id: &'static str, reason: &'static str, remedy: &'static str) -> Rule {
        Rule { id, severity: Severity::Danger, reason, remedy }
    }

    const fn caution(id: &'static str, reason: &'static str, remedy: &'static str) -> Rule {
        Rule { id, severity: Severity::Caution, reason, remedy }
    }
}

/// A row of a table: a dotted path, in which one `*` stands for anything, and the rule for it. `()` stands for what a
/// call returns, `[]` for an item.
pub type Row = (&'static str, &'static Rule);

/// What `Index` has to agree with: whether `pattern`, with at most one `*`, describes all of `text`.
#[cfg(test)]
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

static BLENDER: LazyLock<Index<&'static Rule>> =
    LazyLock::new(|| Index::new(blender::OPERATORS.iter().chain(blender::PATHS).copied()));
static PYTHON: LazyLock<Index<&'static Rule>> =
    LazyLock::new(|| Index::new(members::PATHS.iter().chain(builtins::TABLE).copied()));
static STORES: LazyLock<Index<&'static Rule>> = LazyLock::new(|| Index::new(blender::STORES.iter().copied()));

/// The first row that describes a path.
pub fn rule(path: &str) -> Option<&'static Rule> {
    let root = path.split(['.', '(', '[']).next().unwrap_or(path);
    let blenders = matches!(root, "bpy" | "spindle" | "bpy_extras" | "imbuf" | "aud" | "addon_utils" | "bmesh");
    if blenders { BLENDER.find(path) } else { PYTHON.find(path) }
}

/// The rule for assigning to a path.
pub fn store_rule(path: &str) -> Option<&'static Rule> {
    STORES.find(path)
}

/// Every rule whose pattern could describe a path of this shape: for names that are known in part.
pub fn within<'a>(start: &'a str, end: &'a str) -> impl Iterator<Item = &'static Rule> + 'a {
    let tables = [blender::OPERATORS, blender::PATHS, members::PATHS];
    let rows = tables.into_iter().flat_map(|table| table.iter());
    rows.filter(move |(pattern, _)| could_match(pattern, start, end)).map(|&(_, rule)| rule)
}

/// Whether some text that begins with `start` and ends with `end` is described by `pattern`.
pub fn could_match(pattern: &str, start: &str, end: &str) -> bool {
    let agrees = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
    let ends_agree = |one: &str, other: &str| one.ends_with(other) || other.ends_with(one);
    match pattern.split_once('*') {
        None => pattern.len() >= start.len() + end.len() && pattern.starts_with(start) && pattern.ends_with(end),
        Some((first, last)) => agrees(first, start) && ends_agree(last, end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let rows = [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*", "a.b.c", true),
            ("a.*_x", "a.b_x", true),
            ("a.*_x", "a._", false),
            ("ab*ba", "aba", false),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(could_match("bpy.ops.wm.*_export", "bpy.ops.wm.", "_export"));
        assert!(!could_match("bpy.ops.wm.quit_blender", "bpy.ops.wm.obj", ""));
    }
}
