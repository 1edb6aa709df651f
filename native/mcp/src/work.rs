//! A call under way: its progress is told, its cancellation is passed on to Blender, and what takes long goes on as a task
//! where the client knows tasks (extension `io.modelcontextprotocol/tasks`).

use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskContext, TaskExit};
use rmcp::{Peer, RoleServer};
use spindle_client::Error;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant as Moment, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::call::Step;
use crate::failure::Failure;

/// A call that says nothing for so long is told to go on: Claude Code gives up after 300 s, Codex after 60 s of silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The least time between two steps that are told. Renders report many more than anybody can read.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// What takes longer becomes a task. A shorter call would only be answered later, by the client's next look.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a thread of its own does.
pub struct Work<T> {
    /// What it comes to.
    pub ended: JoinHandle<Result<T, Failure>>,
    /// How far it has come.
    pub steps: UnboundedReceiver<Step>,
    /// Ends it: the request is cancelled in Blender, and a script that runs is stopped.
    pub stop: CancellationToken,
}

impl<T> Work<T> {
    /// Wait for its end.
    pub async fn wait(mut self, context: &RequestContext<RoleServer>) -> Result<T, Failure> {
        let mut teller = Teller::new(context);
        loop {
            if let Some(ended) = self.wait_a_while(context, &mut teller).await {
                return ended;
            }
        }
    }

    /// Wait for its end for as long as is worth it; the work itself where it takes longer.
    pub async fn wait_or_go_on(mut self, context: &RequestContext<RoleServer>) -> Result<Result<T, Failure>, Work<T>> {
        let mut teller = Teller::new(context);
        match self.wait_a_while(context, &mut teller).await {
            Some(ended) => Ok(ended),
            None => Err(self),
        }
    }

    async fn wait_a_while(
        &mut self,
        context: &RequestContext<RoleServer>,
        teller: &mut Teller,
    ) -> Option<Result<T, Failure>> {
        let patience = Moment::now() + PATIENCE;
        loop {
            tokio::select! {
                biased;
                Some(step) = self.steps.recv() => teller.tell(Some(step)).await,
                ended = &mut self.ended => {
                    // All steps are told before the result: afterwards the token means nothing to the client.
                    while let Ok(step) = self.steps.try_recv() {
                        teller.tell(Some(step)).await;
                    }
                    return Some(flatten(ended));
                }
                () = context.ct.cancelled(), if !self.stop.is_cancelled() => self.stop.cancel(),
                () = sleep_until(patience), if !self.stop.is_cancelled() => return None,
                () = sleep_until(teller.silent_until()) => teller.tell(None).await,
            }
        }
    }

    /// Go on as a task.
    ///
    /// # Errors
    /// Where the task was cancelled.
    pub async fn go_on(mut self, task: TaskContext) -> Result<Result<T, Failure>, TaskExit> {
        loop {
            tokio::select! {
                biased;
                ended = &mut self.ended => {
                    return if self.stop.is_cancelled() { Err(TaskExit::Cancelled) } else { Ok(flatten(ended)) };
                }
                Some(step) = self.steps.recv() => task.set_status_message(describe(&step)),
                () = task.cancelled(), if !self.stop.is_cancelled() => self.stop.cancel(),
            }
        }
    }
}

/// Where nobody waits any more (the client is gone, or the server ends), its script is not left running in Blender.
impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A thread is never aborted, so one that did not end has panicked.
fn flatten<T>(ended: Result<Result<T, Failure>, JoinError>) -> Result<T, Failure> {
    ended.unwrap_or_else(|panic| Err(Error::Invalid(format!("a fault in Spindle: {panic}")).into()))
}

fn describe(step: &Step) -> String {
    match step.total {
        Some(total) => format!("{} of {total} {}", step.done, step.message),
        None => step.message.clone(),
    }
}

/// Tells a client that wants to know how far a call has come. Progress never goes back.
struct Teller {
    client: Option<(Peer<RoleServer>, ProgressToken)>,
    start: Moment,
    told: Option<Moment>,
    done: f64,
}

impl Teller {
    fn new(context: &RequestContext<RoleServer>) -> Teller {
        let client = context.meta.get_progress_token().map(|token| (context.peer.clone(), token));
        Teller { client, start: Moment::now(), told: None, done: 0.0 }
    }

    /// When it is to say at least that the call goes on.
    fn silent_until(&self) -> Moment {
        self.told.unwrap_or(self.start) + SIGN_OF_LIFE
    }

    /// Tell a step, or only that it goes on.
    async fn tell(&mut self, step: Option<Step>) {
        let Some((peer, token)) = &self.client else {
            self.told = Some(Moment::now());
            return;
        };
        let Some(note) = note(token, step, &mut self.done, self.told, self.start) else { return };
        self.told = Some(Moment::now());
        if peer.notify_progress(note).await.is_err() {
            self.client = None;
        }
    }
}

/// What is told of a step; nothing where the last one was told just now, unless it is the end.
fn note(
    token: &ProgressToken,
    step: Option<Step>,
    done: &mut f64,
    told: Option<Moment>,
    start: Moment,
) -> Option<ProgressNotificationParam> {
    let mut note = ProgressNotificationParam::new(token.clone(), 0.0);
    match step {
        None => {
            *done += 0.001;
            note.message = Some(format!("{} s", start.elapsed().as_secs()));
        }
        Some(step) => {
            let is_end = step.total.is_some_and(|total| step.done >= total);
            if told.is_some_and(|told| told.elapsed() < BETWEEN_STEPS) && !is_end {
                return None;
            }
            *done = if step.done > *done { step.done } else { *done + 0.001 };
            note.total = step.total.filter(|total| *total >= *done);
            note.message = Some(step.message).filter(|message| !message.is_empty());
        }
    }
    note.progress = *done;
    Some(note)
}
