//! What the viewport shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::method::{Effect, Method};
use crate::value::{BlobRef, Count, List, Name};

/// Where to look from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// As the first 3D viewport looks.
    #[default]
    Viewport,
    /// Through the active camera.
    Camera,
    /// From -Y, along the axis, all that is visible or `objects` just fitting in; so for the five that follow.
    Front,
    /// From +Y.
    Back,
    /// From -X.
    Left,
    /// From +X.
    Right,
    /// From +Z, with +Y above.
    Top,
    /// From -Z, with -Y above.
    Bottom,
    /// In perspective, obliquely from above: from the front and the right.
    ThreeQuarter,
}

/// How surfaces are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shading {
    /// Edges only.
    Wireframe,
    /// Plain surfaces.
    Solid,
    /// With materials.
    Material,
    /// As the render engine would.
    Rendered,
}

/// `view.capture`.
pub struct Capture;

/// Parameters of `view.capture`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureParams {
    /// Pixels.
    #[serde(default = "width")]
    pub width: Count<16, 8192>,
    /// Pixels.
    #[serde(default = "height")]
    pub height: Count<16, 8192>,
    /// Where to look from.
    #[serde(default)]
    pub from: From,
    /// Where it looks from a side: what to frame, by name; all that is visible when absent. What else is there is in
    /// the picture too.
    #[serde(default)]
    pub objects: Option<List<Name, 1_000>>,
    /// How to draw; as the viewport does when absent.
    #[serde(default)]
    pub shading: Option<Shading>,
    /// Whether to draw grid, outlines and gizmo lines too.
    #[serde(default)]
    pub overlays: bool,
}

fn width() -> Count<16, 8192> {
    Count(960)
}

fn height() -> Count<16, 8192> {
    Count(540)
}

/// A picture.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// The PNG file, in the frame's blob.
    pub image: BlobRef,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `viewport`: drawn as a viewport is. Otherwise the engine that rendered it. Without a viewport that is
    /// `workbench`, or `cycles` where there is no GPU; and what was to be seen as a viewport looks is seen through the
    /// camera, or as from `three_quarter` where there is none. For the shading `rendered` without a viewport, or in one that the scene's engine fills
    /// bit by bit, it is the scene's engine: `cycles`, `eevee` or `workbench`.
    pub source: String,
}

impl Method for Capture {
    const NAME: &'static str = "view.capture";
    const SUMMARY: &'static str = "Draw the 3D viewport, or the scene from a side, into a PNG.";
    const EFFECT: Effect = Effect::Read;
    const CACHEABLE: bool = true;
    type Params = CaptureParams;
    type Result = Picture;
}
