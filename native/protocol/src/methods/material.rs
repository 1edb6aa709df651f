//! Materials of the Principled kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::{Amount, Color, Name, Unit};

/// `material.set`.
pub struct Set;

/// Parameters of `material.set`. What is absent stays as it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetParams {
    /// The material; created when there is none of this name.
    pub name: Name,
    /// Give it to this object's first slot.
    #[serde(default)]
    pub object: Option<Name>,
    /// The surface's colour, linear.
    #[serde(default)]
    pub base_color: Option<Color>,
    /// 0 for a dielectric, 1 for a metal.
    #[serde(default)]
    pub metallic: Option<Unit>,
    /// 0 for a mirror, 1 for chalk.
    #[serde(default)]
    pub roughness: Option<Unit>,
    /// 0 for opaque, 1 for glass.
    #[serde(default)]
    pub transmission: Option<Unit>,
    /// 0 for invisible, 1 for solid.
    #[serde(default)]
    pub alpha: Option<Unit>,
    /// The colour of its own light.
    #[serde(default)]
    pub emission_color: Option<Color>,
    /// The strength of its own light.
    #[serde(default)]
    pub emission_strength: Option<Amount>,
}

/// The result of `material.set`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Material {
    /// The material's name.
    pub name: String,
    /// Whether it was created.
    pub created: bool,
    /// The name of the undo step.
    #[serde(default)]
    pub undo_step: Option<String>,
}

impl Method for Set {
    const NAME: &'static str = "material.set";
    const SUMMARY: &'static str = "Create or change a Principled material, and give it to an object.";
    const EFFECT: Effect = Effect::Write;
    type Params = SetParams;
    type Result = Material;
}
