//! The guard before two sets of our own making: scripts that do harm and hide it, and scripts that people send.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use common::{Script, scripts};
use spindle_guard::check;
use spindle_protocol::finding::Severity;

/// What the guard does not see, and who stops it instead: `family/name: watch | nobody: reason`.
const KEPT: &str = include_str!("kept.txt");
/// The family whose scripts a strict guard may refuse.
const EDGE: &str = "edge";
const LEAST_SCRIPTS: usize = 150;
/// In a hundred, of the evasions, before any of them runs.
const LEAST_REFUSED: usize = 95;

fn is_refused(script: &Script) -> bool {
    let report = check(&script.source);
    report.dangerous || report.unreadable.is_some()
}

/// BUG-012: white space, comments, bracket access, aliases, `getattr`, built names and look-alikes do not evade the
/// policy. What does is named in the kept list, which holds nothing else.
#[test]
fn evasions_are_refused() {
    let evasions = scripts("evasions");
    assert!(evasions.len() >= LEAST_SCRIPTS, "{} evasions", evasions.len());
    let passed: BTreeSet<String> = evasions.iter().filter(|script| !is_refused(script)).map(Script::id).collect();
    let kept: BTreeSet<String> = kept_list().collect();
    let refused = evasions.len() - passed.len();
    assert!(
        passed == kept && refused * 100 >= evasions.len() * LEAST_REFUSED,
        "{}\npassed, and not on the kept list: {:#?}\non the kept list, but refused or gone: {:#?}",
        table(&evasions, &passed),
        passed.difference(&kept).collect::<Vec<_>>(),
        kept.difference(&passed).collect::<Vec<_>>(),
    );
}

/// BUG-012: ordinary scripts pass.
#[test]
fn legitimate_scripts_pass() {
    let mut legitimate = scripts("legitimate");
    legitimate.retain(|script| script.family != EDGE);
    assert!(legitimate.len() >= LEAST_SCRIPTS, "{} scripts", legitimate.len());
    let mut wrongly_refused = String::new();
    for script in &legitimate {
        let report = check(&script.source);
        let reason = match (&report.unreadable, report.findings.iter().find(|it| it.severity == Severity::Danger)) {
            (Some(unreadable), _) => format!("line {}: {}", unreadable.line, unreadable.message),
            (None, Some(it)) => format!("line {}: {}: {}", it.line, it.rule, it.excerpt),
            (None, None) if report.dangerous => "dangerous for a finding that was omitted".to_owned(),
            (None, None) => continue,
        };
        writeln!(wrongly_refused, "{}: {reason}", script.id()).expect("a String takes everything");
    }
    assert!(wrongly_refused.is_empty(), "\n{wrongly_refused}");
}

/// Names in a set are unique, so that the kept list means one script each; and each of its lines says who stops it.
#[test]
fn the_sets_are_sound() {
    for set in ["evasions", "legitimate"] {
        let mut seen = BTreeSet::new();
        for script in scripts(set) {
            assert!(seen.insert(script.id()), "{} twice", script.id());
            assert!(!script.source.trim().is_empty(), "{} is empty", script.id());
        }
    }
    for line in KEPT.lines().filter(|line| is_entry(line)) {
        let parts: Vec<&str> = line.splitn(3, ": ").collect();
        assert!(matches!(parts[..], [_, "watch" | "nobody", reason] if !reason.is_empty()), "{line}");
    }
}

fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn kept_list() -> impl Iterator<Item = String> {
    let entries = KEPT.lines().filter(|line| is_entry(line));
    entries.map(|line| line.split(": ").next().expect("a line has a beginning").to_owned())
}

/// How many of each family were refused.
fn table(evasions: &[Script], passed: &BTreeSet<String>) -> String {
    let mut families = BTreeMap::<&str, (usize, usize)>::new();
    for script in evasions {
        let (refused, all) = families.entry(&script.family).or_default();
        *refused += usize::from(!passed.contains(&script.id()));
        *all += 1;
    }
    families.iter().fold(String::new(), |mut table, (family, (refused, all))| {
        writeln!(table, "{family:<16}{refused:>4} of {all}").expect("a String takes everything");
        table
    })
}
