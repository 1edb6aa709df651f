//! Any text as a script, and scripts of the guard's own sets cut up and put together: no panic, no overflow; the report is
//! bounded, points into the script, and says the same twice; and harm that follows a readable script is still seen.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use spindle_fuzz::splice::splice;
use spindle_guard::{Report, check};
use spindle_protocol::finding::{Finding, Severity};

const MOST_FINDINGS: usize = 1000;
const EXCERPT_CHARS: usize = 120;
const HARM: &str = "\nimport os\nos.system('a')\n";

fuzz_target!(|source: &[u8]| {
    let Ok(source) = std::str::from_utf8(source) else { return };
    let report = check(source);
    assert_eq!(report, check(source));
    is_sound(source, &report);
    if report.unreadable.is_none() {
        let followed = check(&format!("{source}{HARM}"));
        assert!(followed.dangerous || followed.unreadable.is_some(), "harm was not seen");
    }
});

// Half of the time a script gets a piece of another, which the fuzzer's own mutations of bytes seldom leave readable.
fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    match std::str::from_utf8(&data[..size]).ok().filter(|_| seed % 2 == 0) {
        Some(source) => {
            let spliced = splice(source, seed / 2);
            let length = spliced.floor_char_boundary(spliced.len().min(most));
            data[..length].copy_from_slice(&spliced.as_bytes()[..length]);
            length
        }
        None => fuzzer_mutate(data, size, most),
    }
});

fn is_sound(source: &str, report: &Report) {
    assert!(report.findings.len() <= MOST_FINDINGS);
    let is_danger = |finding: &Finding| finding.severity == Severity::Danger;
    assert!(report.dangerous || !report.findings.iter().any(is_danger));
    assert!(!report.dangerous || report.omitted > 0 || report.findings.iter().any(is_danger));
    assert!(report.unreadable.is_none() || (report.findings.is_empty() && !report.dangerous));
    for finding in &report.findings {
        // Line feeds and carriage returns both end a line, so there are no more than this.
        let lines = source.matches(['\n', '\r']).count() + 1;
        assert!(finding.line >= 1 && finding.line as usize <= lines, "{finding:?}");
        assert!(finding.column >= 1 && finding.column as usize <= source.chars().count() + 1, "{finding:?}");
        assert!(finding.excerpt.chars().count() <= EXCERPT_CHARS, "{finding:?}");
    }
}
