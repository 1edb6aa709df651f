//! The scene, its objects and the last render, by URI.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;
use serde_json::{Value, json};
use spindle_client::Options;
use spindle_protocol::methods::{Nothing, object, scene};

use crate::call::Call;
use crate::failure::Failure;

const SCENE: &str = "spindle://scene";
const OBJECTS: &str = "spindle://objects";
const OBJECT: &str = "spindle://object/";
const RENDER: &str = "spindle://render/";
const LAST: &str = "last";

/// Where a rendered picture is to be had.
pub fn render_uri(number: u64) -> String {
    format!("{RENDER}{number}")
}

/// Those that are always there.
pub fn list() -> Vec<Resource> {
    let json = |uri: &str, name: &str, what: &str| {
        Resource::new(uri, name).with_description(what).with_mime_type("application/json")
    };
    vec![
        json(SCENE, "scene", "The open scene at a glance"),
        json(OBJECTS, "objects", "The scene's objects, at most 1,000"),
        Resource::new(format!("{RENDER}{LAST}"), "last render")
            .with_description("The picture that was rendered last, in its full size")
            .with_mime_type("image/png"),
    ]
}

/// Those that are made by name.
pub fn templates() -> Vec<ResourceTemplate> {
    let object = ResourceTemplate::new(format!("{OBJECT}{{name}}"), "object");
    vec![object.with_description("Everything about one object").with_mime_type("application/json")]
}

/// What is at a URI; `None` where there can be nothing.
///
/// # Errors
/// Where Blender cannot tell.
pub fn read(call: &Call, uri: &str) -> Result<Option<ResourceContents>, Failure> {
    let blender = || call.blender(None);
    let contents = match uri {
        SCENE => text(uri, &call.ask::<scene::Get>(&*blender()?, &Nothing {}, Options::default())?.result),
        OBJECTS => {
            let asked = json!({"limit": 1000});
            text(uri, &call.ask::<object::ListAll>(&*blender()?, &asked, Options::default())?.result)
        }
        _ => match (uri.strip_prefix(OBJECT), uri.strip_prefix(RENDER)) {
            (Some(name), _) => {
                let asked = json!({"name": decoded(name)});
                text(uri, &call.ask::<object::Get>(&*blender()?, &asked, Options::default())?.result.object)
            }
            (_, Some(LAST)) => return Ok(picture(call, uri, None)),
            (_, Some(number)) => return Ok(number.parse().ok().and_then(|number| picture(call, uri, Some(number)))),
            _ => return Ok(None),
        },
    };
    Ok(Some(contents))
}

fn text(uri: &str, value: &impl Serialize) -> ResourceContents {
    let value: Value = json!(value);
    ResourceContents::text(value.to_string(), uri).with_mime_type("application/json")
}

fn picture(call: &Call, uri: &str, number: Option<u64>) -> Option<ResourceContents> {
    let (_, png) = call.kept.find_picture(number)?;
    Some(ResourceContents::blob(STANDARD.encode(&png), uri).with_mime_type("image/png"))
}

/// A name as it stands in a URI.
fn decoded(name: &str) -> String {
    percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()
}
