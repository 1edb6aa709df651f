//! Kept answers of read-only methods.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::Text;

/// `cache.clear`.
pub struct Clear;

/// Which kept answers to forget; all of them when nothing is given. Each is known by its method and parameters, written
/// as `scene.get {…}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearParams {
    /// Those that contain this text, taken literally.
    #[serde(default)]
    pub containing: Option<Text<200>>,
    /// Those that match this regular expression, in the syntax of the crate `regex`.
    #[serde(default)]
    pub pattern: Option<Text<200>>,
}

/// The result of `cache.clear`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Cleared {
    /// How many answers were forgotten.
    pub cleared: u64,
}

impl Method for Clear {
    const NAME: &'static str = "cache.clear";
    const SUMMARY: &'static str = "Forget kept answers: all, those that contain a text, or those that match a pattern.";
    const EFFECT: Effect = Effect::Control;
    type Params = ClearParams;
    type Result = Cleared;
}
