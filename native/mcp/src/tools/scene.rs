//! What is in the open scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use spindle_client::Options;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::object::ListAll;
use spindle_protocol::methods::scene::Get;

use super::{Effect, Tool};
use crate::answer::{Answer, TEXT_CHARS, shorten};
use crate::call::Call;
use crate::failure::Failure;

/// Items of each list that the scene itself has, such as what is selected.
const SELECTED: usize = 50;

pub struct Scene;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Only objects of such a name, with * and ?
    #[serde(default)]
    name: Option<String>,
    /// Only this type: MESH, LIGHT, CAMERA, ...
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// Only objects in this collection
    #[serde(default)]
    collection: Option<String>,
    /// Only the selected (or unselected) ones
    #[serde(default)]
    selected: Option<bool>,
    /// Of each: name, type, location (these when absent), rotation, scale, dimensions, matrix, bounds, parent, collections, materials, modifiers, data, color, visible, selected, counts
    #[serde(default)]
    fields: Option<Vec<String>>,
    /// Objects in one answer, 50 when absent
    #[serde(default)]
    limit: Option<u16>,
    /// `next_cursor` of the answer before
    #[serde(default)]
    cursor: Option<String>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    /// File, mode, frames, camera, render settings; on the first page only
    #[serde(skip_serializing_if = "Option::is_none")]
    scene: Option<Map<String, Value>>,
    #[schemars(with = "Vec<Map<String, Value>>")]
    objects: Vec<Value>,
    /// How many objects fit
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Tool for Scene {
    const NAME: &'static str = "scene";
    const TITLE: &'static str = "Describe the scene";
    const DESCRIPTION: &'static str =
        "The open scene: file, frames, camera, render settings, and its objects, filtered and page by page.";
    const EFFECT: Effect = Effect::Reads;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let blender = call.blender(params.instance.as_deref())?;
        let scene = match params.cursor {
            Some(_) => None,
            None => Some(call.ask::<Get>(&blender, &Nothing {}, Options::default())?.result),
        };
        let scene = scene.map(|scene| {
            let mut scene = json!(scene);
            // Thousands may be selected, and each page of objects would be left with one.
            shorten(&mut scene, SELECTED);
            match scene {
                Value::Object(scene) => scene,
                _ => Map::new(),
            }
        });
        let mut limit = params.limit.unwrap_or(50);
        if !(1..=1000).contains(&limit) {
            return Err(Failure::Arguments(format!("limit is {limit}; the allowed range is 1 to 1000")));
        }
        loop {
            let asked = listing(&params, limit);
            let page = call.ask::<ListAll>(&blender, &Value::Object(asked), Options::default())?.result;
            let objects = page.objects.iter().map(|object| json!(object)).collect();
            let data = Data { scene: scene.clone(), objects, total: page.total, next_cursor: page.next_cursor };
            let size = serde_json::to_string(&data).map_or(0, |text| text.chars().count());
            if size <= TEXT_CHARS || limit == 1 {
                return Ok(Answer::rounded(&data));
            }
            // A shorter page: its cursor goes on from there.
            limit = (usize::from(limit) * TEXT_CHARS * 8 / (size * 10)).max(1) as u16;
        }
    }
}

/// Parameters of `object.list`: only what was asked for, as Blender checks the ranges and has the defaults.
fn listing(params: &Params, limit: u16) -> Map<String, Value> {
    let filter = [
        ("name", params.name.as_ref().map(|name| json!(name))),
        ("types", params.kind.as_ref().map(|kind| json!([kind]))),
        ("collection", params.collection.as_ref().map(|collection| json!(collection))),
        ("selected", params.selected.map(|selected| json!(selected))),
    ];
    let filter: Map<String, Value> =
        filter.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let mut asked = Map::from_iter([("limit".to_owned(), json!(limit))]);
    if !filter.is_empty() {
        asked.insert("filter".to_owned(), Value::Object(filter));
    }
    asked.extend(params.fields.as_ref().map(|fields| ("fields".to_owned(), json!(fields))));
    asked.extend(params.cursor.as_ref().map(|cursor| ("cursor".to_owned(), json!(cursor))));
    asked
}
