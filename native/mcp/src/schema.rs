//! Schemas in as few tokens as they can be said: each model pays for them in every conversation.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of what a tool takes, with everything in its place and nothing that says what is said already.
pub fn of_params<T: JsonSchema>() -> Arc<JsonObject> {
    of::<T>(&["title", "format", "$schema", "additionalProperties"])
}

/// The schema of what a tool answers: no words, as the answers speak for themselves.
pub fn of_data<T: JsonSchema>() -> Arc<JsonObject> {
    of::<T>(&["title", "format", "$schema", "additionalProperties", "description"])
}

/// Without these keywords.
fn of<T: JsonSchema>(without: &[&str]) -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tighten(&mut schema, true, without);
    match schema {
        Value::Object(mut object) => {
            object.entry("type").or_insert_with(|| "object".into());
            Arc::new(object)
        }
        _ => Arc::default(),
    }
}

/// Leave out names of Rust's types, formats of numbers, and that what may be left out may be null, too.
fn tighten(schema: &mut Value, is_schema: bool, without: &[&str]) {
    match schema {
        Value::Object(object) => {
            if is_schema {
                object.retain(|key, _| !without.contains(&key.as_str()));
                if matches!(object.get("default"), Some(Value::Null | Value::Bool(false))) {
                    object.remove("default");
                }
                drop_null(object);
            }
            for (key, value) in object.iter_mut() {
                // Of what can be anything, too: revisions up to 2025-11-25 want an object for each property.
                if !is_schema && *value == Value::Bool(true) {
                    *value = Value::Object(JsonObject::new());
                }
                tighten(value, !(is_schema && key == "properties"), without);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| tighten(value, is_schema, without)),
        _ => {}
    }
}

fn drop_null(object: &mut JsonObject) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
        forms.retain(|form| form.get("type") != Some(&"null".into()));
        if let [Value::Object(only)] = forms.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}
