//! What the add-on holds: start, take, reply, stop.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use spindle_protocol::error::{Started, WireError};
use spindle_protocol::finding::Level;
use spindle_protocol::hello::Token;
use spindle_protocol::instance::Instance;
use spindle_protocol::limits::NONCE_BYTES;
use spindle_protocol::log::{Call, End, Millis};
use spindle_protocol::methods::control::{Alert, CancelOutcome};
use spindle_protocol::methods::watch::Waiting;
use spindle_protocol::notification::{Progress, Stream};
use thiserror::Error;

use crate::admit::Admitted;
use crate::cache::Answer;
use crate::checker::{Checker, STACK_BYTES, parcel};
use crate::consent::{Asked, Decision};
use crate::descriptors::{self, TooFewDescriptors};
use crate::frames::{news_frames, outcome_frame};
use crate::handshake::Identity;
use crate::inbox::{Breaker, Closed, Destination, Inbox, StopCause};
use crate::instance_file::InstanceFile;
use crate::jobs::Outcome;
use crate::journal::{Begun, Journal, JournalSettings};
use crate::judge::{Judge, rules};
use crate::keys::{SessionKey, Ticket};
use crate::limits::{Limits, Row};
use crate::listeners::Listeners;
use crate::metrics::Metrics;
use crate::outbox::{Lane, Outbox, Outgoing, Parcel};
use crate::overview::{Overview, PREVIOUS_CRASH, Verdict};
use crate::router::{Parts, Router};
use crate::server::{Server, WAKER};
use crate::settings::{Settings, SettingsError};
use crate::shared::{ClientStatus, Shared};

/// Waiting requests that the panel lists.
const LISTED: usize = 8;

/// What the server tells about the Blender that it lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlenderFacts {
    /// Its version, for people.
    pub version: String,
    /// Whether it has a window.
    pub window: bool,
    /// The open file, empty for an unsaved one.
    pub file: String,
}

/// Why a server did not start. Nothing is left behind, and it can be tried again (MEMORY_LEAK_002).
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The connections asked for do not fit.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The system refused something.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { doing, error }
}

/// A running server. Dropping it stops it.
pub struct Handle {
    instance: Mutex<Instance>,
    preferred_port: u16,
    compat_port: Option<u16>,
    limits: Limits,
    judge: Arc<Judge>,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    /// What runs, as the log knows it, and the rules that its script met.
    begun: Mutex<HashMap<Ticket, (Begun, Vec<String>)>>,
    file: Mutex<Option<InstanceFile>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How a request ended, for people and for the log.
#[derive(Clone, Debug)]
pub struct Ending {
    /// A script that raised has a result, and yet did not end well.
    pub verdict: Verdict,
    /// The name of the undo step that holds its changes.
    pub undo_step: Option<String>,
    /// What the log notes of it besides the rules that its script met, see [`End::notes`].
    pub notes: Vec<String>,
}

impl Ending {
    /// It ended like this, and no more is known.
    pub fn plain(verdict: Verdict) -> Ending {
        Ending { verdict, undo_step: None, notes: Vec::new() }
    }

