//! Admission: the only way from a parsed request to one that Blender may run.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use spindle_guard::Report;
use spindle_protocol::envelope::{Options, Request, RequestId};
use spindle_protocol::error::WireError;
use spindle_protocol::log::Script;
use spindle_protocol::method::{Descriptor, Method, Params};
use spindle_protocol::methods::operator;
use spindle_protocol::methods::script::Verdict;

use crate::judge::{Case, Judge, Refusal, Trust};
use crate::keys::{CacheKey, ConnectionKey, SessionKey};

/// Parameters above this many bytes are checked off the I/O thread: below, reading them takes less
/// time than handing them over.
pub const INLINE_PARAMS_BYTES: usize = 64 * 1024;

/// The same for a script, whose first check costs about 80 ns a byte. Handing one over was measured at 50 µs, half of
/// what a small script takes in all; a longer one would hold up everybody else's input for longer than that.
pub const INLINE_CODE_BYTES: usize = 2 * 1024;

/// Whose request it is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The connection that it came by.
    pub connection: ConnectionKey,
    /// The client's session.
    pub session: SessionKey,
    /// The client's name, for people.
    pub client: Arc<str>,
    /// Whether it has proved who it is.
    pub trust: Trust,
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
    received: Instant,
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
        let Request { id, params, options, .. } = request;
        Unchecked { origin, id, method, params, options, blob, received, deadline }
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

    /// When it came.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// When it must be answered.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Label, claimed effect and the like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Why its outcome is kept, if it is.
    pub fn claim(&self) -> Option<Claim> {
        let Options { detach: detached, idempotency_key: key, .. } = &self.options;
        let parts = [self.method.name.as_bytes(), self.params.get().as_bytes(), &self.blob];
        (*detached || key.is_some()).then(|| Claim::new(key.clone(), *detached, parts))
    }

    /// Under which key its answer may be kept.
    ///
    /// # Errors
    /// `invalid_params`, as its answer.
    pub fn cache_key(&self) -> Result<Option<CacheKey>, WireError> {
        if !self.is_cacheable() {
            return Ok(None);
        }
        let params = self.method.read(&self.params)?;
        Ok(Some(cache_key(self.method, &params)))
    }

    fn is_cacheable(&self) -> bool {
        self.method.cacheable && self.blob.is_empty()
    }

    /// Check it, and have it judged where it is a script, or an operator that is called by its name.
    ///
    /// # Errors
    /// Why it may not run, as its answer.
    pub fn admit(self, judge: &Judge) -> Result<Admitted, Refusal> {
        let params = self.method.read(&self.params)?;
        let cache_key = self.is_cacheable().then(|| cache_key(self.method, &params));
        let Judged { script, report, case } = match self.method.name {
            _ if self.method.carries_code => self.judge_script(judge)?,
            operator::Call::NAME => self.judge_operator(judge)?,
            _ => Judged::default(),
        };
        Ok(Admitted {
            cache_key,
            script,
            report,
            case,
            received: self.received,
            origin: self.origin,
            method: self.method,
            params: self.params,
            options: self.options,
            blob: self.blob,
            deadline: self.deadline,
        })
    }

    fn judge_script(&self, judge: &Judge) -> Result<Judged, Refusal> {
        #[derive(Deserialize)]
        struct Code<'a> {
            #[serde(borrow)]
            code: Cow<'a, str>,
            #[serde(default)]
            name: Option<String>,
        }
        let Code { code, name } = serde_json::from_str(self.params.get()).expect(READ_BEFORE);
        let script = Script::of(&name.unwrap_or_default(), &code);
        let (verdict, report) = judge.script(&code, &script.digest, self.origin.trust)?;
        self.settle(judge, verdict, report, Some(script), || code.into_owned())
    }

    fn judge_operator(&self, judge: &Judge) -> Result<Judged, Refusal> {
        #[derive(Deserialize)]
        struct Call<'a> {
            operator: String,
            #[serde(borrow, default)]
            properties: Option<&'a RawValue>,
        }
        let Call { operator, properties } = serde_json::from_str(self.params.get()).expect(READ_BEFORE);
        let Some((verdict, report)) = judge.operator(&operator, self.origin.trust) else {
            return Ok(Judged::default());
        };
        let properties = properties.map_or("{}", RawValue::get);
        self.settle(judge, verdict, report, None, || format!("bpy.ops.{operator}(**{properties})"))
    }

    /// What a verdict leads to. Only what is refused or asked about needs its `code` once more.
    fn settle(
        &self,
        judge: &Judge,
        verdict: Verdict,
        report: Arc<Report>,
        script: Option<Script>,
        code: impl FnOnce() -> String,
    ) -> Result<Judged, Refusal> {
        if matches!(verdict, Verdict::Runs | Verdict::Unreadable) {
            return Ok(Judged { script, report: Some(report), case: None });
        }
        let case = Case {
            client: Arc::clone(&self.origin.client),
            label: self.label().to_owned(),
            code: code(),
            script: script.clone(),
            report: Arc::clone(&report),
        };
        if verdict == Verdict::Refused {
            return Err(case.refuse(judge.by(self.origin.trust)));
        }
        Ok(Judged { script, report: Some(report), case: Some(Arc::new(case)) })
    }
}

