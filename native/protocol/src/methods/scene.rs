//! The open scene at a glance.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Nothing;
use crate::method::{Effect, Method};

/// `scene.get`.
pub struct Get;

/// The frame range.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Frames {
    /// The current frame.
    pub current: i64,
    /// The first frame.
    pub start: i64,
    /// The last frame.
    pub end: i64,
    /// Frames per second.
    pub fps: f64,
}

/// The render settings that matter first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RenderSettings {
    /// Such as `CYCLES` or `BLENDER_EEVEE_NEXT`.
    pub engine: String,
    /// Pixels, before the percentage.
    pub width: u32,
    /// Pixels, before the percentage.
    pub height: u32,
    /// The scale of the picture, percent.
    pub percentage: u32,
}

/// The open scene.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Scene {
    /// The scene's name.
    pub name: String,
    /// The .blend file, empty when it was never saved.
    pub file: String,
    /// Whether there are unsaved changes.
    pub dirty: bool,
    /// The mode, such as `OBJECT` or `EDIT_MESH`.
    pub mode: String,
    /// The active object.
    pub active_object: Option<String>,
    /// The first 100 selected objects.
    pub selected: Vec<String>,
    /// How many objects of each type the scene has.
    pub objects: BTreeMap<String, u64>,
    /// The names of the collections, depth first, at most 1,000.
    pub collections: Vec<String>,
    /// The active camera.
    pub camera: Option<String>,
    /// The world.
    pub world: Option<String>,
    /// The frame range.
    pub frames: Frames,
    /// The render settings.
    pub render: RenderSettings,
    /// `METRIC`, `IMPERIAL` or `NONE`.
    pub unit_system: String,
    /// Metres per Blender unit.
    pub unit_scale: f64,
}

impl Method for Get {
    const NAME: &'static str = "scene.get";
    const SUMMARY: &'static str = "Describe the open scene: objects by type, camera, frames, render settings.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = Nothing;
    type Result = Scene;
}
