//! Requests whose outcome is kept: because they were detached, or because their idempotency key may come again. Each
//! runs once, and everybody who waits for it is told. The I/O thread owns this; nothing here locks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use spindle_protocol::error::{Kind, Started, WireError};

use crate::admit::Claim;
use crate::keys::{Address, ConnectionKey, JobKey, SessionKey, Ticket};
use crate::limits::Limits;

/// What a request came to.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Its result, and what blob references in it point into.
    Result(Box<RawValue>, Vec<u8>),
    /// Why there is none.
    Error(WireError),
}

impl Outcome {
    fn bytes(&self) -> usize {
        match self {
            Outcome::Result(json, blob) => json.get().len() + blob.len(),
            Outcome::Error(error) => error.message.len(),
        }
    }

    /// Whether nothing ran, so that running it now is no second run.
    fn never_ran(&self) -> bool {
        matches!(self, Outcome::Error(error) if error.data.started == Started::No)
    }
}

/// Somebody who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Where the answer goes.
    pub address: Address,
    /// Whether by `job.wait`, which is answered with a report, or as the request itself.
    pub by_wait: bool,
}

/// One kept request.
#[derive(Debug)]
pub struct Job {
    /// Whose it is.
    pub session: SessionKey,
    /// Its place in the inbox, as long as it has not ended.
    pub ticket: Ticket,
    /// Its method.
    pub method: &'static str,
    /// Its label, or empty.
    pub label: String,
    /// When it was accepted.
    pub accepted: Instant,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// Those to tell.
    pub waiters: Vec<Address>,
    claim: Claim,
    /// Of an ended job, when its outcome is forgotten.
    expires: Instant,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct JobLimits {
    /// Jobs of one session, ended or not.
    pub per_session: usize,
    /// Bytes of all kept outcomes.
    pub bytes: usize,
    /// How long an outcome is kept.
    pub ttl: Duration,
}

impl From<&Limits> for JobLimits {
    fn from(limits: &Limits) -> JobLimits {
        let bytes = limits.max_kept_mib as usize * 1024 * 1024;
        JobLimits { per_session: limits.max_session_kept as usize, bytes, ttl: limits.job_ttl() }
    }
}

/// What a repeated idempotency key leads to.
#[derive(Debug)]
pub enum Repeat {
    /// The key is new.
    New,
    /// The same request was sent before.
    Same(JobKey),
}

struct Wait {
    job: JobKey,
    by_wait: bool,
    until: Option<Instant>,
}

/// All kept requests.
pub struct Jobs {
    limits: JobLimits,
    next: u64,
    jobs: BTreeMap<JobKey, Job>,
    by_key: HashMap<(SessionKey, String), JobKey>,
    by_session: HashMap<SessionKey, BTreeSet<JobKey>>,
    /// Requests that are answered when a job ends.
    waits: BTreeMap<Address, Wait>,
    /// When a `job.wait` is answered though the job goes on.
    deadlines: BTreeSet<(Instant, Address)>,
    /// Ended jobs, by the end of their time.
    ended: BTreeSet<(Instant, JobKey)>,
    kept_bytes: usize,
}

impl Jobs {
    /// No jobs.
    pub fn new(limits: JobLimits) -> Jobs {
        Jobs {
            limits,
            next: 1,
            jobs: BTreeMap::new(),
            by_key: HashMap::new(),
            by_session: HashMap::new(),
            waits: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ended: BTreeSet::new(),
            kept_bytes: 0,
        }
    }

    /// Whether a request was sent before.
    ///
    /// # Errors
    /// `idempotency_conflict` when its key belongs to another one.
    pub fn repeat(&self, session: SessionKey, claim: &Claim) -> Result<Repeat, WireError> {
        let Some(key) = &claim.key else { return Ok(Repeat::New) };
        let Some(job) = self.by_key.get(&(session, key.clone())).copied() else { return Ok(Repeat::New) };
        if self.jobs[&job].claim.fingerprint == claim.fingerprint {
            return Ok(Repeat::Same(job));
        }
        let text = format!(
            "the idempotency key {key:?} was used with another method or other parameters; use a new key for each request"
        );
        Err(WireError::new(Kind::IdempotencyConflict, text))
    }

