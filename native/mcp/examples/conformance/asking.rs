//! Tools that ask the client while they run, which revisions before 2026-07-28 allow.
// The SDK marks as deprecated what the newest revision has given up, and older clients still use.
#![allow(deprecated)]

use rmcp::RoleServer;
use rmcp::model::{ClientResult, CreateMessageRequestParams, ElicitRequest, ServerRequest};
use rmcp::service::{RequestContext, ServiceError};
use serde_json::{Value, json};

use crate::results::of;

/// What the client answered, in words; `None` for a name that is none of these.
pub async fn tool(
    name: &str,
    arguments: &Value,
    context: &RequestContext<RoleServer>,
) -> Option<Result<String, ServiceError>> {
    let asked = match name {
        "test_sampling" => return Some(sample(&arguments["prompt"], context).await),
        "test_elicitation" => {
            let text = |what: &str| json!({"type": "string", "description": what});
            let properties = json!({"username": text("User's response"), "email": text("User's email address")});
            elicit(&arguments["message"], properties, &["username", "email"], context).await
        }
        "test_elicitation_sep1034_defaults" => {
            elicit(&json!("All of these have defaults"), defaults(), &[], context).await
        }
        "test_elicitation_sep1330_enums" => elicit(&json!("Choose"), enums(), &[], context).await,
        _ => return None,
    };
    Some(asked)
}

async fn sample(prompt: &Value, context: &RequestContext<RoleServer>) -> Result<String, ServiceError> {
    let messages = [json!({"role": "user", "content": {"type": "text", "text": prompt}})];
    let params: CreateMessageRequestParams = of(json!({"messages": messages, "maxTokens": 100}));
    let told = context.peer.create_message(params).await?;
    let text = told.message.content.first().and_then(|content| content.as_text()).map(|text| text.text.clone());
    Ok(format!("LLM response: {}", text.unwrap_or_default()))
}

async fn elicit(
    message: &Value,
    properties: Value,
    required: &[&str],
    context: &RequestContext<RoleServer>,
) -> Result<String, ServiceError> {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    let told = context.peer.send_request(ServerRequest::ElicitRequest(ElicitRequest::new(of(params)))).await?;
    match told {
        ClientResult::ElicitResult(told) => {
            Ok(format!("User response: action={}, content={}", json!(told.action), json!(told.content)))
        }
        _ => Err(ServiceError::UnexpectedResponse),
    }
}

/// A field of each kind, with what is meant when it is left alone.
fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

/// A choice of each kind.
fn enums() -> Value {
    let plain = ["option1", "option2", "option3"];
    let titled = json!([
        {"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}, {"const": "value3", "title": "Third"},
    ]);
    json!({
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    })
}
