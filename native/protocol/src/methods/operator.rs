//! Blender's operators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::{FreeObject, OperatorName, Text};

/// `operator.call`.
pub struct Call;

/// Parameters of `operator.call`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallParams {
    /// The operator, such as `mesh.primitive_cube_add`.
    pub operator: OperatorName,
    /// Its properties, checked against the operator's own list.
    #[serde(default)]
    pub properties: FreeObject,
    /// The type of the area to run in, such as `VIEW_3D`; the first one of the first window.
    #[serde(default)]
    pub area: Option<Text<64>>,
}

/// The result of `operator.call`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Called {
    /// What the operator returned, such as `["FINISHED"]`.
    pub status: Vec<String>,
    /// The name of the undo step.
    #[serde(default)]
    pub undo_step: Option<String>,
}

impl Method for Call {
    const NAME: &'static str = "operator.call";
    const SUMMARY: &'static str = "Call one of Blender's operators.";
    const EFFECT: Effect = Effect::Write;
    type Params = CallParams;
    type Result = Called;
}
