//! Renders.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::{BlobRef, Count, FilePath, Name};

/// Which engine renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Path tracing.
    Cycles,
    /// Real time; needs a GPU, or a window with software OpenGL.
    Eevee,
    /// Plain shading; needs a GPU, or a window with software OpenGL.
    Workbench,
}

/// `render.image`.
pub struct Image;

/// Parameters of `render.image`. What is absent is as the scene says; the scene's settings are put
/// back afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageParams {
    /// The engine.
    #[serde(default)]
    pub engine: Option<Engine>,
    /// Pixels.
    #[serde(default)]
    pub width: Option<Count<4, 16384>>,
    /// Pixels.
    #[serde(default)]
    pub height: Option<Count<4, 16384>>,
    /// Samples per pixel.
    #[serde(default)]
    pub samples: Option<Count<1, 65536>>,
    /// The camera; the scene's active one when absent.
    #[serde(default)]
    pub camera: Option<Name>,
    /// The frame; the current one when absent.
    #[serde(default)]
    pub frame: Option<Count<-1_048_574, 1_048_574>>,
    /// Write the PNG here, in an allowed folder, instead of returning it.
    #[serde(default)]
    pub path: Option<FilePath>,
}

/// The result of `render.image`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Rendered {
    /// The PNG file, in the frame's blob; null when it was written to `path`.
    pub image: Option<BlobRef>,
    /// Where it was written.
    pub path: Option<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The engine's identifier in this Blender.
    pub engine: String,
    /// How long it took.
    pub seconds: f64,
}

impl Method for Image {
    const NAME: &'static str = "render.image";
    const SUMMARY: &'static str =
        "Render a picture. With a window Blender stays usable; headless, the main thread waits.";
    const EFFECT: Effect = Effect::Read;
    const DEADLINE: Option<Duration> = None;
    type Params = ImageParams;
    type Result = Rendered;
}

/// `render.animation`.
pub struct Animation;

/// Parameters of `render.animation`. What is absent is as the scene says; the scene's settings are put back
/// afterwards.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnimationParams {
    /// The folder for the pictures, in an allowed folder; made at need.
    pub folder: FilePath,
    /// What each file's name begins with; the frame's number in at least four digits and `.png` follow.
    #[serde(default)]
    pub prefix: Option<Name>,
    /// The first frame.
    #[serde(default)]
    pub frame_start: Option<Count<-1_048_574, 1_048_574>>,
    /// The last frame.
    #[serde(default)]
    pub frame_end: Option<Count<-1_048_574, 1_048_574>>,
    /// Every so many frames.
    #[serde(default)]
    pub frame_step: Option<Count<1, 100_000>>,
    /// The engine.
    #[serde(default)]
    pub engine: Option<Engine>,
    /// Pixels.
    #[serde(default)]
    pub width: Option<Count<4, 16384>>,
    /// Pixels.
    #[serde(default)]
    pub height: Option<Count<4, 16384>>,
    /// Samples per pixel.
    #[serde(default)]
    pub samples: Option<Count<1, 65536>>,
    /// The camera; the scene's active one when absent.
    #[serde(default)]
    pub camera: Option<Name>,
}

/// The result of `render.animation`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RenderedAnimation {
    /// The files, in the order of their frames.
    pub files: Vec<String>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The engine's identifier in this Blender.
    pub engine: String,
    /// How long it took.
    pub seconds: f64,
}

impl Method for Animation {
    const NAME: &'static str = "render.animation";
    const SUMMARY: &'static str =
        "Render frames into PNG files. Its progress is told; a cancel takes effect between frames at the latest.";
    const EFFECT: Effect = Effect::Read;
    const DEADLINE: Option<Duration> = None;
    type Params = AnimationParams;
    type Result = RenderedAnimation;
}
