//! The Python API of the Blender that runs, as it tells about itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::method::{Effect, Method};
use crate::value::{Count, List, Name, Query, Text};

/// What a name of the API stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A class, such as `bpy.types.Object` or `mathutils.Vector`.
    Type,
    /// A class of nodes, such as `bpy.types.ShaderNodeMath`.
    Node,
    /// A property of a type, or a value in a module.
    Property,
    /// A method of a type, or a function of a module.
    Function,
    /// An operator, such as `bpy.ops.mesh.primitive_cube_add`.
    Operator,
    /// A module, such as `bpy.ops.mesh` or `mathutils`.
    Module,
}

/// A property, a parameter or what a function returns. What does not apply is absent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Property {
    /// Its identifier.
    pub name: String,
    /// `BOOLEAN`, `INT`, `FLOAT`, `STRING`, `ENUM`, `POINTER` or `COLLECTION`; of what is not in RNA, what its docstring
    /// says, or `PYTHON`.
    pub r#type: String,
    /// What it means, cut at 300 characters. Of what was asked for, the answer itself tells it.
    #[serde(default)]
    pub description: String,
    /// What kind of number or text it is, such as `COLOR`, `ANGLE` or `FILE_PATH`.
    #[serde(default)]
    pub subtype: Option<String>,
    /// What it measures, such as `LENGTH` (metres by default) or `ROTATION` (radians).
    #[serde(default)]
    pub unit: Option<String>,
    /// Its default: a number, text, array of at most 32 numbers, or the identifiers of a set.
    #[serde(default)]
    pub default: Option<Value>,
    /// The least that it holds.
    #[serde(default)]
    pub min: Option<f64>,
    /// The most that it holds.
    #[serde(default)]
    pub max: Option<f64>,
    /// The least that the user interface offers, where that is more.
    #[serde(default)]
    pub soft_min: Option<f64>,
    /// The most that the user interface offers, where that is less.
    #[serde(default)]
    pub soft_max: Option<f64>,
    /// The items of an array; 0 where that differs from one to another.
    #[serde(default)]
    pub array_length: Option<u64>,
    /// The identifiers of an enumeration, the first 100.
    #[serde(default)]
    pub values: Option<Vec<String>>,
    /// How many more there are; asked for by itself, the property tells all.
    #[serde(default)]
    pub values_omitted: Option<u64>,
    /// Whether it holds any number of the values, as a Python set.
    #[serde(default)]
    pub is_set: Option<bool>,
    /// The type of what it points to, or of its items.
    #[serde(default)]
    pub target: Option<String>,
    /// Whether it cannot be set.
    #[serde(default)]
    pub readonly: Option<bool>,
    /// Whether a parameter must be given.
    #[serde(default)]
    pub required: Option<bool>,
    /// Where it is deprecated: since when, and what to use.
    #[serde(default)]
    pub deprecated: Option<String>,
    /// The type that has it, where that is a base of the one asked about.
    #[serde(default)]
    pub defined_by: Option<String>,
}

/// A method or a function, at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// How it is called, such as `ray_cast(origin, direction, distance=…) -> result, location, normal, index`.
    pub signature: String,
    /// The first words of what it does.
    #[serde(default)]
    pub description: String,
    /// The type that has it, where that is a base of the one asked about.
    #[serde(default)]
    pub defined_by: Option<String>,
}

/// Which side of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// On the left.
    Input,
    /// On the right.
    Output,
}

/// A socket of a node as it is when the node is new.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Socket {
    /// Its name, by which `node.inputs[…]` finds the first of that name.
    pub name: String,
    /// Its identifier, which no other socket on its side has.
    pub identifier: String,
    /// Its side.
    pub direction: Direction,
    /// Its type, such as `NodeSocketColor`.
    pub r#type: String,
    /// What it gets when nothing is linked to it.
    #[serde(default)]
    pub default: Option<Value>,
    /// The least that it takes.
    #[serde(default)]
    pub min: Option<f64>,
    /// The most that it takes.
    #[serde(default)]
    pub max: Option<f64>,
    /// False where it is there only with other settings of the node.
    #[serde(default)]
    pub available: Option<bool>,
}

