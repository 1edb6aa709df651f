//! What never changes: what tools and prompts answer, and how they are listed. The suite's descriptions of its scenarios
//! say what it looks for.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A PNG file of one black pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";

/// A WAV file of no samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// JSON as one of the protocol's types.
pub fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a fixture has its type's shape")
}

/// A result that is no question. The SDK leaves the mark out again for older revisions.
fn complete(mut result: Value) -> Option<Value> {
    result["resultType"] = "complete".into();
    Some(result)
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn image() -> Value {
    json!({"type": "image", "data": PNG, "mimeType": "image/png"})
}

fn resource(uri: &str, kind: &str, text: &str) -> Value {
    json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}})
}

/// The result of a tool that does nothing else.
pub fn tool(name: &str) -> Option<Value> {
    let content = match name {
        "test_simple_text" => json!([text("This is a simple text response for testing.")]),
        "test_image_content" => json!([image()]),
        "test_audio_content" => json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]),
        "test_embedded_resource" => {
            json!([resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")])
        }
        "test_multiple_content_types" => json!([
            text("Multiple content types test:"),
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        "test_error_handling" => {
            let content = [text("This tool intentionally returns an error for testing")];
            return complete(json!({"content": content, "isError": true}));
        }
        "json_schema_2020_12_tool" | "test_custom_header" => json!([text("The arguments were accepted.")]),
        _ => return None,
    };
    complete(json!({"content": content}))
}

/// The tools, as they are listed.
pub fn tools() -> Value {
    let without_arguments = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_error_handling",
        "test_tool_with_logging",
        "test_tool_with_progress",
        "test_logging_tool",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_missing_capability",
        "test_reconnection",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
        "test_streaming_elicitation",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs",
        "test_input_required_result_multi_round",
        "test_input_required_result_tampered_state",
        "test_input_required_result_capabilities",
        "slow_compute",
        "failing_job",
        "protocol_error_job",
        "confirm_delete",
        "multi_input",
        "test_tool_with_task",
    ];
    let with_text = |name: &str, argument: &str| {
        let schema = json!({"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]});
        json!({"name": name, "description": "A fixture of the conformance suite", "inputSchema": schema})
    };
    let mut tools: Vec<Value> = without_arguments
        .iter()
        .map(|name| {
            json!({"name": name, "description": "A fixture of the conformance suite",
                   "inputSchema": {"type": "object", "properties": {}}})
        })
        .collect();
    tools.extend([
        with_text("test_sampling", "prompt"),
        with_text("test_elicitation", "message"),
        with_text("greet", "name"),
    ]);
    tools.extend([header_tool(), schema_tool()]);
    Value::Array(tools)
}

/// One whose argument clients repeat in a header of the request.
pub fn header_tool() -> Value {
    let value = json!({"type": "string", "x-mcp-header": "Value"});
    json!({"name": "test_custom_header", "description": "A fixture of the conformance suite",
           "inputSchema": {"type": "object", "properties": {"value": value}, "required": ["value"]}})
}

/// One whose schema uses much of what JSON Schema 2020-12 has.
fn schema_tool() -> Value {
    let address = json!({
        "$anchor": "addressDef",
        "type": "object",
        "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
    });
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": address},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    });
    json!({"name": "json_schema_2020_12_tool", "description": "A fixture of the conformance suite", "inputSchema": schema})
}

/// The prompts, as they are listed.
pub fn prompts() -> Value {
    let argument = |name: &str| json!({"name": name, "description": "Put into the prompt", "required": true});
    json!([
        {"name": "test_simple_prompt", "description": "Without arguments"},
        {"name": "test_prompt_with_arguments", "description": "With two", "arguments": [argument("arg1"), argument("arg2")]},
        {"name": "test_prompt_with_embedded_resource", "description": "With one", "arguments": [argument("resourceUri")]},
        {"name": "test_prompt_with_image", "description": "With a picture"},
        {"name": "test_input_required_result_prompt", "description": "Asks before it answers"},
    ])
}

/// The result of a prompt that asks nothing.
pub fn prompt(name: &str, arguments: &Value) -> Option<Value> {
    let messages = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let [first, second] = ["arg1", "arg2"].map(|name| arguments[name].as_str().unwrap_or_default());
            vec![text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        "test_prompt_with_embedded_resource" => {
            let uri = arguments["resourceUri"].as_str().unwrap_or("test://example-resource");
            vec![
                resource(uri, "text/plain", "Embedded resource content for testing."),
                text("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => vec![image(), text("Please analyze the image above.")],
        _ => return None,
    };
    let messages: Vec<Value> = messages.iter().map(|content| json!({"role": "user", "content": content})).collect();
    complete(json!({"messages": messages}))
}

/// The resources, as they are listed.
pub fn resources() -> Value {
    json!([
        {"uri": "test://static-text", "name": "Static text", "mimeType": "text/plain"},
        {"uri": "test://static-binary", "name": "Static binary", "mimeType": "image/png"},
        {"uri": "test://watched-resource", "name": "Watched", "mimeType": "text/plain"},
    ])
}

/// The templates of resources, as they are listed.
pub fn templates() -> Value {
    json!([{"uriTemplate": "test://template/{id}/data", "name": "Template", "mimeType": "application/json"}])
}

/// What is at a URI.
pub fn at(uri: &str) -> Option<Value> {
    let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    let contents = match (uri, id) {
        ("test://static-text", _) => {
            json!({"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."})
        }
        ("test://static-binary", _) => json!({"uri": uri, "mimeType": "image/png", "blob": PNG}),
        ("test://watched-resource", _) => {
            json!({"uri": uri, "mimeType": "text/plain", "text": "Watched resource content"})
        }
        (_, Some(id)) => {
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()})
        }
        _ => return None,
    };
    complete(json!({"contents": [contents]}))
}
