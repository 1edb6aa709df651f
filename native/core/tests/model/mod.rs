//! The inbox as plainly as can be: one list of requests in the order of their arrival, searched from
//! the front each time.

use std::collections::{HashMap, HashSet};

use spindle_core::admit::Unchecked;
use spindle_core::consent::Decision;
use spindle_core::inbox::{Destination, StopCause};
use spindle_core::keys::{ConnectionKey, SessionKey, Ticket};
use spindle_core::load::InboxLimits;
use spindle_protocol::envelope::RequestId;
use spindle_protocol::error::Kind;
use spindle_protocol::methods::control::CancelOutcome;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    Checking,
    /// The user has until then.
    Asking {
        until: u64,
    },
    Waiting,
    Running {
        suspended: bool,
        stop: Option<StopCause>,
    },
}

/// A request that has not ended.
#[derive(Clone, Debug)]
pub struct Row {
    pub ticket: Ticket,
    pub connection: ConnectionKey,
    pub session: SessionKey,
    pub id: RequestId,
    /// Who is told, as long as the connection is there.
    pub to: Destination,
    /// A job: its id is answered, and it outlives its connection.
    pub detached: bool,
    pub bytes: usize,
    /// Whether the user is to be asked about it.
    pub asks: bool,
    /// Its time, until it has been acted upon.
    pub deadline: Option<u64>,
    pub stage: Stage,
    /// The step since which it could have been taken.
    pub ready_since: Option<usize>,
}

/// All requests that have not ended, and who was served when.
pub struct Model {
    pub limits: InboxLimits,
    pub rows: Vec<Row>,
    pub ended: usize,
    pub connected: Vec<ConnectionKey>,
    /// Whom the user has allowed everything.
    pub granted: HashSet<SessionKey>,
    pub step: usize,
    served_session: HashMap<SessionKey, usize>,
    served_connection: HashMap<ConnectionKey, usize>,
}

impl Model {
    pub fn new(limits: InboxLimits) -> Model {
        let (served_session, served_connection) = (HashMap::new(), HashMap::new());
        let (rows, connected, granted) = (Vec::new(), Vec::new(), HashSet::new());
        Model { limits, rows, ended: 0, connected, granted, step: 0, served_session, served_connection }
    }

