//! A picture of the scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use spindle_client::{Client, Options};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::scene;
use spindle_protocol::methods::view::Capture;

use super::{Effect, Tool};
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use crate::picture::{MOST_PIXELS, USUAL_PIXELS, jpeg};

/// The shortest side that shows anything, pixels.
const LEAST_PIXELS: u32 = 64;

pub struct Look;

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum From {
    Viewport,
    Camera,
    Front,
    Back,
    Left,
    Right,
    Top,
    Bottom,
    ThreeQuarter,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Shading {
    Wireframe,
    Solid,
    Material,
    Rendered,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// viewport when absent: what the user sees
    #[serde(default)]
    from: Option<From>,
    /// From a side: what to frame, by name; all that is visible when absent
    #[serde(default)]
    objects: Option<Vec<String>>,
    /// As the viewport has it when absent
    #[serde(default)]
    shading: Option<Shading>,
    /// Longest side in pixels, 64 to 2000; 768 when absent
    #[serde(default)]
    size: Option<u32>,
    /// Pid, port or file of a Blender, if several run
    #[serde(default)]
    instance: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Data {
    width: u32,
    height: u32,
    /// What drew it
    source: String,
}

impl Tool for Look {
    const NAME: &'static str = "look";
    const TITLE: &'static str = "Look at the scene";
    const DESCRIPTION: &'static str = "A picture of the viewport, of what the camera sees, or of the scene from a side. Look after each change that matters.";
    const EFFECT: Effect = Effect::Reads;
    type Params = Params;
    type Data = Data;

    fn call(call: &Call, params: Params) -> Result<Answer, Failure> {
        let size = params.size.unwrap_or(USUAL_PIXELS);
        if !(LEAST_PIXELS..=MOST_PIXELS).contains(&size) {
            let text = format!("size is {size}; the allowed range is {LEAST_PIXELS} to {MOST_PIXELS} pixels");
            return Err(Failure::Arguments(text));
        }
        let blender = call.blender(params.instance.as_deref())?;
        let from = params.from.unwrap_or(From::Viewport);
        let [width, height] = sides(size, shape(call, &blender, from)?);
        let mut asked = Map::from_iter([
            ("width".to_owned(), json!(width)),
            ("height".to_owned(), json!(height)),
            ("from".to_owned(), json!(from)),
        ]);
        asked.extend(params.objects.map(|objects| ("objects".to_owned(), json!(objects))));
        asked.extend(params.shading.map(|shading| ("shading".to_owned(), json!(shading))));
        let answered = call.ask::<Capture>(&blender, &Value::Object(asked), Options::default())?;
        let png = answered.bytes(&answered.result.image)?;
        let data = Data { width, height, source: answered.result.source.clone() };
        let text = format!("{width} x {height} pixels, drawn by {}", data.source);
        Ok(Answer::told(text, &data).with_jpeg(&jpeg(png, size)?))
    }
}

/// Width by height: the camera's own, else that of most viewports.
fn shape(call: &Call, blender: &Client, from: From) -> Result<[f64; 2], Failure> {
    if from != From::Camera {
        return Ok([4.0, 3.0]);
    }
    let render = call.ask::<scene::Get>(blender, &Nothing {}, Options::default())?.result.render;
    Ok([f64::from(render.width), f64::from(render.height)])
}

/// A picture of this shape with its longest side so long, pixels.
fn sides(size: u32, shape: [f64; 2]) -> [u32; 2] {
    let longest = shape[0].max(shape[1]);
    shape.map(|side| ((side / longest * f64::from(size)).round() as u32).max(LEAST_PIXELS.min(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_is_as_asked() {
        for (size, shape, expected) in [
            (768, [4.0, 3.0], [768, 576]),
            (2000, [1920.0, 1080.0], [2000, 1125]),
            (100, [1.0, 4.0], [25, 100]),
            (64, [4000.0, 4.0], [64, 16]),
        ] {
            assert_eq!(sides(size, shape), expected);
        }
    }
}
