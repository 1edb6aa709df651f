//! What native code answers by itself, whatever Blender does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use spindle_guard::POLICY;
use spindle_protocol::envelope::Request;
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::method::{METHODS, Method, read_params};
use spindle_protocol::methods::control::{
    Cancel, CancelOutcome, CancelParams, Cancelled, Health, HealthReport, MethodList, Methods, Ping, Pong, Running,
};
use spindle_protocol::methods::script::{Check, CheckParams};
use spindle_protocol::methods::watch::{
    Activity, ClientStats, LimitList, Limits, Metrics as MetricsMethod, MetricsText, Stats, StatsParams,
};
use spindle_protocol::methods::{cache, job};

use crate::admit::Origin;
use crate::cache::Cache;
use crate::handshake::Identity;
use crate::inbox::{Ended, Inbox};
use crate::job_desk::JobDesk;
use crate::judge::Judge;
use crate::keys::{Address, SessionKey};
use crate::metrics::{Gauges, Metrics};
use crate::monitor::Monitor;
use crate::outbox::Outgoing;
use crate::overview::Overview;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::shared::Shared;

/// Waiting requests that `stats` lists.
const LISTED: usize = 100;

/// What control methods may use.
pub struct Desk<'a> {
    /// Who the server is.
    pub identity: &'a Identity,
    /// Whether Blender has a window.
    pub window: bool,
    /// What the user chose.
    pub settings: &'a Settings,
    /// The clients.
    pub sessions: &'a Sessions,
    /// The queue.
    pub inbox: &'a Arc<Inbox>,
    /// What judges scripts.
    pub judge: &'a Judge,
    /// Requests whose outcome is kept.
    pub jobs: &'a mut JobDesk,
    /// Kept answers.
    pub cache: &'a mut Cache,
    /// What is counted.
    pub metrics: &'a Metrics,
    /// Whether all is well.
    pub monitor: &'a mut Monitor,
    /// What other threads share.
    pub shared: &'a Shared,
    /// Since the server started.
    pub uptime: Duration,
}

/// What a control method comes to.
pub enum Answer {
    /// This result, after the answer of a request that a `cancel` has ended.
    Result(Box<RawValue>, Option<Ended>),
    /// This frame.
    Frame(Outgoing),
    /// An answer that comes later.
    Later,
}

impl Answer {
    fn of<T: Serialize>(result: &T) -> Answer {
        Answer::Result(raw(result), None)
    }
}

/// Answer a control method for a client.
///
/// # Errors
/// `invalid_params`, `not_found`, or `method_not_found` for a name that is no control method.
pub fn answer(
    request: &Request,
    address: &Address,
    origin: &Origin,
    desk: &mut Desk<'_>,
    now: Instant,
) -> Result<Answer, WireError> {
    match request.method.as_str() {
        name if name.starts_with("job.") => answer_job(request, address, origin.session, desk, now),
        Ping::NAME => params::<Ping>(request).map(|_| Answer::of(&Pong { pong: true })),
        Health::NAME => params::<Health>(request).map(|_| Answer::of(&desk.health(now))),
        Methods::NAME => params::<Methods>(request).map(|_| Answer::Result(method_list(), None)),
        Limits::NAME => params::<Limits>(request).map(|_| Answer::of(&LimitList { limits: desk.settings.rows() })),
        MetricsMethod::NAME => {
            params::<MetricsMethod>(request)?;
            let text = desk.metrics.text(&desk.gauges(now));
            Ok(Answer::of(&MetricsText { text }))
        }
        Stats::NAME => {
            let StatsParams { window_s } = params::<Stats>(request)?;
            Ok(Answer::of(&desk.activity(Duration::from_secs(window_s.0 as u64), now)))
        }
        Check::NAME => {
            let CheckParams { code } = params::<Check>(request)?;
            desk.judge
                .look(&code.0, desk.inbox.is_granted(origin.session), origin.trust)
                .map(|result| Answer::of(&result))
        }
        cache::Clear::NAME => {
            let cleared = desk.clear_cache(params::<cache::Clear>(request)?)? as u64;
            Ok(Answer::of(&cache::Cleared { cleared }))
        }
        Cancel::NAME => {
            let CancelParams { id } = params::<Cancel>(request)?;
            Ok(desk.cancel(&Address { connection: address.connection, id }))
        }
        name => Err(WireError::new(Kind::MethodNotFound, format!("no control method is called {name:?}"))),
    }
}

fn answer_job(
    request: &Request,
    address: &Address,
    session: SessionKey,
    desk: &mut Desk<'_>,
    now: Instant,
) -> Result<Answer, WireError> {
    match request.method.as_str() {
        job::Get::NAME => {
            let job::JobParams { job } = params::<job::Get>(request)?;
            desk.jobs.get(address, session, &job.0, now).map(Answer::Frame)
        }
        job::Wait::NAME => {
            let job::WaitParams { job, timeout_ms } = params::<job::Wait>(request)?;
            let timeout = Duration::from_millis(timeout_ms.0 as u64);
            let answer = desk.jobs.wait(address, session, &job.0, timeout, now)?;
            Ok(answer.map_or(Answer::Later, Answer::Frame))
        }
        job::Cancel::NAME => {
            let job::JobParams { job } = params::<job::Cancel>(request)?;
            let (outcome, ended) = desk.jobs.cancel(session, &job.0)?;
            Ok(Answer::Result(raw(&job::JobCancelled { outcome }), ended))
        }
        _ => {
            params::<job::ListAll>(request)?;
            Ok(Answer::of(&job::Jobs { jobs: desk.jobs.list(session, now) }))
        }
    }
}

