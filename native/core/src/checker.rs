//! The check worker: one thread for every script and for parameters too large for the I/O thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use spindle_protocol::error::{Kind, WireError};

use crate::admit::{Admitted, Unchecked};
use crate::frames::error_frame;
use crate::inbox::{Destination, Ended, Inbox};
use crate::jobs::Outcome;
use crate::keys::Ticket;
use crate::metrics::Metrics;
use crate::outbox::{Lane, Outbox, Outgoing, Parcel};
use crate::overview::Verdict;

/// Parsers of deep source recurse; a frame on the usual 2 MiB would abort Blender.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// The worker's entrance. The requests themselves wait in the inbox, which is bounded.
#[derive(Debug)]
pub struct Checker {
    requests: Sender<Ticket>,
}

impl Checker {
    /// Start the worker. It ends when the `Checker` is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        inbox: Arc<Inbox>,
        outbox: Arc<Outbox>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Checker, JoinHandle<()>)> {
        let (requests, incoming) = channel();
        let thread = thread::Builder::new()
            .name("spindle-check".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&incoming, &inbox, &outbox, &metrics))?;
        Ok((Checker { requests }, thread))
    }

    /// Have the request checked that was left in this place; the place fills, or a refusal goes out, in a while.
    pub fn check(&self, ticket: Ticket) {
        self.requests.send(ticket).expect("the worker runs as long as its entrance exists");
    }
}

fn work(incoming: &Receiver<Ticket>, inbox: &Inbox, outbox: &Outbox, metrics: &Metrics) {
    for ticket in incoming {
        let Some(request) = inbox.take_to_check(ticket) else { continue };
        if let Err(refusal) = settle(inbox, ticket, *request) {
            metrics.refused_error(&refusal.error);
            outbox.put(parcel(refusal));
        }
    }
}

/// A request that is over without having run, for the I/O thread to tell.
pub fn parcel(ended: Ended) -> Option<Parcel> {
    let Ended { to, error } = ended;
    match to {
        Destination::Caller(address) => {
            let bytes = error_frame(Some(&address.id), &error);
            Some(Parcel::Frame(Outgoing { connection: address.connection, lane: Lane::Main, bytes }))
        }
        Destination::Job(job) => Some(Parcel::Outcome(job, Outcome::Error(error))),
        Destination::Nobody => None,
    }
}

/// Admit a request into its place, or give the place up.
///
/// # Errors
/// The refusal.
pub fn settle(inbox: &Inbox, ticket: Ticket, request: Unchecked) -> Result<(), Ended> {
    match admit_safely(request) {
        Ok(admitted) => inbox.fill(ticket, admitted),
        Err(error) => {
            if let Some(closed) = inbox.finish(ticket, Verdict::of(&error)) {
                return Err(Ended { to: closed.to, error });
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
