//! What one message leads to: answers, a place in the queue, or the end of the connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::to_raw_value;
use spindle_protocol::envelope::{BadRequest, Request};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::Frame;
use spindle_protocol::hello::ClientInfo;
use spindle_protocol::method::{self, Descriptor, Method};
use spindle_protocol::methods::script::{Check, CheckResult};

use crate::admit::{INLINE_CODE_BYTES, Origin, Unchecked};
use crate::cache::Cache;
use crate::checker::{Checker, settle};
use crate::control::{self, Answer, Desk};
use crate::frames::{cached_frame, error_frame, outcome_frame, result_frame};
use crate::handshake::{Handshake, Identity};
use crate::http::{Content, Page};
use crate::inbox::{Destination, Ended, Inbox};
use crate::job_desk::{JobDesk, Kept};
use crate::jobs::{Jobs, Outcome};
use crate::judge::{Judge, Trust};
use crate::keys::{Address, ConnectionKey, Ticket};
use crate::looks::Looks;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::outbox::{Lane, Outgoing};
use crate::pages;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::shared::Shared;

/// How far a connection has come.
#[derive(Debug)]
pub enum Phase {
    /// Greeted at this time; hello is due.
    Greeted(Handshake, Instant),
    /// Authenticated.
    Open(Origin),
}

impl Phase {
    /// Whether hello has succeeded.
    pub fn is_open(&self) -> bool {
        matches!(self, Phase::Open(_))
    }

    /// Whether hello is overdue.
    pub fn is_overdue(&self, limit: Duration, now: Instant) -> bool {
        matches!(self, Phase::Greeted(_, since) if now.saturating_duration_since(*since) >= limit)
    }
}

/// What becomes of the connection that the message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    GoOn,
    /// Hello succeeded: it goes on, with larger frames.
    Welcome,
    /// It is closed once everything is sent.
    Close,
}

/// Everything that a message may need.
pub struct Router {
    /// Who the server is.
    pub identity: Identity,
    /// Whether Blender has a window.
    pub window: bool,
    /// What the user chose.
    pub settings: Settings,
    /// The clients.
    pub sessions: Sessions,
    /// The queue.
    pub inbox: Arc<Inbox>,
    /// What judges scripts.
    pub judge: Arc<Judge>,
    /// Requests whose outcome is kept.
    pub jobs: JobDesk,
    /// Kept answers.
    pub cache: Cache,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether all is well.
    pub monitor: Monitor,
    /// The worker for slow checks.
    pub checker: Checker,
    /// What other threads share.
    pub shared: Arc<Shared>,
    /// When the server started.
    pub started: Instant,
    /// What the worker is to answer.
    looks: Looks,
    /// Counters that would have gone below zero, as far as they are in the log.
    underflows: u64,
}

/// What a router is made of.
pub struct Parts {
    /// Who the server is.
    pub identity: Identity,
    /// Whether Blender has a window.
    pub window: bool,
    /// What the user chose.
    pub settings: Settings,
    /// The queue.
    pub inbox: Arc<Inbox>,
    /// What judges scripts.
    pub judge: Arc<Judge>,
    /// The worker for slow checks.
    pub checker: Checker,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What other threads share.
    pub shared: Arc<Shared>,
    /// What a person should know of from the start: an alert's name and text.
    pub known: Vec<(&'static str, String)>,
}

impl Router {
    /// A router that knows no client yet.
    pub fn new(parts: Parts, now: Instant) -> Router {
        let Parts { identity, window, settings, inbox, judge, checker, metrics, shared, known } = parts;
        let limits = &settings.limits;
        let jobs = JobDesk::new(Jobs::new(limits.into()), Arc::clone(&inbox), limits.max_queued as usize);
        let (sessions, cache) = (Sessions::new(limits), Cache::new(limits.into()));
        let monitor = Monitor::new(limits, known, now);
        for ttl in [limits.session_ttl_s, limits.job_ttl_s, limits.cache_ttl_s] {
            if limits.ttl(ttl).1 {
                metrics.ttl_capped();
            }
        }
        let started = now;
        Router {
            identity,
            window,
            settings,
            sessions,
            inbox,
            judge,
            jobs,
            cache,
            metrics,
            monitor,
            checker,
            shared,
            started,
            looks: Looks::default(),
            underflows: 0,
        }
    }

