//! What the add-on holds: start, take, reply, stop.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Poll, Waker};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use spindle_protocol::error::WireError;
use spindle_protocol::hello::Token;
use spindle_protocol::instance::Instance;
use spindle_protocol::limits::NONCE_BYTES;
use thiserror::Error;

use crate::admit::Admitted;
use crate::checker::Checker;
use crate::descriptors::{self, TooFewDescriptors};
use crate::inbox::{Inbox, InboxLimits, StopCause, Ticket};
use crate::instance_file::InstanceFile;
use crate::outbox::{Outbox, Outgoing, error_frame, result_frame};
use crate::overview::{Overview, Verdict};
use crate::router::Router;
use crate::server::{ClientStatus, Server, Shared, WAKER};
use crate::session::{Identity, SessionKey, Sessions};
use crate::settings::{Settings, SettingsError};

/// What the server tells about the Blender that it lives in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlenderFacts {
    /// Its version, for people.
    pub version: String,
    /// Whether it has a window.
    pub window: bool,
    /// The open file, empty for an unsaved one.
    pub file: String,
}

/// Why a server did not start. Nothing is left behind, and it can be tried again (MEMORY_LEAK_002).
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The connections asked for do not fit.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The system refused something.
    #[error("cannot {doing}: {error}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { doing, error }
}

/// A running server. Dropping it stops it.
pub struct Handle {
    instance: Mutex<Instance>,
    preferred_port: u16,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    file: Mutex<Option<InstanceFile>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a person wants to see.
#[derive(Clone, Debug)]
pub struct Status {
    /// The port.
    pub port: u16,
    /// The port asked for, if it was taken.
    pub taken_port: Option<u16>,
    /// Whether any connection is open.
    pub has_connections: bool,
    /// The connected clients.
    pub clients: Vec<ClientStatus>,
    /// The main thread and the queue.
    pub overview: Overview,
}

impl Handle {
    /// Start a server.
    ///
    /// # Errors
    /// When a setting is wrong or the system refuses; nothing is left behind.
    pub fn start(settings: Settings, blender: BlenderFacts) -> Result<Handle, StartError> {
        settings.check()?;
        descriptors::provide(settings.max_connections, settings.raise_descriptor_limit)?;
        let poll = Poll::new().map_err(system("create a poll"))?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(system("create a waker"))?);
        let listener = listen(settings.port).map_err(system("listen on loopback"))?;
        let port = listener.local_addr().map_err(system("listen on loopback"))?.port();
        let identity = Identity {
            instance: hex::encode(random::<16>()?),
            token: Token::new(random::<NONCE_BYTES>()?),
            port,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            blender: blender.version.clone(),
        };
        let instance = describe(&identity, &blender);
        let inbox = Arc::new(Inbox::new(InboxLimits {
            queued: settings.max_queued as usize,
            in_flight: settings.max_in_flight as usize,
            bytes: settings.max_queued_mib as usize * 1024 * 1024,
        }));
        let outbox = Arc::new(Outbox::new(waker));
        let shared = Arc::new(Shared {
            outbox: Arc::clone(&outbox),
            stopping: AtomicBool::new(false),
            roster: Mutex::new(Vec::new()),
            has_connections: AtomicBool::new(false),
        });
        let (checker, check_thread) =
            Checker::start(Arc::clone(&inbox), outbox).map_err(system("start the check thread"))?;
        // From here on the handle owns what was made, and dropping it cleans up.
        let handle = Handle {
            instance: Mutex::new(instance),
            preferred_port: settings.port,
            inbox: Arc::clone(&inbox),
            shared: Arc::clone(&shared),
            file: Mutex::new(None),
            threads: Mutex::new(vec![check_thread]),
        };
        let runtime_dir = settings.runtime_dir.clone();
        let sessions = Sessions::new(settings.max_sessions as usize);
        let started = Instant::now();
        let router = Router { identity, window: blender.window, settings, sessions, inbox, checker, started };
        let server = Server::new(poll, listener, router, shared).map_err(system("poll the listener"))?;
        let file = InstanceFile::create(&handle.instance.lock(), runtime_dir.as_deref());
        *handle.file.lock() = Some(file.map_err(system("write the instance file"))?);
        let thread = thread::Builder::new().name("spindle-io".to_owned()).spawn(move || serve(server));
        handle.threads.lock().push(thread.map_err(system("start the I/O thread"))?);
        Ok(handle)
    }

