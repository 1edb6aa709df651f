//! The protocol's requests to what the suite looks for, and, for all else, to Spindle's own server.
// The SDK marks as deprecated what the newest revision has given up, and older clients still use.
#![allow(deprecated)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::task_manager::TaskManager;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use spindle_mcp::SpindleServer;
use tokio::time::sleep;

use crate::results::{self, of};
use crate::rounds::{Brought, Round};
use crate::{asking, rounds, tasks};

/// Between two messages of a tool that sends several, so that they are not sent as one.
const PAUSE: Duration = Duration::from_millis(50);

/// The server that the suite sees.
#[derive(Clone)]
pub struct Fixtures {
    spindle: SpindleServer,
    /// Who listens for changes, in revision 2026-07-28.
    listeners: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    next: Arc<AtomicU64>,
    seals: RequestStateCodec,
    tasks: TaskManager,
}

impl Fixtures {
    /// Beside this server.
    pub fn new(spindle: SpindleServer) -> Fixtures {
        // Nothing that it seals is worth a secret.
        let seals = RequestStateCodec::new(b"the key of a server that keeps no secrets".to_vec());
        Fixtures { spindle, listeners: Arc::default(), next: Arc::default(), seals, tasks: TaskManager::new() }
    }

    fn listeners(&self) -> Vec<SubscriptionSink> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A tool that sends something while it runs.
    async fn send(&self, name: &str, context: &RequestContext<RoleServer>) -> Option<String> {
        // Nobody who looks for these would miss that one did not arrive.
        match name {
            "test_tool_with_logging" => {
                for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    log(context, LoggingLevel::Info, text).await;
                    sleep(PAUSE).await;
                }
            }
            "test_logging_tool" => {
                if let Some(level) = context.meta.log_level() {
                    log(context, level, "The client wants to be told").await;
                }
            }
            "test_tool_with_progress" => {
                for done in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let note = ProgressNotificationParam::new(token, done).with_total(100.0);
                        context.peer.notify_progress(note).await.ok();
                    }
                    sleep(PAUSE).await;
                }
            }
            "test_trigger_tool_change" => {
                for listener in self.listeners() {
                    listener.notify_tool_list_changed().await.ok();
                }
            }
            "test_trigger_prompt_change" => {
                for listener in self.listeners() {
                    listener.notify_prompt_list_changed().await.ok();
                }
            }
            "test_reconnection" => sleep(2 * PAUSE).await,
            "test_missing_capability" => {}
            _ => return None,
        }
        Some(format!("{name} is done."))
    }
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
    context.peer.notify_logging_message(LoggingMessageNotificationParam::new(level, json!(text))).await.ok();
}

fn said(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn capabilities(context: &RequestContext<RoleServer>) -> ClientCapabilities {
    context.client_capabilities().unwrap_or_default()
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.spindle.get_info();
        info.capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        info
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        if name == "test_custom_header" { Some(of(results::header_tool())) } else { self.spindle.get_tool(name) }
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.spindle.list_tools(page, context).await?;
        listed.tools.extend(of::<Vec<Tool>>(results::tools()));
        Ok(listed)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.as_ref();
        if let Some(result) = results::tool(name) {
            return Ok(of::<CallToolResult>(result).into());
        }
        if name == "test_missing_capability" && capabilities(&context).sampling.is_none() {
            let needed = ClientCapabilities::builder().enable_sampling().build();
            return Err(ErrorData::missing_required_client_capability(needed));
        }
        let (answers, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
        let brought = Brought { answers, state, can: capabilities(&context) };
        let arguments = Value::Object(request.arguments.clone().unwrap_or_default());
        if let Some(called) = tasks::tool(name, &arguments, &brought, &self.tasks).await {
            return called;
        }
        match rounds::tool(name, &brought, &self.seals)? {
            Some(Round::Asks(questions)) => return Ok(questions.into()),
            Some(Round::Says(text)) => return Ok(said(text).into()),
            None => {}
        }
        if let Some(text) = self.send(name, &context).await {
            return Ok(said(text).into());
        }
        match asking::tool(name, &arguments, &context).await {
            Some(Ok(text)) => Ok(said(text).into()),
            Some(Err(error)) => Ok(CallToolResult::error(vec![ContentBlock::text(error.to_string())]).into()),
            None => self.spindle.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut listed = self.spindle.list_resources(page, context).await?;
        // Before Spindle's own: the suite reads the first, which must be there without a Blender.
        listed.resources.splice(0..0, of::<Vec<Resource>>(results::resources()));
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = self.spindle.list_resource_templates(page, context).await?;
        listed.resource_templates.extend(of::<Vec<ResourceTemplate>>(results::templates()));
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match results::at(&request.uri) {
            Some(result) => Ok(of::<ReadResourceResult>(result).into()),
            None => self.spindle.read_resource(request, context).await,
        }
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, wanted: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(wanted.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).insert(number, context.sink().clone());
        context.cancelled().await;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(of(results::prompts())))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.clone().unwrap_or_default());
        if let Some(result) = results::prompt(&request.name, &arguments) {
            return Ok(of::<GetPromptResult>(result).into());
        }
        if request.name != "test_input_required_result_prompt" {
            return Err(ErrorData::invalid_params(format!("no prompt is called {:?}", request.name), None));
        }
        let (answers, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
        Ok(match rounds::prompt(&Brought { answers, state, can: capabilities(&context) }) {
            Round::Asks(questions) => questions.into(),
            Round::Says(text) => GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into(),
        })
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let typed = request.argument.value;
        let values = ["paris", "park", "party", "test"].into_iter().filter(|value| value.starts_with(&typed));
        let info = CompletionInfo::new(values.map(str::to_owned).collect());
        info.map(CompleteResult::new).map_err(|error| ErrorData::internal_error(error, None))
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

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
}
