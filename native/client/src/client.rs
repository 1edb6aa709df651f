//! The front door: calls from any thread, each over a connection of the pool, tried again where that is safe.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use spindle_protocol::instance::Instance;
use spindle_protocol::method::{self, Effect, Method};
use spindle_protocol::methods::control::Cancel;
use spindle_protocol::methods::script::{self, RunParams, RunResult, Status};
use spindle_protocol::value::{FreeObject, Text};

use crate::breaker::BreakerState;
use crate::cache::{self, Cache};
use crate::caller::{Caller, Request};
use crate::check::{self, SearchQuery};
use crate::connection::Reply;
use crate::error::Error;
use crate::event::Teller;
use crate::metrics::Metrics;
use crate::pool::{Pool, Taken};
use crate::probe::{Probe, Prober};
use crate::request::{self, Options};
use crate::settings::{Choices, ClientSettings};
use crate::source::{Source, Target};
use crate::state::{Alert, DEEP_QUEUE, State};

/// A client of one Blender, for as many threads as share it. It connects when it is first used, finds Blender again
/// after a restart, and never sends again what may have run and must not run twice.
pub struct Client {
    caller: Caller,
    cache: Arc<Cache>,
    metrics: Arc<Metrics>,
    prober: Arc<Prober>,
    probe: Mutex<Option<Probe>>,
    choices: Choices,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("pool", &self.caller.pool.numbers()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server that the settings choose. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Setting`] and [`Error::Invalid`]; nothing was started then (BUG-007).
    pub fn new(settings: ClientSettings) -> Result<Client, Error> {
        let target = Target::Found { wanted: settings.instance.clone(), folder: settings.runtime_dir.clone() };
        Client::to(target, settings)
    }

    /// A client of this very server, as long as it lives.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn of(instance: Instance, settings: ClientSettings) -> Result<Client, Error> {
        Client::to(Target::Given(Box::new(instance)), settings)
    }

    fn to(target: Target, settings: ClientSettings) -> Result<Client, Error> {
        settings.check()?;
        let (metrics, cache) = (Arc::new(Metrics::new()), Arc::new(Cache::new(&settings.choices)));
        let connection = settings.for_connections();
        let ClientSettings { choices, observer, .. } = settings;
        let source = Source::new(target, Arc::clone(&cache), Arc::clone(&metrics), Teller(observer));
        let source = Arc::new(source);
        let pool = Arc::new(Pool::new(Arc::clone(&source), connection.clone(), choices.clone()));
        let prober = Arc::new(Prober::new(Arc::clone(&source), Arc::clone(&pool), connection, choices.health_s));
        let interval = choices.probe_s;
        let probe = (!interval.is_zero()).then(|| Probe::start(Arc::clone(&prober), interval)).transpose()?;
        let caller = Caller::new(pool, source, &choices);
        Ok(Client { caller, cache, metrics, prober, probe: Mutex::new(probe), choices })
    }

    /// Call a method and wait for its reply.
    ///
    /// # Errors
    /// [`Error::started`] tells whether the request may have run, in all of its attempts together.
    pub fn call(&self, method: &str, params: &RawValue, blob: &[u8], options: &Options) -> Result<Reply, Error> {
        let outcome = self.try_call(Request { method, params, blob, options });
        if method::find(method).is_none_or(|known| known.effect == Effect::Write) {
            self.cache.clear();
        }
        self.metrics.called(&outcome);
        outcome
    }

    /// [`Client::call`] with a method's own types; the result and its blob.
    ///
    /// # Errors
    /// As `call`, and [`Error::Malformed`] when the result has another shape.
    pub fn call_typed<M: Method>(
        &self,
        params: &M::Params,
        blob: &[u8],
        options: &Options,
    ) -> Result<(M::Result, Vec<u8>), Error>
    where
        M::Result: DeserializeOwned,
    {
        let reply = self.call(M::NAME, &request::to_raw(params)?, blob, options)?;
        Ok((reply.read()?, reply.blob))
    }

    /// [`Client::call`] of a method that only reads, for which a reply that this client was given at most `ttl` ago
    /// will do. The time to live is clamped to the settings (BUG-006). What this client changes, and another server,
    /// makes it forget all replies.
    ///
    /// # Errors
    /// As `call`; [`Error::Invalid`] for a method that does more than read.
    pub fn call_cached(
        &self,
        method: &str,
        params: &RawValue,
        ttl: Duration,
        options: &Options,
    ) -> Result<Reply, Error> {
        if options.detach || method::find(method).is_none_or(|known| known.effect != Effect::Read) {
            let text = format!("{method} cannot be answered from the cache: only methods that read can, undetached");
            let outcome = Err(Error::Invalid(text));
            self.metrics.called(&outcome);
            return outcome;
        }
        let (ttl, capped) = self.cache.ttl(ttl);
        self.metrics.ttl_capped.inc_by(u64::from(capped));
        let (key, era) = (cache::key(method, params), self.cache.era());
        if let Some(reply) = self.cache.get(&key, Instant::now()) {
            self.metrics.cache_hits.inc();
            return Ok(reply);
        }
        self.metrics.cache_misses.inc();
        let reply = self.call(method, params, &[], options)?;
        self.cache.keep(key, &reply, Instant::now() + ttl, era);
        Ok(reply)
    }

    /// Run Python in Blender: its result, and the bytes that blob references in the result point into.
    ///
    /// # Errors
    /// As `call`; [`Error::ScriptFailed`] with the result when the script did not reach its end.
    pub fn run(&self, code: &str, args: FreeObject, options: &Options) -> Result<(RunResult, Vec<u8>), Error> {
        let params = RunParams { code: Text(code.to_owned()), args, name: None, checkpoint: false };
        let (result, blob) = self.call_typed::<script::Run>(&params, &[], options)?;
        match result.status {
            Status::Ok => Ok((result, blob)),
            _ => Err(Error::ScriptFailed(Box::new(result))),
        }
    }

    /// A connection for oneself: for several requests in flight, or for `cancel`. Retries, breaker and cache do not
    /// concern it.
    ///
    /// # Errors
    /// Nothing was sent: [`Error::PoolTimedOut`], [`Error::ShutDown`], and all that can happen in connecting.
    pub fn take(&self) -> Result<Taken<'_>, Error> {
        self.caller.pool.take(None)
    }

    /// Forget kept replies whose method and parameters, written as `object.get {"name":"Cube"}`, contain this text.
    /// It is taken literally, whatever it looks like (BUG-002). How many there were.
    pub fn forget(&self, text: &str) -> usize {
        self.metrics.forgot_by(text);
        self.cache.forget_where(|key| key.contains(text))
    }

    /// Forget kept replies by a rule of the caller's, such as a pattern. How many there were.
    pub fn forget_where(&self, fits: impl Fn(&str) -> bool) -> usize {
        self.cache.forget_where(fits)
    }

    /// A text as a search query: see [`SearchQuery::parse`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with the rule that it breaks.
    pub fn query(&self, text: &str) -> Result<SearchQuery, Error> {
        let outcome = SearchQuery::parse(text);
        self.metrics.checked(&outcome);
        let (query, tidied) = outcome?;
        self.metrics.query_sanitized.inc_by(u64::from(tidied));
        Ok(query)
    }

    /// Coordinates or angles, checked: see [`check::vector`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with the component at fault.
    pub fn vector<const N: usize>(&self, name: &str, components: [f64; N]) -> Result<[f64; N], Error> {
        let outcome = check::vector(name, components);
        self.metrics.checked(&outcome);
        Ok(outcome?)
    }

    /// A colour, checked: see [`check::colour`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with the component at fault.
    pub fn colour<const N: usize>(&self, name: &str, components: [f64; N]) -> Result<[f64; N], Error> {
        let outcome = check::colour(name, components);
        self.metrics.checked(&outcome);
        Ok(outcome?)
    }

    /// How the client and its server are.
    pub fn state(&self) -> State {
        let (numbers, found) = (self.caller.pool.numbers(), self.prober.found());
        let breaker = self.caller.breaker.state(Instant::now());
        let alerts = [
            (!found.is_healthy(), Alert::Unhealthy),
            (breaker == BreakerState::Open, Alert::BreakerOpen),
            (self.caller.pool.is_slow(), Alert::SlowAcquire),
            (numbers.waiting > DEEP_QUEUE, Alert::QueueDepth),
        ];
        State {
            healthy: found.is_healthy(),
            failed_probes: found.failed,
            report: found.report,
            breaker,
            taken: numbers.taken,
            idle: numbers.idle,
            waiting: numbers.waiting,
            alerts: alerts.into_iter().filter_map(|(is_so, alert)| is_so.then_some(alert)).collect(),
        }
    }

    /// What was counted, in the Prometheus text format.
    pub fn metrics_text(&self) -> String {
        self.metrics.text(&self.state(), self.cache.len())
    }

    /// Take no more calls, wait for those under way at most `shutdown_s`, and end the probes; how many calls still
    /// run. Calls that wait for a connection end with [`Error::ShutDown`]. Idempotent.
    pub fn shutdown(&self) -> usize {
        self.caller.pool.shut();
        drop(self.probe.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.caller.pool.drain(self.choices.shutdown_s)
    }

    fn try_call(&self, request: Request<'_>) -> Result<Reply, Error> {
        if request.method == Cancel::NAME {
            let text = "an id is known on one connection only; cancel over the one that `Client::take` gave";
            return Err(Error::Invalid(text.to_owned()));
        }
        self.caller.call(request)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.caller.pool.shut();
    }
}
