//! A server for clients that take a URL: Streamable HTTP, in every revision of it, for programs of this machine that have
//! the token. What the SDK leaves to its users is done here, before the SDK sees a request.
//!
//! In the order data flows:
//! - [`limits`]: what a client may cost;
//! - `refusal`: why a request is not served;
//! - `gate`: what a request must show;
//! - `body`: bodies within their limits;
//! - `sessions`: how many sessions there are;
//! - `desk`: one request;
//! - `connection`: one connection.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServerHandler;
use spindle_client::ClientSettings;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::desk::Desk;
use self::gate::{Gate, PATH};
use self::limits::Limits;
use crate::server::SpindleServer;
use crate::signals::Signals;
use crate::stdio::{FAREWELL, runtime};
use crate::token::Token;

mod body;
mod connection;
mod desk;
mod gate;
pub mod limits;
mod refusal;
mod sessions;

/// After an accept that failed, for want of descriptors in most cases, the next one is tried so much later.
const AFTER_ACCEPT_FAILED: Duration = Duration::from_millis(100);

/// By which a server is told to end: no new work is taken, running calls come to their end, or are ended after a while.
#[derive(Clone, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Tell it. To tell it twice changes nothing.
    pub fn ask(&self) {
        self.0.cancel();
    }

    /// Whether it was told.
    pub fn is_asked(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Wait until it is told.
    pub async fn asked(&self) {
        self.0.cancelled().await;
    }

    fn asked_owned(self) -> WaitForCancellationFutureOwned {
        self.0.cancelled_owned()
    }
}

/// A server that has its port.
pub struct HttpServer {
    listener: TcpListener,
    port: u16,
    token: Option<Token>,
    limits: Limits,
}

impl HttpServer {
    /// Take a port of 127.0.0.1; for 0 the system chooses. Without a token every program of this machine is let in.
    ///
    /// # Errors
    /// Those of the system: most often the port is taken.
    pub fn bind(port: u16, token: Option<Token>, limits: Limits) -> io::Result<HttpServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(HttpServer { listener, port, token, limits })
    }

    /// What clients are told.
    pub fn url(&self) -> String {
        format!("http://{}:{}{PATH}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Serve the Blenders that these settings find, until it is told to stop, by SIGINT or by SIGTERM. `ready` is called
    /// when all of these are heard.
    ///
    /// # Errors
    /// Those of the system, and of `ready`.
    pub fn serve(
        self,
        settings: ClientSettings,
        stop: &Stop,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let server = SpindleServer::new(settings);
        let runtime = runtime()?;
        let served = runtime.block_on(async {
            let mut signals = Signals::new()?;
            ready()?;
            let mut served = std::pin::pin!(self.run(server.clone(), stop));
            tokio::select! {
                served = &mut served => return served,
                () = signals.next() => stop.ask(),
            }
            tokio::select! {
                served = served => served,
                // A second one does not wait for calls.
                () = signals.next() => Ok(()),
            }
        });
        server.shutdown();
        runtime.shutdown_timeout(FAREWELL);
        served
    }

    /// Serve clients by this handler until told to stop.
    ///
    /// # Errors
    /// Where the system does not let the port be waited for.
    pub async fn run<S: ServerHandler + Clone + Sync>(self, handler: S, stop: &Stop) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let gate = Gate { port: self.port, body_bytes: self.limits.body_bytes, token: self.token };
        let desk = Arc::new(Desk::new(handler, gate, self.limits, stop.clone()));
        let mut open = JoinSet::new();
        let slots = Arc::new(Semaphore::new(desk.limits.connections));
        let refusals = Arc::new(Semaphore::new(desk.limits.refused));
        loop {
            let accepted = tokio::select! {
                () = stop.asked() => break,
                accepted = listener.accept() => accepted,
                Some(_) = open.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                sleep(AFTER_ACCEPT_FAILED).await;
                continue;
            };
            if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                let desk = Arc::clone(&desk);
                open.spawn(async move {
                    connection::serve(stream, desk).await;
                    drop(slot);
                });
            } else if let Ok(slot) = Arc::clone(&refusals).try_acquire_owned() {
                let limits = desk.limits.clone();
                open.spawn(async move {
                    connection::refuse(stream, limits).await;
                    drop(slot);
                });
            }
        }
        drop(listener);
        end(open, &desk).await;
        Ok(())
    }
}

/// Wait for calls that run, but not for ever.
async fn end<S: ServerHandler>(mut open: JoinSet<()>, desk: &Desk<S>) {
    let farewell = desk.limits.farewell;
    if timeout(farewell, async { while open.join_next().await.is_some() {} }).await.is_err() {
        // This ends their streams, which their clients are told by the end of a response.
        desk.close();
        timeout(desk.limits.linger, async { while open.join_next().await.is_some() {} }).await.ok();
    }
    desk.close();
    open.shutdown().await;
}