    /// The next request, for the main thread; waits for one up to `timeout`.
    pub fn take(&self, timeout: Duration) -> Option<(Ticket, Box<Admitted>)> {
        self.inbox.take(timeout)
    }

    /// End the current or next wait in [`Handle::take`] at once, for a signal handler's sake.
    pub fn interrupt(&self) {
        self.inbox.interrupt();
    }

    /// Answer a request. A late answer, to a request that is over, is dropped. The verdict is for the
    /// panel: a script that raised has a result, and yet did not end well.
    pub fn reply(&self, ticket: Ticket, result: &RawValue, blob: &[u8], verdict: Verdict) {
        if let Some(address) = self.inbox.finish(ticket, verdict) {
            let bytes = result_frame(&address.id, result, blob);
            self.shared.outbox.put(Outgoing { connection: address.connection, bytes });
        }
    }

    /// Answer a request with an error.
    pub fn fail(&self, ticket: Ticket, error: &WireError) {
        if let Some(address) = self.inbox.finish(ticket, Verdict::of(error)) {
            let bytes = error_frame(Some(&address.id), error);
            self.shared.outbox.put(Outgoing { connection: address.connection, bytes });
        }
    }

    /// A request has ended its turn without an answer; from now on it can be stopped between turns.
    pub fn suspend(&self, ticket: Ticket) {
        self.inbox.suspend(ticket);
    }

    /// Why a suspended request is to stop, if it is.
    pub fn stop_cause(&self, ticket: Ticket) -> Option<StopCause> {
        self.inbox.stop_cause(ticket)
    }

    /// Whether any connection is open: the main thread then looks more often.
    pub fn has_connections(&self) -> bool {
        self.shared.has_connections.load(Ordering::Acquire)
    }

    /// Whether a session has a connection now.
    pub fn is_connected(&self, session: SessionKey) -> bool {
        self.shared.roster.lock().iter().any(|client| client.session == session)
    }

    /// What clients find in the instance file. Not to be shown: it holds the token.
    pub fn instance(&self) -> Instance {
        self.instance.lock().clone()
    }

    /// Another file is open in Blender.
    ///
    /// # Errors
    /// When the instance file cannot be written; the server goes on.
    pub fn set_file(&self, path: &str) -> io::Result<()> {
        let mut instance = self.instance.lock();
        path.clone_into(&mut instance.file);
        self.file.lock().as_ref().map_or(Ok(()), |file| file.write(&instance))
    }

    /// What a person wants to see.
    pub fn status(&self) -> Status {
        let port = self.instance.lock().port;
        Status {
            port,
            taken_port: Some(self.preferred_port).filter(|wanted| *wanted != 0 && *wanted != port),
            has_connections: self.has_connections(),
            clients: self.shared.roster.lock().clone(),
            overview: self.inbox.overview(Instant::now()),
        }
    }

    /// Stop: answer what is in flight, send what is written, join the threads, remove the file. May
    /// be called at any time and from within a request, and again.
    pub fn stop(&self) {
        // The file goes first: a client that is told of the stop must not find it any more.
        drop(self.file.lock().take());
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.outbox.wake();
        // The I/O thread ends first: it owns the check worker's entrance.
        while let Some(thread) = { self.threads.lock().pop() } {
            // A thread that panicked has said so, and is over like any other.
            thread.join().ok();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(server: Server) {
    // A poll that fails ends the server in order: everything is answered, and nothing is served.
    server.run().ok();
}

/// Listen on loopback, on the preferred port if it is free.
fn listen(port: u16) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    bind(port).or_else(|error| if port == 0 { Err(error) } else { bind(0) })
}

fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StartError::System { doing: "get random bytes", error: io::Error::other(error) })?;
    Ok(bytes)
}

fn describe(identity: &Identity, blender: &BlenderFacts) -> Instance {
    Instance {
        instance: identity.instance.clone(),
        port: identity.port,
        token: identity.token.to_hex(),
        pid: std::process::id(),
        version: identity.version.clone(),
        blender: blender.version.clone(),
        window: blender.window,
        file: blender.file.clone(),
    }
}
