//! Write the seeds that the targets start from, made of the protocol's own table of methods and errors, and of the guard's
//! sets of scripts: `seeds FOLDER` fills FOLDER/frame, FOLDER/envelope, FOLDER/guard, FOLDER/dialect and
//! FOLDER/dictionary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use spindle_protocol::envelope::{Outcome, Reply, Request, RequestId};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::frame::encode;
use spindle_protocol::method::METHODS;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from).expect("usage: seeds FOLDER");
    let mut words = BTreeSet::new();
    let mut messages = Vec::new();
    for method in METHODS {
        let schema = &method.to_json()["params"];
        words.insert(method.name.to_owned());
        collect_words(schema, &mut words);
        let params = to_raw_value(&example(schema)).expect("JSON");
        method.read(&params).unwrap_or_else(|error| panic!("{}: {params}: {error}", method.name));
        messages.push(request(method.name, &json!(params)));
    }
    messages.extend(Kind::ALL.iter().map(|kind| {
        let error = WireError::new(*kind, kind.summary()).with("limit", 1);
        serde_json::to_string(&Reply::new(Some(&RequestId::Integer(1)), Outcome::Error(&error))).expect("JSON")
    }));
    messages.push(json!({"jsonrpc": "2.0", "id": null, "result": {"a": [1, -2.5e3, "x", null, true]}}).to_string());
    messages.push(json!({"jsonrpc": "2.0", "method": "greeting", "params": {"protocol": [1, 1]}}).to_string());
    words.extend(["jsonrpc", "2.0", "id", "method", "params", "options", "meta", "result", "error"].map(str::to_owned));
    words.extend(["deadline_ms", "effect", "label", "code", "message", "data", "kind", "retryable"].map(str::to_owned));
    let frames: Vec<Vec<u8>> = messages.chunks(3).map(frame_input).collect();
    write_all(&folder.join("envelope"), messages)?;
    write_all(&folder.join("frame"), frames)?;
    write_all(&folder.join("guard"), scripts()?)?;
    write_all(&folder.join("dialect"), dialects())?;
    let lines: String = words.iter().map(|word| format!("\"\\\"{word}\\\"\"\n")).collect();
    fs::write(folder.join("dictionary"), lines)
}

/// A few messages of other add-ons' clients, behind the four sizes of portions.
fn dialects() -> Vec<String> {
    let rows = [
        r#"{"type": "ping"}"#,
        r#"{"type": "execute_code", "params": {"code": "print(1)"}}"#,
        "{\"command\": \"object.get\", \"data\": {\"name\": \"Cube\"}}\n{\"command\": \"ping\"}\n",
        "{\"type\": \"execute\", \"code\": \"result = {}\", \"strict_json\": true}\0",
        r#"{"type": "get_object_info", "params": {"name": "a\"}"}}{"type": "x", "params": null}"#,
    ];
    rows.iter().map(|row| format!("abcd{row}")).collect()
}

/// Every row of the guard's sets.
fn scripts() -> io::Result<Vec<String>> {
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guard/tests");
    let mut rows = Vec::new();
    for set in ["evasions", "legitimate"] {
        for file in fs::read_dir(sets.join(set))? {
            let text = fs::read_to_string(file?.path())?;
            rows.extend(text.split("\n# --- ").skip(1).map(|row| format!("# {row}")));
        }
    }
    Ok(rows)
}

fn request(method: &str, params: &Value) -> String {
    let options = json!({"deadline_ms": 5000, "effect": "read", "label": "Look"});
    let message = json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params, "options": options,
        "meta": {"trace": "x"}})
    .to_string();
    assert!(Request::parse(message.as_bytes()).is_ok(), "{message}");
    message
}

/// As the target `frame` reads it: whether hello has succeeded, four sizes of portions, the stream.
fn frame_input(messages: &[String]) -> Vec<u8> {
    let mut input = vec![1, 0, 6, 20, 200];
    for message in messages {
        input.extend(encode(message.as_bytes(), b"blob").expect("small"));
    }
    input
}

fn write_all<T: AsRef<[u8]>>(folder: &Path, seeds: Vec<T>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.iter().enumerate().try_for_each(|(number, seed)| fs::write(folder.join(number.to_string()), seed))
}

/// A value that fits a schema, with every property of every object.
fn example(schema: &Value) -> Value {
    if let Some(constant) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return constant.clone();
    }
    if let Some(choice) = schema["anyOf"].get(0).or_else(|| schema["oneOf"].get(0)) {
        return example(choice);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, property)| (name.clone(), example(property))).collect())
        }
        Some("array") => {
            let count = schema["minItems"].as_u64().unwrap_or(1) as usize;
            Value::Array(vec![example(&schema["items"]); count])
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        Some("string") if schema.get("pattern").is_some() => json!("mesh.primitive_cube_add"),
        Some("string") => json!("x"),
        _ => json!({"$blob": [0, 4], "dtype": "<f4", "shape": [1]}),
    }
}

/// The names and fixed texts of a schema.
fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    let texts = schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"));
    words.extend(texts.filter_map(Value::as_str).map(str::to_owned));
    words.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    match schema {
        Value::Object(members) => members.values().for_each(|member| collect_words(member, words)),
        Value::Array(items) => items.iter().for_each(|item| collect_words(item, words)),
        _ => {}
    }
}