/// A value of an enumeration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnumValue {
    /// What Python sets and compares.
    pub identifier: String,
    /// What the user interface shows.
    pub name: String,
    /// What it means.
    pub description: String,
}

/// `docs.get`.
pub struct Get;

/// Parameters of `docs.get`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetParams {
    /// A name as Python has it, with or without `bpy.types.` and `bpy.ops.`: a type (`Object`), a property or function
    /// of one (`Object.location`, `bpy.data.objects.new`), an operator (`mesh.primitive_cube_add`, or
    /// `MESH_OT_primitive_cube_add`), a node (`ShaderNodeBsdfPrincipled`, or `Principled BSDF`), or what is in
    /// `bpy.utils`, `mathutils`, `bmesh` and Blender's other modules.
    pub name: Name,
    /// `next_cursor` of the answer before.
    #[serde(default)]
    pub cursor: Option<Text<16>>,
}

/// What a name stands for. An answer has less than 10,000 characters; what does not fit is on the next page, in this
/// order: sockets, properties, functions, parameters, returns, values. What is empty is absent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Doc {
    /// What it is.
    pub kind: Kind,
    /// Its full name, such as `bpy.types.Object.location`.
    pub name: String,
    /// What the user interface calls it.
    #[serde(default)]
    pub label: Option<String>,
    /// What it is for.
    pub description: String,
    /// The type that it is derived from.
    #[serde(default)]
    pub base: Option<String>,
    /// A line of Python that uses it; `item` stands for something that the script has.
    pub usage: String,
    /// What else to know, such as why a node's sockets are not told.
    #[serde(default)]
    pub note: Option<String>,
    /// Of a property: the property itself.
    #[serde(default)]
    pub property: Option<Property>,
    /// Of a node: its inputs, then its outputs.
    #[serde(default)]
    pub sockets: Vec<Socket>,
    /// Of a type, an operator or a module: its own properties first, then those of its bases.
    #[serde(default)]
    pub properties: Vec<Property>,
    /// Of a type or a module: its functions, in the same order; classes of a module too.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// Of a function: what it takes.
    #[serde(default)]
    pub parameters: Vec<Property>,
    /// Of a function: what it returns; a tuple where that is several.
    #[serde(default)]
    pub returns: Vec<Property>,
    /// Of an enumeration: its values.
    #[serde(default)]
    pub values: Vec<EnumValue>,
    /// Where the next page starts; null on the last.
    pub next_cursor: Option<String>,
}

impl Method for Get {
    const NAME: &'static str = "docs.get";
    const SUMMARY: &'static str = "Tell what a name of Blender's Python API is, as the running Blender knows it.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = GetParams;
    type Result = Doc;
}

/// `docs.search`.
pub struct Search;

/// Parameters of `docs.search`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    /// Words to look for in names, labels and descriptions; letter case does not count.
    pub query: Query,
    /// Only of these kinds; of all when absent.
    #[serde(default)]
    pub kinds: Option<List<Kind, 6>>,
    /// How many at most in one answer.
    #[serde(default = "twenty")]
    pub limit: Count<1, 100>,
    /// `next_cursor` of the answer before.
    #[serde(default)]
    pub cursor: Option<Text<16>>,
}

fn twenty() -> Count<1, 100> {
    Count(20)
}

/// Something that fits a query.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// What it is.
    pub kind: Kind,
    /// Its full name, which `docs.get` takes.
    pub name: String,
    /// What the user interface calls it, and what it is for; cut at 160 characters.
    pub description: String,
}

/// What fits, best first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Matches {
    /// This page of it: what has at least two thirds of the words, or the most that anything has. What has all of them
    /// comes first.
    pub results: Vec<Match>,
    /// How many fit.
    pub total: u64,
    /// Where the next page starts; null on the last.
    pub next_cursor: Option<String>,
}

impl Method for Search {
    const NAME: &'static str = "docs.search";
    const SUMMARY: &'static str = "Search the running Blender's Python API for words.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = SearchParams;
    type Result = Matches;
}
