//! How many sessions of the older revisions there are. The SDK makes them and counts none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::SessionId;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};

use super::limits::Limits;

/// The header that names a session, in requests and in the answer that begins it.
const NAME: &str = "mcp-session-id";

/// The sessions, at most so many.
pub struct Sessions {
    /// Those of the SDK.
    pub manager: Arc<LocalSessionManager>,
    most: usize,
    /// Those that may be there; the one used last is the last.
    used: Mutex<VecDeque<SessionId>>,
}

impl Sessions {
    /// None yet.
    pub fn new(limits: &Limits) -> Sessions {
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = Some(limits.session_idle);
        manager.session_config.init_timeout = Some(limits.body_time);
        manager.session_config.sse_retry = Some(SessionConfig::DEFAULT_SSE_RETRY);
        Sessions { manager: Arc::new(manager), most: limits.sessions, used: Mutex::default() }
    }

    /// A request in a session has come: it will not be the next to end.
    pub fn touch(&self, request: &HeaderMap) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let place = named(request).and_then(|name| used.iter().position(|id| **id == *name));
        if let Some(id) = place.and_then(|place| used.remove(place)) {
            used.push_back(id);
        }
    }

    /// A request was answered: if that began a session, and there are too many, the one that was not used for the longest
    /// time ends. Its client is told by the status 404 to begin a new one.
    pub async fn answered(&self, asked_in: Option<&str>, answer: &HeaderMap) {
        let Some(name) = named(answer).filter(|name| asked_in != Some(name)) else { return };
        let ended = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.push_back(name.into());
            if used.len() > self.most { used.pop_front() } else { None }
        };
        if let Some(id) = ended {
            // One that has ended by itself is none the less gone.
            self.manager.close_session(&id).await.ok();
        }
    }
}

/// The session that a header names.
pub fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(NAME)?.to_str().ok()
}
