//! `spindle objects`.

use serde_json::Value;
use spindle_client::{Connection, Error, Options};
use spindle_protocol::json::Object;
use spindle_protocol::methods::object::{Field, Filter, ListAll, ListParams};
use spindle_protocol::value::{Count, FreeObject, List, Name, Text};

use crate::args::Objects;
use crate::failure::Failure;
use crate::output::Output;

/// Objects in one answer: as many as there may be.
const PAGE: i64 = 1000;

/// List objects, page by page.
pub fn objects(
    blender: &mut Connection,
    asked: Objects,
    options: &Options,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut params = ListParams {
        filter: Object(filter(asked)),
        fields: Some(List(vec![Field::Name, Field::Type, Field::Location, Field::Collections, Field::Visible])),
        limit: Count(PAGE),
        cursor: None,
    };
    let mut objects: Vec<FreeObject> = Vec::new();
    loop {
        let (page, _) = blender.call_typed::<ListAll>(&params, &[], options)?;
        let before = objects.len();
        objects.extend(page.objects);
        match page.next_cursor {
            Some(cursor) if objects.len() > before => params.cursor = Some(Name(cursor)),
            // A page without objects that is not the last would have us ask for ever.
            Some(cursor) => {
                let (reason, shown) = ("an empty page is not the last".to_owned(), cursor);
                return Err(Error::Malformed { reason, shown }.into());
            }
            None => break,
        }
    }
    if output.json {
        return Ok(output.json(&objects)?);
    }
    if objects.is_empty() {
        return Ok(output.complain("no such objects")?);
    }
    let heading = ["NAME", "TYPE", "LOCATION", "VISIBLE", "COLLECTIONS"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(objects.iter().map(row)).collect();
    Ok(output.table(&rows)?)
}

fn filter(asked: Objects) -> Filter {
    Filter {
        name: asked.name.map(Text),
        types: Some(asked.types)
            .filter(|types| !types.is_empty())
            .map(|types| List(types.into_iter().map(Text).collect())),
        collection: asked.collection.map(Name),
        selected: asked.selected.then_some(true),
        visible: asked.visible.then_some(true),
    }
}

fn row(object: &FreeObject) -> [String; 5] {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let location: Vec<String> =
        list("location").iter().filter_map(Value::as_f64).map(|number| format!("{number:.3}")).collect();
    let collections: Vec<&str> = list("collections").iter().filter_map(Value::as_str).collect();
    let visible = if object.get("visible") == Some(&Value::Bool(true)) { "yes" } else { "no" };
    [text("name"), text("type"), location.join(" "), visible.to_owned(), collections.join(", ")]
}
