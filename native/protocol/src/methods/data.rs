//! Any property of any data-block, by its RNA path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Object;
use crate::method::{Effect, Method};
use crate::value::{Name, Text};

/// A data-block: an item of a collection of `bpy.data`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The collection of `bpy.data`, such as `objects`, `materials`, `scenes`.
    pub collection: Text<64>,
    /// The data-block's name.
    pub name: Name,
}

/// `data.get`.
pub struct Get;

/// Parameters of `data.get`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetParams {
    /// The data-block.
    pub block: Object<Block>,
    /// An RNA path below it, as Blender's Copy Data Path gives it: `location`, `location[0]`,
    /// `modifiers["Bevel"].width`, `["custom"]`.
    pub path: Text<1024>,
}

/// A property and what is known of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Property {
    /// Its value as JSON.
    pub value: Value,
    /// Its RNA type, such as `FLOAT` or `ENUM`; `CUSTOM` for a custom property.
    pub r#type: String,
    /// Whether it can be set.
    pub readonly: bool,
    /// Its description, empty when it has none.
    pub description: String,
    /// The name of the undo step; null for a read.
    #[serde(default)]
    pub undo_step: Option<String>,
}

impl Method for Get {
    const NAME: &'static str = "data.get";
    const SUMMARY: &'static str = "Read any property of any data-block.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = GetParams;
    type Result = Property;
}

/// `data.set`.
pub struct Set;

/// Parameters of `data.set`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetParams {
    /// The data-block.
    pub block: Object<Block>,
    /// As in `data.get`.
    pub path: Text<1024>,
    /// What to set: as JSON, or a blob reference with a `dtype` for arrays such as an image's
    /// `pixels`. A data-block is `{"collection": …, "name": …}`, null for none.
    pub value: Value,
}

impl Method for Set {
    const NAME: &'static str = "data.set";
    const SUMMARY: &'static str = "Set any property of any data-block, checked against its RNA definition.";
    const EFFECT: Effect = Effect::Write;
    type Params = SetParams;
    type Result = Property;
}
