//! From offsets and rules to findings.

use foldhash::HashSet;

use ruff_text_size::TextSize;
use spindle_protocol::finding::{Finding, Severity};
use spindle_protocol::limits::FINDINGS;

use crate::Report;
use crate::policy::{Rule, text};
use crate::position::Lines;
use crate::unit::Found;

/// Everything that was found, in the order of the lines, each rule once a line.
pub fn of(source: &str, mut found: Vec<Found>) -> Report {
    found.extend(deceptions(source));
    found.sort_by_key(|(at, rule)| (*at, rule.id));
    if found.is_empty() {
        return Report::default();
    }
    let lines = Lines::new(source);
    let mut seen = HashSet::default();
    found.retain(|(at, rule)| seen.insert((lines.line(at.to_usize()), rule.id)));
    let dangerous = found.iter().any(|(_, rule)| rule.severity == Severity::Danger);
    let told = select(&found);
    let findings: Vec<Finding> = told
        .into_iter()
        .map(|(at, rule)| finding(rule, lines.position(at.to_usize()), lines.excerpt(at.to_usize())))
        .collect();
    let omitted = found.len() - findings.len();
    Report { findings, omitted: u64::try_from(omitted).unwrap_or(u64::MAX), dangerous, unreadable: None }
}

/// As many as are told. Where there are too many, cautions give way to dangers.
fn select(found: &[Found]) -> Vec<Found> {
    if found.len() <= FINDINGS {
        return found.to_vec();
    }
    let of = |severity: Severity| found.iter().filter(move |(_, rule)| rule.severity == severity).copied();
    let mut told: Vec<Found> = of(Severity::Danger).chain(of(Severity::Caution)).take(FINDINGS).collect();
    told.sort_by_key(|(at, rule)| (*at, rule.id));
    told
}

fn deceptions(source: &str) -> Vec<Found> {
    // Most scripts have none of the characters that the other patterns look for.
    let patterns = text::PATTERNS.iter().filter(|pattern| !source.is_ascii() || pattern.in_ascii);
    let found =
        patterns.flat_map(|pattern| pattern.regex.find_iter(source).map(move |found| (found.start(), pattern.rule)));
    found.filter_map(|(at, rule)| Some((TextSize::new(u32::try_from(at).ok()?), rule))).collect()
}

/// A finding, as it is told.
pub fn finding(rule: &Rule, (line, column): (u32, u32), excerpt: String) -> Finding {
    Finding {
        rule: rule.id.to_owned(),
        severity: rule.severity,
        line,
        column,
        excerpt,
        reason: rule.reason.to_owned(),
        remedy: rule.remedy.to_owned(),
    }
}
