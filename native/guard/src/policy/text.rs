//! What needs no tree: characters that deceive a reader. The crate regex is linear by construction.

use std::sync::LazyLock;

use regex::Regex;

use super::Rule;

pub static DIRECTION: Rule = Rule::danger(
    "text.direction",
    "Characters that turn the reading direction make code look different from what it does.",
    "Remove them, or write them as escapes such as \\u202e.",
);
pub static INVISIBLE: Rule = Rule::caution(
    "text.invisible",
    "There are characters here that nobody sees.",
    "Remove them, or write them as escapes such as \\u200b.",
);
pub static ENCODING: Rule = Rule::caution(
    "text.encoding",
    "The script declares an encoding other than UTF-8, which is not used.",
    "Remove the declaration; scripts travel as UTF-8.",
);

/// A pattern, of which group 1, or else all of it, is what was found.
pub struct Pattern {
    /// What it means.
    pub rule: &'static Rule,
    /// What it looks for.
    pub regex: Regex,
    /// Whether that can be in a script of plain ASCII.
    pub in_ascii: bool,
}

/// All patterns.
pub static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern = |rule, text| Pattern {
        rule,
        regex: Regex::new(text).expect("a literal pattern that is tested"),
        in_ascii: text.is_ascii(),
    };
    vec![
        pattern(&DIRECTION, "[\u{202a}-\u{202e}\u{2066}-\u{2069}]"),
        pattern(&INVISIBLE, ".[\u{ad}\u{200b}\u{2060}-\u{2064}\u{feff}\u{e0000}-\u{e007f}]"),
        pattern(
            &ENCODING,
            r"\A(?:[ \t\f]*(?:#[^\r\n]*)?\r?\n)?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*(?:[A-TV-Za-tv-z0-9]|[Uu](?:[A-SU-Za-su-z]|[Tt][Ff]-?(?:7|16|32)))",
        ),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_finds_its_characters_and_nothing_else() {
        let rows = [
            ("x = 'a\u{202e}b'", Some("text.direction")),
            ("x\u{200b} = 1", Some("text.invisible")),
            ("\u{feff}x = 1", None),
            ("# -*- coding: latin-1 -*-\n", Some("text.encoding")),
            ("# -*- coding: utf-8 -*-\n", None),
            ("#!/usr/bin/python\n# vim: set fileencoding=utf-7 :\n", Some("text.encoding")),
            ("x = 1\ny = 2\n# coding: latin-1\n", None),
            ("'\u{645}\u{200c}\u{6a9}'", None),
        ];
        for (source, expected) in rows {
            let found = PATTERNS.iter().find(|pattern| pattern.regex.is_match(source)).map(|found| found.rule.id);
            assert_eq!(found, expected, "{source:?}");
        }
    }
}
