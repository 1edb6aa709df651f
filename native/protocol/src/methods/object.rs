//! Objects of the open scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::envelope::present;
use crate::json::Object as JsonObject;
use crate::method::{Effect, Method};
use crate::value::{Amount, Color, Count, FreeObject, List, Name, Real, Rotation, Text, Vector};

/// What can be asked about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Its name.
    Name,
    /// Its type, such as `MESH`.
    Type,
    /// Its location relative to its parent, Blender units.
    Location,
    /// Its rotation as Euler angles XYZ, radians.
    Rotation,
    /// Its scale.
    Scale,
    /// Its size in world space, Blender units.
    Dimensions,
    /// Its world matrix, four rows of four.
    Matrix,
    /// The corners `[least, greatest]` of its box in world space.
    Bounds,
    /// Its parent's name or null.
    Parent,
    /// Its collections' names.
    Collections,
    /// Its materials' names, by slot.
    Materials,
    /// Its modifiers, `[{"name", "type"}]`.
    Modifiers,
    /// The name of its data or null.
    Data,
    /// Its viewport colour.
    Color,
    /// Whether it is visible in the view layer.
    Visible,
    /// Whether it is selected.
    Selected,
    /// `{"vertices", "edges", "faces"}` of a mesh, before modifiers.
    Counts,
}

/// Which objects to list. All that is given must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The name, with `*`, `?` and `[…]` as in file names; letter case counts.
    #[serde(default)]
    pub name: Option<Text<255>>,
    /// One of these types, such as `MESH`, `CAMERA`, `LIGHT`.
    #[serde(default)]
    pub types: Option<List<Text<64>, 32>>,
    /// In this collection or below it.
    #[serde(default)]
    pub collection: Option<Name>,
    /// Whether it is selected.
    #[serde(default)]
    pub selected: Option<bool>,
    /// Whether it is visible.
    #[serde(default)]
    pub visible: Option<bool>,
}

/// `object.list`.
pub struct ListAll;

/// Parameters of `object.list`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListParams {
    /// Which objects; all of the scene when absent.
    #[serde(default)]
    pub filter: JsonObject<Filter>,
    /// What to tell of each; `name`, `type`, `location` when absent.
    #[serde(default)]
    pub fields: Option<List<Field, 32>>,
    /// How many at most in one answer.
    #[serde(default = "hundred")]
    pub limit: Count<1, 1000>,
    /// `next_cursor` of the answer before.
    #[serde(default)]
    pub cursor: Option<Name>,
}

fn hundred() -> Count<1, 1000> {
    Count(100)
}

/// One page of objects, in order of their names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ObjectPage {
    /// The fields asked for, an object each.
    pub objects: Vec<FreeObject>,
    /// How many objects fit the filter.
    pub total: u64,
    /// Where the next page starts; null on the last.
    pub next_cursor: Option<String>,
}

impl Method for ListAll {
    const NAME: &'static str = "object.list";
    const SUMMARY: &'static str = "List objects of the scene, filtered, page by page.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = ListParams;
    type Result = ObjectPage;
}

/// `object.get`.
pub struct Get;

/// Parameters of `object.get`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetParams {
    /// The object.
    pub name: Name,
    /// What to tell; everything when absent.
    #[serde(default)]
    pub fields: Option<List<Field, 32>>,
}

/// One object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OneObject {
    /// The fields asked for.
    pub object: FreeObject,
    /// The name of the undo step; null for a read.
    #[serde(default)]
    pub undo_step: Option<String>,
}

impl Method for Get {
    const NAME: &'static str = "object.get";
    const SUMMARY: &'static str = "Tell about one object.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = GetParams;
    type Result = OneObject;
}

/// What to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A mesh.
    Cube,
    /// A mesh.
    Plane,
    /// A mesh.
    Grid,
    /// A mesh.
    Circle,
    /// A mesh.
    UvSphere,
    /// A mesh.
    IcoSphere,
    /// A mesh.
    Cylinder,
    /// A mesh.
    Cone,
    /// A mesh.
    Torus,
    /// A mesh: Suzanne.
    Monkey,
    /// A mesh of the given `vertices` and `faces`.
    Mesh,
    /// A text of the given `text`.
    Text,
    /// An empty.
    Empty,
    /// A camera.
    Camera,
    /// A light.
    PointLight,
    /// A light.
    SunLight,
    /// A light.
    SpotLight,
    /// A light.
    AreaLight,
}

/// `object.create`.
pub struct Create;