    /// It ended well.
    pub fn ok() -> Ending {
        Ending::plain(Verdict::ok())
    }
}

/// What a person wants to see.
#[derive(Clone, Debug)]
pub struct Status {
    /// The port.
    pub port: u16,
    /// The port asked for, if it was taken.
    pub taken_port: Option<u16>,
    /// The port for clients of other add-ons, while they are served.
    pub compat_port: Option<u16>,
    /// Whether any connection is open.
    pub has_connections: bool,
    /// The connected clients.
    pub clients: Vec<ClientStatus>,
    /// The first waiting requests, each with the ticket to cancel it by.
    pub waiting: Vec<(Ticket, Waiting)>,
    /// What a person should know of.
    pub alerts: Vec<Alert>,
    /// The main thread and the queue.
    pub overview: Overview,
}

impl Handle {
    /// Start a server.
    ///
    /// # Errors
    /// When a setting is wrong or the system refuses; nothing is left behind.
    pub fn start(settings: Settings, blender: BlenderFacts) -> Result<Handle, StartError> {
        settings.check()?;
        descriptors::provide(settings.limits.max_connections, settings.raise_descriptor_limit)?;
        let poll = Poll::new().map_err(system("create a poll"))?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(system("create a waker"))?);
        let (listeners, refused) = Listeners::bind(&settings).map_err(system("listen on loopback"))?;
        let port = listeners.clients.local_addr().map_err(system("listen on loopback"))?.port();
        let compat = listeners.compat.as_ref().and_then(|listener| listener.local_addr().ok());
        let identity = identify(port, &blender)?;
        let instance = describe(&identity, &blender);
        let (journal, previous_crash) = open_log(&settings, &instance);
        let known = previous_crash.map(|text| (PREVIOUS_CRASH, text)).into_iter().chain(refused).collect();
        let shared = Arc::new(Shared::new(Arc::new(Outbox::new(waker)), journal));
        let metrics = Arc::new(Metrics::new());
        let judge = Arc::new(Judge::new(&settings, blender.window, Arc::clone(&metrics)));
        let inbox = Arc::new(Inbox::new((&settings.limits).into(), Arc::clone(&metrics)));
        let (checker, check_thread) =
            Checker::start(Arc::clone(&judge), Arc::clone(&inbox), Arc::clone(&shared), Arc::clone(&metrics))
                .map_err(system("start the check thread"))?;
        // From here on the handle owns what was made, and dropping it cleans up.
        let handle = Handle {
            instance: Mutex::new(instance),
            preferred_port: settings.port,
            compat_port: compat.map(|address| address.port()),
            limits: settings.limits.clone(),
            judge: Arc::clone(&judge),
            inbox: Arc::clone(&inbox),
            shared: Arc::clone(&shared),
            metrics: Arc::clone(&metrics),
            begun: Mutex::new(HashMap::new()),
            file: Mutex::new(None),
            threads: Mutex::new(vec![check_thread]),
        };
        let runtime_dir = settings.runtime_dir.clone();
        let window = blender.window;
        let for_router = Arc::clone(&shared);
        let parts = Parts { identity, window, settings, inbox, judge, checker, metrics, shared: for_router, known };
        let router = Router::new(parts, Instant::now());
        let server = Server::new(poll, listeners, router, shared).map_err(system("poll the listener"))?;
        let file = InstanceFile::create(&handle.instance.lock(), runtime_dir.as_deref());
        *handle.file.lock() = Some(file.map_err(system("write the instance file"))?);
        // Small scripts are judged on it.
        let thread = thread::Builder::new().name("spindle-io".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || serve(server));
        handle.threads.lock().push(thread.map_err(system("start the I/O thread"))?);
        Ok(handle)
    }

    /// The next request, for the main thread; waits for one up to `timeout`. The log has it before it can run.
    pub fn take(&self, timeout: Duration) -> Option<(Ticket, Box<Admitted>)> {
        let (ticket, admitted) = self.inbox.take(timeout)?;
        if let Some(journal) = self.shared.journal() {
            let begun = journal.begin(self.describe_call(&admitted));
            self.begun.lock().insert(ticket, (begun, admitted.report().map(rules).unwrap_or_default()));
        }
        Some((ticket, admitted))
    }

    fn describe_call(&self, admitted: &Admitted) -> Call {
        let origin = admitted.origin();
        Call {
            client: origin.client.to_string(),
            session: origin.session.0,
            method: admitted.method().name.into(),
            label: admitted.options().label.clone().unwrap_or_default(),
            file: self.instance.lock().file.clone(),
            script: admitted.script().cloned(),
            waited: Millis(admitted.received().elapsed()),
        }
    }

    /// End the current or next wait in [`Handle::take`] at once, for a signal handler's sake.
    pub fn interrupt(&self) {
        self.inbox.interrupt();
    }

    /// Answer a request. A late answer, to a request that is over, is dropped.
    pub fn reply(&self, ticket: Ticket, result: Box<RawValue>, blob: Vec<u8>, ending: Ending) {
        self.end(ticket, Outcome::Result(result, blob), ending);
    }

    /// Answer a request with an error.
    pub fn fail(&self, ticket: Ticket, error: &WireError) {
        self.end(ticket, Outcome::Error(error.clone()), Ending::plain(Verdict::of(error)));
    }

