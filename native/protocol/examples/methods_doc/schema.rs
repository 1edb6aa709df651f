//! A JSON schema as rows of a table that people read.

use serde_json::{Map, Value};

/// A member of an object, at any depth.
pub struct Row {
    /// Where it is: `filter.name`, `objects[].name`.
    pub path: String,
    /// Its type, with its range.
    pub kind: String,
    /// What it is when left out; none where it must be given, or has no default.
    pub default: Option<String>,
    /// Whether it is always there.
    pub required: bool,
    /// What it means, on one line.
    pub description: String,
    /// What each of its values means, where it has a closed list of them.
    pub values: Vec<(String, String)>,
}

/// The members of an object, the required ones first, each followed by its own members.
pub fn rows(schema: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    members(schema, "", &mut rows);
    rows
}

/// The description of a schema, on one line.
pub fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn members(schema: &Value, prefix: &str, rows: &mut Vec<Row>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|other| other == name));
    let (first, last): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| is_required(name));
    for (name, member) in first.into_iter().chain(last) {
        let path = format!("{prefix}{name}");
        rows.push(row(path.clone(), member, is_required(name)));
        let inner = without_null(member);
        // What a blob reference looks like is told once, in docs/protocol.md.
        if is_blob(inner) {
            continue;
        }
        let (items, mut place) = items(inner, path);
        place.push('.');
        members(items, &place, rows);
    }
}

fn row(path: String, member: &Value, required: bool) -> Row {
    let default = member.get("default").filter(|_| !required).map(ToString::to_string);
    let (inner, _) = items(without_null(member), String::new());
    Row {
        path,
        kind: kind(member),
        default: default.filter(|default| !default.contains(":null")),
        required,
        description: description(member),
        values: values(inner),
    }
}

/// What is in an array, or in arrays in it; and the path with a `[]` for each.
fn items(mut schema: &Value, mut path: String) -> (&Value, String) {
    while let Some(items) = schema.get("items") {
        schema = without_null(items);
        path += "[]";
    }
    (schema, path)
}

/// A schema without the alternative null, where that is told by `anyOf`.
fn without_null(schema: &Value) -> &Value {
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([one, null]) if null["type"] == "null" => one,
        _ => schema,
    }
}

fn is_blob(schema: &Value) -> bool {
    schema["properties"].get("$blob").is_some()
}

fn values(schema: &Value) -> Vec<(String, String)> {
    let variants = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    variants.iter().filter_map(|one| Some((one["const"].as_str()?.to_owned(), description(one)))).collect()
}

/// A type as people read it: `integer, 4 to 16,384`.
pub fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let names: Vec<String> = choices.iter().map(kind).collect();
        return names.join(" or ").replace(" or `", ", `");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    match &schema["type"] {
        Value::String(name) => one_type(name, schema),
        Value::Array(names) => {
            let names: Vec<String> =
                names.iter().filter_map(Value::as_str).map(|name| one_type(name, schema)).collect();
            names.join(" or ")
        }
        _ => "any JSON".to_owned(),
    }
}

fn one_type(name: &str, schema: &Value) -> String {
    match name {
        "integer" | "number" => format!("{name}{}", range(schema)),
        "string" => {
            let pattern = schema["pattern"].as_str().map_or(String::new(), |pattern| format!(", `{pattern}`"));
            format!("string{}{pattern}", count(schema, "Length", "characters"))
        }
        "array" => {
            let inner = kind(&schema["items"]);
            let inner = if inner.contains(' ') { format!("({inner})") } else { inner };
            format!("array of {inner}{}", count(schema, "Items", "items"))
        }
        "object" if is_blob(schema) => "blob reference".to_owned(),
        "object" => match schema.get("additionalProperties") {
            Some(inner @ Value::Object(_)) if schema["properties"] == Value::Null => {
                format!("object of {}", kind(inner))
            }
            _ => "object".to_owned(),
        },
        other => other.to_owned(),
    }
}

/// What a number's range is, where it is a rule and not only the width of a type.
fn range(schema: &Value) -> String {
    let (least, most) = (number(&schema["minimum"]), number(&schema["maximum"]));
    match (least, most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (None, Some(most)) => format!(", at most {most}"),
        _ => String::new(),
    }
}

fn count(schema: &Value, what: &str, unit: &str) -> String {
    let (least, most) = (number(&schema[format!("min{what}")]), number(&schema[format!("max{what}")]));
    match (least, most) {
        (Some(least), Some(most)) if least == most => format!(", {most} {unit}"),
        (Some(least), Some(most)) => format!(", {least} to {most} {unit}"),
        (None, Some(most)) => format!(", at most {most} {unit}"),
        (Some(least), None) => format!(", at least {least} {unit}"),
        (None, None) => String::new(),
    }
}

/// A number with commas: 16,384.
fn number(value: &Value) -> Option<String> {
    let number = value.as_f64()?;
    let text = number.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let grouped = whole.chars().enumerate().map(|(index, digit)| {
        let comma = if index > 0 && (whole.len() - index).is_multiple_of(3) { "," } else { "" };
        format!("{comma}{digit}")
    });
    Some(format!("{sign}{}{fraction}", grouped.collect::<String>()))
}

/// The members of a JSON object of text, for tests and examples.
pub fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}
