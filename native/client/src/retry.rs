//! What may be tried again, and when (RETRY). A request that may have run is sent again only where a second run does
//! no harm, or where the server knows that it is the same one.

use std::time::Duration;

use spindle_protocol::error::Started;
use spindle_protocol::method::{self, Effect};

use crate::error::Error;
use crate::request::Options;
use crate::settings::Choices;

/// Whether a request that may have run may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Always,
    /// It has an idempotency key, which this server knows and another one does not.
    SameServer,
    /// It would run twice.
    Never,
}

impl Repeat {
    /// By the method's descriptor and the request's options. A claimed effect counts for nothing: it is about undo.
    pub fn of(method: &str, options: &Options) -> Repeat {
        let harmless = method::find(method).is_some_and(|known| known.effect != Effect::Write);
        match (harmless && !options.detach, &options.idempotency_key) {
            (_, Some(_)) => Repeat::SameServer,
            (true, None) => Repeat::Always,
            (false, None) => Repeat::Never,
        }
    }

    /// Whether a request of which this much is known may be sent again, [`Repeat::SameServer`] to the same one only.
    pub fn allows(self, started: Started) -> bool {
        started == Started::No || self != Repeat::Never
    }
}

/// How often, and at which intervals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    first: Duration,
    most: Duration,
    /// Time after which no attempt begins.
    pub total: Duration,
}

impl From<&Choices> for Retry {
    fn from(choices: &Choices) -> Retry {
        Retry {
            attempts: choices.retry_attempts,
            first: choices.retry_first_s,
            most: choices.retry_most_s,
            total: choices.retry_total_s,
        }
    }
}

impl Retry {
    /// The pause after this attempt, counted from 1: twice as long each time up to the longest, then from half of it
    /// to all of it by `chance`, a number from 0 to 1, so that many clients do not come back at the same moment. Never
    /// shorter than the server asks for.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        let pause = doubled.min(self.most).mul_f64(0.5 + chance / 2.0);
        asked.map_or(pause, |asked| pause.max(asked))
    }
}

/// A random number from 0 to 1. A system without any gets the middle: the pauses are all the same then.
pub(crate) fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Whether it is worth trying again at all. `met` is whether the server was reached before, so that one that cannot
/// be found may only be starting anew.
pub(crate) fn is_worth_it(error: &Error, met: bool) -> bool {
    match error {
        // Both have waited long enough already, and the caller should know.
        Error::BreakerOpen { .. } | Error::PoolTimedOut { .. } => false,
        Error::NoServer { .. } | Error::WrongServer { .. } | Error::BadToken { .. } => met,
        error => error.retryable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RETRY: what may be sent again, by the method and by what is known of the first run.
    #[test]
    fn only_what_is_safe() {
        let key = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
        let detached = Options { detach: true, ..Options::default() };
        let claimed = Options { effect: Some(spindle_protocol::envelope::ClaimedEffect::Read), ..Options::default() };
        let plain = Options::default();
        let rows = [
            ("scene.get", &plain, Repeat::Always),
            ("ping", &plain, Repeat::Always),
            ("job.wait", &plain, Repeat::Always),
            ("scene.get", &detached, Repeat::Never),
            ("script.run", &plain, Repeat::Never),
            ("script.run", &claimed, Repeat::Never),
            ("script.run", &key, Repeat::SameServer),
            ("object.create", &plain, Repeat::Never),
            ("unheard.of", &plain, Repeat::Never),
        ];
        for (method, options, expected) in rows {
            assert_eq!(Repeat::of(method, options), expected, "{method} {options:?}");
        }
        use Started::{No, Unknown, Yes};
        for (repeat, expected) in [
            (Repeat::Always, [true, true, true]),
            (Repeat::SameServer, [true, true, true]),
            (Repeat::Never, [true, false, false]),
        ] {
            assert_eq!([No, Unknown, Yes].map(|started| repeat.allows(started)), expected, "{repeat:?}");
        }
    }

    /// RETRY: the pauses double up to a cap, are spread, and heed the server.
    #[test]
    fn pauses() {
        let retry = Retry::from(&Choices::default());
        let ms = |attempt, asked: Option<u64>, chance| {
            retry.pause(attempt, asked.map(Duration::from_millis), chance).as_millis()
        };
        assert_eq!([1, 2, 3, 7, 40, u32::MAX].map(|n| ms(n, None, 1.0)), [100, 200, 400, 5000, 5000, 5000]);
        assert_eq!((ms(1, None, 0.0), ms(3, None, 0.0)), (50, 200));
        assert_eq!((ms(1, Some(700), 0.0), ms(40, Some(700), 1.0)), (700, 5000));
        assert!((0..1000).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
    }
}
