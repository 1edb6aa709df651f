//! The queue between the I/O thread and Blender's main thread.
//!
//! A request reserves its place as soon as it is parsed, and the place is filled once it is admitted;
//! so the order of each connection is kept, however long a check takes. The main thread pulls:
//! sessions take turns, and within one its connections. A request is in exactly one stage (checking,
//! asking, waiting, running) until it is finished, and is finished exactly once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::methods::control::CancelOutcome;
use spindle_protocol::methods::watch::Waiting;
use spindle_protocol::notification::Progress;

use crate::admit::{Admitted, Unchecked};
use crate::consent::{Asked, Consent, Decision};
use crate::judge::{By, Trust};
use crate::keys::{Address, ConnectionKey, SessionKey, Ticket};
use crate::load::{InboxLimits, Load};
use crate::metrics::{AskEnd, Metrics};
use crate::overview::{Overview, Verdict, state};
use crate::queue::{Entry, Queue, Stage};
use crate::samples::{Samples, Summary};

pub use crate::queue::{Breaker, Closed, Destination, Ended, StopCause};

/// How long a thread that has had something to do looks for more before it sleeps. A client that was just answered asks again
/// within it, and waking a core that sleeps takes longer than the work: a small script's median fell
/// from 250 to 90 µs. It must be well above the time from one request to the next: with 100 µs a machine
/// that slows down a little had every wait of a cycle end in sleep. In between the thread yields, so that
/// whoever has work goes first.
pub const EAGER: Duration = Duration::from_micros(300);

/// The queue. Its one lock is never held across I/O or Python (SHARED_STATE).
pub struct Inbox {
    limits: InboxLimits,
    queue: Mutex<Queue>,
    arrived: Condvar,
    samples: Arc<Samples>,
}

impl Inbox {
    /// An empty queue, which counts in `metrics`.
    pub fn new(limits: InboxLimits, metrics: Arc<Metrics>) -> Inbox {
        let now = Instant::now();
        let samples = Arc::new(Samples::new(limits.samples, now));
        let queue = Mutex::new(Queue::new(now, Consent::new(&limits), Arc::clone(&samples), metrics));
        Inbox { limits, queue, arrived: Condvar::new(), samples }
    }

