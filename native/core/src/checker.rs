//! The check worker: one thread for scripts and for parameters too large for the I/O thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::value::RawValue;
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::method::read_params;
use spindle_protocol::methods::script::{CheckParams, CheckResult};

use crate::admit::{Admitted, Origin, Unchecked};
use crate::frames::error_frame;
use crate::inbox::{Destination, Ended, Inbox};
use crate::jobs::Outcome;
use crate::judge::{Judge, Refusal};
use crate::keys::{Address, Ticket};
use crate::metrics::Metrics;
use crate::outbox::{Lane, Outgoing, Parcel};
use crate::overview::Verdict;
use crate::shared::Shared;

/// The guard and the parsers of JSON recurse. The guard takes more stack where it has less than it may need, which costs
/// time; only what is used of this takes memory.
pub const STACK_BYTES: usize = 64 * 1024 * 1024;

/// What the worker is to do.
#[derive(Debug)]
enum Task {
    /// Check the request that was left in this place.
    Admit(Ticket),
    /// Answer a `script.check`.
    Look(Address, Origin, Box<RawValue>),
}

/// The worker's entrance. The requests themselves wait in the inbox, which is bounded, and the router bounds the looks.
#[derive(Debug)]
pub struct Checker {
    tasks: Sender<Task>,
}

/// What the worker works with.
struct Bench {
    judge: Arc<Judge>,
    inbox: Arc<Inbox>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
}

impl Checker {
    /// Start the worker. It ends when the `Checker` is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        judge: Arc<Judge>,
        inbox: Arc<Inbox>,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Checker, JoinHandle<()>)> {
        let (tasks, incoming) = channel();
        let bench = Bench { judge, inbox, shared, metrics };
        let thread = thread::Builder::new()
            .name("spindle-check".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || bench.work(&incoming))?;
        Ok((Checker { tasks }, thread))
    }

    /// Have the request checked that was left in this place; the place fills, or a refusal goes out, in a while.
    pub fn check(&self, ticket: Ticket) {
        self.put(Task::Admit(ticket));
    }

    /// Have a `script.check` answered.
    pub fn look(&self, address: Address, origin: Origin, params: Box<RawValue>) {
        self.put(Task::Look(address, origin, params));
    }

    fn put(&self, task: Task) {
        self.tasks.send(task).expect("the worker runs as long as its entrance exists");
    }
}

impl Bench {
    fn work(&self, incoming: &Receiver<Task>) {
        // Else the first script that comes in pays for it.
        spindle_guard::prepare();
        for task in incoming {
            match task {
                Task::Admit(ticket) => self.admit(ticket),
                Task::Look(address, origin, params) => {
                    let looked = safely("script.check", || self.look(&origin, &params).map_err(Refusal::from));
                    self.shared.outbox.put([Parcel::Looked(address, looked.map_err(|refusal| refusal.error))]);
                }
            }
        }
    }

    fn admit(&self, ticket: Ticket) {
        let Some(request) = self.inbox.take_to_check(ticket) else { return };
        if let Err(refusal) = settle(&self.judge, &self.inbox, ticket, *request) {
            self.metrics.refused_error(&refusal.error);
            self.shared.outbox.put(parcel(refusal, &self.shared));
        }
    }

    fn look(&self, origin: &Origin, params: &RawValue) -> Result<CheckResult, WireError> {
        let CheckParams { code } = read_params(params)?;
        self.judge.look(&code.0, self.inbox.is_granted(origin.session), origin.trust)
    }
}

/// A request that is over without having run, for the I/O thread to tell. The log has it where it was refused by the
/// guard or the user.
pub fn parcel(ended: Ended, shared: &Shared) -> Option<Parcel> {
    let Ended { to, error, note } = ended;
    if let Some(note) = note {
        shared.note(error.data.kind.name(), &note);
    }
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
pub fn settle(judge: &Judge, inbox: &Inbox, ticket: Ticket, request: Unchecked) -> Result<(), Ended> {
    let admitted: Result<Admitted, Refusal> = safely(request.method().name, || request.admit(judge));
    match admitted {
        Ok(admitted) => inbox.fill(ticket, admitted, Instant::now()),
        Err(Refusal { error, note }) => match inbox.finish(ticket, Verdict::of(&error)) {
            Some(closed) => Err(Ended { to: closed.to, error, note }),
            None => Ok(()),
        },
    }
}

/// A panic in a check is an answer, never the end of the thread (UNHANDLED_PROMISE_001).
fn safely<T>(method: &str, check: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| {
        let text = format!("the check of {method} failed; please report this");
        Err(WireError::new(Kind::Internal, text).into())
    })
}
