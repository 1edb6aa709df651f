//! Random work on the inbox beside a model of it: order, turns, counters, and one end for each request.

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Model, Stage};
use proptest::prelude::*;
use serde_json::json;
use spindle_core::admit::{Origin, Unchecked};
use spindle_core::consent::Decision;
use spindle_core::inbox::{Destination, Ended, Inbox, StopCause};
use spindle_core::judge::{Judge, Trust};
use spindle_core::keys::{Address, ConnectionKey, JobKey, SessionKey, Ticket};
use spindle_core::load::InboxLimits;
use spindle_core::metrics::Metrics;
use spindle_core::overview::{RECENT, Verdict};
use spindle_core::settings::Settings;
use spindle_protocol::envelope::{Request, RequestId};
use spindle_protocol::error::{Kind, Started};
use spindle_protocol::finding::Level;
use spindle_protocol::method::find;
use spindle_protocol::methods::control::{CancelOutcome, State};

const SESSIONS: usize = 3;
const CONNECTIONS: usize = 6;
/// How long the user has.
const PATIENCE_MS: u64 = 10;
/// Nobody runs this without asking.
const DANGEROUS: &str = "import os\nos.system('x')";
const LIMITS: InboxLimits = InboxLimits {
    queued: 8,
    in_flight: 4,
    session_in_flight: 6,
    session_queued: 5,
    bytes: 400,
    samples: 100,
    asking: 2,
    patience: Duration::from_millis(PATIENCE_MS),
    blocked_after: Duration::MAX,
};

