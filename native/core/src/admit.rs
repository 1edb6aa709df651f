//! Admission: the only way from a parsed request to one that Blender may run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use spindle_protocol::envelope::{Options, Request, RequestId};
use spindle_protocol::error::WireError;
use spindle_protocol::method::{Descriptor, Params};

use crate::session::SessionKey;

/// Parameters above this many bytes are checked off the I/O thread: below, reading them takes less
/// time than handing them over.
pub const INLINE_PARAMS_BYTES: usize = 64 * 1024;

/// The same for a script, whose check costs about 10 ns a byte. Handing one over was measured at 50 µs,
/// half of what a small script takes in all.
pub const INLINE_CODE_BYTES: usize = 4 * 1024;

/// A connection's number, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub usize);

/// Whose request it is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The connection that it came by.
    pub connection: ConnectionKey,
    /// The client's session.
    pub session: SessionKey,
    /// The client's name, for people.
    pub client: Arc<str>,
}

/// A request for the main thread whose method exists, and nothing else is known of it.
#[derive(Debug)]
pub struct Unchecked {
    origin: Origin,
    id: RequestId,
    method: &'static Descriptor,
    params: Box<RawValue>,
    options: Options,
    blob: Vec<u8>,
    deadline: Option<Instant>,
}

impl std::fmt::Debug for Admitted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Admitted").field("method", &self.method.name).finish_non_exhaustive()
    }
}

impl Unchecked {
    /// Note when the request came; its deadline counts from here.
    pub fn new(
        request: Request,
        blob: Vec<u8>,
        method: &'static Descriptor,
        origin: Origin,
        received: Instant,
        script_deadline: Duration,
    ) -> Unchecked {
        let asked = request.options.deadline_ms.map(Duration::from_millis);
        let usual = if method.carries_code { Some(script_deadline) } else { method.deadline };
        let deadline = asked.or(usual).and_then(|wait| received.checked_add(wait));
        Unchecked { origin, id: request.id, method, params: request.params, options: request.options, blob, deadline }
    }

    /// Whether the check may take longer than the I/O thread can spare.
    pub fn is_slow(&self) -> bool {
        let limit = if self.method.carries_code { INLINE_CODE_BYTES } else { INLINE_PARAMS_BYTES };
        self.params.get().len() > limit
    }

    /// Bytes that it holds while it waits.
    pub fn bytes(&self) -> usize {
        self.params.get().len() + self.blob.len()
    }

    /// Its id.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// Its method.
    pub fn method(&self) -> &'static Descriptor {
        self.method
    }

    /// Whose it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What a person may read about it.
    pub fn label(&self) -> &str {
        self.options.label.as_deref().unwrap_or_default()
    }

    /// When it must be answered.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Check it. The guard's verdict on a script belongs here too.
    ///
    /// # Errors
    /// Why it may not run, as its answer.
    pub fn admit(self) -> Result<Admitted, WireError> {
        let params = self.method.read(&self.params)?;
        Ok(Admitted {
            origin: self.origin,
            method: self.method,
            params,
            options: self.options,
            blob: self.blob,
            deadline: self.deadline,
        })
    }
}

/// A request that has passed every check. [`Unchecked::admit`] is its only constructor.
pub struct Admitted {
    origin: Origin,
    method: &'static Descriptor,
    params: Params,
    options: Options,
    blob: Vec<u8>,
    deadline: Option<Instant>,
}

impl Admitted {
    /// Whose it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its method.
    pub fn method(&self) -> &'static Descriptor {
        self.method
    }

    /// Its parameters, as their method's type serializes them: defaults are filled in.
    pub fn params(&self) -> &(dyn erased::Params + Send) {
        &*self.params
    }

    /// Label, claimed effect and the like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The frame's bulk part.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// When it must be answered.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// What [`Admitted::params`] gives: anything that serde can write.
pub mod erased {
    pub use erased_serde::Serialize as Params;
}
