//! The protocol's requests to tools and resources, in every revision of it. What differs between revisions (handshake or
//! none, headers, result types) the SDK takes care of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use spindle_client::{ClientSettings, Error};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::blenders::{Blenders, until_cancelled};
use crate::call::{Call, Step};
use crate::failure::Failure;
use crate::kept::Kept;
use crate::{resources, tools};

/// A call that says nothing for so long is told to go on: Claude Code gives up after 300 s, Codex after 60 s of silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The least time between two steps that are told. Renders report many more than anybody can read.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

/// What a model is told before it begins. Claude Code cuts it at 2,048 characters.
const INSTRUCTIONS: &str = "Spindle drives the Blender that is open on the user's machine. The user watches, and may work in \
it at the same time: change what you were asked to, keep names meaningful, and do not open, save or clear files unasked.\n\
How to work: `scene` first, to see what there is. `execute` runs Python (bpy is imported; nothing is kept between calls but \
Blender's data); do related changes in one script, which is one undo step. `look` after changes that matter, and compare with \
what was wanted. When a name or a value is refused, ask `docs` instead of guessing: Blender's API differs between versions. \
`undo` takes back what went wrong. `render` only when asked for a final picture; long renders are jobs.\n\
When an answer was cut, pass its `next_cursor`. When a script fails, the answer has its line and often a hint: mend it and send \
it again whole. When the guard refuses a script, change what it names; do not look for ways around it. When no Blender runs, \
`status` says what the user should do.";

/// What serves MCP clients. Its clones are one server.
#[derive(Clone)]
pub struct SpindleServer {
    blenders: Arc<Blenders>,
    kept: Arc<Kept>,
}

impl SpindleServer {
    /// It talks to the Blenders that these settings find, which need not run yet.
    pub fn new(settings: ClientSettings) -> SpindleServer {
        SpindleServer { blenders: Arc::new(Blenders::new(settings)), kept: Arc::default() }
    }

    /// Let what runs come to its end for a while, and close all connections. It waits.
    pub fn shutdown(&self) {
        self.blenders.shutdown();
    }

    /// Do something that waits for Blender, on a thread of its own; where the client cancels, the request is cancelled in
    /// Blender, which ends a script that runs.
    async fn wait<T: Send + 'static>(
        &self,
        context: RequestContext<RoleServer>,
        work: impl FnOnce(&Call) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (steps, told) = unbounded_channel();
        let token = context.meta.get_progress_token();
        let teller = token.map(|token| tokio::spawn(tell(context.peer.clone(), token, told)));
        let call = Call {
            blenders: Arc::clone(&self.blenders),
            kept: Arc::clone(&self.kept),
            program: context.client_info().map(|info| info.name).unwrap_or_default(),
            steps: teller.is_some().then_some(steps),
        };
        let cancelled = context.ct.clone();
        let worked = spawn_blocking(move || until_cancelled(&cancelled, || work(&call))).await;
        // All steps are told before the result: afterwards the token means nothing to the client.
        if let Some(teller) = teller {
            teller.await.ok();
        }
        // The task is never aborted, so it panicked.
        worked.unwrap_or_else(|panic| Err(Error::Invalid(format!("a fault in Spindle: {panic}")).into()))
    }
}

/// Tell a client how far a call has come, and at times only that it goes on. Progress never goes back.
async fn tell(peer: rmcp::Peer<RoleServer>, token: rmcp::model::ProgressToken, mut steps: UnboundedReceiver<Step>) {
    let start = Instant::now();
    let (mut done, mut last) = (0.0_f64, None::<Instant>);
    loop {
        let mut note = ProgressNotificationParam::new(token.clone(), 0.0);
        match timeout(SIGN_OF_LIFE, steps.recv()).await {
            Ok(None) => return,
            Ok(Some(step)) => {
                let is_end = step.total.is_some_and(|total| step.done >= total);
                if last.is_some_and(|last| last.elapsed() < BETWEEN_STEPS) && !is_end {
                    continue;
                }
                done = if step.done > done { step.done } else { done + 0.001 };
                note.total = step.total.filter(|total| *total >= done);
                note.message = Some(step.message).filter(|message| !message.is_empty());
            }
            Err(_) => {
                done += 0.001;
                note.message = Some(format!("{} s", start.elapsed().as_secs()));
            }
        }
        note.progress = done;
        last = Some(Instant::now());
        if peer.notify_progress(note).await.is_err() {
            return;
        }
    }
}

impl ServerHandler for SpindleServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let mut info = ServerConfig::new(capabilities).with_instructions(INSTRUCTIONS);
        info.server_info = Implementation::new("spindle", env!("CARGO_PKG_VERSION")).with_title("Blender (Spindle)");
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::find(&request.name) else {
            let text = format!("no tool is called {:?}; there are {}", request.name, tools::names());
            return Err(ErrorData::invalid_params(text, None));
        };
        let arguments = request.arguments.unwrap_or_default();
        let answered = self.wait(context, move |call| tool.call(call, arguments)).await;
        Ok(answered.map_or_else(CallToolResult::from, CallToolResult::from).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.clone();
        let read = self.wait(context, move |call| resources::read(call, &uri)).await;
        match read {
            Ok(Some(contents)) => Ok(ReadResourceResult::new(vec![contents]).into()),
            Ok(None) => {
                let data = serde_json::json!({"uri": request.uri});
                Err(ErrorData::resource_not_found(format!("nothing is at {}", request.uri), Some(data)))
            }
            Err(failure) => Err(ErrorData::internal_error(failure.to_string(), None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_are_short_enough_for_every_client() {
        assert!(INSTRUCTIONS.len() <= 2_000, "{} bytes", INSTRUCTIONS.len());
    }
}
