//! The queue between the I/O thread and Blender's main thread.
//!
//! A request reserves its place as soon as it is parsed, and the place is filled once it is admitted;
//! so the order of each connection is kept, however long a check takes. The main thread pulls:
//! sessions take turns, and within one its connections. A request is in exactly one stage (checking,
//! waiting, running) until it is finished, and is finished exactly once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use spindle_protocol::envelope::RequestId;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::methods::control::{CancelOutcome, Running};

use crate::admit::{Admitted, ConnectionKey, Unchecked};
use crate::overview::{Finished, Overview, RECENT, Verdict, state};
use crate::session::SessionKey;

/// How long a thread looks for more to do before it sleeps. A client that was just answered asks again
/// within it, and waking a core that sleeps takes longer than the work: a small script's median fell
/// from 148 to 75 µs on two quiet cores, and from 88 to 66 µs on two busy ones. In between the thread
/// yields, so that whoever has work goes first.
pub const EAGER: Duration = Duration::from_micros(100);

/// A request's number in this server, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Why a running request is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// Its client asked, or is gone.
    Cancelled,
    /// Its deadline passed.
    TimedOut,
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// The connection that the request came by.
    pub connection: ConnectionKey,
    /// The request's id there.
    pub id: RequestId,
}

/// A request that ended without the main thread, and what to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Where the answer goes.
    pub address: Address,
    /// The answer.
    pub error: WireError,
}

/// How full the queue may be.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Requests that are not running, over all sessions.
    pub queued: usize,
    /// Requests in flight of one connection.
    pub in_flight: usize,
    /// Bytes of parameters and blobs of the requests that are not running.
    pub bytes: usize,
}

enum Stage {
    Checking,
    Waiting(Box<Admitted>),
    Running { since: Instant, suspended: bool, stop: Option<StopCause> },
}

struct Entry {
    address: Address,
    session: SessionKey,
    method: &'static str,
    client: String,
    label: String,
    bytes: usize,
    deadline: Option<Instant>,
    stage: Stage,
}

struct Queue {
    next_ticket: u64,
    entries: HashMap<Ticket, Entry>,
    by_address: HashMap<(ConnectionKey, RequestId), Ticket>,
    /// Each connection's requests in order; only the first may be running.
    lines: HashMap<ConnectionKey, VecDeque<Ticket>>,
    /// Connections whose first request waits, by session, in turn.
    ready: HashMap<SessionKey, VecDeque<ConnectionKey>>,
    /// Sessions that have such connections, in turn.
    turns: VecDeque<SessionKey>,
    deadlines: BTreeSet<(Instant, Ticket)>,
    queued: usize,
    queued_bytes: usize,
    closed: bool,
    interrupted: bool,
    waiting: bool,
    /// The end of the last take; at first, the server's start.
    last_tick: Instant,
    answered: u64,
    recent: VecDeque<Finished>,
}

