//! What changes in a text, for people: one stretch of lines, with the outline of a few of those around it.

/// Lines whose outline is shown before and after what changes.
const AROUND: usize = 2;

/// Characters of a line that are shown. Some clients write their whole configuration into one.
const LINE: usize = 160;

/// Characters of a long line that are shown before its change.
const LEAD: usize = 40;

/// The lines that go with `-`, those that come with `+`, those around with a blank. Empty when nothing changes.
pub fn lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if old == new {
        return Vec::new();
    }
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = (old.len() - same).min(new.len() - same);
    let ending = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let (gone, come) = (&old[same..old.len() - ending], &new[same..new.len() - ending]);
    // Of two long lines, where they begin to differ.
    let differ = match (gone, come) {
        ([gone], [come]) => gone.chars().zip(come.chars()).take_while(|(gone, come)| gone == come).count(),
        _ => 0,
    };
    let above = old[same.saturating_sub(AROUND)..same].iter().map(|line| row(' ', &outline(line), 0));
    let below = old[old.len() - ending..].iter().take(AROUND).map(|line| row(' ', &outline(line), 0));
    let gone = gone.iter().map(|line| row('-', line, differ));
    let come = come.iter().map(|line| row('+', line, differ));
    above.chain(gone).chain(come).chain(below).collect()
}

/// Where a line is, and no more of it than its name: what is around our entry is none of our business, and holds keys.
fn outline(line: &str) -> String {
    let content = line.trim_start();
    let margin = &line[..line.len() - content.len()];
    let is_bracket = |part: &str| part.chars().all(|c| "{}[](), ".contains(c));
    let is_header = content.starts_with('[') && content.ends_with(']') && !content.contains([',', ':']);
    if is_bracket(content) || is_header {
        return line.to_owned();
    }
    let named = content.find([':', '=']).map(|at| content.split_at(at + 1)).filter(|(name, _)| is_name(name));
    match named {
        Some((name, value)) if is_bracket(value) => format!("{margin}{name}{value}"),
        Some((name, _)) => format!("{margin}{name} …"),
        None => format!("{margin}…"),
    }
}

/// A property's name with its colon, or a key with its equals sign. A text in a list may have either inside.
fn is_name(name: &str) -> bool {
    let name = name[..name.len() - 1].trim_end();
    let inner = name.strip_prefix('"').map_or(Some(name), |name| name.strip_suffix('"'));
    inner.is_some_and(|inner| inner.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c)))
}

fn row(sign: char, line: &str, differ: usize) -> String {
    if line.chars().count() <= LINE {
        return format!("{sign} {line}").trim_end().to_owned();
    }
    let skipped = differ.saturating_sub(LEAD);
    let shown: String = line.chars().skip(skipped).take(LINE).collect();
    let (lead, tail) =
        (if skipped > 0 { "…" } else { "" }, if skipped + LINE < line.chars().count() { "…" } else { "" });
    format!("{sign} {lead}{shown}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes() {
        let rows: [(&str, &str, &[&str]); 7] = [
            ("a\n", "a\n", &[]),
            ("", "a\nb\n", &["+ a", "+ b"]),
            ("a\nb\n", "", &["- a", "- b"]),
            ("1\n2=2\n3: 3\n4: {\n\n6\n", "1\n2=2\n3: 3\nx\n4: {\n\n6\n", &["  2= …", "  3: …", "+ x", "  4: {", ""]),
            ("[1.a]\n2\n},\n", "[1.a]\nx\ny\n},\n", &["  [1.a]", "- 2", "+ x", "+ y", "  },"]),
            ("a\na\n", "a\na\na\n", &["  …", "  …", "+ a"]),
            ("a\n\nb\n", "b\n", &["- a", "-", "  …"]),
        ];
        for (before, after, expected) in rows {
            assert_eq!(lines(before, after), expected, "{before:?} -> {after:?}");
        }
    }

    #[test]
    fn lines_around() {
        for (line, shown) in [
            ("    \"env\": {", "    \"env\": {"),
            ("    \"TOKEN\": \"secret\",", "    \"TOKEN\": …"),
            ("  \"args\": [\"--token\", \"secret\"],", "  \"args\": …"),
            ("      \"--token=secret\",", "      …"),
            ("      \"c2VjcmV0==\",", "      …"),
            ("  // \"TOKEN\": \"secret\"", "  …"),
            ("# TOKEN = 'secret'", "…"),
            ("TOKEN = 'secret'", "TOKEN = …"),
            ("\"secret\": {}", "\"secret\": {}"),
            ("[mcp_servers.docs.env]", "[mcp_servers.docs.env]"),
            ("    ],", "    ],"),
            ("[\"secret\", 1]", "…"),
        ] {
            assert_eq!(outline(line), shown);
        }
    }

    /// A configuration on one line shows the change, and little else.
    #[test]
    fn long_lines() {
        let (start, end) = ("s".repeat(500), "e".repeat(500));
        let shown = lines(&format!("{start}{end}"), &format!("{start}NEW{end}"));
        assert_eq!(shown.len(), 2);
        assert!(shown[1].starts_with("+ …sss") && shown[1].contains("NEW") && shown[1].ends_with('…'), "{}", shown[1]);
        assert!(shown.iter().all(|line| line.chars().count() < LINE + 5));
    }
}
