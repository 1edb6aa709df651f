//! What is counted of the guard's work.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};
use spindle_protocol::finding::{Finding, Severity};
use spindle_protocol::methods::script::Verdict;

use super::Families;

/// What became of a request that the user was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskEnd {
    /// Allowed, this time.
    Once,
    /// Allowed, like all that its client sends from then on.
    Session,
    /// Refused.
    Refused,
    /// Nobody answered in time, which refuses it.
    NoAnswer,
    /// Cancelled, or over for another reason before the user had answered.
    Gone,
}

impl AskEnd {
    const ALL: [AskEnd; 5] = [AskEnd::Once, AskEnd::Session, AskEnd::Refused, AskEnd::NoAnswer, AskEnd::Gone];

    const fn name(self) -> &'static str {
        match self {
            AskEnd::Once => "once",
            AskEnd::Session => "session",
            AskEnd::Refused => "refused",
            AskEnd::NoAnswer => "no_answer",
            AskEnd::Gone => "gone",
        }
    }
}

const VERDICTS: [(Verdict, &str); 4] = [
    (Verdict::Runs, "runs"),
    (Verdict::Asks, "asks"),
    (Verdict::Refused, "refused"),
    (Verdict::Unreadable, "unreadable"),
];

/// Counters of checks and of their consequences.
pub struct GuardCounters {
    verdicts: IntCounterVec,
    cautions: IntCounter,
    dangers: IntCounter,
    asked: IntCounterVec,
    durations: Histogram,
    hits: IntCounter,
    misses: IntCounter,
}

impl GuardCounters {
    pub(super) fn new(set: &Families) -> GuardCounters {
        let verdicts = set.counters("checks_total", "Scripts and operators judged, by the verdict.", &["verdict"]);
        let findings = set.counters("findings_total", "What the guard has found, by severity.", &["severity"]);
        let asked =
            set.counters("asked_total", "Requests that the user was asked about, by what they came to.", &["decision"]);
        for (_, name) in VERDICTS {
            verdicts.with_label_values(&[name]);
        }
        for end in AskEnd::ALL {
            asked.with_label_values(&[end.name()]);
        }
        GuardCounters {
            cautions: findings.with_label_values(&["caution"]),
            dangers: findings.with_label_values(&["danger"]),
            verdicts,
            asked,
            durations: set.histogram("check_seconds", "What the guard takes to check a script that it has not seen."),
            hits: set.counter("verdict_cache_hits_total", "Scripts whose report was kept from an earlier check."),
            misses: set.counter("verdict_cache_misses_total", "Scripts that had to be checked."),
        }
    }

    /// Something was judged.
    pub fn judged(&self, verdict: Verdict, findings: &[Finding]) {
        let name = VERDICTS.iter().find(|(other, _)| *other == verdict).map(|(_, name)| *name);
        self.verdicts.with_label_values(&[name.expect("each verdict has its name")]).inc();
        let dangers = findings.iter().filter(|finding| finding.severity == Severity::Danger).count() as u64;
        self.dangers.inc_by(dangers);
        self.cautions.inc_by(findings.len() as u64 - dangers);
    }

    /// The report on a script was kept.
    pub fn kept(&self) {
        self.hits.inc();
    }

    /// A script was checked, which took this long.
    pub fn checked(&self, took: Duration) {
        self.misses.inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// A request that the user was asked about has left their list.
    pub fn asked(&self, end: AskEnd) {
        self.asked.with_label_values(&[end.name()]).inc();
    }
}