    /// The number that the next job will have.
    ///
    /// # Errors
    /// `queue_full` when the session has as many jobs as its limit allows, and none that has ended can go.
    pub fn reserve(&mut self, session: SessionKey) -> Result<JobKey, WireError> {
        let most = self.limits.per_session;
        let count = |jobs: &Jobs| jobs.by_session.get(&session).map_or(0, BTreeSet::len);
        if count(self) >= most {
            let mine = self.by_session.get(&session).into_iter().flatten().copied();
            let oldest = mine.filter(|key| self.jobs[key].outcome.is_some()).min_by_key(|key| self.jobs[key].expires);
            if let Some(key) = oldest {
                self.forget(key);
            }
        }
        if count(self) >= most {
            let text = format!(
                "{most} requests of this client whose outcome is to be kept have not ended, the limit \
                 max_session_kept; wait for one"
            );
            let error = WireError::new(Kind::QueueFull, text).with("limit", most).with("setting", "max_session_kept");
            return Err(error.with("retry_after_ms", 1000));
        }
        let key = JobKey(self.next);
        self.next += 1;
        Ok(key)
    }

    /// A job is in the inbox.
    pub fn add(&mut self, key: JobKey, job: NewJob) {
        let NewJob { session, ticket, method, label, claim, accepted } = job;
        if let Some(name) = &claim.key {
            self.by_key.insert((session, name.clone()), key);
        }
        self.by_session.entry(session).or_default().insert(key);
        let (outcome, waiters, expires) = (None, Vec::new(), accepted);
        self.jobs.insert(key, Job { session, ticket, method, label, accepted, outcome, waiters, claim, expires });
    }

    /// A job of this session.
    ///
    /// # Errors
    /// `not_found`, also for another session's.
    pub fn find(&self, session: SessionKey, id: &str) -> Result<(JobKey, &Job), WireError> {
        let number = id.strip_prefix("job-").and_then(|number| number.parse().ok());
        let found = number.and_then(|number| self.jobs.get_key_value(&JobKey(number)));
        found.filter(|(_, job)| job.session == session).map(|(key, job)| (*key, job)).ok_or_else(|| {
            let kept = self.limits.ttl.as_secs_f64();
            let text = format!("this client has no job {id:?}; a job that has ended is kept for {kept} s (job_ttl_s)");
            WireError::new(Kind::NotFound, text)
        })
    }

