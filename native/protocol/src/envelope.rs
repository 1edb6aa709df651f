//! The JSON-RPC 2.0 envelope: requests in, replies and notifications out.

use std::borrow::Cow;
use std::fmt;

use once_cell::sync::Lazy;
use regex::Regex;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::{Kind, WireError};
use crate::json::{self, Object};
use crate::limits::{
    CLIENT_ID_CHARS, DEADLINE_MS, ID_CHARS, ID_INTEGER, KEY_CHARS, LABEL_CHARS, MAX_AGE_MS, META_BYTES, METHOD_BYTES,
};

/// A request's id: a text of 1 to 128 characters, or an integer from 0 to 2^53 - 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum RequestId {
    /// As a number.
    Integer(u64),
    /// As a text.
    Text(String),
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestId::Integer(number) => write!(formatter, "{number}"),
            RequestId::Text(text) => write!(formatter, "{text:?}"),
        }
    }
}

impl schemars::JsonSchema for RequestId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RequestId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [
            {"type": "integer", "minimum": 0, "maximum": ID_INTEGER},
            {"type": "string", "minLength": 1, "maxLength": ID_CHARS},
        ]})
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RequestId, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = RequestId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an id: a text of 1 to {ID_CHARS} characters or an integer from 0 to 2^53-1")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<RequestId, E> {
                if number > ID_INTEGER {
                    return Err(E::invalid_value(serde::de::Unexpected::Unsigned(number), &self));
                }
                Ok(RequestId::Integer(number))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RequestId, E> {
                if text.is_empty() || text.contains('\0') || text.chars().count() > ID_CHARS {
                    return Err(E::invalid_value(serde::de::Unexpected::Str(text), &self));
                }
                Ok(RequestId::Text(text.to_owned()))
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

/// What a caller claims about a script's changes, `options.effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimedEffect {
    /// Nothing is changed; a change that is detected overrides the claim.
    Read,
    /// Something is changed; an undo step is due.
    Write,
}

/// The `options` of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// From receipt to reply, in milliseconds; the method's default when absent.
    #[serde(default, deserialize_with = "deadline", skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// A claim about the effect, for the undo step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<ClaimedEffect>,
    /// What a person reads in the undo history and the panel, at most 64 characters.
    #[serde(default, deserialize_with = "optional_label", skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Answer at once with a job; its outcome is kept for `job.get` and `job.wait`, also when the
    /// connection closes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach: bool,
    /// A repeat with the same key in this session gets the first outcome, never a second run. At
    /// most 128 characters.
    #[serde(default, deserialize_with = "optional_key", skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Of a read-only method: an answer that is kept, and no older than this, will do.
    #[serde(default, deserialize_with = "max_age", skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let [least, most] = DEADLINE_MS;
    let value = Option::<u64>::deserialize(deserializer)?;
    match value {
        Some(ms) if !(least..=most).contains(&ms) => {
            Err(D::Error::custom(format!("deadline_ms is {ms}; the allowed range is {least} to {most}")))
        }
        _ => Ok(value),
    }
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Option::<u64>::deserialize(deserializer)?;
    match value {
        Some(ms) if ms > MAX_AGE_MS => {
            Err(D::Error::custom(format!("max_age_ms is {ms}; the allowed range is 0 to {MAX_AGE_MS}")))
        }
        _ => Ok(value),
    }
}

fn optional_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(check_key).transpose().map_err(D::Error::custom)
}

fn optional_label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(check_label).transpose().map_err(D::Error::custom)
}

/// A text that a person reads: 1 to 64 characters, none of them a control character.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_label(text: String) -> Result<String, String> {
    let count = text.chars().count();
    if count == 0 || count > LABEL_CHARS || text.chars().any(char::is_control) {
        return Err(format!("expected 1 to {LABEL_CHARS} characters without control characters"));
    }
    Ok(text)
}

/// An idempotency key: 1 to 128 characters, none of them a control character.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_key(text: String) -> Result<String, String> {
    let count = text.chars().count();
    if count == 0 || count > KEY_CHARS || text.chars().any(char::is_control) {
        return Err(format!("expected an idempotency key of 1 to {KEY_CHARS} characters without control characters"));
    }
    Ok(text)
}