/// The queue. Its one lock is never held across I/O or Python (SHARED_STATE).
pub struct Inbox {
    limits: InboxLimits,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Inbox {
    /// An empty queue.
    pub fn new(limits: InboxLimits) -> Inbox {
        Inbox { limits, queue: Mutex::new(Queue::new(Instant::now())), arrived: Condvar::new() }
    }

    /// Take a place in the line of the request's connection.
    ///
    /// # Errors
    /// `duplicate_id`, `queue_full` or `shutting_down`, as its answer.
    pub fn reserve(&self, request: &Unchecked) -> Result<Ticket, WireError> {
        let mut queue = self.queue.lock();
        queue.refuse(request, &self.limits)?;
        let ticket = Ticket(queue.next_ticket);
        queue.next_ticket += 1;
        let origin = request.origin();
        let address = Address { connection: origin.connection, id: request.id().clone() };
        queue.by_address.insert((address.connection, address.id.clone()), ticket);
        queue.lines.entry(origin.connection).or_default().push_back(ticket);
        queue.deadlines.extend(request.deadline().map(|deadline| (deadline, ticket)));
        queue.queued += 1;
        queue.queued_bytes += request.bytes();
        let entry = Entry {
            address,
            session: origin.session,
            method: request.method().name,
            client: origin.client.to_string(),
            label: request.label().to_owned(),
            bytes: request.bytes(),
            deadline: request.deadline(),
            stage: Stage::Checking,
        };
        queue.entries.insert(ticket, entry);
        Ok(ticket)
    }

    /// Refuse a control request whose id is that of a request in flight.
    ///
    /// # Errors
    /// `duplicate_id`, as its answer.
    pub fn refuse_duplicate(&self, connection: ConnectionKey, id: &RequestId) -> Result<(), WireError> {
        self.queue.lock().refuse_duplicate(connection, id)
    }

    /// The request of this place is admitted. A place that was given up meanwhile stays so.
    pub fn fill(&self, ticket: Ticket, admitted: Admitted) {
        let mut queue = self.queue.lock();
        let Some(entry) = queue.entries.get_mut(&ticket) else { return };
        entry.stage = Stage::Waiting(Box::new(admitted));
        let connection = entry.address.connection;
        if queue.lines[&connection].front() == Some(&ticket) {
            queue.make_ready(connection);
            self.arrived.notify_one();
        }
    }

    /// The next request, for the main thread: waits for one up to `timeout`, without end of the
    /// wait other than a request, the time-out, [`Inbox::close`] or [`Inbox::interrupt`].
    pub fn take(&self, timeout: Duration) -> Option<(Ticket, Box<Admitted>)> {
        let start = Instant::now();
        let mut queue = self.queue.lock();
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
            if start.elapsed() < EAGER.min(timeout) {
                MutexGuard::unlocked(&mut queue, thread::yield_now);
            } else {
                self.arrived.wait_for(&mut queue, left);
            }
        };
        queue.waiting = false;
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
        if let Some(Entry { stage: Stage::Running { suspended, .. }, .. }) = self.queue.lock().entries.get_mut(&ticket)
        {
            *suspended = true;
        }
    }

    /// Why a running request is to stop, if it is.
    pub fn stop_cause(&self, ticket: Ticket) -> Option<StopCause> {
        match self.queue.lock().entries.get(&ticket)?.stage {
            Stage::Running { stop, .. } => stop,
            _ => None,
        }
    }

    /// A request is answered. `None` when it already was, or its connection is gone: the answer has
    /// nowhere to go.
    pub fn finish(&self, ticket: Ticket, verdict: Verdict) -> Option<Address> {
        let mut queue = self.queue.lock();
        let address = queue.remove(ticket, verdict).map(|entry| entry.address)?;
        if queue.ready_behind(address.connection) {
            self.arrived.notify_one();
        }
        queue.lines.contains_key(&address.connection).then_some(address)
    }

    /// Cancel a request of a connection. A request that had not started is over, and is returned
    /// with its answer.
    pub fn cancel(&self, connection: ConnectionKey, id: &RequestId) -> (CancelOutcome, Option<Ended>) {
        let mut queue = self.queue.lock();
        let Some(ticket) = queue.by_address.get(&(connection, id.clone())).copied() else {
            return (CancelOutcome::Finished, None);
        };
        if let Some(outcome) = queue.ask_to_stop(ticket, StopCause::Cancelled) {
            return (outcome, None);
        }
        let error = WireError::new(Kind::Cancelled, "cancelled before it started");
        let ended = queue.remove(ticket, Verdict::of(&error)).map(|entry| Ended { address: entry.address, error });
        if queue.ready_behind(connection) {
            self.arrived.notify_one();
        }
        (CancelOutcome::Dequeued, ended)
    }