    /// A job is to go on, and its outcome to be kept, though nobody waits for it.
    pub fn detach(&mut self, key: JobKey) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.claim.detached = true;
        }
    }

    /// A job.
    pub fn get(&self, key: JobKey) -> Option<&Job> {
        self.jobs.get(&key)
    }

    /// A session's jobs, oldest first.
    pub fn of_session(&self, session: SessionKey) -> impl Iterator<Item = (JobKey, &Job)> {
        self.by_session.get(&session).into_iter().flatten().map(|key| (*key, &self.jobs[key]))
    }

    /// Have somebody told when a job ends, or, of a `job.wait`, at `until` though it goes on.
    pub fn wait(&mut self, job: JobKey, waiter: Waiter, until: Option<Instant>) {
        let Some(found) = self.jobs.get_mut(&job) else { return };
        let Waiter { address, by_wait } = waiter;
        found.waiters.push(address.clone());
        self.deadlines.extend(until.map(|until| (until, address.clone())));
        self.waits.insert(address, Wait { job, by_wait, until });
    }

    /// The job that this request waits for.
    pub fn awaited_by(&self, address: &Address) -> Option<JobKey> {
        self.waits.get(address).map(|wait| wait.job)
    }

    /// How many requests wait for a job.
    pub fn waits(&self) -> usize {
        self.waits.len()
    }

    /// Whether requests of this connection wait for jobs.
    pub fn has_waits(&self, connection: ConnectionKey) -> bool {
        self.waits.keys().any(|address| address.connection == connection)
    }

    /// Every request that waits for a job.
    pub fn all_waits(&self) -> Vec<Address> {
        self.waits.keys().cloned().collect()
    }

    /// End a wait.
    pub fn release(&mut self, address: &Address) -> Option<(JobKey, Waiter)> {
        let Wait { job, by_wait, until } = self.waits.remove(address)?;
        if let Some(until) = until {
            self.deadlines.remove(&(until, address.clone()));
        }
        if let Some(job) = self.jobs.get_mut(&job) {
            job.waiters.retain(|other| other != address);
        }
        Some((job, Waiter { address: address.clone(), by_wait }))
    }

    /// End the `job.wait`s whose time is over.
    pub fn release_overdue(&mut self, now: Instant) -> Vec<(JobKey, Waiter)> {
        let mut over = Vec::new();
        while let Some((until, address)) = self.deadlines.first().cloned().filter(|(until, _)| *until <= now) {
            over.extend(self.release(&address));
            self.deadlines.remove(&(until, address));
        }
        over
    }

    /// When [`Jobs::release_overdue`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, _)| *until)
    }

    /// A job has ended: its outcome is kept, and those who wait for it are returned. One of which nothing ran is not
    /// kept unless it was detached, so that a repeat may run it.
    pub fn end(&mut self, key: JobKey, outcome: Outcome, now: Instant) -> Vec<Waiter> {
        let Some(job) = self.jobs.get_mut(&key) else { return Vec::new() };
        let addresses = std::mem::take(&mut job.waiters);
        let expires = now.checked_add(self.limits.ttl).unwrap_or(now);
        if outcome.never_ran() && !job.claim.detached {
            self.forget(key);
        } else {
            self.kept_bytes += outcome.bytes();
            (job.outcome, job.expires) = (Some(outcome), expires);
            self.ended.insert((expires, key));
            self.make_room(key);
        }
        addresses.iter().filter_map(|address| self.release(address)).map(|(_, waiter)| waiter).collect()
    }

    /// A connection is gone: nobody there waits any more. Returns the requests that have nobody left to be told, and
    /// were not detached; they are not to start.
    pub fn disconnect(&mut self, connection: ConnectionKey) -> Vec<Ticket> {
        let gone: Vec<Address> =
            self.waits.keys().filter(|address| address.connection == connection).cloned().collect();
        let mut left = Vec::new();
        for (key, _) in gone.iter().filter_map(|address| self.release(address)).collect::<Vec<_>>() {
            let nobody = |job: &&Job| job.waiters.is_empty() && !job.claim.detached && job.outcome.is_none();
            left.extend(self.jobs.get(&key).filter(nobody).map(|job| job.ticket));
        }
        left
    }

    /// A session is forgotten, and its jobs with it. Returns those that have not ended.
    pub fn forget_session(&mut self, session: SessionKey) -> Vec<Ticket> {
        let keys = self.by_session.get(&session).cloned().unwrap_or_default();
        let open = keys.iter().filter(|key| self.jobs[key].outcome.is_none());
        let tickets = open.map(|key| self.jobs[key].ticket).collect();
        keys.into_iter().for_each(|key| self.forget(key));
        tickets
    }

    /// Forget outcomes whose time is over.
    pub fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.ended.first().copied().filter(|(expires, _)| *expires <= now) {
            self.forget(key);
        }
    }

    /// Jobs, and the bytes of their outcomes.
    pub fn size(&self) -> (usize, usize) {
        (self.jobs.len(), self.kept_bytes)
    }

    /// Forget the oldest outcomes until the rest fits. The newest stays even where it is too large by itself: somebody
    /// is about to ask for it.
    fn make_room(&mut self, newest: JobKey) {
        while self.kept_bytes > self.limits.bytes {
            let Some((_, oldest)) = self.ended.iter().copied().find(|(_, key)| *key != newest) else { return };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: JobKey) {
        let Some(job) = self.jobs.remove(&key) else { return };
        if let Some(name) = job.claim.key {
            self.by_key.remove(&(job.session, name));
        }
        if let Some(mine) = self.by_session.get_mut(&job.session) {
            mine.remove(&key);
            if mine.is_empty() {
                self.by_session.remove(&job.session);
            }
        }
        if let Some(outcome) = job.outcome {
            self.kept_bytes -= outcome.bytes();
            self.ended.remove(&(job.expires, key));
        }
        for address in job.waiters {
            self.release(&address);
        }
    }
}

/// A job at its beginning.
pub struct NewJob {
    /// Whose it is.
    pub session: SessionKey,
    /// Its place in the inbox.
    pub ticket: Ticket,
    /// Its method.
    pub method: &'static str,
    /// Its label, or empty.
    pub label: String,
    /// Why its outcome is kept.
    pub claim: Claim,
    /// When it was accepted.
    pub accepted: Instant,
}