/// An id of a client, session or instance: 1 to 128 letters, digits and hyphens (SESSION_ID).
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_client_id(text: String) -> Result<String, String> {
    static PATTERN: Lazy<Regex> =
        Lazy::new(|| Regex::new(&format!("^[A-Za-z0-9-]{{1,{CLIENT_ID_CHARS}}}$")).expect("a fixed pattern"));
    if PATTERN.is_match(&text) {
        Ok(text)
    } else {
        Err(format!("expected 1 to {CLIENT_ID_CHARS} letters, digits and hyphens"))
    }
}

/// One request, its parameters not yet looked at.
#[derive(Clone, Debug)]
pub struct Request {
    /// Chosen by the client, unique among its requests in flight.
    pub id: RequestId,
    /// The method's name; whether it exists is not checked here.
    pub method: String,
    /// The parameters as they came; `{}` when absent.
    pub params: Box<RawValue>,
    /// Deadline, label and the like.
    pub options: Options,
    /// Free for the client; checked, never interpreted.
    pub meta: Option<Box<RawValue>>,
}

/// A message that is no request, with the id to answer under where one could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct BadRequest {
    /// The id, if the message had a usable one.
    pub id: Option<RequestId>,
    /// What to answer.
    pub error: WireError,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestMessage<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    id: RequestId,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(default)]
    options: Option<Object<Options>>,
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
}

impl Request {
    /// Read a request. The parameters are only known to be JSON; [`json::check`] is still due.
    ///
    /// # Errors
    /// `parse_error` when the message is not JSON, `invalid_request` when it is not a request.
    pub fn parse(message: &[u8]) -> Result<Request, BadRequest> {
        let parsed: Object<RequestMessage<'_>> =
            serde_json::from_slice(message).map_err(|e| bad_request(message, &e))?;
        let Object(parsed) = parsed;
        let refuse = |text: &str| {
            Err(BadRequest { id: Some(parsed.id.clone()), error: WireError::new(Kind::InvalidRequest, text) })
        };
        if parsed.jsonrpc != "2.0" {
            return refuse("the member jsonrpc must be \"2.0\"");
        }
        if parsed.method.is_empty() || parsed.method.len() > METHOD_BYTES {
            return refuse(&format!("the member method must have 1 to {METHOD_BYTES} bytes"));
        }
        if parsed.params.is_some_and(|params| !params.get().starts_with('{')) {
            return refuse("the member params must be an object; parameters go by name");
        }
        if let Some(meta) = parsed.meta {
            if !meta.get().starts_with('{') || meta.get().len() > META_BYTES {
                return refuse(&format!("the member meta must be an object of at most {META_BYTES} bytes"));
            }
            if let Err(error) = json::check(meta.get().as_bytes()) {
                return refuse(&format!("the member meta: {error}"));
            }
        }
        Ok(Request {
            method: parsed.method.into_owned(),
            params: parsed.params.map_or_else(empty_object, ToOwned::to_owned),
            options: parsed.options.map(|Object(options)| options).unwrap_or_default(),
            meta: parsed.meta.map(ToOwned::to_owned),
            id: parsed.id,
        })
    }
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("an object is JSON")
}

fn bad_request(message: &[u8], error: &serde_json::Error) -> BadRequest {
    #[derive(Deserialize)]
    struct OnlyId {
        id: RequestId,
    }
    // IgnoredAny does not look at the bytes of strings.
    let is_text = std::str::from_utf8(message).is_ok();
    let is_json = is_text && serde_json::from_slice::<serde::de::IgnoredAny>(message).is_ok();
    let kind = if is_json { Kind::InvalidRequest } else { Kind::ParseError };
    BadRequest {
        id: serde_json::from_slice::<Object<OnlyId>>(message).ok().map(|Object(only)| only.id),
        error: WireError::new(kind, error.to_string()),
    }
}

/// The answer to a request. Exactly one of `result` and `error` is present.
#[derive(Clone, Debug, Serialize)]
pub struct Reply<'a> {
    jsonrpc: &'static str,
    /// The request's id; null when it could not be read.
    pub id: Option<&'a RequestId>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome<'a>,
    /// Set when the result is one that was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<Cached>,
}

