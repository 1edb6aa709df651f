//! A script's traceback, as Python writes it: in colours, and with a caret at the script's own line.

use anstyle::{AnsiColor, Style};
use spindle_protocol::methods::script::Exception;

use crate::failure::Script;
use crate::findings::nth_line;
use crate::text::plain;

/// The traceback for people; of a job the script is not at hand.
///
/// Python marks the place in a line, unless it is the whole line, or there is no line since it has not got the source.
pub fn describe(exception: &Exception, script: Option<&Script>) -> String {
    let mut lines: Vec<String> =
        exception.traceback.trim_end().lines().map(|line| plain(&line.replace('\t', "    "))).collect();
    let place =
        script.zip(exception.line).and_then(|(script, line)| Some((place(&lines, script, line)?, script, line)));
    if let Some((at, script, line)) = place {
        point(&mut lines, at, nth_line(&script.source, line).unwrap_or_default().trim());
    }
    let (heading, error) = (Style::new().dimmed(), AnsiColor::Red.on_default().bold());
    let styled = lines.iter().map(|line| {
        let style = match line {
            line if line.starts_with("Traceback (") => heading,
            line if line.trim_start().starts_with(['^', '~']) => AnsiColor::Red.on_default(),
            line if !line.starts_with(' ') => error,
            _ => Style::new(),
        };
        format!("{style}{line}{style:#}")
    });
    styled.collect::<Vec<_>>().join("\n")
}

/// Where the script's last frame is named.
fn place(lines: &[String], script: &Script, number: u32) -> Option<usize> {
    let frame = format!("  File \"{}\", line {number}", plain(&script.name));
    lines
        .iter()
        .rposition(|line| line.strip_prefix(&frame).is_some_and(|rest| rest.is_empty() || rest.starts_with(',')))
}

/// Add the source and the caret below a frame, where they are missing.
fn point(lines: &mut Vec<String>, frame: usize, source: &str) {
    if !lines.get(frame + 1).is_some_and(|line| line.starts_with("    ")) {
        if source.is_empty() {
            return;
        }
        lines.insert(frame + 1, format!("    {}", plain(source)));
    }
    let is_mark = |line: &String| !line.is_empty() && line.chars().all(|c| matches!(c, ' ' | '^' | '~'));
    if !lines.get(frame + 2).is_some_and(is_mark) {
        lines.insert(frame + 2, "    ^".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "def f():\n    raise ValueError('no')\nf()\n";

    fn check(traceback: &str, line: Option<u32>, expected: &str) {
        let script = Script { name: "a.py".to_owned(), source: SOURCE.to_owned() };
        let (r#type, message) = ("ValueError".to_owned(), "no".to_owned());
        let exception = Exception { r#type, message, traceback: traceback.to_owned(), line };
        let described = describe(&exception, Some(&script));
        let plain = anstream::adapter::strip_str(&described).to_string();
        assert_eq!(plain, expected);
        assert!(described.contains("\u{1b}[1m\u{1b}[31mValueError: no"), "{described:?}");
    }

    #[test]
    fn the_caret() {
        let head = "Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n";
        let tail = "\nValueError: no";
        // Python has marked the place itself.
        let marked = format!("{head}    f()\n    ~^^{tail}");
        check(&format!("{marked}\n"), Some(3), &marked);
        // It marks no place in a line that is the place.
        check(&format!("{head}    f(){tail}"), Some(3), &format!("{head}    f()\n    ^{tail}"));
        // It has not got the source.
        let bare = format!("{}{tail}", head.trim_end());
        check(&bare, Some(3), &format!("{head}    f()\n    ^{tail}"));
        for line in [None, Some(4), Some(30)] {
            check(&bare, line, &bare);
        }
        let syntax = "  File \"a.py\", line 2\n    raise ValueError('no')";
        check(&format!("{syntax}{tail}"), Some(2), &format!("{syntax}\n    ^{tail}"));
    }

    /// What a script has put into its exception is not obeyed by the terminal.
    #[test]
    fn nothing_hostile() {
        let message = "a\u{1b}[2Jb".to_owned();
        let exception = Exception { r#type: "E".to_owned(), traceback: format!("E: {message}"), message, line: None };
        assert_eq!(anstream::adapter::strip_str(&describe(&exception, None)).to_string(), "E: a\\u{1b}[2Jb");
    }
}
