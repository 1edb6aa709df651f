//! What the user in front of Blender is asked, and whom they have allowed what. Nothing here waits: a request that is
//! asked about stays in its line, and others go on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spindle_protocol::error::{Kind, WireError};

use crate::judge::{By, Case};
use crate::keys::{SessionKey, Ticket};
use crate::load::InboxLimits;

/// What the user may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may run.
    Once,
    /// It may run, and so may whatever its client sends until it is forgotten.
    Session,
    /// It may not run.
    Refuse,
}

impl Decision {
    /// The decision with this name.
    pub fn from_name(name: &str) -> Option<Decision> {
        match name {
            "once" => Some(Decision::Once),
            "session" => Some(Decision::Session),
            "refuse" => Some(Decision::Refuse),
            _ => None,
        }
    }
}

/// A request that waits for the user.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose it is.
    pub session: SessionKey,
    /// When it is refused unless somebody has answered.
    pub until: Instant,
    /// What they are shown.
    pub case: Arc<Case>,
}

/// The open questions, and the clients that may do everything.
pub struct Consent {
    most: usize,
    patience: Duration,
    asked: BTreeMap<Ticket, Asked>,
    /// Each is of a session that is remembered, so there are no more of them than sessions.
    granted: HashSet<SessionKey>,
}

impl Consent {
    /// Nothing is asked, and nobody allowed.
    pub fn new(limits: &InboxLimits) -> Consent {
        Consent { most: limits.asking, patience: limits.patience, asked: BTreeMap::new(), granted: HashSet::new() }
    }

    /// Whether the user has allowed a client everything.
    pub fn is_granted(&self, session: SessionKey) -> bool {
        self.granted.contains(&session)
    }

    /// Ask about a request.
    ///
    /// # Errors
    /// `queue_full`, when the user is asked about as many as they may be.
    pub fn ask(&mut self, ticket: Ticket, session: SessionKey, case: Arc<Case>, now: Instant) -> Result<(), WireError> {
        let most = self.most;
        if self.asked.len() >= most {
            let text = format!("{most} scripts wait for the user's decision, the limit is {most} (max_asking); wait");
            let error = WireError::new(Kind::QueueFull, text).with("limit", most).with("setting", "max_asking");
            return Err(error.with("retry_after_ms", 1000));
        }
        self.asked.insert(ticket, Asked { session, until: now + self.patience, case });
        Ok(())
    }

    /// The open questions, oldest first.
    pub fn asked(&self) -> impl Iterator<Item = (Ticket, &Asked)> {
        self.asked.iter().map(|(ticket, asked)| (*ticket, asked))
    }

    /// Ask no longer.
    pub fn withdraw(&mut self, ticket: Ticket) -> Option<Asked> {
        self.asked.remove(&ticket)
    }

    /// Allow a client everything; the questions that this answers.
    pub fn grant(&mut self, session: SessionKey) -> Vec<Ticket> {
        self.granted.insert(session);
        self.asked().filter(|(_, asked)| asked.session == session).map(|(ticket, _)| ticket).collect()
    }

    /// A client is forgotten, and what it was allowed.
    pub fn forget(&mut self, session: SessionKey) {
        self.granted.remove(&session);
    }

    /// When somebody must have answered the most urgent question.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.asked.values().map(|asked| asked.until).min()
    }

    /// The questions that nobody has answered in time.
    pub fn overdue(&self, now: Instant) -> Vec<Ticket> {
        self.asked().filter(|(_, asked)| asked.until <= now).map(|(ticket, _)| ticket).collect()
    }

    /// Who refuses what nobody has answered in time.
    pub fn nobody(&self) -> By {
        By::NoAnswer(self.patience)
    }
}