/// What is known of a kept result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cached {
    /// Milliseconds since Blender gave it.
    pub age_ms: u64,
    /// Whether Blender has reported a change of the scene since. It does not report every one:
    /// custom properties, text blocks and pixels change in silence.
    pub moved: bool,
}

/// The one member that a reply has beside its id.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome<'a> {
    /// The method's result, as JSON text.
    Result(&'a RawValue),
    /// Why there is none.
    Error(&'a WireError),
}

impl<'a> Reply<'a> {
    /// A reply with its fixed member in place.
    pub fn new(id: Option<&'a RequestId>, outcome: Outcome<'a>) -> Reply<'a> {
        Reply { jsonrpc: "2.0", id, outcome, cached: None }
    }
}

/// What a client receives: a reply, or a notification such as the greeting.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// The answer to the request with this id.
    Reply {
        /// The request's id; none when the server could not read it.
        id: Option<RequestId>,
        /// The result as JSON text, or the error.
        outcome: Result<Box<RawValue>, WireError>,
        /// Set when the result is one that was kept.
        cached: Option<Cached>,
    },
    /// Something the server tells unasked.
    Notification {
        /// Its name.
        method: String,
        /// Its content.
        params: Box<RawValue>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncomingMessage {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<Option<RequestId>>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Object<WireError>>,
    #[serde(default)]
    cached: Option<Object<Cached>>,
}

/// Tell a member that is null from one that is absent.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(d).map(Some)
}

