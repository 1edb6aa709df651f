//! What a method is, and the table of all of them. Each is defined once, in [`crate::methods`];
//! validation, `methods`, the command line, the documentation and the clients' retry rules read this.

use std::time::Duration;

use once_cell::sync::Lazy;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Kind, WireError};
use crate::json::{self, Object};
use crate::methods::{
    cache, compat, control, data, docs, edit, file, job, material, object, operator, render, scene, script, view, watch,
};

/// What a method does to the open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing changes: safe to repeat, and no undo step.
    Read,
    /// Something changes, and is undone as one named step.
    Write,
    /// Answered by native code, without Blender's main thread.
    Control,
}

/// A method, as a type.
pub trait Method {
    /// `noun.verb`, or one word.
    const NAME: &'static str;
    /// One sentence for lists and help.
    const SUMMARY: &'static str;
    /// What it does to the open file.
    const EFFECT: Effect;
    /// From receipt to reply where the request names none. `None`: as long as it takes.
    const DEADLINE: Option<Duration> = Some(Duration::from_secs(60));
    /// Whether it carries code, which takes longer to check than other parameters.
    const CARRIES_CODE: bool = false;
    /// Whether its last answer is kept, for requests with `max_age_ms`. Only of methods that read.
    const CACHEABLE: bool = false;
    /// Its parameters.
    type Params: DeserializeOwned + Serialize + JsonSchema + Send + 'static;
    /// Its result.
    type Result: Serialize + JsonSchema;
}

/// Parameters that fit their method, ready to be turned into whatever runs it.
pub type Params = Box<dyn erased_serde::Serialize + Send>;

/// A method's row in the table.
pub struct Descriptor {
    /// `noun.verb`, or one word.
    pub name: &'static str,
    /// One sentence for lists and help.
    pub summary: &'static str,
    /// What it does to the open file.
    pub effect: Effect,
    /// From receipt to reply where the request names none.
    pub deadline: Option<Duration>,
    /// Whether it carries code, which takes longer to check than other parameters.
    pub carries_code: bool,
    /// Whether its last answer is kept.
    pub cacheable: bool,
    read: fn(&RawValue) -> Result<Params, WireError>,
    schemas: fn() -> (Schema, Schema),
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Descriptor").field(&self.name).finish()
    }
}

impl Descriptor {
    const fn of<M: Method>() -> Descriptor {
        Descriptor {
            name: M::NAME,
            summary: M::SUMMARY,
            effect: M::EFFECT,
            deadline: M::DEADLINE,
            carries_code: M::CARRIES_CODE,
            cacheable: M::CACHEABLE,
            read: |params| Ok(Box::new(read_params::<M::Params>(params)?)),
            schemas: || (schema::<M::Params>(), schema::<M::Result>()),
        }
    }

    /// Whether native code answers it.
    pub fn is_control(&self) -> bool {
        self.effect == Effect::Control
    }

    /// Read and check parameters.
    ///
    /// # Errors
    /// `invalid_params` with the JSON path of the first fault and what was expected there.
    pub fn read(&self, params: &RawValue) -> Result<Params, WireError> {
        (self.read)(params)
    }

    /// The row as `methods` lists it, with JSON schemas of the parameters and the result.
    pub fn to_json(&self) -> Value {
        let (params, result) = (self.schemas)();
        serde_json::json!({
            "name": self.name,
            "summary": self.summary,
            "effect": self.effect,
            "cacheable": self.cacheable,
            "deadline_ms": self.deadline.map(|deadline| deadline.as_millis() as u64),
            "params": params,
            "result": result,
        })
    }
}

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    SchemaGenerator::new(settings).into_root_schema_for::<T>()
}

/// Read one method's parameters.
///
/// # Errors
/// `invalid_params` with the JSON path of the first fault and what was expected there.
pub fn read_params<P: DeserializeOwned>(params: &RawValue) -> Result<P, WireError> {
    let refuse = |path: String, error: &serde_json::Error| {
        let path = if path == "." { "params".to_owned() } else { format!("params.{path}") };
        WireError::new(Kind::InvalidParams, format!("{path}: {}", without_position(error))).with("path", path)
    };
    json::check(params.get().as_bytes()).map_err(|error| refuse(".".to_owned(), &error))?;
    let mut deserializer = serde_json::Deserializer::from_str(params.get());
    match serde_path_to_error::deserialize::<_, Object<P>>(&mut deserializer) {
        Ok(Object(params)) => Ok(params),
        Err(error) => Err(refuse(error.path().to_string(), error.inner())),
    }
}

/// The line and column inside a member of a larger message help nobody; the path does.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

