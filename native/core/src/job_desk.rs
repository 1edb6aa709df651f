//! Requests whose outcome is kept, and what clients ask about them: from a claim to the frames that tell its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::methods::control::CancelOutcome;
use spindle_protocol::methods::job::{self, Detached, JobState};
use spindle_protocol::notification::Progress;

use crate::admit::{Claim, Unchecked};
use crate::frames::{error_frame, outcome_frame, result_frame};
use crate::inbox::{Destination, Ended, Inbox};
use crate::jobs::{Job, Jobs, NewJob, Outcome, Repeat, Waiter};
use crate::keys::{Address, ConnectionKey, JobKey, SessionKey, Ticket};
use crate::outbox::{Lane, Outgoing};

/// What became of a request whose outcome is to be kept.
pub enum Kept {
    /// It is new, and has its place in the inbox; a detached one is answered already.
    New(Ticket, Option<Outgoing>),
    /// It was sent before; the answer, if there is one yet.
    Repeat(Option<Outgoing>),
}

/// A job and its outcome, as `job.get` and `job.wait` tell it.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    job: job::Job,
    result: Option<&'a RawValue>,
    error: Option<&'a WireError>,
}

/// The jobs, and the inbox that runs them.
pub struct JobDesk {
    jobs: Jobs,
    inbox: Arc<Inbox>,
    /// Requests that may wait for jobs at once.
    most_waits: usize,
}

impl JobDesk {
    /// A desk without jobs.
    pub fn new(jobs: Jobs, inbox: Arc<Inbox>, most_waits: usize) -> JobDesk {
        JobDesk { jobs, inbox, most_waits }
    }

    /// Take in a request whose outcome is to be kept.
    ///
    /// # Errors
    /// `idempotency_conflict`, `duplicate_id`, `queue_full` or `shutting_down`, as its answer.
    pub fn accept(&mut self, request: &Unchecked, claim: Claim) -> Result<Kept, WireError> {
        let origin = request.origin();
        let address = Address { connection: origin.connection, id: request.id().clone() };
        self.inbox.refuse_duplicate(&address)?;
        self.refuse_duplicate(&address)?;
        let detached = request.options().detach;
        if let Repeat::Same(key) = self.jobs.repeat(origin.session, &claim)? {
            return self.repeat(key, address, detached).map(Kept::Repeat);
        }
        let key = self.jobs.reserve(origin.session)?;
        let in_flight = (!detached).then(|| address.clone());
        let ticket = self.inbox.reserve(request, in_flight, Destination::Job(key))?;
        let (session, method, label) = (origin.session, request.method().name, request.label().to_owned());
        self.jobs.add(key, NewJob { session, ticket, method, label, claim, accepted: request.received() });
        if detached {
            return Ok(Kept::New(ticket, Some(self.detached(key, &address))));
        }
        self.jobs.wait(key, Waiter { address, by_wait: false }, None);
        Ok(Kept::New(ticket, None))
    }

    fn repeat(&mut self, key: JobKey, address: Address, detached: bool) -> Result<Option<Outgoing>, WireError> {
        if detached {
            self.jobs.detach(key);
            return Ok(Some(self.detached(key, &address)));
        }
        if let Some(outcome) = self.jobs.get(key).and_then(|job| job.outcome.as_ref()) {
            return Ok(Some(main_frame(&address, outcome_frame(&address.id, outcome))));
        }
        self.refuse_crowd()?;
        self.jobs.wait(key, Waiter { address, by_wait: false }, None);
        Ok(None)
    }

    /// Refuse one more request that would wait for a job.
    fn refuse_crowd(&self) -> Result<(), WireError> {
        let limit = self.most_waits;
        if self.jobs.waits() < limit {
            return Ok(());
        }
        let text = format!("{limit} requests wait for jobs, the limit is {limit} (max_queued); ask with job.get");
        let error = WireError::new(Kind::QueueFull, text).with("limit", limit).with("setting", "max_queued");
        Err(error.with("retry_after_ms", 1000))
    }

    fn detached(&self, key: JobKey, address: &Address) -> Outgoing {
        let result = raw(&Detached { job: key.to_string() });
        main_frame(address, result_frame(&address.id, &result, &[]))
    }

    /// Refuse an id that waits for a job.
    ///
    /// # Errors
    /// `duplicate_id`, as its answer.
    pub fn refuse_duplicate(&self, address: &Address) -> Result<(), WireError> {
        self.jobs.awaited_by(address).map_or(Ok(()), |_| Err(address.duplicate()))
    }

    /// Whoever waits for this job.
    pub fn waiters(&self, key: JobKey) -> &[Address] {
        self.jobs.get(key).map_or(&[], |job| &job.waiters)
    }

    /// A job has ended: tell those who wait for it. The frames are made one by one, as all of them might be too much.
    pub fn end(&mut self, key: JobKey, outcome: Outcome, now: Instant) -> impl Iterator<Item = Outgoing> + use<> {
        // What is not kept is told all the same.
        let told = outcome.clone();
        let report = self.jobs.get(key).map(|job| describe(key, job, JobState::Done, None, now));
        let waiters = self.jobs.end(key, outcome, now);
        waiters.into_iter().map(move |Waiter { address, by_wait }| {
            let bytes = match &report {
                Some(job) if by_wait => report_frame(&address, job.clone(), Some(&told)),
                _ => outcome_frame(&address.id, &told),
            };
            main_frame(&address, bytes)
        })
    }

    /// `job.get`.
    ///
    /// # Errors
    /// `not_found`.
    pub fn get(&self, address: &Address, session: SessionKey, id: &str, now: Instant) -> Result<Outgoing, WireError> {
        let (key, _) = self.jobs.find(session, id)?;
        Ok(self.report(key, address, now))
    }

