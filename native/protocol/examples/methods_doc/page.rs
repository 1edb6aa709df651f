//! The page: every method of the table, with its schemas as tables and the examples of docs/protocol.md.

use serde_json::Value;
use spindle_protocol::method::{Descriptor, Effect, METHODS};

use crate::schema::{self, Row};

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

const HEAD: &str = "\
# Every method

What each takes and answers. This page is written by a program, from the types that the server
itself reads requests with; a test compares them. After a change:

```sh
cargo run -p spindle-protocol --example methods_doc > docs/methods.md
```

How a request is sent is in [protocol.md](protocol.md), how other languages do it in [clients.md](clients.md). A running
server tells the same by its method `methods`, as JSON schemas.

- *Effect*: a `read` changes nothing and is safe to repeat; a `write` becomes one named undo step; `control` is answered
  at once by native code, whatever Blender does.
- *Deadline*: where the request names none. That of a script is a setting.
- *Kept*: whether an earlier answer will do where `options.max_age_ms` allows it.
- A parameter without a default may be left out unless it is required; null means the same. In paths, a dot leads to a
  member, and `[]` to each item of an array. Lengths are in Blender units (metres by default), angles in radians,
  colours from 0 to 1 and scene linear.
- A *blob reference* is `{\"$blob\": [offset, length], ...}`, see [Bulk data](protocol.md#bulk-data).
";

/// All of it.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page += "\n| Method | Effect | Deadline | Kept | What it does |\n|---|---|---|---|---|\n";
    for method in METHODS {
        let Descriptor { name, summary, .. } = method;
        let anchor = name.replace('.', "");
        let (effect, deadline, kept) = (effect(method), deadline(method), kept(method));
        page += &format!("| [`{name}`](#{anchor}) | {effect} | {deadline} | {kept} | {summary} |\n");
    }
    METHODS.iter().for_each(|method| page += &section(method));
    page
}

fn effect(method: &Descriptor) -> &'static str {
    match method.effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Control => "control",
    }
}

fn deadline(method: &Descriptor) -> String {
    match method.deadline {
        _ if method.to_json()["params"]["properties"].get("timeout_ms").is_some() && method.is_control() => {
            "`timeout_ms`".to_owned()
        }
        _ if method.is_control() => "at once".to_owned(),
        Some(deadline) => format!("{} s", deadline.as_secs()),
        None => "none".to_owned(),
    }
}

fn kept(method: &Descriptor) -> &'static str {
    if method.cacheable { "yes" } else { "" }
}

fn section(method: &Descriptor) -> String {
    let json = method.to_json();
    let kept = if method.cacheable { ". Kept" } else { "" };
    let mut text = format!(
        "\n## `{}`\n\n{} Effect: {}. Deadline: {}{kept}.\n",
        method.name,
        method.summary,
        effect(method),
        deadline(method)
    );
    text += &table("Parameters", &json["params"], parameters);
    text += &table("Result", &json["result"], results);
    for (what, example) in examples(method.name) {
        text += &format!("\n{what}:\n\n```json\n{example}```\n");
    }
    text
}

fn table(title: &str, schema: &Value, lines: fn(&[Row]) -> String) -> String {
    let rows = schema::rows(schema);
    if rows.is_empty() {
        return format!("\n{title}: none.\n");
    }
    let values: String = rows.iter().filter(|row| is_told(row)).map(values).collect();
    format!("\n### {title}\n\n{}{values}", lines(&rows))
}

fn parameters(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let default = match (&row.default, row.required) {
            (_, true) => "required".to_owned(),
            (Some(default), _) if default != "null" => format!("`{default}`"),
            _ => String::new(),
        };
        format!("| `{}` | {} | {default} | {} |\n", row.path, cell(&optional(row)), cell(&row.description))
    };
    "| Parameter | Type | Default | Meaning |\n|---|---|---|---|\n".to_owned()
        + &rows.iter().map(line).collect::<String>()
}

fn results(rows: &[Row]) -> String {
    let line = |row: &Row| format!("| `{}` | {} | {} |\n", row.path, cell(&row.kind), cell(&row.description));
    "| Member | Type | Meaning |\n|---|---|---|\n".to_owned() + &rows.iter().map(line).collect::<String>()
}

/// The type of a parameter. That null means the same as leaving it out is said once; where null means something else,
/// the schema has no default.
fn optional(row: &Row) -> String {
    match row.default.as_deref() {
        Some("null") => row.kind.trim_end_matches(" or null").to_owned(),
        _ => row.kind.clone(),
    }
}

/// Whether what the values mean is more than their names say.
fn is_told(row: &Row) -> bool {
    let mut meanings: Vec<&str> = row.values.iter().map(|(_, meaning)| meaning.as_str()).collect();
    meanings.retain(|meaning| !meaning.is_empty());
    meanings.sort_unstable();
    meanings.dedup();
    meanings.len() > 1
}

fn values(row: &Row) -> String {
    let lines = row.values.iter().map(|(value, meaning)| format!("| `{value}` | {} |\n", cell(meaning)));
    format!("\n| Value of `{}` | Meaning |\n|---|---|\n{}", row.path, lines.collect::<String>())
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The first request to the method in docs/protocol.md, and the reply that is named after it.
fn examples(name: &str) -> Vec<(&'static str, &'static str)> {
    let fences = || PROTOCOL.split("```").skip(1).step_by(2).filter_map(|part| part.split_once('\n'));
    let request = fences()
        .filter(|(info, _)| *info == "json request" || *info == "json")
        .find(|(_, text)| schema::object(text).is_some_and(|message| message.get("method") == Some(&name.into())));
    let reply = fences().find(|(info, _)| info.strip_prefix("json reply ") == Some(name));
    let told = |what, found: Option<(&'static str, &'static str)>| found.map(|(_, text)| (what, text));
    told("A request", request).into_iter().chain(told("A reply", reply)).collect()
}
