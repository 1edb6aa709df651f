//! The guard's place in the server: how strict it is, what it has said of the last scripts, and how a refusal reads.
//!
//! The level is the user's. It is read once, when the server starts, and nothing that a client sends changes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use spindle_guard::{POLICY, Report, check, check_operator};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::finding::{Finding, Level, Severity};
use spindle_protocol::log::Script;
use spindle_protocol::methods::script::{CheckResult, Verdict};

use crate::metrics::Metrics;
use crate::settings::Settings;

/// Whether a client has proved that it is this user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It knows the token.
    Proven,
    /// It came in where no proof is asked for. What it sends is judged at `guarded` or stricter.
    Unproven,
}

/// Who refuses, and so what a refusal begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The guard, at this level.
    Policy(Level),
    /// The guard, as the user would have to be asked, and Blender has no window to ask in.
    NoWindow,
    /// The user.
    User,
    /// Nobody: the user was asked, and this was as long as they had.
    NoAnswer(Duration),
}

impl By {
    /// The name that programs read.
    const fn name(self) -> &'static str {
        match self {
            By::Policy(_) => "policy",
            By::NoWindow => "no_window",
            By::User => "user",
            By::NoAnswer(_) => "no_answer",
        }
    }

    const fn level(self) -> Level {
        match self {
            By::Policy(level) => level,
            By::NoWindow | By::User | By::NoAnswer(_) => Level::Ask,
        }
    }

    fn text(self) -> String {
        match self {
            By::Policy(level) => format!("the guard refused this (its level is {})", level.name()),
            By::NoWindow => "the guard refused this, as Blender has no window to ask the user in".to_owned(),
            By::User => "the user refused this".to_owned(),
            By::NoAnswer(wait) => {
                format!("this was refused, as nobody answered within {} s (ask_timeout_s)", wait.as_secs_f64())
            }
        }
    }
}

/// A request that was judged, as the user, the log and the client are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its client's name.
    pub client: Arc<str>,
    /// What it is called: a label, or empty.
    pub label: String,
    /// What would run: Python.
    pub code: String,
    /// What the log says of its script; `None` of an operator that is called by its name.
    pub script: Option<Script>,
    /// What the guard found.
    pub report: Arc<Report>,
}

/// A request that may not run: its answer, and what the log has of it where it was a script that the guard stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The answer.
    pub error: WireError,
    /// A line for the log, so that attacks are seen although nothing ran.
    pub note: Option<String>,
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Refusal {
        Refusal { error, note: None }
    }
}

impl Case {
    /// Refuse it.
    pub fn refuse(&self, by: By) -> Refusal {
        let what =
            self.script.as_ref().map_or("operator.call".to_owned(), |script| format!("script {}", script.digest));
        let rules = rules(&self.report).join(", ");
        let note = format!("{} of {}, {}: {rules}", what, self.client, by.text());
        Refusal { error: refusal(&self.report, self.script.is_some(), by), note: Some(note) }
    }
}

/// The rules that a report names, sorted, each once.
pub fn rules(report: &Report) -> Vec<String> {
    let mut rules: Vec<String> = report.findings.iter().map(|finding| finding.rule.clone()).collect();
    rules.sort();
    rules.dedup();
    rules
}

/// The answer to a request that is refused for its report.
fn refusal(report: &Report, is_script: bool, by: By) -> WireError {
    let worst = report.findings.iter().find(|finding| finding.severity == Severity::Danger);
    let why = match worst.or(report.findings.first()) {
        _ if is_script && by == By::Policy(Level::Locked) => "no script runs; the typed methods do".to_owned(),
        Some(Finding { line, rule, reason, remedy, .. }) => {
            let place = if is_script { format!("line {line}, {rule}") } else { rule.clone() };
            format!("{place}: {reason} {remedy}")
        }
        None => "it found more than it tells".to_owned(),
    };
    let findings = serde_json::to_value(&report.findings).expect("findings are plain JSON");
    let error = WireError::new(Kind::ScriptRefused, format!("{}: {why}", by.text()));
    error
        .with("findings", findings)
        .with("findings_omitted", report.omitted)
        .with("level", by.level().name())
        .with("policy", POLICY)
        .with("refused_by", by.name())
}

/// Judges scripts, for any thread.
pub struct Judge {
    level: Level,
    window: bool,
    most_bytes: usize,
    verdicts: Mutex<Verdicts>,
    metrics: Arc<Metrics>,
}

impl Judge {
    /// A judge of a Blender that has a window, or has none; it counts in `metrics`.
    pub fn new(settings: &Settings, window: bool, metrics: Arc<Metrics>) -> Judge {
        let limits = &settings.limits;
        Judge {
            level: settings.guard_level,
            window,
            most_bytes: limits.max_script_bytes as usize,
            verdicts: Mutex::new(Verdicts::new(limits.max_verdicts as usize)),
            metrics,
        }
    }

