//! Where connections come from: the server that is known, or, when it is not there any more, the one that is in its
//! place now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spindle_protocol::instance::Instance;

use crate::cache::Cache;
use crate::connection::Connection;
use crate::discovery::{Selector, Server, choose, folder, list};
use crate::error::Error;
use crate::event::{Event, Teller};
use crate::metrics::Metrics;
use crate::wire::Settings;

/// Which server is meant.
pub(crate) enum Target {
    /// The one that the instance files and the choice name at that moment.
    Found { wanted: Option<Selector>, folder: Option<PathBuf> },
    /// This one, as long as it lives.
    Given(Box<Instance>),
}

/// What a client's connections have in common.
pub(crate) struct Source {
    target: Target,
    cache: Arc<Cache>,
    pub metrics: Arc<Metrics>,
    pub teller: Teller,
    /// The server that was reached last.
    known: Mutex<Option<Instance>>,
}

impl Source {
    /// Nothing is known yet.
    pub fn new(target: Target, cache: Arc<Cache>, metrics: Arc<Metrics>, teller: Teller) -> Source {
        Source { target, cache, metrics, teller, known: Mutex::new(None) }
    }

    /// Whether any server was reached yet.
    pub fn has_met(&self) -> bool {
        self.lock().is_some()
    }

    /// Connect. A server that was restarted is found again through its instance file (Blender's new process writes
    /// one); what is done to find it comes on top of `settings.connect`.
    pub fn open(&self, settings: &Settings) -> Result<Connection, Error> {
        let known = self.lock().clone();
        let instance = match known {
            None => self.find()?,
            Some(known) => match Connection::open(&known, settings) {
                Ok(connection) => return Ok(connection),
                Err(error) if !is_of_the_place(&error) => return Err(error),
                Err(error) => {
                    let now = self.find()?;
                    if now.instance == known.instance {
                        return Err(error);
                    }
                    now
                }
            },
        };
        let connection = Connection::open(&instance, settings)?;
        self.remember(instance);
        Ok(connection)
    }

    fn find(&self) -> Result<Instance, Error> {
        match &self.target {
            Target::Given(instance) => Ok(Instance::clone(instance)),
            Target::Found { wanted, folder: chosen } => {
                let folder = chosen.clone().map_or_else(folder, Ok)?;
                choose(list(&folder)?, wanted.as_ref(), &folder)
            }
        }
    }

    fn remember(&self, now: Instance) {
        let before = self.lock().replace(now.clone());
        if let Some(before) = before.filter(|before| before.instance != now.instance) {
            self.cache.clear();
            self.metrics.servers_changed.inc();
            self.teller.tell(&Event::ServerChanged { before: &Server::from(&before), now: &Server::from(&now) });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instance>> {
        // Nothing panics while it is locked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it may be that the server is another one by now.
fn is_of_the_place(error: &Error) -> bool {
    matches!(
        error,
        Error::Connect { .. }
            | Error::NotSpindle { .. }
            | Error::WrongServer { .. }
            | Error::BadToken { .. }
            | Error::TimedOut { .. }
            | Error::Disconnected { .. }
    )
}
