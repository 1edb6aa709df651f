//! What one message leads to: an answer, a place in the queue, or the end of the connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::to_raw_value;
use spindle_protocol::envelope::{BadRequest, Request};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::Frame;
use spindle_protocol::limits::HELLO_DEADLINE;
use spindle_protocol::method;

use crate::admit::{ConnectionKey, Origin, Unchecked};
use crate::checker::{Checker, settle};
use crate::control::{self, Facts};
use crate::inbox::{Ended, Inbox};
use crate::outbox::{Lane, error_frame, result_frame};
use crate::session::{Handshake, Identity, Sessions};
use crate::settings::Settings;

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
    pub fn is_overdue(&self, now: Instant) -> bool {
        matches!(self, Phase::Greeted(_, since) if now.saturating_duration_since(*since) >= HELLO_DEADLINE)
    }
}

/// What to do for the connection that the message came by.
#[derive(Debug)]
pub enum Step {
    /// Nothing now; an answer may come later.
    Nothing,
    /// Send this frame.
    Answer(Lane, Vec<u8>),
    /// Send these frames, in order: a cancelled request's answer and the cancel's own.
    Both(Vec<u8>, Vec<u8>),
    /// Hello succeeded: send this, and allow larger frames.
    Welcome(Vec<u8>),
    /// Send this, then close.
    Close(Vec<u8>),
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
    /// The worker for slow checks.
    pub checker: Checker,
    /// When the server started.
    pub started: Instant,
}

impl Router {
    /// Handle one message.
    pub fn message(&mut self, connection: ConnectionKey, phase: &mut Phase, frame: Frame, now: Instant) -> Step {
        let request = match Request::parse(&frame.json) {
            Ok(request) => request,
            Err(BadRequest { id, error }) => {
                let bytes = error_frame(id.as_ref(), &error);
                return if phase.is_open() { Step::Answer(Lane::Control, bytes) } else { Step::Close(bytes) };
            }
        };
        match phase {
            Phase::Greeted(handshake, _) => match self.hello(handshake, &request, connection, now) {
                Ok((origin, bytes)) => {
                    *phase = Phase::Open(origin);
                    Step::Welcome(bytes)
                }
                Err(error) => Step::Close(error_frame(Some(&request.id), &error)),
            },
            Phase::Open(origin) => {
                let id = request.id.clone();
                self.request(request, frame.blob, origin, now)
                    .unwrap_or_else(|error| Step::Answer(Lane::Control, error_frame(Some(&id), &error)))
            }
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
        let welcome = to_raw_value(&welcome).expect("a welcome is plain JSON");
        Ok((Origin { connection, session, client: name }, result_frame(&request.id, &welcome, &[])))
    }

    fn request(&mut self, request: Request, blob: Vec<u8>, origin: &Origin, now: Instant) -> Result<Step, WireError> {
        if request.method == "hello" {
            return Err(WireError::new(Kind::AlreadyAuthenticated, "this connection has said hello already"));
        }
        let method = method::find(&request.method).ok_or_else(|| {
            let text = format!("no method is called {:?}; the method \"methods\" lists them", request.method);
            WireError::new(Kind::MethodNotFound, text)
        })?;
        if method.is_control() {
            self.inbox.refuse_duplicate(origin.connection, &request.id)?;
            return self.control(&request, origin.connection, now);
        }
        let deadline = self.settings.script_deadline();
        let unchecked = Unchecked::new(request, blob, method, origin.clone(), now, deadline);
        let ticket = self.inbox.reserve(&unchecked)?;
        if unchecked.is_slow() {
            self.checker.check(ticket, unchecked);
            return Ok(Step::Nothing);
        }
        Ok(match settle(&self.inbox, ticket, unchecked) {
            Ok(()) => Step::Nothing,
            Err(refusal) => Step::Answer(Lane::Main, refusal.bytes),
        })
    }

    fn control(&self, request: &Request, connection: ConnectionKey, now: Instant) -> Result<Step, WireError> {
        let connections = self.sessions.iter().map(|(_, session)| session.connections).sum();
        let facts = Facts {
            identity: &self.identity,
            window: self.window,
            inbox: &self.inbox,
            connections,
            sessions: self.sessions.len(),
            uptime: now.saturating_duration_since(self.started),
        };
        let (result, ended) = control::answer(request, connection, &facts)?;
        let bytes = result_frame(&request.id, &result, &[]);
        Ok(match ended {
            Some(Ended { address, error }) => Step::Both(error_frame(Some(&address.id), &error), bytes),
            None => Step::Answer(Lane::Control, bytes),
        })
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, connection: ConnectionKey, phase: &Phase, now: Instant) {
        if let Phase::Open(origin) = phase {
            self.sessions.leave(origin.session, now);
            self.inbox.disconnect(connection);
        }
    }

    /// Forget clients that have been gone for long.
    pub fn expire_sessions(&mut self, now: Instant) {
        let ttl: Duration = self.settings.session_ttl();
        self.sessions.expire(ttl, now);
    }
}
