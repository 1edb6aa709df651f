//! The protocol's requests to tools and resources, in every revision of it. What differs between revisions (handshake or
//! none, headers, result types) the SDK takes care of.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CreateTaskResult, GetTaskParams,
    GetTaskResult, Implementation, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities,
    ServerConfig, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskManager, TaskOptions};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use spindle_client::ClientSettings;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::blenders::{Blenders, until_cancelled};
use crate::call::Call;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::work::Work;
use crate::{resources, tools};

/// How long a task is kept, milliseconds: with its result, which may be a picture.
const TASK_TTL_MS: u64 = 600_000;

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
    tasks: TaskManager,
}

/// What a call came to, as the protocol has it.
fn result(answered: Result<Answer, Failure>) -> CallToolResult {
    answered.map_or_else(CallToolResult::from, CallToolResult::from)
}

impl SpindleServer {
    /// It talks to the Blenders that these settings find, which need not run yet.
    pub fn new(settings: ClientSettings) -> SpindleServer {
        SpindleServer { blenders: Arc::new(Blenders::new(settings)), kept: Arc::default(), tasks: TaskManager::new() }
    }

    /// Let what runs come to its end for a while, and close all connections. It waits.
    pub fn shutdown(&self) {
        self.blenders.shutdown();
    }

    /// Begin something that waits for Blender, on a thread of its own.
    fn begin<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl FnOnce(&Call) -> Result<T, Failure> + Send + 'static,
    ) -> Work<T> {
        let (told, steps) = unbounded_channel();
        let call = Call {
            blenders: Arc::clone(&self.blenders),
            kept: Arc::clone(&self.kept),
            program: context.client_info().map(|info| info.name).unwrap_or_default(),
            steps: told,
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        Work { ended: spawn_blocking(move || until_cancelled(&stopped, || work(&call))), steps, stop }
    }
}

impl ServerHandler for SpindleServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_tasks().build();
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
        let knows_tasks = context.client_capabilities().is_some_and(|can| can.supports_tasks());
        let work = self.begin(&context, move |call| tool.call(call, arguments));
        if !knows_tasks {
            return Ok(result(work.wait(&context).await).into());
        }
        Ok(match work.wait_or_go_on(&context).await {
            Ok(answered) => result(answered).into(),
            Err(work) => {
                let options = TaskOptions::new().with_ttl_ms(TASK_TTL_MS);
                let task =
                    self.tasks.spawn(options, |task| Box::pin(async move { work.go_on(task).await.map(result) }));
                CreateTaskResult::new(task).into()
            }
        })
    }

    async fn get_task(&self, task: GetTaskParams, _: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get_task(&task.task_id).map(GetTaskResult::new)
    }

    async fn update_task(&self, task: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.update_task(&task.task_id, task.input_responses)
    }

    async fn cancel_task(&self, task: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&task.task_id)
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
        let work = self.begin(&context, move |call| resources::read(call, &uri));
        match work.wait(&context).await {
            Ok(Some(contents)) => Ok(ReadResourceResult::new(vec![contents]).into()),
            Ok(None) => {
                let data = serde_json::json!({"uri": request.uri});
                Err(ErrorData::resource_not_found(format!("nothing is at {}", request.uri), Some(data)))
            }
            Err(failure) => Err(ErrorData::internal_error(failure.of_resource(), None)),
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