    fn end(&self, ticket: Ticket, outcome: Outcome, ending: Ending) {
        let news = self.shared.feed.close(ticket);
        let closed = self.inbox.finish(ticket, ending.verdict.clone());
        let ran = closed.as_ref().and_then(|closed| closed.ran);
        if let Some(Closed { to, cache_key, .. }) = closed {
            self.count_refusal(&outcome);
            let answer = match (&outcome, cache_key) {
                (Outcome::Result(json, blob), Some(key)) => {
                    let (json, blob, generation) = (json.clone(), blob.clone(), self.shared.generation());
                    Some(Parcel::Answer(key, Answer { json, blob, generation }))
                }
                _ => None,
            };
            let mut parcels = match to {
                Destination::Caller(address) => {
                    let mut frames = news_frames(&address, news);
                    let bytes = outcome_frame(&address.id, &outcome);
                    frames.push(Outgoing { connection: address.connection, lane: Lane::Main, bytes });
                    frames.into_iter().map(Parcel::Frame).collect()
                }
                Destination::Job(job) => vec![Parcel::News(job, news), Parcel::Outcome(job, outcome)],
                Destination::Nobody => Vec::new(),
            };
            parcels.extend(answer);
            self.shared.outbox.put(parcels);
        }
        self.log_end(ticket, ending, ran);
    }

    /// What Blender's part refuses before anything has run counts like what this part refuses (DROP_CLASSES).
    fn count_refusal(&self, outcome: &Outcome) {
        if let Outcome::Error(error) = outcome
            && error.data.started == Started::No
        {
            self.metrics.refused(error.data.kind);
        }
    }

    /// The log's line, written once the answer is on its way.
    fn log_end(&self, ticket: Ticket, ending: Ending, ran: Option<Duration>) {
        let begun = self.begun.lock().remove(&ticket);
        let Some((journal, (begun, rules))) = self.shared.journal().zip(begun) else { return };
        let Ending { verdict: Verdict { outcome, text }, undo_step, mut notes } = ending;
        notes.extend(rules);
        notes.sort();
        notes.dedup();
        journal.end(begun, End { outcome, text, ran: ran.map(Millis), undo_step, notes, began: None });
    }

    /// A running request has written something. It is told while it runs, if it runs for long.
    pub fn output(&self, ticket: Ticket, stream: Stream, text: &str) {
        self.shared.feed.write(ticket, stream, text);
    }

    /// A running request has come this far.
    pub fn progress(&self, ticket: Ticket, progress: Progress) {
        self.inbox.set_progress(ticket, progress.clone());
        self.shared.feed.progress(ticket, progress);
    }

    /// Blender reports a change of the scene.
    pub fn touch(&self) {
        self.shared.touch();
    }

    /// From now on a cancel or a deadline stops what runs by `breaker`, or can no more.
    pub fn set_breaker(&self, ticket: Ticket, breaker: Option<Breaker>) {
        self.inbox.set_breaker(ticket, breaker);
    }

    /// Cancel a request, as the user in front of Blender.
    pub fn cancel(&self, ticket: Ticket) -> CancelOutcome {
        let (outcome, ended) = self.inbox.cancel_ticket(ticket);
        self.shared.outbox.put(ended.and_then(|ended| parcel(ended, &self.shared)));
        outcome
    }

    /// How strict the guard is.
    pub fn guard(&self) -> Level {
        self.judge.level()
    }

    /// How strict the guard is with a request that is about to run. What the user was asked about and has allowed, by
    /// itself or with its client, runs as at `trusted`.
    pub fn guard_of(&self, admitted: &Admitted) -> Level {
        let asked = self.guard() == Level::Ask && admitted.report().is_some_and(|report| report.dangerous);
        let allowed = asked || self.inbox.is_granted(admitted.origin().session);
        if allowed { Level::Trusted } else { self.judge.level_for(admitted.origin().trust) }
    }

    /// A limit as it is now; `None` where none has this name.
    pub fn limit(&self, name: &str) -> Option<f64> {
        Row::find(name).map(|row| row.get(&self.limits))
    }

    /// What the user in front of Blender is asked about, oldest first.
    pub fn asking(&self) -> Vec<(Ticket, Asked)> {
        self.inbox.asking()
    }

    /// The user in front of Blender has decided; whether they were still asked. No client can call this.
    pub fn decide(&self, ticket: Ticket, decision: Decision) -> bool {
        let (asked, refused) = self.inbox.decide(ticket, decision);
        self.shared.outbox.put(refused.and_then(|ended| parcel(ended, &self.shared)));
        asked
    }

