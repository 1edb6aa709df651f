//! Bodies: of requests, read as a whole within limits, and of answers, which end where the server does.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::timeout;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::limits::Limits;
use super::refusal::Refusal;

/// A request's whole body.
///
/// # Errors
/// Where it is too long, too slow, or broken.
pub async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match timeout(limits.body_time, Limited::new(body, limits.body_bytes).collect()).await {
        Err(_) => Err(Refusal::SlowBody(limits.body_time)),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { most: limits.body_bytes }),
        Ok(Err(error)) => Err(Refusal::BrokenBody(error.to_string())),
    }
}

/// A body without an end of its own, which ends when the server is told to.
pub struct UntilStopped<B> {
    /// The body.
    pub body: B,
    /// Done when the server is told to end.
    pub stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<B: Body + Unpin> Body for UntilStopped<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