fn params<M: Method>(request: &Request) -> Result<M::Params, WireError> {
    read_params(&request.params)
}

fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("results of control methods are plain JSON")
}

fn method_list() -> Box<RawValue> {
    static LIST: Lazy<Box<RawValue>> =
        Lazy::new(|| raw(&MethodList { methods: METHODS.iter().map(|method| method.to_json()).collect() }));
    LIST.clone()
}

fn running(overview: &Overview) -> Vec<Running> {
    overview.running.iter().map(|(_, running)| running.clone()).collect()
}

impl Desk<'_> {
    fn observe(&mut self, now: Instant) -> Overview {
        let overview = self.inbox.overview(now);
        self.monitor.observe(&overview, self.shared.log_fault(), now);
        overview
    }

    fn connections(&self) -> usize {
        self.sessions.iter().map(|(_, session)| session.connections).sum()
    }

    fn health(&mut self, now: Instant) -> HealthReport {
        let overview = self.observe(now);
        let limits = self.settings.rows().into_iter().map(|row| (row.name, row.value)).collect();
        HealthReport {
            state: overview.state,
            healthy: self.monitor.healthy(),
            alerts: self.monitor.alerts(now),
            last_tick_ms: overview.since_tick.as_millis() as u64,
            running: running(&overview),
            queued: overview.queued as u64,
            connections: self.connections() as u64,
            sessions: self.sessions.len() as u64,
            answered: overview.answered,
            uptime_ms: self.uptime.as_millis() as u64,
            generation: self.shared.generation(),
            guard: self.judge.level(),
            policy: POLICY.to_owned(),
            asking: overview.asking as u64,
            limits,
            version: self.identity.version.clone(),
            blender: self.identity.blender.clone(),
            window: self.window,
        }
    }

    /// What is so now, for a page of metrics.
    pub fn gauges(&mut self, now: Instant) -> Gauges {
        let overview = self.observe(now);
        let (cache_entries, cache_bytes) = self.cache.size();
        Gauges {
            state: overview.state,
            healthy: self.monitor.healthy(),
            alerts: self.monitor.alerts(now).into_iter().map(|alert| alert.name).collect(),
            queued: overview.queued,
            asking: overview.asking,
            running: overview.running.len(),
            connections: self.connections(),
            sessions: self.sessions.len(),
            generation: self.shared.generation(),
            kept_bytes: self.jobs.size().1 + cache_bytes,
            cache_entries,
            uptime: self.uptime,
        }
    }

    fn activity(&self, window: Duration, now: Instant) -> Activity {
        let summary = self.inbox.summary(window, now);
        let connected = self.sessions.iter().filter(|(_, session)| session.connections > 0);
        let mut clients: Vec<ClientStats> = connected
            .map(|(key, session)| ClientStats {
                name: session.client.name.clone(),
                version: session.client.version.clone(),
                connections: session.connections as u64,
                in_flight: self.inbox.load(key).in_flight as u64,
                requests: session.requests,
            })
            .collect();
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Activity {
            requests: summary.requests,
            failed: summary.failed,
            rate: summary.rate,
            latency: summary.latency,
            clients,
            running: running(&self.inbox.overview(now)),
            waiting: self.inbox.waiting(LISTED, now).into_iter().map(|(_, waiting)| waiting).collect(),
        }
    }

    fn clear_cache(&mut self, params: cache::ClearParams) -> Result<usize, WireError> {
        match params {
            cache::ClearParams { containing: None, pattern: None } => Ok(self.cache.clear()),
            cache::ClearParams { containing: Some(text), pattern: None } => {
                self.metrics.cache_cleared_by(&text.0);
                Ok(self.cache.clear_containing(&text.0))
            }
            cache::ClearParams { containing: None, pattern: Some(pattern) } => self.cache.clear_matching(&pattern.0),
            cache::ClearParams { .. } => {
                Err(WireError::new(Kind::InvalidParams, "params: give containing or pattern, not both"))
            }
        }
    }

    /// Cancel a request in flight, or end a wait for a job.
    fn cancel(&mut self, address: &Address) -> Answer {
        let (outcome, ended) = self.inbox.cancel(address);
        if outcome != CancelOutcome::Finished || ended.is_some() {
            return Answer::Result(raw(&Cancelled { outcome }), ended);
        }
        let Some(to) = self.jobs.cancel_wait(address) else { return Answer::of(&Cancelled { outcome }) };
        let text = "the wait was cancelled; what it waited for goes on";
        let error = WireError::started(Kind::Cancelled, Started::Unknown, text);
        Answer::Result(raw(&Cancelled { outcome: CancelOutcome::Dequeued }), Some(Ended::new(to, error)))
    }
}
