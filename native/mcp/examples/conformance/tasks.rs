//! Tools that go on in the background as tasks (extension `io.modelcontextprotocol/tasks` of revision 2026-07-28), on the
//! SDK's manager of tasks.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, CreateTaskResult, InputRequest};
use rmcp::task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::results::of;
use crate::rounds::{Brought, ask, form};

/// As short as the suite can still see that a task runs.
const MOMENT: Duration = Duration::from_millis(500);

/// How a tool can be called.
#[derive(PartialEq)]
enum Mode {
    /// Never as a task.
    Here,
    /// As a task, where the client knows them.
    Either,
    /// Only as a task.
    Task,
}

fn mode(name: &str) -> Option<Mode> {
    match name {
        "greet" => Some(Mode::Here),
        "slow_compute" | "protocol_error_job" => Some(Mode::Either),
        "failing_job" | "confirm_delete" | "multi_input" | "test_tool_with_task" => Some(Mode::Task),
        _ => None,
    }
}

/// Call such a tool; `None` for a name that is none of these.
///
/// # Errors
/// Where the client would need to know tasks, or the tool's own.
pub async fn tool(
    name: &str,
    arguments: &Value,
    brought: &Brought<'_>,
    tasks: &TaskManager,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let mode = mode(name)?;
    let knows_tasks = brought.can.supports_tasks();
    if mode == Mode::Task && !knows_tasks {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        return Some(Err(ErrorData::missing_required_client_capability(needed)));
    }
    let asked_before = brought.answer("user_name");
    if name == "test_tool_with_task" && asked_before.is_none() {
        let question = json!({"user_name": form("What is your name?", "name", "string")});
        return Some(Ok(ask(question).into()));
    }
    let user = asked_before.map(|answer| answer["content"]["name"].clone()).unwrap_or_default();
    let (name, arguments) = (name.to_owned(), arguments.clone());
    if mode == Mode::Here || !knows_tasks {
        let done = work(&name, &arguments, &user, None).await;
        return Some(done.map(Into::into).map_err(|exit| match exit {
            TaskExit::Error(error) => error,
            _ => ErrorData::internal_error("it was cancelled", None),
        }));
    }
    let task = tasks.spawn(TaskOptions::default(), move |task| {
        Box::pin(async move {
            tokio::select! {
                () = task.cancelled() => Err(TaskExit::Cancelled),
                done = work(&name, &arguments, &user, Some(&task)) => done,
            }
        })
    });
    Some(Ok(CreateTaskResult::new(task).into()))
}

/// What the tools do, as a task or not.
async fn work(
    name: &str,
    arguments: &Value,
    user: &Value,
    task: Option<&TaskContext>,
) -> Result<CallToolResult, TaskExit> {
    let text = match name {
        "slow_compute" => {
            sleep(Duration::from_secs_f64(arguments["seconds"].as_f64().unwrap_or(1.0))).await;
            "It is computed.".to_owned()
        }
        "failing_job" => {
            sleep(MOMENT).await;
            return Ok(CallToolResult::error(vec![ContentBlock::text("The job has failed, as it always does.")]));
        }
        "protocol_error_job" => {
            return Err(TaskExit::Error(ErrorData::internal_error("The job cannot be done, as ever.", None)));
        }
        "confirm_delete" => format!("Confirmed: {}", answer(task, "confirm", "boolean").await?),
        "multi_input" => {
            let (first, second) = tokio::join!(answer(task, "first", "string"), answer(task, "second", "string"));
            format!("The answers are {} and {}.", first?, second?)
        }
        "greet" => format!("Hello, {}!", arguments["name"].as_str().unwrap_or("you")),
        _ => {
            sleep(MOMENT).await;
            format!("Hello, {}!", user.as_str().unwrap_or("you"))
        }
    };
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]))
}

/// Ask for a value while the task waits.
async fn answer(task: Option<&TaskContext>, field: &str, kind: &str) -> Result<Value, TaskExit> {
    let nobody = || TaskExit::Error(ErrorData::internal_error("only a task can ask", None));
    let question: InputRequest = of(form(&format!("What is {field}?"), field, kind));
    let mut answer = task.ok_or_else(nobody)?.request_input(field, question).await?;
    Ok(answer["content"][field].take())
}