/// One thing that happens. A `pick` chooses among all tickets so far, ended ones included.
#[derive(Clone, Debug)]
enum Step {
    Reserve { slot: usize, id: u64, blob: usize, deadline_ms: Option<u64>, detached: bool, asks: bool },
    Fill { pick: prop::sample::Index },
    Refuse { pick: prop::sample::Index },
    Take,
    Interrupt,
    Suspend { pick: prop::sample::Index },
    Finish { pick: prop::sample::Index },
    Decide { pick: prop::sample::Index, decision: Decision },
    Cancel { slot: usize, id: u64 },
    Expire { after_ms: u64 },
    Disconnect { slot: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (slot, id) = (0..CONNECTIONS, 0..5u64);
    let pick = any::<prop::sample::Index>;
    let (detached, asks) = (prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let reserve = (slot.clone(), id.clone(), 0..120usize, prop::option::of(1..20u64), detached, asks);
    let decision = prop_oneof![6 => Just(Decision::Once), 1 => Just(Decision::Session), 3 => Just(Decision::Refuse)];
    prop_oneof![
        12 => reserve.prop_map(|(slot, id, blob, deadline_ms, detached, asks)| {
            Step::Reserve { slot, id, blob, deadline_ms, detached, asks }
        }),
        4 => (pick(), decision).prop_map(|(pick, decision)| Step::Decide { pick, decision }),
        10 => pick().prop_map(|pick| Step::Fill { pick }),
        1 => pick().prop_map(|pick| Step::Refuse { pick }),
        10 => Just(Step::Take),
        1 => Just(Step::Interrupt),
        2 => pick().prop_map(|pick| Step::Suspend { pick }),
        6 => pick().prop_map(|pick| Step::Finish { pick }),
        3 => (slot.clone(), id).prop_map(|(slot, id)| Step::Cancel { slot, id }),
        2 => (0..6u64).prop_map(|after_ms| Step::Expire { after_ms }),
        1 => slot.prop_map(|slot| Step::Disconnect { slot }),
    ]
}

/// The inbox, its model, and what the I/O thread and the checker would hold.
struct World {
    inbox: Inbox,
    judge: Judge,
    model: Model,
    epoch: Instant,
    now_ms: u64,
    /// The connection in each slot; slots of the same remainder belong to one session.
    slots: Vec<ConnectionKey>,
    next_connection: usize,
    tickets: Vec<Ticket>,
    in_check: BTreeMap<Ticket, Unchecked>,
    interrupted: bool,
}

impl World {
    fn new() -> World {
        let slots: Vec<ConnectionKey> = (0..CONNECTIONS).map(ConnectionKey).collect();
        let mut model = Model::new(LIMITS);
        model.connected.clone_from(&slots);
        let settings = Settings { guard_level: Level::Ask, ..Settings::default() };
        World {
            inbox: Inbox::new(LIMITS, Arc::new(Metrics::new())),
            judge: Judge::new(&settings, true, Arc::new(Metrics::new())),
            model,
            epoch: Instant::now(),
            now_ms: 0,
            slots,
            next_connection: CONNECTIONS,
            tickets: Vec::new(),
            in_check: BTreeMap::new(),
            interrupted: false,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.epoch + Duration::from_millis(ms)
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Reserve { slot, id, blob, deadline_ms, detached, asks } => {
                let method = if *asks { "script.run" } else { "file.new" };
                self.reserve(*slot, *id, *blob, *deadline_ms, *detached, method);
            }
            Step::Take => {
                self.take();
            }
            Step::Interrupt => {
                self.inbox.interrupt();
                self.interrupted = true;
            }
            Step::Cancel { slot, id } => self.cancel(self.slots[*slot], &RequestId::Integer(*id)),
            Step::Expire { after_ms } => self.expire(*after_ms),
            Step::Disconnect { slot } => self.disconnect(*slot),
            Step::Fill { pick } | Step::Refuse { pick } if !self.in_check.is_empty() => {
                let ticket = *pick.get(&self.in_check.keys().copied().collect::<Vec<_>>());
                if matches!(step, Step::Fill { .. }) { self.fill(ticket) } else { self.refuse(ticket) }
            }
            Step::Suspend { pick } if !self.tickets.is_empty() => self.suspend(*pick.get(&self.tickets)),
            Step::Finish { pick } if !self.tickets.is_empty() => self.finish(*pick.get(&self.tickets)),
            Step::Decide { pick, decision } if !self.tickets.is_empty() => {
                // As a rule, of those that the user is asked about.
                let asking = self.model.asking();
                self.decide(*pick.get(if asking.is_empty() { &self.tickets } else { &asking }), *decision);
            }
            Step::Fill { .. }
            | Step::Refuse { .. }
            | Step::Suspend { .. }
            | Step::Finish { .. }
            | Step::Decide { .. } => {}
        }
        self.model.note_ready();
        self.compare();
    }

    /// All that can be seen of the inbox is as the model has it.
    fn compare(&self) {
        let overview = self.inbox.overview(Instant::now());
        let running = self.model.rows.iter().filter(|row| row.is_running()).count();
        assert_eq!(overview.queued, self.model.queued().count());
        assert_eq!(overview.running.len(), running);
        assert_eq!(overview.answered, self.model.ended as u64);
        assert_eq!(overview.recent.len(), self.model.ended.min(RECENT));
        assert_eq!(overview.state, if running > 0 { State::Busy } else { State::Ready });
        let asking = self.inbox.asking();
        assert_eq!(asking.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), self.model.asking());
        assert_eq!(overview.asking, asking.len());
        let until = |row: &model::Row| if let Stage::Asking { until } = row.stage { Some(until) } else { None };
        let due = self.model.rows.iter().flat_map(|row| [row.deadline, until(row)]).flatten().min();
        assert_eq!(self.inbox.next_deadline(), due.map(|ms| self.at(ms)));
        for row in &self.model.rows {
            let stop = if let Stage::Running { stop, .. } = row.stage { stop } else { None };
            assert_eq!(self.inbox.stop_cause(row.ticket), stop);
        }
    }

    fn reserve(
        &mut self,
        slot: usize,
        id: u64,
        blob: usize,
        deadline_ms: Option<u64>,
        detached: bool,
        method: &'static str,
    ) {
        let method = find(method).expect("a method");
        let options = deadline_ms.map_or(json!({}), |ms| json!({"deadline_ms": ms}));
        let params = if method.carries_code { json!({"code": DANGEROUS}) } else { json!({}) };
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method.name, "params": params, "options": options});
        let request = Request::parse(message.to_string().as_bytes()).expect("a request");
        let (connection, session) = (self.slots[slot], SessionKey((slot % SESSIONS) as u64));
        let origin = Origin { connection, session, client: Arc::from("model"), trust: Trust::Proven };
        let received = self.at(self.now_ms);
        // Neither method has a deadline of its own.
        let request = Unchecked::new(request, vec![0; blob], method, origin, received, Duration::MAX);
        let address = Address { connection, id: request.id().clone() };
        let (to, own) = if detached {
            (Destination::Job(JobKey(self.tickets.len() as u64)), None)
        } else {
            (Destination::Caller(address.clone()), Some(address.clone()))
        };
        let result = self.inbox.reserve(&request, own, to.clone()).map_err(|error| {
            let setting = error.data.details.get("setting").and_then(|it| it.as_str()).map(str::to_owned);
            (error.data.kind, setting)
        });
        let expected = self.model.refusal(&request, detached).map(|(kind, setting)| (kind, setting.map(str::to_owned)));
        assert_eq!(result.clone().err(), expected);
        let refused = self.inbox.refuse_duplicate(&address).is_err();
        if !detached {
            assert_eq!(refused, result.is_ok() || expected.is_some_and(|(kind, _)| kind == Kind::DuplicateId));
        }
        let Ok(ticket) = result else { return };
        assert!(!self.tickets.contains(&ticket), "a ticket is never used again");
        self.tickets.push(ticket);
        self.model.rows.push(model::Row {
            ticket,
            connection,
            session,
            id: request.id().clone(),
            to,
            detached,
            bytes: request.bytes(),
            asks: method.carries_code,
            deadline: deadline_ms.map(|ms| self.now_ms + ms),
            stage: Stage::Checking,
            ready_since: None,
        });
        self.in_check.insert(ticket, request);
    }

    fn fill(&mut self, ticket: Ticket) {
        let request = self.in_check.remove(&ticket).expect("it is in check");
        let admitted = request.admit(&self.judge).expect("sound parameters");
        let filled = self.inbox.fill(ticket, admitted, self.at(self.now_ms));
        let is_crowded = self.model.fill(ticket, self.now_ms + PATIENCE_MS);
        if is_crowded {
            let row = self.model.end(ticket).expect("it was in check");
            let ended = filled.expect_err("the user is asked about as many as they may be");
            assert_ended(&ended, &self.model.destination(&row), Kind::QueueFull, Started::No);
        } else {
            filled.expect("there is room");
        }
    }

    /// The user decides about a request, whether they were asked or not.
    fn decide(&mut self, ticket: Ticket, decision: Decision) {
        let expected = self.model.asking().contains(&ticket);
        let (asked, ended) = self.inbox.decide(ticket, decision);
        assert_eq!(asked, expected);
        match (expected, decision) {
            (false, _) => assert_eq!(ended, None),
            (true, Decision::Refuse) => {
                let row = self.model.end(ticket).expect("it was asked about");
                let ended = ended.expect("an answer");
                assert!(ended.note.as_ref().is_some_and(|note| note.contains("the user refused this")), "{ended:?}");
                assert_ended(&ended, &self.model.destination(&row), Kind::ScriptRefused, Started::No);
            }
            (true, _) => self.model.allow(ticket, decision),
        }
    }

    /// The check found a fault.
    fn refuse(&mut self, ticket: Ticket) {
        self.in_check.remove(&ticket);
        self.finish(ticket);
    }

    fn take(&mut self) -> Option<Ticket> {
        let taken = self.inbox.take(Duration::ZERO);
        if std::mem::take(&mut self.interrupted) {
            assert!(taken.is_none());
            return None;
        }
        let Some((ticket, admitted)) = taken else {
            assert!(self.model.rows.iter().all(|row| row.ready_since.is_none()), "something could have been taken");
            return None;
        };
        let row = self.model.row(ticket).expect("only what was reserved").clone();
        assert_eq!((admitted.origin().connection, admitted.origin().session), (row.connection, row.session));
        self.model.serve(ticket);
        Some(ticket)
    }

    fn suspend(&mut self, ticket: Ticket) {
        self.inbox.suspend(ticket);
        if let Some(model::Row { stage: Stage::Running { suspended, .. }, .. }) = self.model.row(ticket) {
            *suspended = true;
        }
    }

    /// An end of a request; of one that has ended already, of one that is in check.
    fn finish(&mut self, ticket: Ticket) {
        let row = self.model.end(ticket);
        let expected = row.map(|row| self.model.destination(&row));
        assert_eq!(self.inbox.finish(ticket, Verdict::ok()).map(|closed| closed.to), expected);
    }

    fn cancel(&mut self, connection: ConnectionKey, id: &RequestId) {
        let (outcome, ended) = self.inbox.cancel(&Address { connection, id: id.clone() });
        let ticket = self.model.rows.iter().find(|row| row.connection == connection && row.id == *id && !row.detached);
        let Some(ticket) = ticket.map(|row| row.ticket) else {
            assert_eq!((outcome, ended), (CancelOutcome::Finished, None));
            return;
        };
        match self.model.stop(ticket, StopCause::Cancelled) {
            Some(expected) => assert_eq!((outcome, ended), (expected, None)),
            None => {
                self.model.end(ticket);
                assert_eq!(outcome, CancelOutcome::Dequeued);
                let to = Destination::Caller(Address { connection, id: id.clone() });
                assert_ended(&ended.expect("an answer"), &to, Kind::Cancelled, Started::No);
            }
        }
    }

    fn expire(&mut self, after_ms: u64) {
        self.now_ms += after_ms;
        let ended = self.inbox.expire(self.at(self.now_ms));
        let now = self.now_ms;
        let due = |row: &&model::Row| row.deadline.is_some_and(|deadline| deadline <= now);
        let mut tickets: Vec<_> = self.model.rows.iter().filter(due).map(|row| (row.deadline, row.ticket)).collect();
        tickets.sort();
        let mut ended = ended.iter();
        for (_, ticket) in tickets {
            if self.model.stop(ticket, StopCause::TimedOut).is_some() {
                self.model.row(ticket).expect("it runs").deadline = None;
            } else {
                let row = self.model.end(ticket).expect("it waits");
                let ended = ended.next().expect("an answer");
                assert_ended(ended, &self.model.destination(&row), Kind::ExpiredInQueue, Started::No);
            }
        }
        for ticket in self.model.asking() {
            if matches!(self.model.row(ticket).expect("there").stage, Stage::Asking { until } if until <= now) {
                let row = self.model.end(ticket).expect("there");
                let ended = ended.next().expect("an answer");
                assert_ended(ended, &self.model.destination(&row), Kind::ScriptRefused, Started::No);
            }
        }
        assert_eq!(ended.next(), None);
    }

    /// The connection in a slot closes, and the session opens another one there.
    fn disconnect(&mut self, slot: usize) {
        let gone = self.slots[slot];
        self.inbox.disconnect(gone);
        let line: Vec<Ticket> = self
            .model
            .rows
            .iter()
            .filter(|row| row.connection == gone && !row.detached)
            .map(|row| row.ticket)
            .collect();
        for ticket in line {
            if self.model.stop(ticket, StopCause::Cancelled).is_none() {
                self.model.end(ticket);
            }
        }
        self.slots[slot] = ConnectionKey(self.next_connection);
        self.next_connection += 1;
        self.model.connected.clone_from(&self.slots);
    }

    /// Let everything run to its end: nothing is left behind.
    fn drain(mut self) {
        for ticket in self.in_check.keys().copied().collect::<Vec<_>>() {
            self.fill(ticket);
            self.model.note_ready();
        }
        for ticket in self.model.asking() {
            self.decide(ticket, Decision::Once);
            self.model.note_ready();
        }
        self.inbox.interrupt();
        self.interrupted = true;
        self.take();
        while let Some(ticket) = self.model.rows.iter().find(|row| row.is_running()).map(|row| row.ticket) {
            self.finish(ticket);
            self.model.note_ready();
            self.take();
            self.model.note_ready();
        }
        while let Some(ticket) = self.take() {
            self.finish(ticket);
            self.model.note_ready();
        }
        self.compare();
        assert_eq!(self.inbox.underflows(), 0, "BUG-010");
        assert!(self.inbox.is_empty());
        assert!(self.model.rows.is_empty(), "left behind: {:?}", self.model.rows);
        assert_eq!(self.model.ended, self.tickets.len());
    }

    /// Stop: everything that is left ends now, and nothing comes in or ends again.
    fn close(mut self) {
        let ended = self.inbox.close();
        assert_eq!(ended.len(), self.model.rows.len());
        for (ended, row) in ended.iter().zip(&self.model.rows) {
            let (kind, started) =
                if row.is_running() { (Kind::Stopping, Started::Yes) } else { (Kind::ShuttingDown, Started::No) };
            assert_ended(ended, &self.model.destination(row), kind, started);
        }
        let overview = self.inbox.overview(Instant::now());
        assert_eq!((overview.queued, overview.running.len(), overview.state), (0, 0, State::Stopping));
        assert_eq!(overview.answered, self.tickets.len() as u64);
        for ticket in &self.tickets {
            assert_eq!(self.inbox.finish(*ticket, Verdict::ok()), None);
            assert_eq!(self.inbox.abandon(*ticket), None);
        }
        while let Some((ticket, request)) = self.in_check.pop_first() {
            assert_eq!(
                self.inbox.reserve(&request, None, Destination::Nobody).expect_err("closed").data.kind,
                Kind::ShuttingDown
            );
            let admitted = request.admit(&self.judge).expect("sound parameters");
            self.inbox.fill(ticket, admitted, self.at(self.now_ms)).expect("the place was given up");
        }
        assert!(self.inbox.take(Duration::ZERO).is_none());
        assert_eq!(self.inbox.next_deadline(), None);
    }
}

fn assert_ended(ended: &Ended, to: &Destination, kind: Kind, started: Started) {
    assert_eq!(ended.to, *to);
    assert_eq!((ended.error.data.kind, ended.error.data.started), (kind, started));
}

proptest! {
    #[test]
    fn the_inbox_does_as_its_model(steps in prop::collection::vec(step(), 0..250), close in any::<bool>()) {
        let mut world = World::new();
        for step in &steps {
            world.act(step);
        }
        if close { world.close() } else { world.drain() }
    }
}
