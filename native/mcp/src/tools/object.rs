//! One object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use spindle_client::Options;
use spindle_protocol::methods::object::Get;

use super::{Effect, Tool};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;

pub struct Object;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Its name
    name: String,
    /// What to tell, as in `scene`; everything when absent
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// The fields
    object: Map<String, Value>,
}

impl Tool for Object {
    const NAME: &'static str = "object";
    const TITLE: &'static str = "Describe an object";
    const DESCRIPTION: &'static str = "One object: transform, size, parent, materials, modifiers, vertex counts. Lengths in Blender units, angles in radians.";
    const EFFECT: Effect = Effect::Reads;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let mut asked = Map::from_iter([("name".to_owned(), json!(params.name))]);
        asked.extend(params.fields.map(|fields| ("fields".to_owned(), json!(fields))));
        let blender = call.blender(params.instance.as_deref())?;
        let found = call.ask::<Get>(&blender, &Value::Object(asked), Options::default())?.result;
        let Value::Object(object) = json!(found.object) else { return Ok(Answer::data(&json!({}))) };
        Ok(Answer::rounded(&Data { object }))
    }
}
