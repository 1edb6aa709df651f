//! The requests in flight: each is in exactly one stage, and ends exactly once. The inbox holds the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::methods::control::{CancelOutcome, Running};
use spindle_protocol::notification::Progress;

use crate::admit::{Admitted, Unchecked};
use crate::consent::Consent;
use crate::judge::{By, Refusal, Trust};
use crate::keys::{Address, CacheKey, ConnectionKey, JobKey, SessionKey, Ticket};
use crate::load::Loads;
use crate::metrics::{AskEnd, Metrics};
use crate::overview::{Finished, RECENT, Verdict};
use crate::samples::Samples;
use crate::sequence::Sequence;
use crate::turns::Turns;

/// Why a running request is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// Its client asked, or is gone.
    Cancelled,
    /// Its deadline passed.
    TimedOut,
}

/// Who is told what a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The connection that it came by.
    Caller(Address),
    /// Whoever waits for the job.
    Job(JobKey),
    /// Its client is gone.
    Nobody,
}

/// A request that ended without the main thread, and what to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Who is told.
    pub to: Destination,
    /// What.
    pub error: WireError,
    /// A line for the log, of what the guard or the user refused.
    pub note: Option<String>,
}

impl Ended {
    /// An end that the log has no line for.
    pub fn new(to: Destination, error: WireError) -> Ended {
        Ended { to, error, note: None }
    }
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// Who is told.
    pub to: Destination,
    /// Under which key its answer may be kept.
    pub cache_key: Option<CacheKey>,
    /// From acceptance to start, or to the end where it never started.
    pub waited: Duration,
    /// On the main thread, if it started.
    pub ran: Option<Duration>,
}

/// Stops what runs on the main thread this very moment, from another thread and without waiting; says whether it could.
/// It is called with the inbox locked, so that it never comes too late.
pub type Breaker = fn(Ticket) -> bool;

/// A running request is to stop.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) cause: StopCause,
    pub(crate) since: Instant,
}

/// How far a request has come.
pub(crate) enum Stage {
    /// Its place is reserved, and it is not admitted yet. While it waits for the check worker it is here, so that a
    /// place that is given up takes it along.
    Checking(Option<Box<Unchecked>>),
    /// It is admitted, and the user is asked about it.
    Asking(Box<Admitted>),
    /// It can start when its turn comes.
    Waiting(Box<Admitted>),
    /// It has started and is not answered.
    Running { since: Instant, suspended: bool, stop: Option<Stop>, breaker: Option<Breaker> },
}

/// A request in flight.
pub(crate) struct Entry {
    pub(crate) to: Destination,
    /// Under which its id is in flight; none of a detached request, which is answered already.
    pub(crate) address: Option<Address>,
    pub(crate) connection: ConnectionKey,
    pub(crate) session: SessionKey,
    pub(crate) method: &'static str,
    pub(crate) client: String,
    pub(crate) label: String,
    pub(crate) bytes: usize,
    pub(crate) accepted: Instant,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cache_key: Option<CacheKey>,
    pub(crate) progress: Option<Progress>,
    pub(crate) stage: Stage,
}

