//! `spindle get`.

use serde_json::Value;
use spindle_client::{Connection, Options};
use spindle_protocol::json::Object;
use spindle_protocol::methods::{data, object};
use spindle_protocol::value::{Name, Text};

use crate::args::Get;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;

/// Tell about an object, or print a property.
pub fn get(blender: &mut Connection, asked: &Get, options: &Options, output: &mut Output) -> Result<(), Failure> {
    // An object's own name may hold a slash; then it has to be told that it is an object.
    let block = asked.block.split_once('/');
    let (collection, name) = block.unwrap_or(("objects", &asked.block));
    match (&asked.path, collection) {
        (Some(path), _) => {
            let block = data::Block { collection: Text(collection.to_owned()), name: Name(name.to_owned()) };
            let params = data::GetParams { block: Object(block), path: Text(path.clone()) };
            let (property, _) = blender.call_typed::<data::Get>(&params, &[], options)?;
            match property.value {
                _ if output.json => output.json(&property)?,
                Value::String(text) => output.line(&text)?,
                value => output.line(&value.to_string())?,
            }
            Ok(())
        }
        (None, "objects") => {
            let params = object::GetParams { name: Name(name.to_owned()), fields: None };
            let (found, _) = blender.call_typed::<object::Get>(&params, &[], options)?;
            if output.json {
                return Ok(output.json(&found.object)?);
            }
            let rows: Vec<[String; 2]> = found.object.iter().map(|(key, value)| [key.clone(), short(value)]).collect();
            Ok(output.table(&rows)?)
        }
        (None, _) => {
            let example = "such as `spindle get materials/Gold diffuse_color`";
            Err(Failure::Usage(format!("of {collection} a property's path is needed, {example}")))
        }
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        value => text::head(&value.to_string(), 100),
    }
}
