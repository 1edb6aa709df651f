//! An entry in TOML, by edits in place. `toml_edit` says where everything is; the text itself is spliced, since its own
//! writer would turn the line ends of Windows into those of Unix.

use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

use crate::document::{Edit, Flaw, line_end, splice};
use crate::entry::Field;

fn parse(text: &str) -> Result<Document<&str>, Flaw> {
    // Its message is drawn over several lines.
    let told = |error: toml_edit::TomlError| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map(|line| format!(" on line {line}")).unwrap_or_default();
        Flaw::Malformed(format!("{}{place}", error.message()))
    };
    Document::parse(text).map_err(told)
}

/// The table that lists the servers.
fn listed<'a>(document: &'a Document<&str>, section: &str) -> Result<Option<&'a dyn TableLike>, Flaw> {
    let Some(item) = document.as_table().get(section) else { return Ok(None) };
    item.as_table_like().map(Some).ok_or(Flaw::not_an_object(&format!("`{section}`"), "table"))
}

/// The servers by name, as JSON.
pub fn servers(text: &str, section: &str) -> Result<Value, Flaw> {
    let document = parse(text)?;
    listed(&document, section)?;
    Ok(document.as_table().get(section).map(to_json).unwrap_or_default())
}

fn to_json(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        return table.iter().map(|(name, item)| (name.to_owned(), to_json(item))).collect::<Map<_, _>>().into();
    }
    match item {
        Item::Value(toml_edit::Value::String(text)) => Value::from(text.value().as_str()),
        Item::Value(toml_edit::Value::Integer(number)) => Value::from(*number.value()),
        Item::Value(toml_edit::Value::Boolean(truth)) => Value::from(*truth.value()),
        Item::Value(toml_edit::Value::Array(list)) => {
            list.iter().map(|value| to_json(&Item::Value(value.clone()))).collect::<Vec<_>>().into()
        }
        // Numbers with a point, times, and tables in a list: only to be shown.
        other => Value::from(other.to_string().trim()),
    }
}

/// The text with the entry.
pub fn put(text: &str, section: &str, edit: &Edit<'_>) -> Result<String, Flaw> {
    let document = parse(text)?;
    let servers = listed(&document, section)?;
    match servers.and_then(|servers| servers.get(edit.name)) {
        Some(existing) if edit.merge => update(text, existing, edit),
        Some(_) => put(&take(text, section, edit.name)?, section, edit),
        None => match document.as_table().get(section) {
            Some(Item::Value(toml_edit::Value::InlineTable(table))) => {
                let last = table.iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max();
                let span = table.span().ok_or_else(lost)?;
                let inserted = format!("{} = {{ {} }}", edit.name, fields(edit).join(", "));
                Ok(match last {
                    Some(end) => splice(text, end..end, &format!(", {inserted}")),
                    None => splice(text, span, &format!("{{ {inserted} }}")),
                })
            }
            _ => Ok(append(text, section, edit)),
        },
    }
}

/// A table of its own at the end: valid whatever comes before, as long as the section is made of tables with headers.
fn append(text: &str, section: &str, edit: &Edit<'_>) -> String {
    let line_end = line_end(text);
    let mut appended = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        appended += line_end;
    }
    if !text.trim().is_empty() {
        appended += line_end;
    }
    let header = format!("[{section}.{}]", edit.name);
    for line in std::iter::once(header).chain(fields(edit)) {
        appended += &line;
        appended += line_end;
    }
    appended
}

fn fields(edit: &Edit<'_>) -> Vec<String> {
    edit.fields.iter().map(|(name, field)| format!("{name} = {}", value(field))).collect()
}

fn value(field: &Field) -> String {
    let text = |text: &str| toml_edit::Value::from(text).to_string();
    match field {
        Field::Text(field) => text(field),
        Field::List(list) => format!("[{}]", list.iter().map(|item| text(item)).collect::<Vec<_>>().join(", ")),
    }
}