    /// A request has ended its turn without an answer; from now on it can be stopped between turns.
    pub fn suspend(&self, ticket: Ticket) {
        self.inbox.suspend(ticket);
    }

    /// Why a suspended request is to stop, if it is.
    pub fn stop_cause(&self, ticket: Ticket) -> Option<StopCause> {
        self.inbox.stop_cause(ticket)
    }

    /// Whether any connection is open: the main thread then looks more often.
    pub fn has_connections(&self) -> bool {
        self.shared.has_connections.load(Ordering::Acquire)
    }

    /// Whether any request is in flight: without one, the main thread has little to do.
    pub fn has_requests(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Whether a session has a connection now.
    pub fn is_connected(&self, session: SessionKey) -> bool {
        self.shared.roster.lock().iter().any(|client| client.session == session)
    }

    /// What clients find in the instance file. Not to be shown: it holds the token.
    pub fn instance(&self) -> Instance {
        self.instance.lock().clone()
    }

    /// Another file is open in Blender.
    ///
    /// # Errors
    /// When the instance file cannot be written; the server goes on.
    pub fn set_file(&self, path: &str) -> io::Result<()> {
        let mut instance = self.instance.lock();
        path.clone_into(&mut instance.file);
        self.file.lock().as_ref().map_or(Ok(()), |file| file.write(&instance))
    }

    /// What a person wants to see.
    pub fn status(&self) -> Status {
        let port = self.instance.lock().port;
        Status {
            port,
            taken_port: Some(self.preferred_port).filter(|wanted| *wanted != 0 && *wanted != port),
            compat_port: self.compat_port,
            has_connections: self.has_connections(),
            clients: self.shared.roster.lock().clone(),
            waiting: self.inbox.waiting(LISTED, Instant::now()),
            alerts: self.shared.alerts.lock().clone(),
            overview: self.inbox.overview(Instant::now()),
        }
    }

    /// Stop: answer what is in flight, send what is written, join the threads, remove the file. May
    /// be called at any time and from within a request, and again.
    pub fn stop(&self) {
        // The file goes first: a client that is told of the stop must not find it any more.
        drop(self.file.lock().take());
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.outbox.wake();
        // The I/O thread ends first: it owns the check worker's entrance.
        while let Some(thread) = { self.threads.lock().pop() } {
            // A thread that panicked has said so, and is over like any other.
            thread.join().ok();
        }
        let left: Vec<Ticket> = self.begun.lock().keys().copied().collect();
        for ticket in left {
            self.log_end(ticket, Ending::plain(Verdict { outcome: "stopping".into(), text: String::new() }), None);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Open the request log, if it is wanted, and tell what an earlier Blender did not survive. A log that cannot be opened
/// is an alert, and no reason not to serve.
fn open_log(settings: &Settings, instance: &Instance) -> (Option<Result<Journal, String>>, Option<String>) {
    if !settings.log {
        return (None, None);
    }
    let files = JournalSettings {
        dir: settings.log_dir.clone(),
        file_bytes: u64::from(settings.limits.log_mib) * 1024 * 1024,
        files: settings.limits.log_files as usize,
    };
    match Journal::open(&files, instance) {
        Ok((journal, casualties)) => {
            let crash = casualties.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            (Some(Ok(journal)), (!crash.is_empty()).then_some(crash))
        }
        Err(error) => (Some(Err(error.to_string())), None),
    }
}

fn identify(port: u16, blender: &BlenderFacts) -> Result<Identity, StartError> {
    Ok(Identity {
        instance: hex::encode(random::<16>()?),
        token: Token::new(random::<NONCE_BYTES>()?),
        port,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        blender: blender.version.clone(),
    })
}

fn serve(server: Server) {
    // A poll that fails ends the server in order: everything is answered, and nothing is served.
    server.run().ok();
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StartError::System { doing: "get random bytes", error: io::Error::other(error) })?;
    Ok(bytes)
}

fn describe(identity: &Identity, blender: &BlenderFacts) -> Instance {
    Instance {
        instance: identity.instance.clone(),
        port: identity.port,
        token: identity.token.to_hex(),
        pid: std::process::id(),
        version: identity.version.clone(),
        blender: blender.version.clone(),
        window: blender.window,
        file: blender.file.clone(),
    }
}
