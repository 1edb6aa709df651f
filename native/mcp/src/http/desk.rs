//! One request: past the gate, read, and given to the SDK.

use std::convert::Infallible;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use super::Stop;
use super::body::{UntilStopped, read};
use super::gate::Gate;
use super::limits::Limits;
use super::refusal::{Answer, Refusal};
use super::sessions::{Sessions, named};

/// What all connections share.
pub struct Desk<S> {
    pub limits: Limits,
    pub stop: Stop,
    gate: Gate,
    sessions: Sessions,
    service: StreamableHttpService<S, LocalSessionManager>,
    /// Ends every stream and session of the SDK.
    end: CancellationToken,
}

impl<S: ServerHandler + Clone + Sync> Desk<S> {
    /// For this server, behind this gate.
    pub fn new(handler: S, gate: Gate, limits: Limits, stop: Stop) -> Desk<S> {
        let end = CancellationToken::new();
        let sessions = Sessions::new(&limits);
        let config = StreamableHttpServerConfig::default()
            .with_max_request_body_bytes(limits.body_bytes)
            .with_cancellation_token(end.clone());
        let service =
            StreamableHttpService::new(move || Ok(handler.clone()), std::sync::Arc::clone(&sessions.manager), config);
        Desk { limits, stop, gate, sessions, service, end }
    }
}

impl<S: ServerHandler> Desk<S> {
    /// Answer a request, whatever it is.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Answer, Infallible>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Ok(self.serve(request).await.unwrap_or_else(Refusal::into_answer))
    }

    /// End every stream and session at once.
    pub fn close(&self) {
        self.end.cancel();
    }

    async fn serve<B>(&self, request: Request<B>) -> Result<Answer, Refusal>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if self.stop.is_asked() {
            return Err(Refusal::Stopping);
        }
        let (mut parts, body) = request.into_parts();
        self.gate.check(&parts)?;
        // Handlers get the headers, and have no business with the secret.
        parts.headers.remove(AUTHORIZATION);
        let is_post = parts.method == Method::POST;
        let body = if is_post { read(body, &self.limits).await? } else { Bytes::new() };
        self.sessions.touch(&parts.headers);
        let session = named(&parts.headers).map(str::to_owned);
        let streams = parts.method == Method::GET;
        let answer = self.service.handle(Request::from_parts(parts, Full::new(body))).await;
        self.sessions.answered(session.as_deref(), answer.headers()).await;
        let answer = told(answer).await?;
        // A stream on which a client only listens would go on for ever; calls are waited for.
        Ok(if streams {
            answer.map(|body| UntilStopped { body, stopped: Box::pin(self.stop.clone().asked_owned()) }.boxed())
        } else {
            answer
        })
    }
}

/// What the SDK answers, or, where that is an error as plain text, the same as JSON.
async fn told(answer: Answer) -> Result<Answer, Refusal> {
    let status = answer.status();
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) || answer.headers().contains_key("allow") {
        return Ok(answer);
    }
    let text = match answer.into_body().collect().await {
        Ok(whole) => String::from_utf8_lossy(&whole.to_bytes()).into_owned(),
        Err(never) => match never {},
    };
    Err(Refusal::Protocol { status, text })
}