    /// Take a place in the line of the request's connection. `address` is where its own reply goes, if it is still to
    /// have one; `to` is told what it comes to.
    ///
    /// # Errors
    /// `duplicate_id`, `queue_full` or `shutting_down`, as its answer.
    pub fn reserve(&self, request: &Unchecked, address: Option<Address>, to: Destination) -> Result<Ticket, WireError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(WireError::new(Kind::ShuttingDown, "Spindle stops and takes no more requests"));
        }
        let origin = request.origin();
        if let Some(address) = &address {
            queue.refuse_duplicate(address)?;
        }
        let in_flight = queue.turns.in_flight(origin.connection);
        queue.loads.refuse(origin.session, request.bytes(), in_flight, &self.limits)?;
        let number = queue.tickets.next();
        let ticket = Ticket(number.map_err(|error| WireError::new(Kind::Internal, error.to_string()))?);
        queue.by_address.extend(address.clone().map(|address| (address, ticket)));
        queue.turns.join(origin.connection, ticket);
        queue.deadlines.extend(request.deadline().map(|deadline| (deadline, ticket)));
        queue.loads.enter(origin.session, request.bytes());
        let entry = Entry {
            to,
            address,
            connection: origin.connection,
            session: origin.session,
            method: request.method().name,
            client: origin.client.to_string(),
            label: request.label().to_owned(),
            bytes: request.bytes(),
            accepted: request.received(),
            deadline: request.deadline(),
            cache_key: None,
            progress: None,
            stage: Stage::Checking(None),
        };
        queue.entries.insert(ticket, entry);
        Ok(ticket)
    }

    /// Refuse a control request whose id is that of a request in flight.
    ///
    /// # Errors
    /// `duplicate_id`, as its answer.
    pub fn refuse_duplicate(&self, address: &Address) -> Result<(), WireError> {
        self.queue.lock().refuse_duplicate(address)
    }

    /// Leave a request in its place until the check worker comes for it.
    pub fn leave_for_check(&self, ticket: Ticket, request: Unchecked) {
        if let Some(Stage::Checking(left)) = self.queue.lock().stage(ticket) {
            *left = Some(Box::new(request));
        }
    }

    /// The request that was left in this place, to be checked; none where the place was given up meanwhile.
    pub fn take_to_check(&self, ticket: Ticket) -> Option<Box<Unchecked>> {
        match self.queue.lock().stage(ticket)? {
            Stage::Checking(left) => left.take(),
            Stage::Asking(_) | Stage::Waiting(_) | Stage::Running { .. } => None,
        }
    }

    /// The request of this place is admitted. A place that was given up meanwhile stays so.
    ///
    /// # Errors
    /// Its end, where the user would have to be asked and is asked about too many already.
    pub fn fill(&self, ticket: Ticket, admitted: Admitted, now: Instant) -> Result<(), Ended> {
        let mut queue = self.queue.lock();
        let ended = queue.place(ticket, admitted, now);
        self.wake(&queue);
        ended.map_or(Ok(()), Err)
    }

    /// What the user is asked about, oldest first, each with the time that is left: a request's own deadline may come
    /// before the user's.
    pub fn asking(&self) -> Vec<(Ticket, Asked)> {
        let queue = self.queue.lock();
        let describe = |(ticket, asked): (Ticket, &Asked)| {
            let deadline = queue.entries.get(&ticket).and_then(|entry| entry.deadline);
            let until = deadline.map_or(asked.until, |deadline| deadline.min(asked.until));
            (ticket, Asked { until, ..asked.clone() })
        };
        queue.consent.asked().map(describe).collect()
    }

    /// The user has decided about a request. Returns whether they were still asked, and a refused one with its answer.
    pub fn decide(&self, ticket: Ticket, decision: Decision) -> (bool, Option<Ended>) {
        let mut queue = self.queue.lock();
        let asked = queue.consent.asked().find(|(other, _)| *other == ticket).map(|(_, asked)| asked.session);
        let Some(session) = asked else { return (false, None) };
        let mut ended = None;
        match decision {
            Decision::Refuse => ended = queue.refuse(ticket, By::User, AskEnd::Refused),
            Decision::Session if queue.trust(ticket) == Some(Trust::Proven) => {
                for answered in queue.consent.grant(session) {
                    queue.allow(answered, AskEnd::Session);
                }
            }
            // Nobody knows whether a client without a proof is the same one the next time.
            Decision::Once | Decision::Session => queue.allow(ticket, AskEnd::Once),
        }
        self.wake(&queue);
        (true, ended)
    }

    /// Whether the user has allowed a client everything.
    pub fn is_granted(&self, session: SessionKey) -> bool {
        self.queue.lock().consent.is_granted(session)
    }

    /// A client is forgotten, and what the user has allowed it.
    pub fn forget_session(&self, session: SessionKey) {
        self.queue.lock().consent.forget(session);
    }

    /// The next request, for the main thread: waits for one up to `timeout`, without end of the
    /// wait other than a request, the time-out, [`Inbox::close`] or [`Inbox::interrupt`].
    pub fn take(&self, timeout: Duration) -> Option<(Ticket, Box<Admitted>)> {
        let start = Instant::now();
        let mut queue = self.queue.lock();
        let eager = if queue.is_idle { Duration::ZERO } else { EAGER.min(timeout) };
        queue.waiting = true;
        let taken = loop {
            if queue.closed || std::mem::take(&mut queue.interrupted) {
                break None;
            }
            let taken = queue.start_next();
            let left = timeout.saturating_sub(start.elapsed());
            if taken.is_some() || left.is_zero() {
                break taken;
            }
            if start.elapsed() < eager {
                MutexGuard::unlocked(&mut queue, thread::yield_now);
            } else {
                self.arrived.wait_for(&mut queue, left);
            }
        };
        queue.waiting = false;
        queue.is_idle = taken.is_none();
        queue.last_tick = Instant::now();
        taken
    }

    /// End the current or next wait in [`Inbox::take`] at once.
    pub fn interrupt(&self) {
        self.queue.lock().interrupted = true;
        self.arrived.notify_all();
    }

    /// A running request has ended its turn without an answer, and can be stopped between turns.
    pub fn suspend(&self, ticket: Ticket) {
        if let Some(Stage::Running { suspended, .. }) = self.queue.lock().stage(ticket) {
            *suspended = true;
        }
    }

    /// From now on, what runs can be stopped by `breaker`, or no more by any. One that is to stop already, is stopped.
    pub fn set_breaker(&self, ticket: Ticket, breaker: Option<Breaker>) {
        let mut queue = self.queue.lock();
        if let Some(Stage::Running { breaker: current, stop, .. }) = queue.stage(ticket) {
            *current = breaker;
            if let (Some(_), Some(stop_now)) = (stop, breaker) {
                stop_now(ticket);
            }
        }
    }

    /// A running request has come this far.
    pub fn set_progress(&self, ticket: Ticket, progress: Progress) {
        if let Some(entry) = self.queue.lock().entries.get_mut(&ticket) {
            entry.progress = Some(progress);
        }
    }

    /// Why a running request is to stop, if it is.
    pub fn stop_cause(&self, ticket: Ticket) -> Option<StopCause> {
        match self.queue.lock().entries.get(&ticket)?.stage {
            Stage::Running { stop, .. } => stop.map(|stop| stop.cause),
            _ => None,
        }
    }

    /// Whether a request runs, is not answered, and how far it has come.
    pub fn progress(&self, ticket: Ticket) -> Option<(bool, Option<Progress>)> {
        let queue = self.queue.lock();
        let entry = queue.entries.get(&ticket)?;
        Some((matches!(entry.stage, Stage::Running { .. }), entry.progress.clone()))
    }

    /// Who is told what a running request comes to.
    pub fn destination(&self, ticket: Ticket) -> Option<Destination> {
        self.queue.lock().entries.get(&ticket).map(|entry| entry.to.clone())
    }

    /// Whether a connection has requests in flight.
    pub fn has_in_flight(&self, connection: ConnectionKey) -> bool {
        self.queue.lock().turns.in_flight(connection) > 0
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.queue.lock().entries.is_empty()
    }

    /// A request is answered. `None` when it already was.
    pub fn finish(&self, ticket: Ticket, verdict: Verdict) -> Option<Closed> {
        let mut queue = self.queue.lock();
        let closed = queue.remove(ticket, verdict);
        self.wake(&queue);
        closed
    }

    /// Cancel a request of a connection. A request that had not started is over, and is returned
    /// with its answer.
    pub fn cancel(&self, address: &Address) -> (CancelOutcome, Option<Ended>) {
        let ticket = self.queue.lock().by_address.get(address).copied();
        ticket.map_or((CancelOutcome::Finished, None), |ticket| self.cancel_ticket(ticket))
    }

    /// Cancel a request. A request that had not started is over, and is returned with its answer.
    pub fn cancel_ticket(&self, ticket: Ticket) -> (CancelOutcome, Option<Ended>) {
        let mut queue = self.queue.lock();
        if let Some(outcome) = queue.ask_to_stop(ticket, StopCause::Cancelled) {
            return (outcome, None);
        }
        let ended = queue.end(ticket, WireError::new(Kind::Cancelled, "cancelled before it started"));
        self.wake(&queue);
        (if ended.is_some() { CancelOutcome::Dequeued } else { CancelOutcome::Finished }, ended)
    }

    /// Nobody waits for a request any more: it does not start, and one that has started goes on.
    pub fn abandon(&self, ticket: Ticket) -> Option<Ended> {
        let mut queue = self.queue.lock();
        if matches!(queue.stage(ticket), Some(Stage::Running { .. })) {
            return None;
        }
        let ended = queue.end(ticket, WireError::new(Kind::Cancelled, "its client is gone"));
        self.wake(&queue);
        ended
    }

    /// Handle every deadline that has passed: what had not started is over, and is returned with its
    /// answer; what runs is asked to stop. So is what nobody has decided about in time.
    pub fn expire(&self, now: Instant) -> Vec<Ended> {
        let mut queue = self.queue.lock();
        let mut ended = Vec::new();
        while let Some((_, ticket)) = queue.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            queue.deadlines.pop_first();
            if queue.ask_to_stop(ticket, StopCause::TimedOut).is_some() {
                continue;
            }
            let text =
                "the deadline passed while the request waited; nothing ran. Allow more time, or send less at once";
            queue.metrics.refused(Kind::ExpiredInQueue);
            ended.extend(queue.end(ticket, WireError::new(Kind::ExpiredInQueue, text)));
        }
        let nobody = queue.consent.nobody();
        for ticket in queue.consent.overdue(now) {
            ended.extend(queue.refuse(ticket, nobody, AskEnd::NoAnswer));
        }
        self.wake(&queue);
        ended
    }

    /// When [`Inbox::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let queue = self.queue.lock();
        let first = queue.deadlines.first().map(|(deadline, _)| *deadline);
        first.into_iter().chain(queue.consent.next_deadline()).min()
    }

    /// A connection is gone: what waits for a reply there is dropped, and what runs is asked to stop. Jobs stay.
    pub fn disconnect(&self, connection: ConnectionKey) {
        let mut queue = self.queue.lock();
        let line: Vec<Ticket> = queue.turns.line(connection).collect();
        for ticket in line {
            if let Some(address) = queue.entries.get_mut(&ticket).and_then(|entry| entry.address.take()) {
                queue.by_address.remove(&address);
            }
            let Some(entry) = queue.entries.get_mut(&ticket).filter(|entry| !matches!(entry.to, Destination::Job(_)))
            else {
                continue;
            };
            entry.to = Destination::Nobody;
            if queue.ask_to_stop(ticket, StopCause::Cancelled).is_none() {
                let error = WireError::new(Kind::Cancelled, "its client is gone");
                queue.remove(ticket, Verdict::of(&error));
            }
        }
        self.wake(&queue);
    }

    /// Take nothing more in, and end everything: what waited is answered `shutting_down`, what runs
    /// `stopping`.
    pub fn close(&self) -> Vec<Ended> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let tickets: BTreeSet<Ticket> = queue.entries.keys().copied().collect();
        let mut ended = Vec::new();
        for ticket in tickets {
            let error = if matches!(queue.stage(ticket), Some(Stage::Running { .. })) {
                WireError::started(Kind::Stopping, Started::Yes, "Spindle was stopped while this request ran")
            } else {
                WireError::new(Kind::ShuttingDown, "Spindle stops; this request did not start")
            };
            ended.extend(queue.end(ticket, error));
        }
        self.arrived.notify_all();
        ended
    }

    /// The state of the main thread and of the queue.
    pub fn overview(&self, now: Instant) -> Overview {
        let queue = self.queue.lock();
        let since_tick = if queue.waiting { Duration::ZERO } else { now.saturating_duration_since(queue.last_tick) };
        let running = queue.running(now);
        let state = state(queue.closed, !running.is_empty(), since_tick, self.limits.blocked_after);
        let recent = queue.recent.iter().cloned().collect();
        let (queued, asking) = (queue.loads.queued(), queue.consent.asked().count());
        Overview { state, since_tick, running, queued, asking, answered: queue.answered, recent }
    }

    /// The requests that wait, oldest first, at most so many; each with its ticket.
    pub fn waiting(&self, most: usize, now: Instant) -> Vec<(Ticket, Waiting)> {
        let queue = self.queue.lock();
        let waiting = queue.entries.iter().filter(|(_, entry)| !matches!(entry.stage, Stage::Running { .. }));
        let describe = |(ticket, entry): (&Ticket, &Entry)| {
            let for_ms = now.saturating_duration_since(entry.accepted).as_millis() as u64;
            let (method, label, client) = (entry.method.to_owned(), entry.label.clone(), entry.client.clone());
            (*ticket, Waiting { method, label, client, for_ms })
        };
        waiting.take(most).map(describe).collect()
    }

    /// What a session has in flight.
    pub fn load(&self, session: SessionKey) -> Load {
        self.queue.lock().loads.of(session)
    }

    /// How busy the queue was in the last while.
    pub fn summary(&self, window: Duration, now: Instant) -> Summary {
        self.samples.summary(window, now)
    }

    /// How often a counter would have gone below zero, which is a fault of ours (BUG-010).
    pub fn underflows(&self) -> u64 {
        self.queue.lock().loads.underflows()
    }

    /// Something that waits may be able to start.
    fn wake(&self, queue: &Queue) {
        if queue.turns.is_any_ready() {
            self.arrived.notify_one();
        }
    }
}