    pub fn row(&mut self, ticket: Ticket) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.ticket == ticket)
    }

    pub fn queued(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_running())
    }

    /// The tickets that the user is asked about, oldest first.
    pub fn asking(&self) -> Vec<Ticket> {
        let asking = self.rows.iter().filter(|row| matches!(row.stage, Stage::Asking { .. }));
        asking.map(|row| row.ticket).collect()
    }

    /// A request is admitted; whether the user is asked about too many to be asked about this one.
    pub fn fill(&mut self, ticket: Ticket, until: u64) -> bool {
        let is_crowded = self.asking().len() >= self.limits.asking;
        let granted = self.granted.clone();
        let Some(row) = self.row(ticket) else { return false };
        let asks = row.asks && !granted.contains(&row.session);
        row.stage = if asks { Stage::Asking { until } } else { Stage::Waiting };
        asks && is_crowded
    }

    /// The user allows a request, if they are asked about it; or everything of its session.
    pub fn allow(&mut self, ticket: Ticket, decision: Decision) {
        let Some(session) = self.row(ticket).map(|row| row.session) else { return };
        let everything = decision == Decision::Session;
        if everything {
            self.granted.insert(session);
        }
        for row in &mut self.rows {
            let is_meant = row.ticket == ticket || (everything && row.session == session);
            if is_meant && matches!(row.stage, Stage::Asking { .. }) {
                row.stage = Stage::Waiting;
            }
        }
    }

    /// Who is told of its end.
    pub fn destination(&self, row: &Row) -> Destination {
        let is_told = row.detached || self.connected.contains(&row.connection);
        if is_told { row.to.clone() } else { Destination::Nobody }
    }

    /// Why a request may not come in, with the setting that says so.
    pub fn refusal(&self, request: &Unchecked, detached: bool) -> Option<(Kind, Option<&'static str>)> {
        let connection = request.origin().connection;
        let line = || self.rows.iter().filter(|row| row.connection == connection);
        let mine = || self.rows.iter().filter(|row| row.session == request.origin().session);
        let is_same = |row: &Row| row.id == *request.id() && !row.detached && !detached;
        let bytes: usize = self.queued().map(|row| row.bytes).sum();
        let full = |setting| Some((Kind::QueueFull, Some(setting)));
        match () {
            () if line().any(is_same) => Some((Kind::DuplicateId, None)),
            () if line().count() >= self.limits.in_flight => full("max_in_flight"),
            () if mine().count() >= self.limits.session_in_flight => full("max_session_in_flight"),
            () if mine().filter(|row| !row.is_running()).count() >= self.limits.session_queued => {
                full("max_session_queued")
            }
            () if self.queued().count() >= self.limits.queued => full("max_queued"),
            () if bytes + request.bytes() > self.limits.bytes => full("max_queued_mib"),
            () => None,
        }
    }

    /// Take a request off the list, whatever its end.
    pub fn end(&mut self, ticket: Ticket) -> Option<Row> {
        let at = self.rows.iter().position(|row| row.ticket == ticket)?;
        self.ended += 1;
        Some(self.rows.remove(at))
    }

    /// What a cancel or a deadline does to a request: `None` when it is to end.
    pub fn stop(&mut self, ticket: Ticket, cause: StopCause) -> Option<CancelOutcome> {
        match &mut self.row(ticket).expect("it has not ended").stage {
            Stage::Running { suspended, stop } => {
                stop.get_or_insert(cause);
                Some(if *suspended { CancelOutcome::Interrupting } else { CancelOutcome::NotInterruptible })
            }
            Stage::Checking | Stage::Asking { .. } | Stage::Waiting => None,
        }
    }

    /// Note which requests can be taken from this step on: those that wait at the head of their line.
    pub fn note_ready(&mut self) {
        self.step += 1;
        let mut heads = Vec::new();
        for row in &mut self.rows {
            let is_head = !heads.contains(&row.connection);
            heads.push(row.connection);
            let is_ready = is_head && row.stage == Stage::Waiting;
            row.ready_since = is_ready.then(|| row.ready_since.unwrap_or(self.step));
        }
    }

    /// A request was taken: it had to be ready, and nobody's turn was passed over.
    pub fn serve(&mut self, ticket: Ticket) {
        let row = self.row(ticket).expect("only what was reserved, and once").clone();
        assert!(row.ready_since.is_some(), "in order, and one at a time of a connection: {row:?}");
        for other in self.rows.iter().filter(|other| other.ready_since.is_some()) {
            let session_before = overtaken(&self.served_session, row.session, other.session, other);
            assert!(!session_before, "a session was served twice while another waited: {row:?} {other:?}");
            let connection_before = row.session == other.session
                && overtaken(&self.served_connection, row.connection, other.connection, other);
            assert!(!connection_before, "a connection was served twice while another waited: {row:?} {other:?}");
        }
        self.served_session.insert(row.session, self.step);
        self.served_connection.insert(row.connection, self.step);
        let row = self.row(ticket).expect("it is still there");
        row.stage = Stage::Running { suspended: false, stop: None };
    }
}

impl Row {
    pub fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running { .. })
    }
}

/// Whether `mine` was last served while `theirs`, not served since, had this request ready.
fn overtaken<K: std::hash::Hash + Eq>(served: &HashMap<K, usize>, mine: K, theirs: K, waiting: &Row) -> bool {
    let Some(last) = served.get(&mine).copied() else { return false };
    let ready_before = waiting.ready_since.is_some_and(|since| since <= last);
    mine != theirs && ready_before && served.get(&theirs).is_none_or(|theirs| *theirs < last)
}
