//! Asks Blender what it does, and finds it again after a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use spindle_client::discovery::{choose, folder, list, renew};
use spindle_client::{Connection, Error, Options, Selector, Server, Settings};
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{Health, HealthReport};
use spindle_protocol::methods::watch::{Activity, Stats, StatsParams};
use spindle_protocol::value::Count;

/// The time that rate and latency are told for: long enough for percentiles, short enough to follow.
pub const WINDOW_S: i64 = 10;

/// How long one question may take; native code answers it, whatever Blender does.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a server told at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Who it is.
    #[serde(skip)]
    pub server: Server,
    /// How it is.
    pub health: HealthReport,
    /// How busy it is.
    pub stats: Activity,
}

/// Asks again and again.
pub struct Probe {
    wanted: Option<Selector>,
    settings: Settings,
    options: Options,
    /// None before the first look, and after one that failed.
    link: Option<Link>,
}

struct Link {
    instance: Instance,
    folder: PathBuf,
    connection: Connection,
}

impl Probe {
    /// A probe that has not asked yet. It has a client id of its own, so that it does not count as whom it watches.
    pub fn new(wanted: Option<Selector>, timeout: Option<Duration>, quit: Arc<AtomicBool>) -> Probe {
        let settings = Settings {
            name: "spindle top".to_owned(),
            interrupt: Some(Arc::new(move || quit.load(Ordering::Relaxed))),
            ..Settings::default()
        };
        Probe { wanted, settings, options: Options::within(timeout.unwrap_or(PATIENCE)), link: None }
    }

    /// Ask, after connecting where that is due.
    ///
    /// # Errors
    /// When nobody answers; the next look connects anew.
    pub fn look(&mut self) -> Result<Snapshot, Error> {
        let mut link = self.link.take().map_or_else(|| self.connect(), Ok)?;
        let snapshot = link.ask(&self.options)?;
        self.link = Some(link);
        Ok(snapshot)
    }

    fn connect(&self) -> Result<Link, Error> {
        let folder = folder()?;
        let instance = choose(list(&folder)?, self.wanted.as_ref(), &folder)?;
        let connection = Connection::open(&instance, &self.settings)?;
        Ok(Link { instance, folder, connection })
    }
}

impl Link {
    fn ask(&mut self, options: &Options) -> Result<Snapshot, Error> {
        let (health, _) = self.connection.call_typed::<Health>(&Nothing {}, &[], options)?;
        let (stats, _) =
            self.connection.call_typed::<Stats>(&StatsParams { window_s: Count(WINDOW_S) }, &[], options)?;
        // Blender may have opened another file.
        if let Some(now) = renew(&self.instance, &self.folder)? {
            self.instance = now;
        }
        Ok(Snapshot { server: Server::from(&self.instance), health, stats })
    }
}