    /// Handle one message.
    pub fn message(
        &mut self,
        connection: ConnectionKey,
        phase: &mut Phase,
        frame: Frame,
        now: Instant,
    ) -> (Vec<Outgoing>, Next) {
        let bytes = frame.json.len() + frame.blob.len();
        self.metrics.frame_in(bytes);
        let was_open = phase.is_open();
        let handled = match Request::parse(&frame.json) {
            Ok(request) => {
                let (id, method) = (request.id.clone(), request.method.clone());
                let handled = self.request(connection, phase, request, frame.blob, bytes, now);
                handled.inspect_err(|error| self.refused(&method, error)).map_err(|error| (Some(id), error))
            }
            Err(BadRequest { id, error }) => {
                self.metrics.refused_json(error.data.kind, &frame.json);
                let limited = self.spend(phase, bytes, now).err();
                Err((id, limited.unwrap_or(error)))
            }
        };
        match handled {
            Ok(frames) => (frames, if phase.is_open() && !was_open { Next::Welcome } else { Next::GoOn }),
            Err((id, error)) => {
                let bytes = error_frame(id.as_ref(), &error);
                let next = if was_open { Next::GoOn } else { Next::Close };
                (vec![Outgoing { connection, lane: Lane::Control, bytes }], next)
            }
        }
    }

    fn refused(&self, method: &str, error: &WireError) {
        self.metrics.refused(error.data.kind);
        self.metrics.control_ended(method, error.data.kind.name());
    }

    fn request(
        &mut self,
        connection: ConnectionKey,
        phase: &mut Phase,
        request: Request,
        blob: Vec<u8>,
        bytes: usize,
        now: Instant,
    ) -> Result<Vec<Outgoing>, WireError> {
        match phase {
            Phase::Greeted(handshake, _) => {
                let (origin, bytes) = self.hello(handshake, &request, connection, now)?;
                *phase = Phase::Open(origin);
                Ok(vec![Outgoing { connection, lane: Lane::Control, bytes }])
            }
            Phase::Open(origin) => {
                let origin = origin.clone();
                self.spend(phase, bytes, now)?;
                self.authenticated(request, blob, &origin, now)
            }
        }
    }

    /// Charge a message to its client's rates.
    fn spend(&mut self, phase: &Phase, bytes: usize, now: Instant) -> Result<(), WireError> {
        match phase {
            Phase::Open(origin) => self.sessions.spend(origin.session, bytes, now),
            Phase::Greeted(..) => Ok(()),
        }
    }

    fn hello(
        &mut self,
        handshake: &Handshake,
        request: &Request,
        connection: ConnectionKey,
        now: Instant,
    ) -> Result<(Origin, Vec<u8>), WireError> {
        let (client, welcome) = handshake.accept(request, &self.identity)?;
        let name = Arc::from(client.name.as_str());
        let session = self.sessions.join(client, now)?;
        self.forget_sessions(now);
        let welcome = to_raw_value(&welcome).expect("a welcome is plain JSON");
        Ok((
            Origin { connection, session, client: name, trust: Trust::Proven },
            result_frame(&request.id, &welcome, &[]),
        ))
    }

    /// A client that nothing is asked of comes in, all such clients together as one.
    ///
    /// # Errors
    /// As of [`Sessions::join`].
    pub fn admit_unproven(&mut self, connection: ConnectionKey, now: Instant) -> Result<Phase, WireError> {
        let name = "other add-ons' clients".to_owned();
        let client = ClientInfo { id: "compatibility".to_owned(), name, version: String::new() };
        let name = Arc::from(client.name.as_str());
        let session = self.sessions.join(client, now)?;
        self.forget_sessions(now);
        Ok(Phase::Open(Origin { connection, session, client: name, trust: Trust::Unproven }))
    }

