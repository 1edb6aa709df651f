//! Whose turn it is: sessions take turns, within one its connections, and the requests of a connection go in order.
use crate::keys::{ConnectionKey, SessionKey, Ticket};

use std::collections::{HashMap, VecDeque};

/// The order in which requests start.
#[derive(Default)]
pub struct Turns {
    /// Each connection's requests in order; only the first may be running.
    lines: HashMap<ConnectionKey, VecDeque<Ticket>>,
    /// Connections whose first request can start, by session, in turn.
    ready: HashMap<SessionKey, VecDeque<ConnectionKey>>,
    /// Sessions that have such connections, in turn, but for the one that was served last.
    turns: VecDeque<SessionKey>,
    /// It goes to the end only when the next one is served: whoever comes while its request runs goes before it, and
    /// so waits for one foreign request at most.
    served: Option<SessionKey>,
}

impl Turns {
    /// Put a request at the end of its connection's line.
    pub fn join(&mut self, connection: ConnectionKey, ticket: Ticket) {
        self.lines.entry(connection).or_default().push_back(ticket);
    }

    /// The first request of a connection.
    pub fn first(&self, connection: ConnectionKey) -> Option<Ticket> {
        self.lines.get(&connection)?.front().copied()
    }

    /// The requests of a connection, in order.
    pub fn line(&self, connection: ConnectionKey) -> impl Iterator<Item = Ticket> {
        self.lines.get(&connection).into_iter().flatten().copied()
    }

    /// How many requests of a connection are in flight.
    pub fn in_flight(&self, connection: ConnectionKey) -> usize {
        self.lines.get(&connection).map_or(0, VecDeque::len)
    }

    /// The first request of this connection can start. Saying so again changes nothing.
    pub fn offer(&mut self, session: SessionKey, connection: ConnectionKey) {
        let connections = self.ready.entry(session).or_default();
        if connections.is_empty() && self.served != Some(session) {
            self.turns.push_back(session);
        }
        if !connections.contains(&connection) {
            connections.push_back(connection);
        }
    }

    /// Whether any request can start.
    pub fn is_any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The request whose turn it is.
    pub fn next_turn(&mut self) -> Option<Ticket> {
        if let Some(served) = self.served.take().filter(|served| self.ready.contains_key(served)) {
            self.turns.push_back(served);
        }
        let session = self.turns.pop_front()?;
        let connections = self.ready.get_mut(&session)?;
        let connection = connections.pop_front()?;
        if connections.is_empty() {
            self.ready.remove(&session);
        }
        self.served = Some(session);
        self.first(connection)
    }

    /// Take a request out of its line. If it was the first, nothing of the connection can start until the next one is
    /// offered.
    pub fn leave(&mut self, session: SessionKey, connection: ConnectionKey, ticket: Ticket) {
        let Some(line) = self.lines.get_mut(&connection) else { return };
        let was_first = line.front() == Some(&ticket);
        line.retain(|other| *other != ticket);
        if line.is_empty() {
            self.lines.remove(&connection);
        }
        if was_first {
            self.withdraw(session, connection);
        }
    }

    fn withdraw(&mut self, session: SessionKey, connection: ConnectionKey) {
        let Some(connections) = self.ready.get_mut(&session) else { return };
        connections.retain(|other| *other != connection);
        if connections.is_empty() {
            self.ready.remove(&session);
            self.turns.retain(|other| *other != session);
        }
    }
}