/// Parameters of `object.create`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateParams {
    /// What to create.
    pub kind: ObjectKind,
    /// Its name; Blender appends a number where the name is taken.
    #[serde(default)]
    pub name: Option<Name>,
    /// Blender units; the origin when absent.
    #[serde(default)]
    pub location: Option<Vector>,
    /// Euler angles XYZ, radians.
    #[serde(default)]
    pub rotation: Option<Rotation>,
    /// Factor along each axis.
    #[serde(default)]
    pub scale: Option<Vector>,
    /// Edge length or diameter of a mesh, size of a text or an area light, Blender units.
    #[serde(default)]
    pub size: Option<Amount>,
    /// Viewport colour; for a light, the colour of its light.
    #[serde(default)]
    pub color: Option<Color>,
    /// The power of a light: watts, or watts per square metre for a sun.
    #[serde(default)]
    pub energy: Option<Amount>,
    /// Focal length of a camera, millimetres.
    #[serde(default)]
    pub lens: Option<Count<1, 5000>>,
    /// A point in world space that it looks at, instead of a rotation.
    #[serde(default)]
    pub look_at: Option<Vector>,
    /// The parent; the object stays where it is in world space.
    #[serde(default)]
    pub parent: Option<Name>,
    /// The collection; the active one when absent.
    #[serde(default)]
    pub collection: Option<Name>,
    /// An existing material for the first slot.
    #[serde(default)]
    pub material: Option<Name>,
    /// Smooth shading of a mesh.
    #[serde(default)]
    pub smooth: bool,
    /// For `text`.
    #[serde(default)]
    pub text: Option<Text<10_000>>,
    /// For `mesh`: `[[x, y, z], …]`.
    #[serde(default)]
    pub vertices: Option<List<[Real; 3], 100_000>>,
    /// For `mesh`: `[[0, 1, 2, …], …]`, indices of vertices.
    #[serde(default)]
    pub faces: Option<List<List<Count<0, 99_999>, 1_000>, 100_000>>,
}

impl Method for Create {
    const NAME: &'static str = "object.create";
    const SUMMARY: &'static str = "Create a mesh, text, light, camera or empty.";
    const EFFECT: Effect = Effect::Write;
    type Params = CreateParams;
    type Result = OneObject;
}

/// `object.set`.
pub struct Set;

/// Parameters of `object.set`. What is absent stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetParams {
    /// The object.
    pub name: Name,
    /// Its new name.
    #[serde(default)]
    pub rename: Option<Name>,
    /// Blender units, relative to its parent.
    #[serde(default)]
    pub location: Option<Vector>,
    /// Euler angles XYZ, radians.
    #[serde(default)]
    pub rotation: Option<Rotation>,
    /// Factor along each axis.
    #[serde(default)]
    pub scale: Option<Vector>,
    /// Viewport colour; for a light, the colour of its light.
    #[serde(default)]
    pub color: Option<Color>,
    /// The power of a light.
    #[serde(default)]
    pub energy: Option<Amount>,
    /// A point in world space to look at.
    #[serde(default)]
    pub look_at: Option<Vector>,
    /// The new parent, null for none; the object stays where it is in world space.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub parent: Option<Option<Name>>,
    /// Move it to this collection, out of all others.
    #[serde(default)]
    pub collection: Option<Name>,
    /// An existing material for the first slot.
    #[serde(default)]
    pub material: Option<Name>,
    /// Whether viewports show it.
    #[serde(default)]
    pub visible: Option<bool>,
    /// Whether renders show it.
    #[serde(default)]
    pub renderable: Option<bool>,
    /// Whether it is selected.
    #[serde(default)]
    pub selected: Option<bool>,
    /// Make it the active object.
    #[serde(default)]
    pub active: bool,
}

impl Method for Set {
    const NAME: &'static str = "object.set";
    const SUMMARY: &'static str = "Change an object; what is not given stays.";
    const EFFECT: Effect = Effect::Write;
    type Params = SetParams;
    type Result = OneObject;
}

/// `object.delete`.
pub struct Delete;

/// Parameters of `object.delete`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteParams {
    /// The objects. Either all of them go or, if one does not exist, none.
    pub names: List<Name, 1_000>,
}

/// The result of `object.delete`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {
    /// What is gone.
    pub deleted: Vec<String>,
    /// The name of the undo step.
    #[serde(default)]
    pub undo_step: Option<String>,
}

impl Method for Delete {
    const NAME: &'static str = "object.delete";
    const SUMMARY: &'static str = "Delete objects, all of them or none.";
    const EFFECT: Effect = Effect::Write;
    type Params = DeleteParams;
    type Result = Deleted;
}
