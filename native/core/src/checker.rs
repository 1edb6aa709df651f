//! The check worker: one thread for every script and for parameters too large for the I/O thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use spindle_protocol::error::{Kind, WireError};

use crate::admit::{Admitted, Unchecked};
use crate::inbox::{Inbox, Ticket};
use crate::outbox::{Outbox, Outgoing, error_frame};
use crate::overview::Verdict;

/// Parsers of deep source recurse; a frame on the usual 2 MiB would abort Blender.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// The worker's entrance. The queue is bounded by the inbox, where each request has its place.
#[derive(Debug)]
pub struct Checker {
    requests: Sender<(Ticket, Unchecked)>,
}

impl Checker {
    /// Start the worker. It ends when the `Checker` is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(inbox: Arc<Inbox>, outbox: Arc<Outbox>) -> std::io::Result<(Checker, JoinHandle<()>)> {
        let (requests, incoming) = channel();
        let thread = thread::Builder::new()
            .name("spindle-check".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&incoming, &inbox, &outbox))?;
        Ok((Checker { requests }, thread))
    }

    /// Have a request checked; its place fills, or its refusal goes out, in a while.
    pub fn check(&self, ticket: Ticket, request: Unchecked) {
        self.requests.send((ticket, request)).expect("the worker runs as long as its entrance exists");
    }
}

fn work(incoming: &Receiver<(Ticket, Unchecked)>, inbox: &Inbox, outbox: &Outbox) {
    for (ticket, request) in incoming {
        if let Err(error) = settle(inbox, ticket, request) {
            outbox.put(error);
        }
    }
}

/// Admit a request into its place, or give the place up.
///
/// # Errors
/// The refusal, ready to be sent.
pub fn settle(inbox: &Inbox, ticket: Ticket, request: Unchecked) -> Result<(), Outgoing> {
    match admit_safely(request) {
        Ok(admitted) => inbox.fill(ticket, admitted),
        Err(error) => {
            if let Some(address) = inbox.finish(ticket, Verdict::of(&error)) {
                let bytes = error_frame(Some(&address.id), &error);
                return Err(Outgoing { connection: address.connection, bytes });
            }
        }
    }
    Ok(())
}

/// A panic in a check is an answer, never the end of the thread (UNHANDLED_PROMISE_001).
fn admit_safely(request: Unchecked) -> Result<Admitted, WireError> {
    let name = request.method().name;
    catch_unwind(AssertUnwindSafe(|| request.admit())).unwrap_or_else(|_| {
        Err(WireError::new(Kind::Internal, format!("the check of {name} failed; please report this")))
    })
}