    /// Handle every deadline that has passed: what had not started is over, and is returned with its
    /// answer; what runs is asked to stop.
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
            let error = WireError::new(Kind::ExpiredInQueue, text);
            if let Some(entry) = queue.remove(ticket, Verdict::of(&error)) {
                if queue.ready_behind(entry.address.connection) {
                    self.arrived.notify_one();
                }
                ended.push(Ended { address: entry.address, error });
            }
        }
        ended
    }

    /// When [`Inbox::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.queue.lock().deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A connection is gone: what waits is dropped, what runs is asked to stop, no answer is kept.
    pub fn disconnect(&self, connection: ConnectionKey) {
        let mut queue = self.queue.lock();
        let line = queue.lines.remove(&connection).unwrap_or_default();
        if let Some(first) = line.front() {
            let session = queue.entries[first].session;
            queue.make_unready(session, connection);
        }
        for ticket in line {
            if queue.ask_to_stop(ticket, StopCause::Cancelled).is_none() {
                let error = WireError::new(Kind::Cancelled, "its client is gone");
                queue.remove(ticket, Verdict::of(&error));
            }
        }
    }

    /// Take nothing more in, and end everything: what waited is answered `shutting_down`, what runs
    /// `stopping`.
    pub fn close(&self) -> Vec<Ended> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let tickets: BTreeSet<Ticket> = queue.entries.keys().copied().collect();
        let mut ended = Vec::new();
        for ticket in tickets {
            let running = matches!(queue.entries[&ticket].stage, Stage::Running { .. });
            let error = if running {
                let text = "Spindle was stopped while this request ran";
                WireError::started(Kind::Stopping, spindle_protocol::error::Started::Yes, text)
            } else {
                WireError::new(Kind::ShuttingDown, "Spindle stops; this request did not start")
            };
            ended
                .extend(queue.remove(ticket, Verdict::of(&error)).map(|entry| Ended { address: entry.address, error }));
        }
        self.arrived.notify_all();
        ended
    }

    /// The state of the main thread and of the queue.
    pub fn overview(&self, now: Instant) -> Overview {
        let queue = self.queue.lock();
        let since_tick = if queue.waiting { Duration::ZERO } else { now.saturating_duration_since(queue.last_tick) };
        let running = queue.running(now);
        let state = state(queue.closed, &running, since_tick);
        let recent = queue.recent.iter().cloned().collect();
        Overview { state, since_tick, running, queued: queue.queued, answered: queue.answered, recent }
    }
}

impl Queue {
    fn new(started: Instant) -> Queue {
        Queue {
            next_ticket: 0,
            entries: HashMap::new(),
            by_address: HashMap::new(),
            lines: HashMap::new(),
            ready: HashMap::new(),
            turns: VecDeque::new(),
            deadlines: BTreeSet::new(),
            queued: 0,
            queued_bytes: 0,
            closed: false,
            interrupted: false,
            waiting: false,
            last_tick: started,
            answered: 0,
            recent: VecDeque::new(),
        }
    }

    fn refuse(&self, request: &Unchecked, limits: &InboxLimits) -> Result<(), WireError> {
        let connection = request.origin().connection;
        if self.closed {
            return Err(WireError::new(Kind::ShuttingDown, "Spindle stops and takes no more requests"));
        }
        self.refuse_duplicate(connection, request.id())?;
        let in_flight = self.lines.get(&connection).map_or(0, VecDeque::len);
        let full = |what: &str, setting: &str, limit: usize| {
            let text = format!("{what}, the limit is {limit} ({setting}); wait for replies");
            Err(WireError::new(Kind::QueueFull, text).with("limit", limit).with("setting", setting))
        };
        if in_flight >= limits.in_flight {
            return full(
                &format!("{in_flight} requests of this connection are in flight"),
                "max_in_flight",
                limits.in_flight,
            );
        }
        if self.queued >= limits.queued {
            return full(&format!("{} requests wait", self.queued), "max_queued", limits.queued);
        }
        if self.queued_bytes.saturating_add(request.bytes()) > limits.bytes {
            return full(&format!("{} bytes wait", self.queued_bytes), "max_queued_mib", limits.bytes);
        }
        Ok(())
    }

    fn refuse_duplicate(&self, connection: ConnectionKey, id: &RequestId) -> Result<(), WireError> {
        if !self.by_address.contains_key(&(connection, id.clone())) {
            return Ok(());
        }
        let text = format!("the id {id} is in flight on this connection; use another");
        Err(WireError::new(Kind::DuplicateId, text))
    }

