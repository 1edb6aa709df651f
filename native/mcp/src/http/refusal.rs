//! Why a request is not served, as status and JSON: an error in the protocol's own form, since clients show its message.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::json;
use thiserror::Error;

/// A response of ours, or of the SDK.
pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The methods that the one path knows.
pub const METHODS: &str = "GET, POST, DELETE";

/// Why a request, or a connection, is not served.
#[derive(Debug, Error)]
pub enum Refusal {
    /// A page on the web may have made its own name point at this machine (DNS rebinding).
    #[error("the Host header must be 127.0.0.1:{port} or localhost:{port}")]
    Host {
        /// Where this server listens.
        port: u16,
    },
    /// A page of somebody else's asks.
    #[error("pages of other origins may not use this server; only those of this machine (localhost, 127.0.0.1) may")]
    Origin,
    /// There is nothing at the path.
    #[error("nothing is at this path; the server is at /mcp")]
    Path,
    /// The path knows other methods only.
    #[error("the method is not allowed; /mcp knows {METHODS}")]
    Method,
    /// Nothing shows that the user has let this client in.
    #[error(
        "the header `Authorization: Bearer TOKEN` with this server's token is missing; `spindle mcp --http` prints its file"
    )]
    NoToken,
    /// The token is another one.
    #[error(
        "the token in the Authorization header is not this server's; `spindle mcp --http` prints the file that has it"
    )]
    WrongToken,
    /// The body is too long.
    #[error("the body is longer than {most} bytes, which is the limit")]
    TooLarge {
        /// The limit.
        most: usize,
    },
    /// The body did not come in time.
    #[error("the body did not come within {} s, which is the limit", .0.as_secs_f64())]
    SlowBody(Duration),
    /// The lines before the body did not come in time.
    #[error("the request's header did not come within {} s, which is the limit", .0.as_secs_f64())]
    SlowHeader(Duration),
    /// The body broke off, or is not framed as HTTP demands.
    #[error("the body cannot be read: {0}")]
    BrokenBody(String),
    /// Too many connections are open.
    #[error("{most} connections are open, which is the limit; close some, or try again later")]
    Busy {
        /// The limit.
        most: usize,
    },
    /// The server is about to end.
    #[error("the server is shutting down")]
    Stopping,
    /// What the SDK says of a request that is not as the protocol demands.
    #[error("{text}")]
    Protocol {
        /// Its status.
        status: StatusCode,
        /// Its words.
        text: String,
    },
}

impl Refusal {
    /// The status, and a stable name for programs.
    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Refusal::Host { .. } => (StatusCode::FORBIDDEN, "wrong_host"),
            Refusal::Origin => (StatusCode::FORBIDDEN, "wrong_origin"),
            Refusal::Path => (StatusCode::NOT_FOUND, "no_such_path"),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Refusal::NoToken => (StatusCode::UNAUTHORIZED, "no_token"),
            Refusal::WrongToken => (StatusCode::UNAUTHORIZED, "wrong_token"),
            Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Refusal::SlowBody(_) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Refusal::SlowHeader(_) => (StatusCode::REQUEST_TIMEOUT, "header_too_slow"),
            Refusal::BrokenBody(_) => (StatusCode::BAD_REQUEST, "broken_body"),
            Refusal::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "too_many_connections"),
            Refusal::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            Refusal::Protocol { status, .. } => (*status, "protocol"),
        }
    }

    /// A JSON-RPC error without an id: most refused requests were not read far enough to have one.
    fn json(&self) -> String {
        let (_, kind) = self.class();
        // -32600 is "Invalid Request".
        json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": self.to_string(), "data": {"kind": kind}}})
            .to_string()
    }

    /// As a response. The connection ends where the rest of the request was not read.
    pub fn into_answer(self) -> Answer {
        let mut answer = Response::new(Full::from(self.json()).boxed());
        *answer.status_mut() = self.class().0;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Refusal::Method => headers.insert(ALLOW, HeaderValue::from_static(METHODS)),
            Refusal::NoToken => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Refusal::WrongToken => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
            }
            _ => None,
        };
        if !matches!(self, Refusal::Protocol { .. }) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// As the bytes of a response, for a connection on which no request was read.
    pub fn into_bytes(self) -> Vec<u8> {
        let (status, json) = (self.class().0, self.json());
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        )
        .into_bytes()
    }
}
