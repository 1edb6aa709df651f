//! Tables of paths, found by the beginning that a path shares with their rows: as fast for many rows as for few.

use foldhash::HashMap;

/// Rows by all of their path before the last dot that stands before a star.
pub struct Index<T> {
    rows: HashMap<&'static str, Vec<Row<T>>>,
    /// How many dots the longest of these beginnings has.
    dots: usize,
}

struct Row<T> {
    place: usize,
    /// What stands before the star, and after it if there is one.
    start: &'static str,
    end: Option<&'static str>,
    value: T,
}

impl<T> Row<T> {
    fn describes(&self, path: &str) -> bool {
        match self.end {
            None => path == self.start,
            Some(end) => {
                path.len() >= self.start.len() + end.len() && path.starts_with(self.start) && path.ends_with(end)
            }
        }
    }
}

impl<T: Copy> Index<T> {
    /// An index of rows, of which the first counts where several describe a path.
    pub fn new(table: impl Iterator<Item = (&'static str, T)>) -> Self {
        let mut index = Self { rows: HashMap::default(), dots: 0 };
        for (place, (pattern, value)) in table.enumerate() {
            let (start, end) = pattern.split_once('*').map_or((pattern, None), |(start, end)| (start, Some(end)));
            let beginning = start.rsplit_once('.').map_or("", |(beginning, _)| beginning);
            index.dots = index.dots.max(beginning.matches('.').count());
            index.rows.entry(beginning).or_default().push(Row { place, start, end, value });
        }
        index
    }

    /// What the first row says that describes this path.
    pub fn find(&self, path: &str) -> Option<T> {
        let dots = path.bytes().enumerate().filter(|(_, byte)| *byte == b'.').take(self.dots + 1);
        let beginnings = dots.map(|(at, _)| &path[..at]).chain([""]);
        let rows = beginnings.filter_map(|beginning| self.rows.get(beginning)).flatten();
        rows.filter(|row| row.describes(path)).min_by_key(|row| row.place).map(|row| row.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{blender, builtins, matches, members, modules, refused};

    /// What the index finds is what a look at every row finds.
    #[test]
    fn the_first_row_that_matches_is_found() {
        let tables =
            [blender::OPERATORS, blender::PATHS, members::PATHS, builtins::TABLE, refused::REFUSED, blender::STORES];
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