    /// The first request of the next connection of the next session, now running.
    fn start_next(&mut self) -> Option<(Ticket, Box<Admitted>)> {
        let session = self.turns.pop_front()?;
        let connections = self.ready.get_mut(&session)?;
        let connection = connections.pop_front()?;
        if connections.is_empty() {
            self.ready.remove(&session);
        } else {
            self.turns.push_back(session);
        }
        let ticket = *self.lines.get(&connection)?.front()?;
        let entry = self.entries.get_mut(&ticket)?;
        let running = Stage::Running { since: Instant::now(), suspended: false, stop: None };
        let Stage::Waiting(admitted) = std::mem::replace(&mut entry.stage, running) else {
            unreachable!("a connection is ready only while its first request waits");
        };
        self.queued -= 1;
        self.queued_bytes -= entry.bytes;
        Some((ticket, admitted))
    }

    fn make_ready(&mut self, connection: ConnectionKey) {
        let session = self.entries[&self.lines[&connection][0]].session;
        let connections = self.ready.entry(session).or_default();
        if connections.is_empty() {
            self.turns.push_back(session);
        }
        connections.push_back(connection);
    }

    fn make_unready(&mut self, session: SessionKey, connection: ConnectionKey) {
        if let Some(connections) = self.ready.get_mut(&session) {
            connections.retain(|other| *other != connection);
            if connections.is_empty() {
                self.ready.remove(&session);
                self.turns.retain(|other| *other != session);
            }
        }
    }

    /// After the head of a line has gone: whether the next one can start, which is noted.
    fn ready_behind(&mut self, connection: ConnectionKey) -> bool {
        let Some(first) = self.lines.get(&connection).and_then(VecDeque::front) else { return false };
        let entry = &self.entries[first];
        let noted = self.ready.get(&entry.session).is_some_and(|connections| connections.contains(&connection));
        if noted || !matches!(entry.stage, Stage::Waiting(_)) {
            return false;
        }
        self.make_ready(connection);
        true
    }

    /// What a cancel of a request that has started achieves; `None` when it has not.
    fn ask_to_stop(&mut self, ticket: Ticket, cause: StopCause) -> Option<CancelOutcome> {
        match &mut self.entries.get_mut(&ticket)?.stage {
            Stage::Running { suspended, stop, .. } => {
                stop.get_or_insert(cause);
                Some(if *suspended { CancelOutcome::Interrupting } else { CancelOutcome::NotInterruptible })
            }
            Stage::Checking | Stage::Waiting(_) => None,
        }
    }

    fn remove(&mut self, ticket: Ticket, verdict: Verdict) -> Option<Entry> {
        let entry = self.entries.remove(&ticket)?;
        let connection = entry.address.connection;
        self.by_address.remove(&(connection, entry.address.id.clone()));
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, ticket));
        }
        let was_first = self.lines.get(&connection).is_some_and(|line| line.front() == Some(&ticket));
        if matches!(entry.stage, Stage::Waiting(_)) && was_first {
            self.make_unready(entry.session, connection);
        }
        if let Some(line) = self.lines.get_mut(&connection) {
            line.retain(|other| *other != ticket);
        }
        let duration = match entry.stage {
            Stage::Running { since, .. } => since.elapsed(),
            Stage::Checking | Stage::Waiting(_) => {
                self.queued -= 1;
                self.queued_bytes -= entry.bytes;
                Duration::ZERO
            }
        };
        self.answered += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let (method, client, label) = (entry.method, entry.client.clone(), entry.label.clone());
        self.recent.push_back(Finished { method, client, label, verdict, duration });
        Some(entry)
    }

    fn running(&self, now: Instant) -> Vec<Running> {
        let mut started: Vec<(Instant, &Entry)> = self
            .entries
            .values()
            .filter_map(|entry| match entry.stage {
                Stage::Running { since, .. } => Some((since, entry)),
                _ => None,
            })
            .collect();
        started.sort_by_key(|(since, _)| *since);
        let describe = |(since, entry): (Instant, &Entry)| Running {
            method: entry.method.to_owned(),
            label: entry.label.clone(),
            client: entry.client.clone(),
            for_ms: now.saturating_duration_since(since).as_millis() as u64,
        };
        started.into_iter().map(describe).collect()
    }
}
