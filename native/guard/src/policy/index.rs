//! Tables of paths, found by the beginning that a path shares with their rows: as fast for many rows as for few.

use std::collections::HashMap;

use super::matches;

/// Rows by all of their path before the last dot that stands before a star.
pub struct Index<T: 'static> {
    rows: HashMap<&'static str, Vec<(usize, &'static str, T)>>,
    /// How many dots the longest of these beginnings has.
    dots: usize,
}

impl<T: Copy> Index<T> {
    /// An index of rows, of which the first counts where several describe a path.
    pub fn new(table: impl Iterator<Item = (&'static str, T)>) -> Self {
        let mut index = Self { rows: HashMap::new(), dots: 0 };
        for (place, (pattern, value)) in table.enumerate() {
            let literal = pattern.split('*').next().unwrap_or("");
            let beginning = literal.rsplit_once('.').map_or("", |(beginning, _)| beginning);
            index.dots = index.dots.max(beginning.matches('.').count());
            index.rows.entry(beginning).or_default().push((place, pattern, value));
        }
        index
    }

    /// What the first row says that describes this path.
    pub fn find(&self, path: &str) -> Option<T> {
        let beginnings = path.match_indices('.').take(self.dots + 1).map(|(at, _)| &path[..at]);
        let rows = beginnings.chain([""]).filter_map(|beginning| self.rows.get(beginning)).flatten();
        rows.filter(|(_, pattern, _)| matches(pattern, path)).min_by_key(|row| row.0).map(|row| row.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{blender, builtins, members, modules, refused};

    /// What the index finds is what a look at every row finds.
    #[test]
    fn the_first_row_that_matches_is_found() {
        let tables = [blender::OPERATORS, blender::PATHS, members::PATHS, builtins::TABLE, refused::REFUSED];
        let rows: Vec<_> = tables.concat().into_iter().map(|(pattern, rule)| (pattern, rule.id)).collect();
        let modules = modules::ALLOWED.iter().map(|module| (module.name, module.name));
        let rows: Vec<_> = rows.into_iter().chain(modules).collect();
        let index = Index::new(rows.iter().copied());
        for (pattern, _) in &rows {
            for filling in ["", "x", "x.y", "scene.objects[]"] {
                for path in [pattern.replace('*', filling), format!("{pattern}.{filling}")] {
                    let first = rows.iter().find(|(pattern, _)| matches(pattern, &path)).map(|&(_, value)| value);
                    assert_eq!(index.find(&path), first, "{path}");
                }
            }
        }
        assert_eq!(index.find(""), None);
    }
}
