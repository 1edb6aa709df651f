//! docs/limits.md says what the code does: its tables are the code's own.

use spindle_core::limits::{Kind, Limits, ORDERED, Row, TABLE};
use spindle_core::memory::{PARTS, Part, worst_case};

const DOC: &str = include_str!("../../../docs/limits.md");

/// A number as people read it: 1,048,576.
fn grouped(number: f64) -> String {
    let text = number.to_string();
    let (whole, fraction) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
    let digits = whole.len();
    let grouped = whole.chars().enumerate().map(|(index, digit)| {
        let comma = if index > 0 && (digits - index).is_multiple_of(3) { "," } else { "" };
        format!("{comma}{digit}")
    });
    grouped.collect::<String>() + fraction
}

fn line(row: &Row) -> String {
    let Row { name, default, least, most, unit, summary, reason, .. } = row;
    let [default, least, most] = [default, least, most].map(|number| grouped(*number));
    let clamped = if row.kind == Kind::Ttl { ", clamped" } else { "" };
    format!("| `{name}` | {default} | {least} to {most}{clamped} | {unit} | {summary} {reason} |\n")
}

fn mebibytes(bytes: u64) -> String {
    grouped((bytes as f64 / 1048576.0).ceil())
}

/// BUG-007: every limit has its row, with its default, its range and its reason.
#[test]
fn the_tables_of_limits_are_the_codes() {
    for group in TABLE.chunk_by(|a, b| a.group == b.group) {
        let rows: String = group.iter().map(line).collect();
        let table = format!(
            "### {}\n\n| Limit | Default | Range | Unit | What, and why |\n|---|---|---|---|---|\n{rows}\n",
            group[0].group
        );
        assert!(DOC.contains(&table), "docs/limits.md must contain\n\n{table}");
    }
    for (lower, upper) in ORDERED {
        assert!(DOC.contains(&format!("| `{lower}` | `{upper}` |\n")), "docs/limits.md lacks {lower}, {upper}");
    }
    let rows = DOC.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, TABLE.len() + ORDERED.len());
}

#[test]
fn the_memory_is_the_codes() {
    let limits = Limits::default();
    let part = |part: &Part| format!("| {} | {} | {} |\n", part.what, part.formula, mebibytes((part.bytes)(&limits)));
    let parts: String = PARTS.iter().map(part).collect();
    let sum = mebibytes(worst_case(&limits));
    let table = format!("| What | Most | MiB by default |\n|---|---|---|\n{parts}| All together | | {sum} |\n");
    assert!(DOC.contains(&table), "docs/limits.md must contain\n\n{table}");
    let small = Limits { max_all_unread_mib: 128, max_receiving_mib: 128, max_queued_mib: 128, ..limits };
    let small = mebibytes(worst_case(&small));
    assert!(DOC.contains(&format!("come to {small} MiB")), "docs/limits.md must contain {small}");
}
