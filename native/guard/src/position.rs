//! Offsets to lines and columns, and the excerpt around them.

/// Characters of a line that a finding shows.
const EXCERPT: usize = 120;

/// Where the lines of a source begin.
pub struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Lines end as Python has it: at `\n`, `\r\n` or a lone `\r`.
    pub fn new(source: &'a str) -> Self {
        let bytes = source.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|&(at, &byte)| byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { source, starts }
    }

    /// The line and the column in characters, both counted from 1.
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.line(offset);
        let before = &self.source[self.starts[line]..self.source.floor_char_boundary(offset)];
        (number(line + 1), number(before.chars().count() + 1))
    }

    /// The line around an offset, at most 120 characters of it, with control and invisible characters written out.
    pub fn excerpt(&self, offset: usize) -> String {
        let line = self.line(offset);
        let end = self.starts.get(line + 1).copied().unwrap_or(self.source.len());
        let text = self.source[self.starts[line]..end].trim_end_matches(['\n', '\r']);
        let indent = text.len() - text.trim_start().len();
        let column = self.source.floor_char_boundary(offset).saturating_sub(self.starts[line]);
        let from = self.begin(text, indent, column.min(text.len()));
        let mut shown = String::new();
        let mut count = 0;
        for character in text[from..].chars() {
            let written: String =
                if is_hidden(character) { character.escape_unicode().collect() } else { character.to_string() };
            count += written.chars().count();
            if count > EXCERPT {
                break;
            }
            shown.push_str(&written);
        }
        shown
    }

    /// Where the excerpt begins: at the line's first word, or 40 characters before the column where that is too far.
    fn begin(&self, text: &str, indent: usize, column: usize) -> usize {
        if column < indent + EXCERPT * 2 / 3 {
            return indent.min(column);
        }
        let back = text[..column].char_indices().rev().nth(EXCERPT / 3);
        back.map_or(indent, |(at, _)| at.max(indent))
    }

    /// The line of an offset, counted from 0.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }
}

/// Characters that a reader does not see, or that change the order of what they see.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters_and_lines_are_pythons() {
        let rows =
            [("ab", 1, (1, 2)), ("é=x", 3, (1, 3)), ("a\nb", 2, (2, 1)), ("a\r\nb", 3, (2, 1)), ("a\rb", 2, (2, 1))];
        for (source, offset, expected) in rows {
            assert_eq!(Lines::new(source).position(offset), expected, "{source:?}");
        }
    }

    #[test]
    fn an_excerpt_shows_what_is_hidden_and_stays_short() {
        let long = format!("    {} eval(1)", "x = 1; ".repeat(100));
        let rows = [
            ("    eval(1)\r\n".to_owned(), 4, "eval(1)"),
            ("a\u{202e}b".to_owned(), 0, "a\\u{202e}b"),
            ("\tx\u{7}".to_owned(), 1, "x\\u{7}"),
        ];
        for (source, offset, expected) in rows {
            assert_eq!(Lines::new(&source).excerpt(offset), expected);
        }
        let excerpt = Lines::new(&long).excerpt(long.len() - 7);
        assert!(excerpt.ends_with("eval(1)") && excerpt.chars().count() <= EXCERPT, "{excerpt}");
    }
}