/// Every method, control methods first, then by noun.
pub static METHODS: &[Descriptor] = &[
    Descriptor::of::<control::Ping>(),
    Descriptor::of::<control::Health>(),
    Descriptor::of::<control::Methods>(),
    Descriptor::of::<control::Cancel>(),
    Descriptor::of::<watch::Limits>(),
    Descriptor::of::<watch::Stats>(),
    Descriptor::of::<watch::Metrics>(),
    Descriptor::of::<job::Get>(),
    Descriptor::of::<job::Wait>(),
    Descriptor::of::<job::Cancel>(),
    Descriptor::of::<job::ListAll>(),
    Descriptor::of::<cache::Clear>(),
    Descriptor::of::<script::Run>(),
    Descriptor::of::<script::Check>(),
    Descriptor::of::<scene::Get>(),
    Descriptor::of::<object::ListAll>(),
    Descriptor::of::<object::Get>(),
    Descriptor::of::<object::Create>(),
    Descriptor::of::<object::Set>(),
    Descriptor::of::<object::Delete>(),
    Descriptor::of::<material::Set>(),
    Descriptor::of::<data::Get>(),
    Descriptor::of::<data::Set>(),
    Descriptor::of::<operator::Call>(),
    Descriptor::of::<docs::Get>(),
    Descriptor::of::<docs::Search>(),
    Descriptor::of::<view::Capture>(),
    Descriptor::of::<render::Image>(),
    Descriptor::of::<render::Animation>(),
    Descriptor::of::<file::New>(),
    Descriptor::of::<file::Open>(),
    Descriptor::of::<file::Save>(),
    Descriptor::of::<edit::Undo>(),
    Descriptor::of::<edit::Redo>(),
    Descriptor::of::<edit::GroupBegin>(),
    Descriptor::of::<edit::GroupEnd>(),
    Descriptor::of::<edit::Checkpoints>(),
    Descriptor::of::<edit::Restore>(),
    Descriptor::of::<compat::Read>(),
    Descriptor::of::<compat::Execute>(),
];

/// The method with this name.
pub fn find(name: &str) -> Option<&'static Descriptor> {
    static BY_NAME: Lazy<std::collections::HashMap<&str, &Descriptor>> =
        Lazy::new(|| METHODS.iter().map(|method| (method.name, method)).collect());
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for method in METHODS {
            assert!(std::ptr::eq(find(method.name).expect(method.name), method), "{} is there once", method.name);
            let native = !method.name.contains('.')
                || ["job.", "cache."].iter().any(|noun| method.name.starts_with(noun))
                || method.name == "script.check";
            assert_eq!(method.is_control(), native, "{}", method.name);
            assert!(!method.cacheable || method.effect == Effect::Read, "{}", method.name);
            assert!(method.name.len() <= crate::limits::METHOD_BYTES);
            assert!(method.summary.ends_with('.'), "{}", method.name);
            let json = method.to_json();
            assert_eq!(json["params"]["type"], "object", "{}", method.name);
            assert_eq!(json["params"]["additionalProperties"], false, "{}", method.name);
            assert_eq!(json["result"]["type"], "object", "{}", method.name);
        }
    }

    /// Bad parameters are named by their path, with what was expected.
    #[test]
    fn parameters() {
        let rows = [
            ("object.create", r#"{"kind":"cube","location":[1,2,3]}"#, ""),
            ("object.create", r#"{"kind":"cube","location":[1,"x",3]}"#, "params.location[1]: invalid type: string"),
            ("object.create", r#"{"kind":"cub"}"#, "params.kind: unknown variant `cub`"),
            ("object.create", r#"{}"#, "params: missing field `kind`"),
            ("object.create", r#"{"kind":"cube","colour":[1,1,1]}"#, "params.colour: unknown field"),
            ("object.create", r#"{"kind":"cube","kind":"cone"}"#, "params: the key \"kind\" twice"),
            ("object.set", r#"{"name":"Cube","color":[1,1,2]}"#, "params.color[2]: 2 is not within 0 and 1"),
            ("object.set", r#"{"name":"Cube","parent":null}"#, ""),
            ("script.run", r#"{"code":"1","args":{"a":[1]}}"#, ""),
            ("script.run", r#"{"code":"1","args":[1]}"#, "params.args: invalid type: sequence"),
            ("script.run", r#"{"code":"a\u0000"}"#, "NUL"),
            (
                "data.get",
                r#"{"block":["objects","Cube"],"path":"x"}"#,
                "params.block: invalid type: sequence, expected an object",
            ),
            ("docs.search", r#"{"query":" extrude   faces "}"#, ""),
            ("docs.search", r#"{"query":"a\tb"}"#, "params.query: the query holds '\\t'"),
            ("docs.search", r#"{"query":" "}"#, "params.query: the query has 0 characters"),
            ("docs.search", r#"{"query":"a","limit":101}"#, "params.limit: 101 is not within 1 and 100"),
            ("docs.search", r#"{"query":"a","kinds":["macro"]}"#, "params.kinds[0]: unknown variant `macro`"),
            ("docs.get", r#"{"name":""}"#, "params.name: expected a name of 1 to 255 bytes"),
            ("docs.get", r#"{"name":"Object.location","cursor":"12"}"#, ""),
            ("view.capture", r#"{"from":"three_quarter","objects":["Cube"]}"#, ""),
            ("view.capture", r#"{"from":"above"}"#, "params.from: unknown variant `above`"),
            ("ping", r#"{"a":1}"#, "params.a: unknown field"),
        ];
        for (name, params, expected) in rows {
            let raw = RawValue::from_string(params.to_owned()).expect("JSON");
            match find(name).expect(name).read(&raw) {
                Ok(_) => assert_eq!(expected, "", "{name} {params}"),
                Err(error) => {
                    assert!(!expected.is_empty() && error.message.contains(expected), "{name} {params}: {error}");
                }
            }
        }
    }
}