    fn authenticated(
        &mut self,
        request: Request,
        blob: Vec<u8>,
        origin: &Origin,
        now: Instant,
    ) -> Result<Vec<Outgoing>, WireError> {
        if request.method == "hello" {
            return Err(WireError::new(Kind::AlreadyAuthenticated, "this connection has said hello already"));
        }
        let method = method::find(&request.method).ok_or_else(|| {
            let text = format!("no method is called {:?}; the method \"methods\" lists them", request.method);
            WireError::new(Kind::MethodNotFound, text)
        })?;
        refuse_options(&request, method)?;
        if method.is_control() {
            return self.control(&request, origin, now);
        }
        let deadline = self.settings.limits.script_deadline();
        let request = Unchecked::new(request, blob, method, origin.clone(), now, deadline);
        let address = Address { connection: origin.connection, id: request.id().clone() };
        self.looks.refuse_duplicate(&address)?;
        if let Some(answer) = self.kept_answer(&request, now)? {
            return Ok(vec![answer]);
        }
        if let Some(claim) = request.claim() {
            return Ok(match self.jobs.accept(&request, claim)? {
                Kept::Repeat(answer) => {
                    self.metrics.control_ended(method.name, "ok");
                    answer.into_iter().collect()
                }
                Kept::New(ticket, answer) => {
                    let mut frames: Vec<Outgoing> = answer.into_iter().collect();
                    frames.extend(self.check(ticket, request, now));
                    frames
                }
            });
        }
        self.jobs.refuse_duplicate(&address)?;
        let ticket = self.inbox.reserve(&request, Some(address.clone()), Destination::Caller(address))?;
        Ok(self.check(ticket, request, now))
    }

    /// Check a request that has its place, here or on the worker's thread.
    fn check(&mut self, ticket: Ticket, request: Unchecked, now: Instant) -> Vec<Outgoing> {
        if request.is_slow() {
            self.inbox.leave_for_check(ticket, request);
            self.checker.check(ticket);
            return Vec::new();
        }
        match settle(&self.judge, &self.inbox, ticket, request) {
            Ok(()) => Vec::new(),
            Err(refusal) => {
                self.metrics.refused_error(&refusal.error);
                self.tell(refusal, now)
            }
        }
    }

    /// The kept answer that will do for this request.
    fn kept_answer(&mut self, request: &Unchecked, now: Instant) -> Result<Option<Outgoing>, WireError> {
        let Some(max_age_ms) = request.options().max_age_ms else { return Ok(None) };
        let address = Address { connection: request.origin().connection, id: request.id().clone() };
        self.refuse_duplicate(&address)?;
        let Some(key) = request.cache_key()? else { return Ok(None) };
        let found = self.cache.get(&key, Duration::from_millis(max_age_ms), self.shared.generation(), now);
        let Some((answer, cached)) = found else {
            self.metrics.cache_miss();
            return Ok(None);
        };
        self.metrics.cache_hit();
        self.metrics.control_ended(request.method().name, "ok");
        let bytes = cached_frame(&address.id, &answer.json, &answer.blob, cached);
        Ok(Some(Outgoing { connection: address.connection, lane: Lane::Control, bytes }))
    }

    fn control(&mut self, request: &Request, origin: &Origin, now: Instant) -> Result<Vec<Outgoing>, WireError> {
        let address = Address { connection: origin.connection, id: request.id.clone() };
        self.refuse_duplicate(&address)?;
        if request.method == Check::NAME && request.params.get().len() > INLINE_CODE_BYTES {
            self.looks.begin(address, origin, &request.params, &self.checker)?;
            return Ok(Vec::new());
        }
        let answer = control::answer(request, &address, origin, &mut self.desk(now), now)?;
        self.metrics.control_ended(&request.method, "ok");
        match answer {
            Answer::Later => Ok(Vec::new()),
            Answer::Frame(frame) => Ok(vec![frame]),
            Answer::Result(result, ended) => {
                let mut frames = ended.map_or_else(Vec::new, |ended| self.tell(ended, now));
                let bytes = result_frame(&address.id, &result, &[]);
                // A cancelled request's answer comes before the cancel's own.
                frames.iter_mut().for_each(|frame| frame.lane = Lane::Control);
                frames.push(Outgoing { connection: address.connection, lane: Lane::Control, bytes });
                Ok(frames)
            }
        }
    }

    /// Refuse an id that is in flight.
    fn refuse_duplicate(&self, address: &Address) -> Result<(), WireError> {
        self.inbox.refuse_duplicate(address)?;
        self.jobs.refuse_duplicate(address)?;
        self.looks.refuse_duplicate(address)
    }

    /// The worker has looked at a script.
    pub fn looked(&mut self, address: &Address, result: &Result<CheckResult, WireError>) -> Option<Outgoing> {
        let answer = self.looks.end(address, result)?;
        match result {
            Ok(_) => self.metrics.control_ended(Check::NAME, "ok"),
            Err(error) => self.refused(Check::NAME, error),
        }
        Some(answer)
    }

