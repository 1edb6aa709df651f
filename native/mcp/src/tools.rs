//! The tools, few and each with much in it, in the order in which a model should think of them.

mod docs;
mod execute;
mod job;
mod look;
mod object;
mod render;
mod scene;
mod status;
mod undo;

use rmcp::model::{JsonObject, Tool as Listed, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use crate::schema;

/// What a client may expect of a tool.
#[derive(Clone, Copy)]
enum Effect {
    /// It changes nothing.
    Reads,
    /// It changes something that undo brings back.
    Changes,
    /// It may change or delete anything.
    MayDestroy,
}

/// A tool. Its call may wait: it has a thread of its own.
trait Tool {
    const NAME: &'static str;
    const TITLE: &'static str;
    const DESCRIPTION: &'static str;
    const EFFECT: Effect;
    type Params: DeserializeOwned + JsonSchema;
    /// The shape of its data.
    type Data: JsonSchema + 'static;

    /// Do it.
    fn call(call: &Call, params: Self::Params) -> Result<Answer, Failure>;
}

/// What the server knows of each tool.
pub struct Entry {
    name: &'static str,
    list: fn() -> Listed,
    call: fn(&Call, JsonObject) -> Result<Answer, Failure>,
}

const fn entry<T: Tool>() -> Entry {
    Entry { name: T::NAME, list: listed::<T>, call: called::<T> }
}

/// All tools, in a stable order, which clients keep in their caches.
static TABLE: [Entry; 9] = [
    entry::<execute::Execute>(),
    entry::<scene::Scene>(),
    entry::<object::Object>(),
    entry::<look::Look>(),
    entry::<docs::Docs>(),
    entry::<undo::Undo>(),
    entry::<render::Render>(),
    entry::<job::Job>(),
    entry::<status::Status>(),
];

/// How each tool is listed.
pub fn list() -> Vec<Listed> {
    TABLE.iter().map(|entry| (entry.list)()).collect()
}

/// The tool of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

/// The tools' names.
pub fn names() -> String {
    TABLE.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

impl Entry {
    /// Call it.
    ///
    /// # Errors
    /// Where the arguments are wrong, or Blender cannot do it.
    pub fn call(&self, call: &Call, arguments: JsonObject) -> Result<Answer, Failure> {
        (self.call)(call, arguments)
    }
}

fn listed<T: Tool>() -> Listed {
    let (reads, destroys) = (matches!(T::EFFECT, Effect::Reads), matches!(T::EFFECT, Effect::MayDestroy));
    // Blender is a closed world: only what its file holds is reached.
    let annotations = ToolAnnotations::new().read_only(reads).destructive(destroys).open_world(false);
    Listed::new(T::NAME, T::DESCRIPTION, schema::of_params::<T::Params>())
        .with_title(T::TITLE)
        .with_raw_output_schema(schema::of_data::<T::Data>())
        .with_annotations(annotations)
}

fn called<T: Tool>(call: &Call, arguments: JsonObject) -> Result<Answer, Failure> {
    let params = serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        let expected: Vec<String> = match schema::of_params::<T::Params>().get("properties") {
            Some(Value::Object(properties)) => properties.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Failure::Arguments(format!("wrong arguments for {}: {error}; it takes {}", T::NAME, expected.join(", ")))
    })?;
    T::call(call, params)
}

/// No more characters than these of a text, and what was left out.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What clients limit: names by all of them, the whole list by what it costs in every conversation.
    #[test]
    fn the_list_is_small_and_stable() {
        let tools = list();
        for tool in &tools {
            assert!(tool.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", tool.name);
            assert_eq!(tool.input_schema.get("type"), Some(&"object".into()), "{}", tool.name);
            assert_eq!(tool.output_schema.as_ref().and_then(|schema| schema.get("type")), Some(&"object".into()));
        }
        let text = serde_json::to_string(&tools).expect("JSON");
        assert_eq!(text, serde_json::to_string(&list()).expect("JSON"));
        // tests/mcp counts tokens; a token is about four characters of JSON.
        assert!(text.len() < 9_000, "{} characters", text.len());
    }
}