    /// How strict it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// How strict it is with such a client.
    pub fn level_for(&self, trust: Trust) -> Level {
        match (self.level, trust) {
            (Level::Trusted, Trust::Unproven) => Level::Guarded,
            (level, _) => level,
        }
    }

    /// Judge a script, known to the log as `digest`. A script that was judged before costs a look-up.
    ///
    /// # Errors
    /// `invalid_params`, when it is longer than this server allows.
    pub fn script(&self, code: &str, digest: &str, trust: Trust) -> Result<(Verdict, Arc<Report>), WireError> {
        self.refuse_size(code.len())?;
        let report = self.report(code, digest);
        let verdict = if self.level == Level::Locked { Verdict::Refused } else { self.verdict(&report, trust) };
        self.metrics.guard.judged(verdict, &report.findings);
        Ok((verdict, report))
    }

    /// Judge an operator that is called by its name; `None` where no rule knows it.
    pub fn operator(&self, name: &str, trust: Trust) -> Option<(Verdict, Arc<Report>)> {
        let finding = check_operator(name)?;
        let dangerous = finding.severity == Severity::Danger;
        let report = Arc::new(Report { findings: vec![finding], dangerous, ..Report::default() });
        let verdict = self.verdict(&report, trust);
        self.metrics.guard.judged(verdict, &report.findings);
        Some((verdict, report))
    }

    /// Who refuses what this judge refuses.
    pub fn by(&self, trust: Trust) -> By {
        if self.level == Level::Ask { By::NoWindow } else { By::Policy(self.level_for(trust)) }
    }

    /// Tell what would become of a script, for `script.check`. What the user has `granted` is not asked about.
    ///
    /// # Errors
    /// `invalid_params`, when it is longer than this server allows.
    pub fn look(&self, code: &str, granted: bool, trust: Trust) -> Result<CheckResult, WireError> {
        let (verdict, report) = self.script(code, &Script::of("", code).digest, trust)?;
        let verdict = if granted && verdict == Verdict::Asks { Verdict::Runs } else { verdict };
        let Report { findings, omitted, unreadable, .. } = Report::clone(&report);
        let (level, policy) = (self.level_for(trust), POLICY.to_owned());
        Ok(CheckResult { verdict, level, policy, findings, findings_omitted: omitted, unreadable })
    }

    fn verdict(&self, report: &Report, trust: Trust) -> Verdict {
        match self.level_for(trust) {
            _ if report.unreadable.is_some() => Verdict::Unreadable,
            _ if !report.dangerous => Verdict::Runs,
            Level::Trusted => Verdict::Runs,
            Level::Ask if self.window => Verdict::Asks,
            Level::Ask | Level::Guarded | Level::Locked => Verdict::Refused,
        }
    }

    fn refuse_size(&self, bytes: usize) -> Result<(), WireError> {
        let most = self.most_bytes;
        if bytes <= most {
            return Ok(());
        }
        let text = format!(
            "params.code: a script of {bytes} bytes, the limit is {most} (max_script_bytes); send data in args or in the \
             blob, or the work in several scripts"
        );
        let error = WireError::new(Kind::InvalidParams, text).with("path", "params.code");
        Err(error.with("limit", most).with("setting", "max_script_bytes"))
    }

    fn report(&self, code: &str, digest: &str) -> Arc<Report> {
        if let Some(report) = self.verdicts.lock().get(digest) {
            self.metrics.guard.kept();
            return report;
        }
        let start = Instant::now();
        let report = Arc::new(check(code));
        self.metrics.guard.checked(start.elapsed());
        self.verdicts.lock().keep(digest.to_owned(), Arc::clone(&report));
        report
    }
}

/// The reports on the last scripts, by the digest of their source. They hold for one version of the rules, which is
/// that of this process. In two halves: the old one goes when the young one is full, but for what was asked for again.
struct Verdicts {
    half: usize,
    young: HashMap<String, Arc<Report>>,
    old: HashMap<String, Arc<Report>>,
}

impl Verdicts {
    /// Room for so many, at least 2.
    fn new(most: usize) -> Verdicts {
        Verdicts { half: most / 2, young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&mut self, digest: &str) -> Option<Arc<Report>> {
        if let Some(report) = self.young.get(digest) {
            return Some(Arc::clone(report));
        }
        let (digest, report) = self.old.remove_entry(digest)?;
        self.keep(digest, Arc::clone(&report));
        Some(report)
    }

    fn keep(&mut self, digest: String, report: Arc<Report>) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was asked for again stays, and no more than the limit says are kept.
    #[test]
    fn the_verdicts_are_bounded() {
        let mut verdicts = Verdicts::new(10);
        for number in 0..1000 {
            verdicts.keep(number.to_string(), Arc::default());
            assert!(verdicts.get("0").is_some(), "it is asked for again and again");
            assert!(verdicts.young.len() + verdicts.old.len() <= 10);
        }
        let kept = (0..1000).filter(|number| verdicts.get(&number.to_string()).is_some()).count();
        assert!((5..=10).contains(&kept), "{kept} of the last are left");
    }
}
