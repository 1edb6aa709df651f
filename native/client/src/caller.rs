//! One call, in as many attempts as it takes and as are safe.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use spindle_protocol::error::Started;

use crate::breaker::{Breaker, Permit, Refusal};
use crate::connection::Reply;
use crate::error::Error;
use crate::event::{Event, Teller};
use crate::fate::Fate;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::request::{Options, SHORTEST};
use crate::retry::{Repeat, Retry, chance, is_worth_it};
use crate::settings::Choices;
use crate::source::Source;
use crate::wire::STEP;

/// A server forgets the oldest outcomes beyond the newest 100 of a client, and with an outcome its key. A request is
/// not repeated once half as many have followed it.
const FOLLOWERS: u64 = 50;

/// What a caller wants.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub method: &'a str,
    pub params: &'a RawValue,
    pub blob: &'a [u8],
    pub options: &'a Options,
}

/// What all calls of a client go through.
pub(crate) struct Caller {
    pub pool: Arc<Pool>,
    source: Arc<Source>,
    pub breaker: Breaker,
    retry: Retry,
    metrics: Arc<Metrics>,
    teller: Teller,
    /// The deadline of a call that names none.
    usual: Option<Duration>,
    /// How many requests were sent whose outcomes the server keeps.
    kept: AtomicU64,
}

/// What is known of the attempts at one call so far.
struct Course<'a> {
    request: Request<'a>,
    repeat: Repeat,
    /// When the caller's deadline passes, if there is one.
    until: Option<Instant>,
    /// The server to which an attempt was sent that may have run, and how many kept outcomes there were before it.
    sent: Option<(String, u64)>,
    /// How that attempt ended.
    lost: Option<Error>,
}

impl Caller {
    /// Calls over the pool.
    pub fn new(pool: Arc<Pool>, source: Arc<Source>, choices: &Choices) -> Caller {
        Caller {
            pool,
            metrics: Arc::clone(&source.metrics),
            teller: source.teller.clone(),
            source,
            breaker: Breaker::new(choices.breaker_failures, choices.breaker_rest_s),
            retry: Retry::from(choices),
            usual: Some(choices.request_s).filter(|wait| !wait.is_zero()),
            kept: AtomicU64::new(0),
        }
    }

    /// Make a request, again where that is safe and may help.
    pub fn call(&self, request: Request<'_>) -> Result<Reply, Error> {
        request.options.to_wire()?;
        let start = Instant::now();
        let until = request.options.timeout.or(self.usual).map(|timeout| start + timeout);
        // No attempt begins after this.
        let last_start = until.map_or(start + self.retry.total, |until| until.min(start + self.retry.total));
        let repeat = Repeat::of(request.method, request.options);
        let mut course = Course { request, repeat, until, sent: None, lost: None };
        for attempt in 1.. {
            let error = match self.attempt(&mut course) {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => break,
                Err(error) => error,
            };
            let pause = self.retry.pause(attempt, error.retry_after(), chance());
            let again = attempt < self.retry.attempts
                && repeat.allows(error.started())
                && is_worth_it(&error, self.source.has_met())
                && pause < last_start.saturating_duration_since(Instant::now());
            if !again {
                return Err(course.verdict(error));
            }
            self.metrics.retries.inc();
            self.teller.tell(&Event::Retrying { method: request.method, attempt, pause, error: &error });
            if error.started() != Started::No {
                course.lost = Some(error);
            }
            self.rest(pause, &course)?;
        }
        // Only a request that was lost is not sent again without a word.
        Err(course.lost.unwrap_or(Error::ShutDown))
    }

    /// Wait before the next attempt, but not longer than the caller wants to.
    fn rest(&self, pause: Duration, course: &Course<'_>) -> Result<(), Error> {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.pool.is_shut() {
                return Ok(());
            }
            thread::sleep(left.min(STEP));
            if self.pool.is_interrupted() {
                return Err(Error::Interrupted { fate: Fate::unanswered(course.lost.is_some()) });
            }
        }
    }

    /// One attempt, if the breaker allows it; `None` when it is not to be made any more.
    fn attempt(&self, course: &mut Course<'_>) -> Result<Option<Reply>, Error> {
        let permit = self
            .breaker
            .admit(Instant::now())
            .map_err(|Refusal { failures, last, retry_after }| Error::BreakerOpen { failures, last, retry_after })?;
        let outcome = self.exchange(course);
        match &outcome {
            Ok(Some(_)) => self.succeeded(permit),
            Ok(None) => drop(permit),
            Err(error) => self.failed(permit, error),
        }
        outcome
    }

    fn exchange(&self, course: &mut Course<'_>) -> Result<Option<Reply>, Error> {
        let Request { method, params, blob, options } = course.request;
        let mut connection = self.pool.take(course.left())?;
        let server = connection.server().instance.clone();
        let number = self.kept.load(Ordering::Relaxed);
        if course.repeat == Repeat::SameServer && !course.is_known_to(&server, number) {
            return Ok(None);
        }
        if options.detach || options.idempotency_key.is_some() {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }
        let options = match course.left() {
            None => Cow::Borrowed(options),
            left => Cow::Owned(Options { timeout: left, ..options.clone() }),
        };
        let outcome = connection.call(method, params, blob, &options);
        if let Err(error) = &outcome
            && error.started() == Started::Unknown
        {
            self.metrics.lost.inc();
            self.teller.tell(&Event::Lost { connection: connection.number(), method, error });
            course.sent.get_or_insert((server, number));
        }
        outcome.map(Some)
    }

    fn succeeded(&self, permit: Permit<'_>) {
        if permit.succeed() {
            self.teller.tell(&Event::BreakerClosed);
        }
    }

    fn failed(&self, permit: Permit<'_>, error: &Error) {
        match error {
            // An answer, though not the one that was hoped for.
            Error::Server(_) | Error::ScriptFailed(_) => self.succeeded(permit),
            error if error.is_connection_problem() && !says_nothing(error) => {
                if permit.fail(Instant::now(), || error.to_string()) {
                    self.metrics.breaker_opened.inc();
                    self.teller.tell(&Event::BreakerOpened { error });
                }
            }
            _ => drop(permit),
        }
    }
}

/// Whether it says nothing of a server: nothing was tried, or the caller had enough. Looking for one costs no more than
/// a look at a folder, and one that has just started is to be found at once.
fn says_nothing(error: &Error) -> bool {
    matches!(
        error,
        Error::Interrupted { .. } | Error::SeveralServers { .. } | Error::NoServer { .. } | Error::Folder { .. }
    )
}

impl Course<'_> {
    /// What is left of the caller's deadline, if there is one.
    fn left(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()).max(SHORTEST))
    }

    /// Whether this server still knows the key of the attempt that may have run, if there was one.
    fn is_known_to(&self, server: &str, number: u64) -> bool {
        self.sent.as_ref().is_none_or(|(before, first)| before == server && number - first <= FOLLOWERS)
    }

    /// What the caller is told at the end. Where an earlier attempt may have run, a later one that did not is not the
    /// whole truth.
    fn verdict(self, last: Error) -> Error {
        match self.lost {
            Some(lost) if last.started() == Started::No && self.repeat != Repeat::Always => lost,
            _ => last,
        }
    }
}