impl Incoming {
    /// Read what a server sent.
    ///
    /// # Errors
    /// When it is neither a reply nor a notification, with a readable reason (TYPE_SAFETY_001).
    pub fn parse(message: &[u8]) -> Result<Incoming, serde_json::Error> {
        // Every result of ours is an object, so a null one may count as absent.
        let Object(parsed) = serde_json::from_slice::<Object<IncomingMessage>>(message)?;
        if parsed.jsonrpc != "2.0" {
            return Err(serde_json::Error::custom("the member jsonrpc is not \"2.0\""));
        }
        let IncomingMessage { id, method, params, result, error, cached, .. } = parsed;
        let cached = cached.map(|Object(cached)| cached);
        match (id, method, result, error) {
            (Some(id), None, Some(result), None) if params.is_none() => {
                Ok(Incoming::Reply { id, outcome: Ok(result), cached })
            }
            (Some(id), None, None, Some(Object(error))) if params.is_none() && cached.is_none() => {
                Ok(Incoming::Reply { id, outcome: Err(error), cached })
            }
            (None, Some(method), None, None) if cached.is_none() => {
                Ok(Incoming::Notification { method, params: params.unwrap_or_else(empty_object) })
            }
            _ => Err(serde_json::Error::custom("neither a reply nor a notification")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error's kind, the id that it is answered under, and a part of its text.
    type Refusal<'a> = (&'a str, Option<u64>, &'a str);

    fn check(message: &str, expected: Result<&str, Refusal<'_>>) {
        match (Request::parse(message.as_bytes()), expected) {
            (Ok(request), Ok(method)) => assert_eq!(request.method, method, "{message}"),
            (Err(bad), Err((kind, id, part))) => {
                assert_eq!(bad.error.data.kind.name(), kind, "{message}: {}", bad.error);
                assert_eq!(bad.id, id.map(RequestId::Integer), "{message}");
                assert!(bad.error.message.contains(part), "{message}: {}", bad.error);
            }
            (result, _) => panic!("{message}: {result:?}"),
        }
    }

    /// JSON_DEFENCE: one message has one meaning.
    #[test]
    fn requests() {
        let request = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":7{rest}}}"#);
        check(&request(r#","method":"ping""#), Ok("ping"));
        check(&request(r#","method":"ping","params":{"a":1},"meta":{"trace":"x"}"#), Ok("ping"));
        check(&request(r#","method":"ping","options":{"deadline_ms":5,"effect":"read","label":"L"}"#), Ok("ping"));
        check(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Ok("ping"));
        let long_meta = format!(r#","method":"ping","meta":{{"m":"{}"}}"#, "x".repeat(META_BYTES));
        let rows: &[(&str, Refusal<'_>)] = &[
            (&request(""), ("invalid_request", Some(7), "missing field `method`")),
            (&request(r#","method":"""#), ("invalid_request", Some(7), "method")),
            (&request(r#","method":"a","x":1"#), ("invalid_request", Some(7), "unknown field `x`")),
            (&request(r#","method":"a","method":"b""#), ("invalid_request", Some(7), "duplicate field")),
            (&request(r#","method":"a","params":[]"#), ("invalid_request", Some(7), "by name")),
            (&request(r#","method":"a","params":"x""#), ("invalid_request", Some(7), "by name")),
            (&request(r#","method":"a","options":[5]"#), ("invalid_request", Some(7), "expected an object")),
            (&request(r#","method":"a","options":{"deadline_ms":0}"#), ("invalid_request", Some(7), "1 to 86400000")),
            (&request(r#","method":"a","options":{"colour":0}"#), ("invalid_request", Some(7), "unknown field")),
            (&request(r#","method":"a","options":{"label":"a\u0007"}"#), ("invalid_request", Some(7), "control")),
            (&request(r#","method":"a","meta":{"a":1,"a":2}"#), ("invalid_request", Some(7), "twice")),
            (&request(&long_meta), ("invalid_request", Some(7), "1024 bytes")),
            (r#"{"jsonrpc":"1.0","id":7,"method":"a"}"#, ("invalid_request", Some(7), "2.0")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, ("invalid_request", None, "an id")),
            (r#"{"jsonrpc":"2.0","method":"a"}"#, ("invalid_request", None, "missing field `id`")),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, ("invalid_request", None, "an id")),
            (r#"{"jsonrpc":"2.0","id":-1,"method":"a"}"#, ("invalid_request", None, "an id")),
            (r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"a"}"#, ("invalid_request", None, "an id")),
            (r#"{"jsonrpc":"2.0","id":"","method":"a"}"#, ("invalid_request", None, "an id")),
            (r#"["2.0",7,"ping"]"#, ("invalid_request", None, "expected an object")),
            (r#"[{"jsonrpc":"2.0","id":7,"method":"a"}]"#, ("invalid_request", None, "expected an object")),
            ("{", ("parse_error", None, "EOF")),
            ("", ("parse_error", None, "EOF")),
            ("nonsense", ("parse_error", None, "expected")),
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"a":NaN}}"#, ("parse_error", None, "expected value")),
        ];
        for (message, expected) in rows {
            check(message, Err(*expected));
        }
        let text = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"a"}}"#, "x".repeat(ID_CHARS + 1));
        check(&text, Err(("invalid_request", None, "an id")));
    }

    #[test]
    fn replies_and_notifications() {
        let good = [
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":1}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"kind":"parse_error","retryable":false,"started":false}}}"#,
            r#"{"jsonrpc":"2.0","method":"greeting","params":{}}"#,
        ];
        for text in good {
            Incoming::parse(text.as_bytes()).expect(text);
        }
        let bad = [
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m","data":{"kind":"busy","retryable":false,"started":false}}}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
            r#"{"status":"success","result":{"pong":true}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":[1,"m",{"kind":"busy","retryable":false,"started":false}]}"#,
            r#"[1]"#,
            "",
        ];
        for text in bad {
            Incoming::parse(text.as_bytes()).expect_err(text);
        }
    }

    /// SESSION_ID: letters, digits and hyphens, at most 128.
    #[test]
    fn client_ids() {
        for good in ["a", "A-9", &"x".repeat(CLIENT_ID_CHARS)] {
            check_client_id(good.to_owned()).expect(good);
        }
        for bad in ["", "a b", "a_b", "é", "a\n", "../x", &"x".repeat(CLIENT_ID_CHARS + 1)] {
            check_client_id(bad.to_owned()).expect_err(bad);
        }
    }

    #[test]
    fn a_reply_has_one_outcome() {
        let id = RequestId::Integer(3);
        let result = RawValue::from_string("{\"a\":1}".to_owned()).expect("JSON");
        let text = serde_json::to_string(&Reply::new(Some(&id), Outcome::Result(&result))).expect("JSON");
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":3,"result":{"a":1}}"#);
    }
}
