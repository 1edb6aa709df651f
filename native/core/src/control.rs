//! What native code answers by itself, whatever Blender does.

use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use spindle_protocol::envelope::Request;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::method::{METHODS, Method, read_params};
use spindle_protocol::methods::control::{
    Cancel, CancelParams, Cancelled, Health, HealthReport, MethodList, Methods, Ping, Pong,
};

use crate::admit::ConnectionKey;
use crate::inbox::{Ended, Inbox};
use crate::session::Identity;

/// What control methods may look at.
pub struct Facts<'a> {
    /// Who the server is.
    pub identity: &'a Identity,
    /// Whether Blender has a window.
    pub window: bool,
    /// The queue.
    pub inbox: &'a Inbox,
    /// Authenticated connections.
    pub connections: usize,
    /// Known clients.
    pub sessions: usize,
    /// Since the server started.
    pub uptime: Duration,
}

/// An answer, and a request that a `cancel` has ended.
pub type Answer = (Box<RawValue>, Option<Ended>);

/// Answer a control method for a connection.
///
/// # Errors
/// `invalid_params`, or `method_not_found` for a name that is no control method.
pub fn answer(request: &Request, connection: ConnectionKey, facts: &Facts<'_>) -> Result<Answer, WireError> {
    match request.method.as_str() {
        Ping::NAME => {
            let _: <Ping as Method>::Params = read_params(&request.params)?;
            Ok((raw(&Pong { pong: true }), None))
        }
        Health::NAME => {
            let _: <Health as Method>::Params = read_params(&request.params)?;
            Ok((raw(&health(facts)), None))
        }
        Methods::NAME => {
            let _: <Methods as Method>::Params = read_params(&request.params)?;
            Ok((method_list(), None))
        }
        Cancel::NAME => {
            let CancelParams { id } = read_params(&request.params)?;
            let (outcome, ended) = facts.inbox.cancel(connection, &id);
            Ok((raw(&Cancelled { outcome }), ended))
        }
        name => Err(WireError::new(Kind::MethodNotFound, format!("no control method is called {name:?}"))),
    }
}

fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("results of control methods are plain JSON")
}

fn method_list() -> Box<RawValue> {
    static LIST: Lazy<Box<RawValue>> =
        Lazy::new(|| raw(&MethodList { methods: METHODS.iter().map(|method| method.to_json()).collect() }));
    LIST.clone()
}

fn health(facts: &Facts<'_>) -> HealthReport {
    let overview = facts.inbox.overview(Instant::now());
    HealthReport {
        state: overview.state,
        last_tick_ms: overview.since_tick.as_millis() as u64,
        running: overview.running,
        queued: overview.queued as u64,
        connections: facts.connections as u64,
        sessions: facts.sessions as u64,
        answered: overview.answered,
        uptime_ms: facts.uptime.as_millis() as u64,
        version: facts.identity.version.clone(),
        blender: facts.identity.blender.clone(),
        window: facts.window,
    }
}
