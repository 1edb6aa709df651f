//! A server for one client, on this process's standard input and output. It ends when the input does, or upon a signal.

use std::io;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use spindle_client::ClientSettings;
use tokio::runtime::{Builder, Runtime};

use crate::server::SpindleServer;
use crate::signals::Signals;

/// Calls that may wait at once; more wait for their turn.
pub const MOST_CALLS: usize = 64;

/// How long calls that still run at the end are waited for.
pub const FAREWELL: Duration = Duration::from_secs(3);

/// Serve until the standard input ends, or until SIGINT or SIGTERM.
///
/// # Errors
/// Where the system gives no threads, or the first message is none of the protocol.
pub fn serve(settings: ClientSettings) -> io::Result<()> {
    let server = SpindleServer::new(settings);
    let runtime = runtime()?;
    let handler = server.clone();
    let ended = runtime.block_on(async move {
        let mut signals = Signals::new()?;
        let serving = serve_client(handler);
        tokio::select! {
            ended = serving => ended,
            () = signals.next() => Ok(()),
        }
    });
    // Nobody is left to be answered, and clients kill what does not end soon: so calls are ended, not waited for.
    runtime.shutdown_timeout(FAREWELL);
    server.shutdown();
    ended
}

async fn serve_client(handler: SpindleServer) -> io::Result<()> {
    let running = match handler.serve(rmcp::transport::stdio()).await {
        Ok(running) => running,
        // A client that only looked whether the program starts.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    running.waiting().await.map(|_| ()).map_err(io::Error::other)
}

/// What runs the protocol: one thread, and those on which calls wait.
///
/// # Errors
/// Where the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(MOST_CALLS).build()
}
