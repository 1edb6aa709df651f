//! What the running Blender says of its own API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::to_raw_value};
use spindle_client::{Error, Options};
use spindle_protocol::method::Method;
use spindle_protocol::methods::docs;

use super::{Effect, Tool};
use crate::answer::{Answer, TEXT_CHARS};
use crate::call::Call;
use crate::failure::Failure;

pub struct Docs;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// What to look up: Object, Object.location, mesh.primitive_cube_add, ShaderNodeBsdfPrincipled, "Principled BSDF"
    #[serde(default)]
    name: Option<String>,
    /// Or words to search for
    #[serde(default)]
    query: Option<String>,
    /// `next_cursor` of the answer before
    #[serde(default)]
    cursor: Option<String>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// Kind, description, properties with types, defaults and enum values, functions, node sockets; or what was found
    found: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Tool for Docs {
    const NAME: &'static str = "docs";
    const TITLE: &'static str = "Blender's own API";
    const DESCRIPTION: &'static str = "The Python API of the Blender that runs, which differs between versions: types, properties, \
        enum values, operators' and functions' parameters, nodes' sockets. Look here before guessing names.";
    const EFFECT: Effect = Effect::Reads;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let (method, key, text) = match (&params.name, &params.query) {
            (Some(name), None) => (docs::Get::NAME, "name", name),
            (None, Some(query)) => (docs::Search::NAME, "query", query),
            _ => return Err(Failure::Arguments("pass `name` or `query`, and not both".to_owned())),
        };
        let mut asked = Map::from_iter([(key.to_owned(), json!(text))]);
        asked.extend(params.cursor.map(|cursor| ("cursor".to_owned(), json!(cursor))));
        let asked = to_raw_value(&asked).map_err(|error| Error::Invalid(error.to_string()))?;
        let reply = call.blender(params.instance.as_deref())?.call(method, &asked, &[], &Options::default())?;
        // As Blender has written it: what does not apply is not there.
        let mut found: Map<String, Value> = reply.read()?;
        let next_cursor = found.remove("next_cursor").and_then(|cursor| cursor.as_str().map(str::to_owned));
        let more =
            next_cursor.as_ref().map(|next| format!("\n[more: the same with cursor {next:?}]")).unwrap_or_default();
        let found = Value::Object(found);
        let text = super::cut(&found.to_string(), TEXT_CHARS - 200) + &more;
        Ok(Answer::told(text, &Data { found, next_cursor }))
    }
}
