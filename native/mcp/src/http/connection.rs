//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::ServerHandler;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::desk::Desk;
use super::limits::Limits;
use super::refusal::Refusal;

/// Serve requests until either side has enough.
pub async fn serve<S: ServerHandler>(stream: TcpStream, desk: Arc<Desk<S>>) {
    // An answer goes out in several writes, and the later would wait 40 ms for the first to be acknowledged. Where the
    // system refuses, it is only slower.
    stream.set_nodelay(true).ok();
    let limits = desk.limits.clone();
    let stop = desk.stop.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        Box::pin(async move { desk.answer(request).await })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.header_fields)
        .max_header_size(limits.header_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
        () = stop.asked() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    // An idle connection that ends for want of a request is told nothing: no request would expect that answer.
    let is_slow = ended.is_err_and(|error| error.is_timeout()) && !parts.read_buf.is_empty();
    if is_slow {
        let refusal = Refusal::SlowHeader(limits.header_time).into_bytes();
        // Whoever is gone need not be told.
        stream.write_all(&refusal).await.ok();
    }
    if !stop.is_asked() {
        part(stream, &limits).await;
    }
}

/// Tell that there are too many connections already.
pub async fn refuse(mut stream: TcpStream, limits: Limits) {
    let refusal = Refusal::Busy { most: limits.connections }.into_bytes();
    if stream.write_all(&refusal).await.is_ok() {
        part(stream, &limits).await;
    }
}

/// Close a connection so that what was said last arrives: where bytes are left unread, the system would reset it.
async fn part(mut stream: TcpStream, limits: &Limits) {
    let until_the_end = async {
        stream.shutdown().await?;
        let mut unread = [0; 16 * 1024];
        while stream.read(&mut unread).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Errors and the deadline mean the same: it is closed.
    timeout(limits.linger, until_the_end).await.ok();
}
