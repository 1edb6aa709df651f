//! What the guard has found, for people: where, why, the line with a caret, and what to write instead.

use std::io;

use anstyle::{AnsiColor, Style};
use spindle_protocol::finding::{Finding, Severity};
use unicode_width::UnicodeWidthStr;

use crate::output::Output;
use crate::text::{head, plain};

/// Columns of a script's line that are shown.
const COLUMNS: usize = 100;

/// Characters of a long line that are shown before the place.
const BEFORE: usize = 40;

/// A finding in a script called `name`, whose source may be at hand: of a job it is not.
pub fn describe(finding: &Finding, name: &str, source: Option<&str>) -> String {
    let Finding { rule, severity, line, column, excerpt, reason, remedy } = finding;
    let (word, style) = match severity {
        Severity::Danger => ("danger", AnsiColor::Red.on_default().bold()),
        Severity::Caution => ("caution", AnsiColor::Yellow.on_default()),
    };
    let [name, rule, reason, remedy] = [name, rule, reason, remedy].map(plain);
    let mut text = format!("{name}:{line}:{column}: {style}{word}{style:#} {rule}: {reason}\n");
    match source.and_then(|source| nth_line(source, *line)) {
        Some(line) => text += &marked(&line, *column, style),
        None => text += &format!("    {}\n", plain(excerpt)),
    }
    text + "    " + &remedy
}

/// The findings behind a refusal or a result, on standard error.
pub fn complain(findings: &[Finding], name: &str, source: Option<&str>, output: &mut Output) -> io::Result<()> {
    findings.iter().try_for_each(|finding| output.styled_error_line(&describe(finding, name, source)))
}

/// How many there are of each severity: `2 dangers, 1 caution`.
pub fn count(findings: &[Finding], omitted: u64) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let rows = [(of(Severity::Danger), "danger"), (of(Severity::Caution), "caution"), (omitted, "more finding")];
    let rows = rows.into_iter().filter(|(count, _)| *count > 0);
    let counted = rows.map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }));
    counted.collect::<Vec<_>>().join(", ")
}

/// A line of a script, which ends where Python ends it.
pub fn nth_line(source: &str, number: u32) -> Option<String> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    let lines = source.replace("\r\n", "\n").replace('\r', "\n");
    lines.split('\n').nth(index).map(str::to_owned)
}

/// A line without its indentation, and a caret below the column.
pub fn marked(line: &str, column: u32, style: Style) -> String {
    let characters: Vec<char> = line.chars().collect();
    let at = (column.max(1) as usize - 1).min(characters.len());
    let indent = characters.iter().take_while(|character| character.is_whitespace()).count().min(at);
    let from = if at - indent > 2 * BEFORE { at - BEFORE } else { indent };
    let part = |range: &[char]| plain(&range.iter().collect::<String>());
    let (before, shown) = (part(&characters[from..at]), part(&characters[from..]));
    format!("    {}\n    {}{style}^{style:#}\n", head(&shown, COLUMNS), " ".repeat(before.width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, line: u32, column: u32, expected: &str) {
        let [rule, excerpt, reason, remedy] = ["a.rule", "kept", "Why.", "What to do."].map(str::to_owned);
        let finding = Finding { rule, severity: Severity::Danger, line, column, excerpt, reason, remedy };
        let told = describe(&finding, "a.py", Some(source)).replace("\u{1b}[1m\u{1b}[31m", "").replace("\u{1b}[0m", "");
        assert_eq!(told, format!("a.py:{line}:{column}: danger a.rule: Why.\n{expected}    What to do."));
    }

    /// The caret stands below the column, whatever the terminal would make of the line.
    #[test]
    fn the_caret_is_below_the_column() {
        check("x\n  eval(y)", 2, 3, "    eval(y)\n    ^\n");
        check("x = eval(y)", 1, 5, "    x = eval(y)\n        ^\n");
        check("a\r\nb\rcc", 3, 2, "    cc\n     ^\n");
        check("s = '立方'; eval(s)", 1, 11, "    s = '立方'; eval(s)\n                ^\n");
        check("a\u{7}; eval(s)", 1, 5, "    a\\u{7}; eval(s)\n            ^\n");
        check("x", 7, 1, "    kept\n");
        let long = format!("{}eval(s)", "x; ".repeat(100));
        let before = "x; ".repeat(14);
        check(&long, 1, 301, &format!("    {}eval(s)\n    {}^\n", &before[2..], " ".repeat(40)));
        check("  ", 1, 3, "    \n    ^\n");
    }

    #[test]
    fn findings_are_counted() {
        let finding = |severity| Finding {
            severity,
            rule: String::new(),
            line: 1,
            column: 1,
            excerpt: String::new(),
            reason: String::new(),
            remedy: String::new(),
        };
        let (danger, caution) = (finding(Severity::Danger), finding(Severity::Caution));
        let rows = [
            (vec![danger.clone()], 0, "1 danger"),
            (vec![danger.clone(), caution, danger], 2, "2 dangers, 1 caution, 2 more findings"),
            (vec![], 0, ""),
        ];
        for (findings, omitted, expected) in rows {
            assert_eq!(count(&findings, omitted), expected);
        }
    }
}
