//! What the I/O thread shares with the main thread. Each part has its own lock or is atomic, and none is held across
//! I/O (SHARED_STATE).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use spindle_protocol::methods::control::Alert;

use crate::feed::Feed;
use crate::journal::Journal;
use crate::keys::SessionKey;
use crate::outbox::Outbox;

/// A connected client, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStatus {
    /// Its session.
    pub session: SessionKey,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its connections now.
    pub connections: usize,
}

/// What the I/O thread shares with the handle.
pub struct Shared {
    /// Parcels from other threads.
    pub outbox: Arc<Outbox>,
    /// Output and progress of what runs.
    pub feed: Feed,
    /// The request log, or why there is none; `None` where nobody wants one.
    pub journal: Option<Result<Journal, String>>,
    /// Set once, to stop.
    pub stopping: AtomicBool,
    /// The connected clients, renewed when they change.
    pub roster: Mutex<Vec<ClientStatus>>,
    /// What a person should know of, renewed with each probe.
    pub alerts: Mutex<Vec<Alert>>,
    /// Whether any connection is open, authenticated or not.
    pub has_connections: AtomicBool,
    generation: AtomicU64,
}

impl Shared {
    /// Nothing so far.
    pub fn new(outbox: Arc<Outbox>, journal: Option<Result<Journal, String>>) -> Shared {
        Shared {
            outbox,
            feed: Feed::default(),
            journal,
            stopping: AtomicBool::new(false),
            roster: Mutex::new(Vec::new()),
            alerts: Mutex::new(Vec::new()),
            has_connections: AtomicBool::new(false),
            generation: AtomicU64::new(0),
        }
    }

    /// The request log, where it can be written.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()?.as_ref().ok()
    }

    /// Write a line of the log about something that is no request.
    pub fn note(&self, event: &str, text: &str) {
        if let Some(journal) = self.journal() {
            journal.note(event, text);
        }
    }

    /// What is wrong with the request log.
    pub fn log_fault(&self) -> Option<String> {
        match self.journal.as_ref()? {
            Ok(journal) => journal.fault().map(|fault| fault.text),
            Err(text) => Some(text.clone()),
        }
    }

    /// A number that grows whenever Blender reports a change of the scene.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The scene has changed.
    pub fn touch(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