/// Why parameters can be read once more, in part.
const READ_BEFORE: &str = "they were read as their method's parameters";

/// What the guard's judgement adds to a request.
#[derive(Default)]
struct Judged {
    script: Option<Script>,
    report: Option<Arc<Report>>,
    case: Option<Arc<Case>>,
}

/// Why a request's outcome is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its idempotency key.
    pub key: Option<String>,
    /// Whether it was detached.
    pub detached: bool,
    /// A digest of its method, parameters and blob.
    pub fingerprint: [u8; 32],
}

impl Claim {
    /// The claim of a request that is made of these parts.
    pub fn new<'a>(key: Option<String>, detached: bool, parts: impl IntoIterator<Item = &'a [u8]>) -> Claim {
        let mut digest = Sha256::new();
        for part in parts {
            // With its length, so that no two requests read alike.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Claim { key, detached, fingerprint: digest.finalize().into() }
    }
}

/// One text for one meaning: the parameters as their type writes them, with defaults filled in.
fn cache_key(method: &Descriptor, params: &Params) -> CacheKey {
    let params = serde_json::to_string(params).expect("parameters that were read from JSON are JSON");
    CacheKey::from(format!("{} {params}", method.name))
}

/// A request that has passed every check. [`Unchecked::admit`] is its only constructor.
pub struct Admitted {
    origin: Origin,
    method: &'static Descriptor,
    /// As text: read, they may take 128 times as much, and many requests wait at once.
    params: Box<RawValue>,
    options: Options,
    blob: Vec<u8>,
    received: Instant,
    deadline: Option<Instant>,
    cache_key: Option<CacheKey>,
    script: Option<Script>,
    report: Option<Arc<Report>>,
    case: Option<Arc<Case>>,
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

    /// Its parameters, as their method's type serializes them: defaults are filled in. They are read anew, which takes
    /// a microsecond for a usual request.
    pub fn params(&self) -> Params {
        self.method.read(&self.params).expect("they were read when it was admitted")
    }

    /// Label, claimed effect and the like.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The frame's bulk part.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// When it came.
    pub fn received(&self) -> Instant {
        self.received
    }

    /// When it must be answered.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Under which key its answer may be kept.
    pub fn cache_key(&self) -> Option<&CacheKey> {
        self.cache_key.as_ref()
    }

    /// What the log says of its script.
    pub fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// What the guard found, in a script or in an operator that a rule knows.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_deref()
    }

    /// What the user must be asked about before it may start, unless they have allowed its client everything. It holds
    /// the code once more, so whoever asks takes it.
    pub(crate) fn take_case(&mut self) -> Option<Arc<Case>> {
        self.case.take()
    }
}
