//! The guard before sources that are hard on whoever reads them. How its time grows with them is shown by
//! `cargo run --release -p spindle-guard --example guard_growth`.

#[path = "common/families.rs"]
mod families;

use std::thread;

use families::families;
use spindle_guard::{Report, check};

/// What the server checks on its I/O thread, which has the usual stack of a Rust thread.
const SMALL: (usize, usize) = (4 << 10, 2 << 20);
/// About the largest script there can be (what a family makes is a little longer than it was asked for), and the check
/// worker's stack.
const LARGE: (usize, usize) = (248 << 10, 64 << 20);
/// A report goes into an error, and that into a frame.
const MOST_REPORT_BYTES: usize = 64 << 10;
const EXCERPT_CHARS: usize = 120;

/// BUG-005: no source makes the guard overflow its stack, panic, or answer at length.
#[test]
#[expect(clippy::print_stdout, reason = "a crash would not say which family it was; the harness shows this then")]
fn every_family_is_answered() {
    for (bytes, stack) in [SMALL, LARGE] {
        for (name, source) in families() {
            let source = source(bytes);
            assert!(source.len() <= bytes * 2, "{name} is of {} bytes", source.len());
            println!("{name}, {} bytes", source.len());
            let worker = thread::Builder::new().stack_size(stack).spawn(move || check(&source));
            let report = worker.expect("a thread").join().unwrap_or_else(|_| panic!("{name} at {bytes} bytes"));
            is_bounded(name, &report);
        }
    }
}

fn is_bounded(name: &str, report: &Report) {
    let unreadable = report.unreadable.as_ref().map_or(0, |it| it.message.len());
    let findings = report.findings.iter();
    let texts = findings.map(|it| it.rule.len() + it.excerpt.len() + it.reason.len() + it.remedy.len());
    let size: usize = texts.sum::<usize>() + unreadable;
    assert!(size <= MOST_REPORT_BYTES, "{name}: a report of {size} bytes");
    for finding in &report.findings {
        assert!(finding.excerpt.chars().count() <= EXCERPT_CHARS, "{name}: {finding:?}");
        assert!(finding.line >= 1 && finding.column >= 1, "{name}: {finding:?}");
    }
    assert!(report.omitted == 0 || !report.findings.is_empty(), "{name}: some are omitted, and none is told");
    assert!(report.unreadable.is_none() || report.findings.is_empty(), "{name}: findings in what cannot be read");
}
