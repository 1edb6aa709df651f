//! `spindle limits`.

use spindle_client::{Connection, Options};
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::watch::{LimitRow, Limits};

use crate::failure::Failure;
use crate::output::Output;

/// List every limit.
pub fn limits(blender: &mut Connection, options: &Options, output: &mut Output) -> Result<(), Failure> {
    let (list, _) = blender.call_typed::<Limits>(&Nothing {}, &[], options)?;
    if output.json {
        return Ok(output.json(&list)?);
    }
    let heading = ["LIMIT", "VALUE", "UNIT", "RANGE", "SOURCE"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(list.limits.into_iter().map(row)).collect();
    Ok(output.table(&rows)?)
}

fn row(limit: LimitRow) -> [String; 5] {
    let range = format!("{} to {}", limit.least, limit.most);
    [limit.name, limit.value.to_string(), limit.unit, range, limit.source]
}