    fn desk(&mut self, now: Instant) -> Desk<'_> {
        Desk {
            identity: &self.identity,
            window: self.window,
            settings: &self.settings,
            sessions: &self.sessions,
            inbox: &self.inbox,
            judge: &self.judge,
            jobs: &mut self.jobs,
            cache: &mut self.cache,
            metrics: &self.metrics,
            monitor: &mut self.monitor,
            shared: &self.shared,
            uptime: now.saturating_duration_since(self.started),
        }
    }

    /// A page for monitoring programs.
    pub fn page(&mut self, page: Page, now: Instant) -> Content {
        let gauges = self.desk(now).gauges(now);
        pages::content(page, &self.metrics, &gauges)
    }

    /// Tell what a request that ended without the main thread came to.
    pub fn tell(&mut self, ended: Ended, now: Instant) -> Vec<Outgoing> {
        let Ended { to, error, note } = ended;
        if let Some(note) = note {
            self.shared.note(error.data.kind.name(), &note);
        }
        match to {
            Destination::Caller(Address { connection, id }) => {
                let bytes = outcome_frame(&id, &Outcome::Error(error));
                vec![Outgoing { connection, lane: Lane::Main, bytes }]
            }
            Destination::Job(key) => self.jobs.end(key, Outcome::Error(error), now).collect(),
            Destination::Nobody => Vec::new(),
        }
    }

    /// Look whether the main thread is well.
    pub fn probe(&mut self, now: Instant) {
        let overview = self.inbox.overview(now);
        if !self.monitor.probe(&overview, now) {
            self.metrics.health_check_failed();
            self.shared.note("health_check_failed", "Blender's main thread has not asked for work for a while");
        }
        self.note_underflows();
        self.monitor.observe(&overview, self.shared.log_fault(), now);
        *self.shared.alerts.lock() = self.monitor.alerts(now);
    }

    /// Log counters that would have gone below zero: a fault of ours, which must not stay unseen (BUG-010).
    fn note_underflows(&mut self) {
        let seen = self.inbox.underflows() + self.sessions.underflows();
        if seen > std::mem::replace(&mut self.underflows, seen) {
            self.shared.note("counter_underflow", &format!("{seen} times a counter would have gone below zero"));
        }
    }

    /// Whether a connection has requests that are not answered.
    pub fn has_in_flight(&self, connection: ConnectionKey) -> bool {
        self.inbox.has_in_flight(connection) || self.jobs.has_waits(connection) || self.looks.has_waits(connection)
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, connection: ConnectionKey, phase: &Phase, now: Instant) {
        if let Phase::Open(origin) = phase {
            self.sessions.leave(origin.session, now);
            self.inbox.disconnect(connection);
            self.jobs.disconnect(connection, now);
            self.looks.disconnect(connection);
        }
    }

    /// Forget clients that have been gone for long, kept answers and kept outcomes; answer whose wait is over.
    pub fn watch_clock(&mut self, now: Instant) -> Vec<Outgoing> {
        let jobs = &self.jobs;
        self.sessions.expire(|session| jobs.has_jobs(session), now);
        self.forget_sessions(now);
        self.cache.expire(now);
        self.jobs.watch_clock(now)
    }

    fn forget_sessions(&mut self, now: Instant) {
        for session in self.sessions.take_forgotten() {
            self.jobs.forget_session(session, now);
            self.inbox.forget_session(session);
        }
    }
}

/// Refuse options that would have no effect on this method: a client that sets them expects one.
fn refuse_options(request: &Request, method: &Descriptor) -> Result<(), WireError> {
    let options = &request.options;
    let refuse = |what: &str, why: &str| {
        let text = format!("options.{what}: {} {why}", method.name);
        Err(WireError::new(Kind::InvalidRequest, text).with("path", format!("options.{what}")))
    };
    if options.max_age_ms.is_some() && !method.cacheable {
        return refuse("max_age_ms", "has no answer that could be kept; leave it out");
    }
    if options.max_age_ms.is_some() && (options.detach || options.idempotency_key.is_some()) {
        return refuse("max_age_ms", "may be answered at once, so it goes with neither detach nor idempotency_key");
    }
    if options.detach && method.is_control() {
        return refuse("detach", "is answered at once; leave it out");
    }
    if options.idempotency_key.is_some() && method.is_control() {
        return refuse("idempotency_key", "is safe to repeat; leave it out");
    }
    Ok(())
}