    /// `job.wait`; the answer, if the job has ended already.
    ///
    /// # Errors
    /// `not_found`, and `queue_full` when as many requests wait as may.
    pub fn wait(
        &mut self,
        address: &Address,
        session: SessionKey,
        id: &str,
        timeout: Duration,
        now: Instant,
    ) -> Result<Option<Outgoing>, WireError> {
        let (key, job) = self.jobs.find(session, id)?;
        if job.outcome.is_some() || timeout.is_zero() {
            return Ok(Some(self.report(key, address, now)));
        }
        self.refuse_crowd()?;
        self.jobs.wait(key, Waiter { address: address.clone(), by_wait: true }, now.checked_add(timeout));
        Ok(None)
    }

    /// `job.cancel`.
    ///
    /// # Errors
    /// `not_found`.
    pub fn cancel(&self, session: SessionKey, id: &str) -> Result<(CancelOutcome, Option<Ended>), WireError> {
        let (_, job) = self.jobs.find(session, id)?;
        if job.outcome.is_some() {
            return Ok((CancelOutcome::Finished, None));
        }
        Ok(self.inbox.cancel_ticket(job.ticket))
    }

    /// `job.list`.
    pub fn list(&self, session: SessionKey, now: Instant) -> Vec<job::Job> {
        self.jobs.of_session(session).map(|(key, job)| self.describe(key, job, now)).collect()
    }

    /// End the wait of a request that is cancelled, where that is all it does: a `job.wait`, or a repeat.
    pub fn cancel_wait(&mut self, address: &Address) -> Option<Destination> {
        self.jobs.release(address).map(|(_, waiter)| Destination::Caller(waiter.address))
    }

    /// A connection is gone. Requests that were not detached and that nobody waits for any more do not start.
    pub fn disconnect(&mut self, connection: ConnectionKey, now: Instant) {
        for ticket in self.jobs.disconnect(connection) {
            self.drop_unstarted(ticket, now);
        }
    }

    /// A client is forgotten, and its jobs with it; what has not started never will.
    pub fn forget_session(&mut self, session: SessionKey, now: Instant) {
        for ticket in self.jobs.forget_session(session) {
            self.drop_unstarted(ticket, now);
        }
    }

    fn drop_unstarted(&mut self, ticket: Ticket, now: Instant) {
        if let Some(Ended { to: Destination::Job(key), error, .. }) = self.inbox.abandon(ticket) {
            let told = self.jobs.end(key, Outcome::Error(error), now);
            debug_assert!(told.is_empty(), "nobody was left to be told");
        }
    }

    /// Answer every `job.wait` whose time is over, and forget outcomes that were kept long enough.
    pub fn watch_clock(&mut self, now: Instant) -> Vec<Outgoing> {
        self.jobs.expire(now);
        let over = self.jobs.release_overdue(now);
        over.into_iter().map(|(key, waiter)| self.report(key, &waiter.address, now)).collect()
    }

    /// When [`JobDesk::watch_clock`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.jobs.next_deadline()
    }

    /// Whether a session has jobs, running or kept.
    pub fn has_jobs(&self, session: SessionKey) -> bool {
        self.jobs.of_session(session).next().is_some()
    }

    /// Whether requests of this connection wait for jobs.
    pub fn has_waits(&self, connection: ConnectionKey) -> bool {
        self.jobs.has_waits(connection)
    }

    /// The server stops: whoever still waits is told so.
    pub fn close(&mut self) -> Vec<Outgoing> {
        let waits = self.jobs.all_waits();
        let error = WireError::new(Kind::ShuttingDown, "Spindle stops, and its jobs with it");
        let tell = |address: Address| {
            self.jobs.release(&address);
            main_frame(&address, error_frame(Some(&address.id), &error))
        };
        waits.into_iter().map(tell).collect()
    }

    /// Jobs, and the bytes of their outcomes.
    pub fn size(&self) -> (usize, usize) {
        self.jobs.size()
    }

    fn report(&self, key: JobKey, address: &Address, now: Instant) -> Outgoing {
        let job = &self.jobs.get(key).expect("a job that was just found");
        main_frame(address, report_frame(address, self.describe(key, job, now), job.outcome.as_ref()))
    }

    fn describe(&self, key: JobKey, job: &Job, now: Instant) -> job::Job {
        match (&job.outcome, self.inbox.progress(job.ticket)) {
            (None, Some((true, progress))) => describe(key, job, JobState::Running, progress, now),
            (None, Some((false, _))) => describe(key, job, JobState::Queued, None, now),
            // One that has left the inbox has ended, and its outcome is on its way here.
            (None, None) => describe(key, job, JobState::Running, None, now),
            (Some(_), _) => describe(key, job, JobState::Done, None, now),
        }
    }
}

fn describe(key: JobKey, job: &Job, state: JobState, progress: Option<Progress>, now: Instant) -> job::Job {
    let age_ms = now.saturating_duration_since(job.accepted).as_millis() as u64;
    job::Job { job: key.to_string(), method: job.method.to_owned(), label: job.label.clone(), state, progress, age_ms }
}

fn report_frame(address: &Address, job: job::Job, outcome: Option<&Outcome>) -> Vec<u8> {
    let (result, error, blob): (_, _, &[u8]) = match outcome {
        Some(Outcome::Result(json, blob)) => (Some(&**json), None, blob),
        Some(Outcome::Error(error)) => (None, Some(error), &[]),
        None => (None, None, &[]),
    };
    result_frame(&address.id, &raw(&Report { job, result, error }), blob)
}

fn main_frame(address: &Address, bytes: Vec<u8>) -> Outgoing {
    Outgoing { connection: address.connection, lane: Lane::Main, bytes }
}

fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("what is told of jobs is plain JSON")
}
