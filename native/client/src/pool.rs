//! Connections that calls share, each in one call at a time (RACE_CONDITION_001).

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::Ping;

use crate::connection::Connection;
use crate::error::Error;
use crate::event::{Event, Teller};
use crate::fate::Fate;
use crate::line::{Closed, Joined, Line, Numbers, Place};
use crate::metrics::Metrics;
use crate::request::{Options, SHORTEST};
use crate::settings::Choices;
use crate::source::Source;
use crate::state::{SLOW_ACQUIRE, SLOW_FOR};
use crate::wire::{STEP, Settings};

/// A connection, and since when nobody uses it.
struct Idle {
    connection: Connection,
    number: u64,
    since: Instant,
}

/// The connections of one client.
pub(crate) struct Pool {
    line: Line<Idle>,
    source: Arc<Source>,
    settings: Settings,
    choices: Choices,
    metrics: Arc<Metrics>,
    teller: Teller,
    last_number: AtomicU64,
    /// When a call last waited longer than it should.
    slow: Mutex<Option<Instant>>,
}

/// A connection of the pool, for one caller alone. Dropping it gives it back; one that broke, or has requests in
/// flight whose replies nobody will take, is closed instead.
pub struct Taken<'a> {
    place: Place<Idle>,
    pool: &'a Pool,
}

impl Pool {
    /// No connections yet.
    pub fn new(source: Arc<Source>, settings: Settings, choices: Choices) -> Pool {
        Pool {
            line: Line::new(choices.pool_size as usize),
            metrics: Arc::clone(&source.metrics),
            teller: source.teller.clone(),
            source,
            settings,
            choices,
            last_number: AtomicU64::new(0),
            slow: Mutex::new(None),
        }
    }

    /// Take a connection, within the deadlines of the settings and, if there is one, what is left of the caller's.
    ///
    /// # Errors
    /// Nothing was sent then: [`Error::PoolTimedOut`], [`Error::ShutDown`], [`Error::Interrupted`], and all that can
    /// happen while a connection is made.
    pub fn take(&self, left: Option<Duration>) -> Result<Taken<'_>, Error> {
        let start = Instant::now();
        let within =
            |usual: Duration| left.map_or(usual, |left| usual.min(left.saturating_sub(start.elapsed()).max(SHORTEST)));
        let mut place = self.wait(start, within(self.choices.pool_wait_s))?;
        if let Some(idle) = &mut place.item
            && let Some(why) = self.fault(idle, within(self.choices.health_s))?
        {
            self.close(place.item.take(), why);
        }
        if place.item.is_none() {
            place.item = Some(self.open(within(self.settings.connect))?);
        }
        let taken = Taken { place, pool: self };
        let waited = start.elapsed();
        self.metrics.acquired(waited);
        if waited > SLOW_ACQUIRE {
            *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.teller.tell(&Event::Taken { connection: taken.number(), waited });
        Ok(taken)
    }

    fn wait(&self, start: Instant, at_most: Duration) -> Result<Place<Idle>, Error> {
        let turn = match self.line.join() {
            Ok(Joined::Served(place)) => return Ok(place),
            Ok(Joined::Waits(turn)) => turn,
            Err(Closed) => return Err(Error::ShutDown),
        };
        loop {
            let waited = start.elapsed();
            let left = at_most.saturating_sub(waited);
            if left.is_zero() {
                return Err(Error::PoolTimedOut { size: self.choices.pool_size as usize, waited });
            }
            match turn.wait(left.min(STEP)) {
                Ok(Some(place)) => return Ok(place),
                Ok(None) if self.is_interrupted() => return Err(Error::Interrupted { fate: Fate::NotSent }),
                Ok(None) => {}
                Err(Closed) => return Err(Error::ShutDown),
            }
        }
    }

    /// Whether the caller's interrupt says that it no longer wants to wait.
    pub fn is_interrupted(&self) -> bool {
        self.settings.interrupt.as_ref().is_some_and(|interrupt| interrupt())
    }

    /// Why an idle connection cannot be used, if so.
    fn fault(&self, idle: &mut Idle, within: Duration) -> Result<Option<&'static str>, Error> {
        let unused = idle.since.elapsed();
        if unused > self.choices.pool_idle_s {
            return Ok(Some("it was not used for too long"));
        }
        if !idle.connection.is_alive() {
            return Ok(Some("the server closed it"));
        }
        if unused < self.choices.pool_check_s {
            return Ok(None);
        }
        // The connection adds its patience with late answers to it.
        let within = within.saturating_sub(self.settings.grace).max(SHORTEST);
        match idle.connection.call_typed::<Ping>(&Nothing {}, &[], &Options::within(within)) {
            Ok(_) => Ok(None),
            Err(Error::Interrupted { .. }) => Err(Error::Interrupted { fate: Fate::NotSent }),
            Err(_) => Ok(Some("it did not answer a ping")),
        }
    }

    fn open(&self, within: Duration) -> Result<Idle, Error> {
        let connection = self.source.open(&Settings { connect: within, ..self.settings.clone() })?;
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        self.metrics.opened.inc();
        self.teller.tell(&Event::Opened { connection: number, server: connection.server() });
        Ok(Idle { connection, number, since: Instant::now() })
    }

    fn close(&self, idle: Option<Idle>, why: &str) {
        if let Some(idle) = idle {
            self.metrics.closed.inc();
            self.teller.tell(&Event::Closed { connection: idle.number, why });
        }
    }

    /// Close what was not used for too long.
    pub fn trim(&self) {
        for idle in self.line.weed(|idle| idle.since.elapsed() <= self.choices.pool_idle_s) {
            self.close(Some(idle), "it was not used for too long");
        }
    }

    /// Give no more connections, and close the idle ones.
    pub fn shut(&self) {
        for idle in self.line.close() {
            self.close(Some(idle), "the client is shut down");
        }
    }

    /// Wait at most so long, and no longer than an interrupt allows, for the connections in use; how many still are.
    pub fn drain(&self, at_most: Duration) -> usize {
        let start = Instant::now();
        loop {
            let left = at_most.saturating_sub(start.elapsed());
            let taken = self.line.drain(left.min(STEP));
            if taken == 0 || left.is_zero() || self.is_interrupted() {
                return taken;
            }
        }
    }

    /// Whether connections are still given.
    pub fn is_shut(&self) -> bool {
        self.line.is_closed()
    }

    /// How things stand.
    pub fn numbers(&self) -> Numbers {
        self.line.numbers()
    }

    /// Whether a call lately waited longer than it should.
    pub fn is_slow(&self) -> bool {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|when| when.elapsed() < SLOW_FOR)
    }
}

impl Taken<'_> {
    /// The connection's number, as events tell it.
    pub fn number(&self) -> u64 {
        self.idle().number
    }

    fn idle(&self) -> &Idle {
        self.place.item.as_ref().expect("a connection is there until it is given back")
    }
}

impl Deref for Taken<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.idle().connection
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.place.item.as_mut().expect("a connection is there until it is given back").connection
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let fault = match self.is_open() {
            false => Some("it broke"),
            true if !self.is_quiet() => Some("its caller left before the reply"),
            true => None,
        };
        if let Some(why) = fault {
            let idle = self.place.item.take();
            self.pool.close(idle, why);
        } else if let Some(idle) = &mut self.place.item {
            idle.since = Instant::now();
            self.pool.teller.tell(&Event::Returned { connection: idle.number });
        }
    }
}

impl std::fmt::Debug for Taken<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Taken").field(&self.number()).finish()
    }
}