/// The requests in flight, and what became of the last ones.
pub(crate) struct Queue {
    pub(crate) tickets: Sequence,
    pub(crate) entries: BTreeMap<Ticket, Entry>,
    pub(crate) by_address: HashMap<Address, Ticket>,
    pub(crate) turns: Turns,
    pub(crate) deadlines: BTreeSet<(Instant, Ticket)>,
    pub(crate) loads: Loads,
    pub(crate) consent: Consent,
    pub(crate) closed: bool,
    pub(crate) interrupted: bool,
    pub(crate) waiting: bool,
    /// The last take found nothing.
    pub(crate) is_idle: bool,
    /// The end of the last take; at first, the server's start.
    pub(crate) last_tick: Instant,
    pub(crate) answered: u64,
    pub(crate) recent: VecDeque<Finished>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Queue {
    pub(crate) fn new(started: Instant, consent: Consent, samples: Arc<Samples>, metrics: Arc<Metrics>) -> Queue {
        Queue {
            tickets: Sequence::default(),
            entries: BTreeMap::new(),
            by_address: HashMap::new(),
            turns: Turns::default(),
            deadlines: BTreeSet::new(),
            loads: Loads::default(),
            consent,
            closed: false,
            interrupted: false,
            waiting: false,
            is_idle: true,
            last_tick: started,
            answered: 0,
            recent: VecDeque::new(),
            samples,
            metrics,
        }
    }

    pub(crate) fn refuse_duplicate(&self, address: &Address) -> Result<(), WireError> {
        if self.by_address.contains_key(address) { Err(address.duplicate()) } else { Ok(()) }
    }

    pub(crate) fn stage(&mut self, ticket: Ticket) -> Option<&mut Stage> {
        self.entries.get_mut(&ticket).map(|entry| &mut entry.stage)
    }

    /// The request whose turn it is, now running.
    pub(crate) fn start_next(&mut self) -> Option<(Ticket, Box<Admitted>)> {
        let ticket = self.turns.next_turn()?;
        let entry = self.entries.get_mut(&ticket)?;
        let running = Stage::Running { since: Instant::now(), suspended: false, stop: None, breaker: None };
        let Stage::Waiting(admitted) = std::mem::replace(&mut entry.stage, running) else {
            unreachable!("a connection is offered only while its first request waits");
        };
        self.loads.start(entry.session, entry.bytes);
        Some((ticket, admitted))
    }

    /// What a cancel of a request that has started achieves; `None` when it has not.
    pub(crate) fn ask_to_stop(&mut self, ticket: Ticket, cause: StopCause) -> Option<CancelOutcome> {
        match self.stage(ticket)? {
            Stage::Running { suspended, stop, breaker, .. } => {
                // Only the first cause counts, and what was broken once ends by itself.
                let broken = stop.is_some() || breaker.is_some_and(|stop_now| stop_now(ticket));
                stop.get_or_insert(Stop { cause, since: Instant::now() });
                let stops = *suspended || (breaker.is_some() && broken);
                Some(if stops { CancelOutcome::Interrupting } else { CancelOutcome::NotInterruptible })
            }
            Stage::Checking(_) | Stage::Asking(_) | Stage::Waiting(_) => None,
        }
    }

    /// End a request that has not started.
    pub(crate) fn end(&mut self, ticket: Ticket, error: WireError) -> Option<Ended> {
        let closed = self.remove(ticket, Verdict::of(&error))?;
        Some(Ended::new(closed.to, error))
    }

    /// An admitted request has its place: it waits for its turn, or for the user. Returns its end, where the user is
    /// asked about too many already.
    pub(crate) fn place(&mut self, ticket: Ticket, mut admitted: Admitted, now: Instant) -> Option<Ended> {
        let entry = self.entries.get_mut(&ticket)?;
        entry.cache_key = admitted.cache_key().cloned();
        let (session, connection) = (entry.session, entry.connection);
        let Some(case) = admitted.take_case().filter(|_| !self.consent.is_granted(session)) else {
            entry.stage = Stage::Waiting(Box::new(admitted));
            self.offer_first(connection);
            return None;
        };
        entry.stage = Stage::Asking(Box::new(admitted));
        let error = self.consent.ask(ticket, session, case, now).err()?;
        self.end(ticket, error)
    }

    /// Whether the client of a request that the user is asked about has proved who it is.
    pub(crate) fn trust(&self, ticket: Ticket) -> Option<Trust> {
        match &self.entries.get(&ticket)?.stage {
            Stage::Asking(admitted) => Some(admitted.origin().trust),
            _ => None,
        }
    }

    /// The user allows what they were asked about.
    pub(crate) fn allow(&mut self, ticket: Ticket, how: AskEnd) {
        if self.consent.withdraw(ticket).is_none() {
            return;
        }
        self.metrics.guard.asked(how);
        let Some(entry) = self.entries.get_mut(&ticket) else { return };
        if let Stage::Asking(admitted) = std::mem::replace(&mut entry.stage, Stage::Checking(None)) {
            entry.stage = Stage::Waiting(admitted);
        }
        let connection = entry.connection;
        self.offer_first(connection);
    }

    /// What was asked about is refused.
    pub(crate) fn refuse(&mut self, ticket: Ticket, by: By, how: AskEnd) -> Option<Ended> {
        let asked = self.consent.withdraw(ticket)?;
        self.metrics.guard.asked(how);
        self.metrics.refused(Kind::ScriptRefused);
        let Refusal { error, note } = asked.case.refuse(by);
        self.end(ticket, error).map(|ended| Ended { note, ..ended })
    }

    pub(crate) fn remove(&mut self, ticket: Ticket, verdict: Verdict) -> Option<Closed> {
        let entry = self.entries.remove(&ticket)?;
        if let Some(address) = &entry.address {
            self.by_address.remove(address);
        }
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        self.turns.leave(entry.session, entry.connection, ticket);
        self.offer_first(entry.connection);
        let now = Instant::now();
        let started = match entry.stage {
            Stage::Running { since, .. } => {
                self.loads.end_running(entry.session, now.saturating_duration_since(since));
                Some(since)
            }
            Stage::Checking(_) | Stage::Asking(_) | Stage::Waiting(_) => {
                if self.consent.withdraw(ticket).is_some() {
                    self.metrics.guard.asked(AskEnd::Gone);
                }
                self.loads.end_queued(entry.session, entry.bytes);
                None
            }
        };
        let waited = started.unwrap_or(now).saturating_duration_since(entry.accepted);
        let ran = started.map(|since| now.saturating_duration_since(since));
        self.answered += 1;
        self.samples.add(now, now.saturating_duration_since(entry.accepted), verdict.is_ok());
        self.metrics.request_ended(entry.method, &verdict.outcome, waited, ran);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let (method, client, label) = (entry.method, entry.client, entry.label);
        self.recent.push_back(Finished { method, client, label, verdict, duration: ran.unwrap_or_default() });
        Some(Closed { to: entry.to, cache_key: entry.cache_key, waited, ran })
    }

    /// Offer the first request of a connection, if it waits.
    pub(crate) fn offer_first(&mut self, connection: ConnectionKey) {
        let Some(first) = self.turns.first(connection) else { return };
        let entry = &self.entries[&first];
        if matches!(entry.stage, Stage::Waiting(_)) {
            self.turns.offer(entry.session, connection);
        }
    }

    pub(crate) fn running(&self, now: Instant) -> Vec<(Ticket, Running)> {
        let mut started: Vec<(Instant, Option<Stop>, Ticket, &Entry)> = self
            .entries
            .iter()
            .filter_map(|(ticket, entry)| match entry.stage {
                Stage::Running { since, stop, .. } => Some((since, stop, *ticket, entry)),
                _ => None,
            })
            .collect();
        started.sort_by_key(|(since, ..)| *since);
        let ms = |since| now.saturating_duration_since(since).as_millis() as u64;
        let describe = |(since, stop, ticket, entry): (Instant, Option<Stop>, Ticket, &Entry)| {
            let (method, label, client) = (entry.method.to_owned(), entry.label.clone(), entry.client.clone());
            let (for_ms, stopping_ms) = (ms(since), stop.map(|stop| ms(stop.since)));
            (ticket, Running { method, label, client, for_ms, stopping_ms, progress: entry.progress.clone() })
        };
        started.into_iter().map(describe).collect()
    }
}
