//! The table of limits, for the add-on's preferences page.

use pyo3::prelude::*;
use spindle_core::limits::{Kind, Row, TABLE};

/// A limit's value: Python sees by its type what the limit counts.
#[derive(IntoPyObject)]
enum Number {
    Whole(u64),
    Seconds(f64),
}

/// Name, group, default, least, most, unit, summary.
type Limit = (&'static str, &'static str, Number, Number, Number, &'static str, &'static str);

/// Every limit: whole numbers where it counts, fractions where it is a time in seconds.
#[pyfunction]
fn limits() -> Vec<Limit> {
    TABLE.iter().map(describe).collect()
}

fn describe(row: &Row) -> Limit {
    let number = |value| if row.kind == Kind::Whole { Number::Whole(value as u64) } else { Number::Seconds(value) };
    (row.name, row.group, number(row.default), number(row.least), number(row.most), row.unit, row.summary)
}

/// Add everything of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(limits, module)?)
}