/// Each value that is another; the last first, so that the places of the others stay true.
fn update(text: &str, existing: &Item, edit: &Edit<'_>) -> Result<String, Flaw> {
    let entry = existing.as_table_like().ok_or(Flaw::not_an_object(&format!("`{}`", edit.name), "table"))?;
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    for (name, field) in &edit.fields {
        let Some(item) = entry.get(name).filter(|item| to_json(item) != field.to_json()) else { continue };
        changes.push((item.span().ok_or_else(lost)?, value(field)));
    }
    changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    Ok(changes.into_iter().fold(text.to_owned(), |text, (span, value)| splice(&text, span, &value)))
}

/// The text without the entry.
pub fn take(text: &str, section: &str, name: &str) -> Result<String, Flaw> {
    let document = parse(text)?;
    let Some(item) = listed(&document, section)?.and_then(|servers| servers.get(name)) else {
        return Ok(text.to_owned());
    };
    if let Some(Item::Value(toml_edit::Value::InlineTable(table))) = document.as_table().get(section) {
        return take_from_line(text, table, name);
    }
    let mut blocks = Vec::new();
    let (key, _) = listed(&document, section)?.and_then(|servers| servers.get_key_value(name)).ok_or_else(lost)?;
    collect(item, key.span(), &mut blocks)?;
    let mut ranges: Vec<Range<usize>> = blocks.into_iter().map(|block| lines(text, block)).collect();
    ranges.sort_by_key(|range| std::cmp::Reverse(range.start));
    ranges.dedup();
    Ok(ranges.into_iter().fold(text.to_owned(), |text, range| splice(&text, range, "")))
}

/// The stretches of text that an item is made of: each table with a header from this to its last value, and each value
/// that stands elsewhere, from its key on.
fn collect(item: &Item, key: Option<Range<usize>>, blocks: &mut Vec<Range<usize>>) -> Result<(), Flaw> {
    match item {
        Item::Value(value) => {
            let (key, value) = (key.ok_or_else(lost)?, value.span().ok_or_else(lost)?);
            blocks.push(key.start..value.end);
        }
        Item::Table(table) => {
            let mut inside = Vec::new();
            for (name, item) in table.iter() {
                let key = table.get_key_value(name).and_then(|(key, _)| key.span());
                match item {
                    Item::Value(_) => collect(item, key, &mut inside)?,
                    Item::Table(dotted) if dotted.is_dotted() => collect(item, key, &mut inside)?,
                    _ => collect(item, key, blocks)?,
                }
            }
            match table.span().filter(|_| !table.is_dotted() && !table.is_implicit()) {
                Some(header) => {
                    blocks.push(header.start..inside.iter().map(|span| span.end).fold(header.end, usize::max))
                }
                None => blocks.append(&mut inside),
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables.iter() {
                collect(&Item::Table(table.clone()), None, blocks)?;
            }
        }
        Item::None => {}
    }
    Ok(())
}

/// Whole lines around a stretch, with the line break, and with one blank line before a table.
fn lines(text: &str, block: Range<usize>) -> Range<usize> {
    let mut start = text[..block.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[block.end..].find('\n').map_or(text.len(), |at| block.end + at + 1);
    if text[start..].trim_start().starts_with('[') {
        let before = &text[..start];
        let blank = before.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if let Some(line) = blank.filter(|line| line.ends_with('\n') || line.is_empty()) {
            start = line.len();
        }
    }
    start..end
}

/// An entry of a table that is written on one line goes with the comma before it, or, as the first one, after it.
fn take_from_line(text: &str, table: &toml_edit::InlineTable, name: &str) -> Result<String, Flaw> {
    let mut spans = Vec::new();
    for (key, value) in table.iter() {
        let start = table.get_key_value(key).and_then(|(key, _)| key.span()).ok_or_else(lost)?.start;
        spans.push((key == name, start..value.span().ok_or_else(lost)?.end));
    }
    let ours = spans.iter().position(|(ours, _)| *ours).ok_or_else(lost)?;
    let span = spans[ours].1.clone();
    let range = match (ours.checked_sub(1).map(|before| &spans[before].1), spans.get(ours + 1)) {
        (Some(before), _) => before.end..span.end,
        (None, Some((_, after))) => span.start..after.start,
        (None, None) => span,
    };
    Ok(splice(text, range, ""))
}

/// `toml_edit` tells the place of everything that it has read from a text.
fn lost() -> Flaw {
    Flaw::Malformed("a part of it has no place in the text".to_owned())
}
