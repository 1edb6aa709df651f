//! What a caller may choose for one request, and how the request is written.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use spindle_protocol::envelope::{self, ClaimedEffect};
use spindle_protocol::frame;
use spindle_protocol::limits::{DEADLINE_MS, MAX_AGE_MS};
use spindle_protocol::method;
use spindle_protocol::notification::{Output, Progress};

use crate::error::Error;

/// The longest that anything is waited for: the longest deadline the protocol knows.
const LONGEST: Duration = Duration::from_millis(DEADLINE_MS[1]);

/// The shortest.
pub(crate) const SHORTEST: Duration = Duration::from_millis(DEADLINE_MS[0]);

/// What a request tells before its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Its script has written something. If any output comes by notices, all of it does.
    Output(Output),
    /// It has come this far.
    Progress(Progress),
}

/// Somebody who is told while a request runs, on the thread that waits for its reply.
#[derive(Clone)]
pub struct Listener(pub Arc<dyn Fn(&Notice) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Listener")
    }
}

/// What a caller may choose for one request.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// From receipt to reply, 1 ms to one day. When absent, the server's deadline for the method.
    pub timeout: Option<Duration>,
    /// What is claimed about a script's changes.
    pub effect: Option<ClaimedEffect>,
    /// What people read in the undo history and the panel, 1 to 64 characters.
    pub label: Option<String>,
    /// Answer at once with a job; `job.wait` and `job.get` tell its outcome.
    pub detach: bool,
    /// A repeat with the same key gets the first outcome, never a second run; 1 to 128 characters.
    pub idempotency_key: Option<String>,
    /// Of a read-only method: a kept answer of at most this age will do, up to one day.
    pub max_age: Option<Duration>,
    /// Who is told of output and progress.
    pub listener: Option<Listener>,
    /// Whether the caller is on its process's main thread. It matters only where that process is
    /// Blender itself: a main method is refused there, as it would wait for its own caller.
    pub on_main_thread: bool,
}

impl Options {
    /// With a total deadline.
    pub fn within(timeout: Duration) -> Options {
        Options { timeout: Some(timeout), ..Options::default() }
    }

    /// The options as the wire has them.
    pub(crate) fn to_wire(&self) -> Result<envelope::Options, Error> {
        let [least, most] = DEADLINE_MS;
        let deadline_ms = self.timeout.map(|timeout| timeout.as_millis());
        if let Some(ms) = deadline_ms.filter(|ms| !(u128::from(least)..=u128::from(most)).contains(ms)) {
            return Err(Error::Invalid(format!("the timeout is {ms} ms; the allowed range is {least} to {most}")));
        }
        let check = |label: &String| {
            envelope::check_label(label.clone()).map_err(|rule| Error::Invalid(format!("the label {label:?}: {rule}")))
        };
        let max_age_ms = self.max_age.map(|age| age.as_millis());
        if let Some(ms) = max_age_ms.filter(|ms| *ms > u128::from(MAX_AGE_MS)) {
            return Err(Error::Invalid(format!("the age is {ms} ms; the allowed range is 0 to {MAX_AGE_MS}")));
        }
        Ok(envelope::Options {
            deadline_ms: deadline_ms.map(|ms| ms as u64),
            effect: self.effect,
            label: self.label.as_ref().map(check).transpose()?,
            detach: self.detach,
            idempotency_key: self
                .idempotency_key
                .clone()
                .map(envelope::check_key)
                .transpose()
                .map_err(Error::Invalid)?,
            max_age_ms: max_age_ms.map(|ms| ms as u64),
        })
    }

    /// How long the client waits in all. How long the server lets a script run is a setting of its
    /// own, so a script without a deadline is waited for as long as anything may be.
    pub(crate) fn patience(&self, method: &str, grace: Duration) -> Duration {
        let deadline = self.timeout.or_else(|| match method::find(method) {
            Some(known) if known.carries_code => None,
            Some(known) => known.deadline,
            None => None,
        });
        deadline.map_or(LONGEST, |deadline| deadline + grace)
    }
}

#[derive(Serialize)]
struct Message<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: &'a RawValue,
    #[serde(skip_serializing_if = "is_default")]
    options: &'a envelope::Options,
}

fn is_default(options: &&envelope::Options) -> bool {
    **options == envelope::Options::default()
}

/// The frame of a request.
pub(crate) fn encode(
    id: u64,
    method: &str,
    params: &RawValue,
    options: &envelope::Options,
    blob: &[u8],
) -> Result<Vec<u8>, Error> {
    if !params.get().starts_with('{') {
        return Err(Error::Invalid("the parameters must be a JSON object; they go by name".to_owned()));
    }
    let message = Message { jsonrpc: "2.0", id, method, params, options };
    frame::encode(&to_json(&message)?, blob).map_err(Error::TooLarge)
}

/// Any value as JSON text.
pub(crate) fn to_raw(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(value).map_err(|error| Error::Invalid(format!("no JSON: {error}")))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Invalid(format!("no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use spindle_protocol::envelope::Request;

    use super::*;

    #[test]
    fn a_request_reads_back() {
        let options = Options {
            timeout: Some(Duration::from_secs(2)),
            effect: Some(ClaimedEffect::Read),
            label: Some("Look".to_owned()),
            max_age: Some(Duration::from_secs(1)),
            ..Options::default()
        };
        let params = to_raw(&serde_json::json!({"a": 1})).expect("JSON");
        let bytes = encode(7, "scene.get", &params, &options.to_wire().expect("sound"), b"xyz").expect("fits");
        let request = Request::parse(&bytes[8..bytes.len() - 3]).expect("a request");
        assert_eq!((request.method.as_str(), request.params.get()), ("scene.get", r#"{"a":1}"#));
        assert_eq!(request.options, options.to_wire().expect("sound"));
    }

    #[test]
    fn what_is_wrong_is_refused_before_it_is_sent() {
        let error = |options: Options| options.to_wire().expect_err("refused").to_string();
        assert_eq!(error(Options::within(Duration::ZERO)), "the timeout is 0 ms; the allowed range is 1 to 86400000");
        assert!(error(Options::within(Duration::MAX)).contains("the allowed range"));
        assert!(error(Options { label: Some("a\u{7}".to_owned()), ..Options::default() }).contains("control"));
        let list = to_raw(&[1, 2]).expect("JSON");
        let refused = encode(1, "ping", &list, &envelope::Options::default(), b"").expect_err("no object");
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }

    /// Each wait ends: by the caller's deadline, the method's, or the longest there is.
    #[test]
    fn patience_is_never_endless() {
        let seconds = |options: &Options, method| options.patience(method, Duration::from_secs(5)).as_secs();
        assert_eq!(seconds(&Options::within(Duration::from_secs(2)), "script.run"), 7);
        assert_eq!(seconds(&Options::default(), "scene.get"), 65);
        for method in ["script.run", "render.image", "unheard.of"] {
            assert_eq!(seconds(&Options::default(), method), 86_400);
        }
    }
}
