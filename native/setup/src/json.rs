//! An entry in JSON, by edits in place. `jsonc-parser` says where everything is, and takes an entry out; what is added
//! is spliced into the text, since its own edits would drop a blank line here and break a line there.

use jsonc_parser::ast::{Object, Value as Tree};
use jsonc_parser::common::Ranged;
use jsonc_parser::cst::{CstObject, CstRootNode};
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::clients::Dialect;
use crate::document::{Edit, Flaw, line_end, splice};
use crate::entry::Field;

/// Only what the client's own parser takes.
fn options(dialect: Dialect) -> ParseOptions {
    ParseOptions {
        allow_comments: dialect.comments,
        allow_trailing_commas: dialect.trailing_commas,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn malformed(error: ParseError) -> Flaw {
    Flaw::Malformed(error.to_string())
}

/// The values and their places.
fn tree(text: &str, dialect: Dialect) -> Result<Option<Tree<'_>>, Flaw> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options(dialect)).map_err(malformed)?;
    // It takes line breaks in texts, which a client that reads strict JSON does not.
    if !dialect.comments && parsed.value.is_some() {
        let strict = serde_json::from_str::<IgnoredAny>(text);
        strict.map_err(|error| Flaw::Malformed(error.to_string()))?;
    }
    Ok(parsed.value)
}

/// The tree that can be edited.
struct Text {
    root: CstRootNode,
}

impl Text {
    fn parse(text: &str, dialect: Dialect) -> Result<Text, Flaw> {
        // The editable tree is made from tokens, among which comments are never refused.
        tree(text, dialect)?;
        Ok(Text { root: CstRootNode::parse(text, &options(dialect)).map_err(malformed)? })
    }

    /// The outermost object; none in a text without a value.
    fn outermost(&self) -> Result<Option<CstObject>, Flaw> {
        match self.root.value() {
            None => Ok(None),
            Some(value) => value.as_object().map(Some).ok_or(Flaw::not_an_object("the whole", "object")),
        }
    }

    /// The object that lists the servers.
    fn section(&self, name: &str) -> Result<Option<CstObject>, Flaw> {
        let Some(outermost) = self.outermost()? else { return Ok(None) };
        once(&outermost, name)?;
        let Some(property) = outermost.get(name) else { return Ok(None) };
        property.object_value().map(Some).ok_or(Flaw::not_an_object(&format!("`{name}`"), "object"))
    }
}

/// Parsers disagree about which of two properties of one name counts.
fn once(object: &CstObject, name: &str) -> Result<(), Flaw> {
    let named = object.properties().into_iter().filter(|property| property.decoded_name().as_deref() == Some(name));
    if named.count() > 1 { Err(Flaw::Malformed(format!("`{name}` occurs twice in one object"))) } else { Ok(()) }
}

/// The servers by name, among which this name may occur once.
pub fn servers(text: &str, dialect: Dialect, section: &str, name: &str) -> Result<Value, Flaw> {
    let Some(servers) = Text::parse(text, dialect)?.section(section)? else { return Ok(Value::Null) };
    once(&servers, name)?;
    Ok(servers.to_serde_value().unwrap_or_default())
}

/// The text with the entry.
pub fn put(text: &str, dialect: Dialect, section: &str, edit: &Edit<'_>) -> Result<String, Flaw> {
    // What cannot be added to is refused here.
    Text::parse(text, dialect)?.section(section)?;
    let Some(Tree::Object(outermost)) = tree(text, dialect)? else { return Ok(whole(text, section, edit)) };
    let layout = Layout::of(text, &outermost);
    let Some(Tree::Object(servers)) = value_of(&outermost, section) else {
        let style = layout.style(&outermost, &outermost);
        let servers = style.object(1, &[(edit.name, style.object(2, &fields(edit, &style)))]);
        return Ok(layout.added(&outermost, &style, &format!("{}{}{servers}", Value::from(section), style.colon)));
    };
    let style = layout.style(servers, &outermost);
    match value_of(servers, edit.name) {
        Some(Tree::Object(entry)) if edit.merge => {
            let changed = |(name, field): &(&str, Field)| {
                let value = value_of(entry, name).filter(|value| is_other(value, field))?;
                Some((value.start()..value.end(), style.value(field)))
            };
            let mut changes: Vec<_> = edit.fields.iter().filter_map(changed).collect();
            // The last first, so that the places of the others stay true.
            changes.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
            Ok(changes.into_iter().fold(text.to_owned(), |text, (span, value)| splice(&text, span, &value)))
        }
        Some(existing) => {
            let entry = style.object(1, &fields(edit, &style));
            Ok(splice(text, existing.start()..existing.end(), &entry))
        }
        None => {
            let entry = style.object(1, &fields(edit, &style));
            Ok(layout.added(servers, &style, &format!("{}{}{entry}", Value::from(edit.name), style.colon)))
        }
    }
}

fn value_of<'a, 'b>(object: &'b Object<'a>, name: &str) -> Option<&'b Tree<'a>> {
    object.properties.iter().find(|property| property.name.as_str() == name).map(|property| &property.value)
}

fn is_other(value: &Tree<'_>, field: &Field) -> bool {
    let is_text = |value: &Tree<'_>, text: &String| matches!(value, Tree::StringLit(found) if found.value == *text);
    match (value, field) {
        (value, Field::Text(text)) => !is_text(value, text),
        (Tree::Array(found), Field::List(list)) => {
            let same = found.elements.iter().zip(list).all(|(found, text)| is_text(found, text));
            !same || found.elements.len() != list.len()
        }
        _ => true,
    }
}

fn fields(edit: &Edit<'_>, style: &Style) -> Vec<(&'static str, String)> {
    edit.fields.iter().map(|(name, field)| (*name, style.value(field))).collect()
}

/// A text that has no value yet, such as an empty one.
fn whole(text: &str, section: &str, edit: &Edit<'_>) -> String {
    let style = Style::lines(String::new(), "  ".to_owned(), line_end(text));
    let entry = style.object(3, &fields(edit, &style));
    let servers = style.object(2, &[(edit.name, entry)]);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { style.line_end };
    format!("{text}{gap}{}{}", style.object(1, &[(section, servers)]), style.line_end)
}

/// The text without the entry.
pub fn take(text: &str, dialect: Dialect, section: &str, name: &str) -> Result<String, Flaw> {
    let parsed = Text::parse(text, dialect)?;
    if let Some(property) = parsed.section(section)?.and_then(|servers| servers.get(name)) {
        property.remove();
    }
    Ok(parsed.root.to_string())
}

/// How an object's properties are written, so that a new one looks like the others.
struct Style {
    /// Before each of its properties; unused where they share a line.
    margin: String,
    /// One step of indentation.
    step: String,
    line_end: &'static str,
    /// Between properties that share a line; none where each has its own.
    flat: Option<&'static str>,
    /// Between a name and its value.
    colon: &'static str,
}

impl Style {
    fn lines(margin: String, step: String, line_end: &'static str) -> Style {
        Style { margin, step, line_end, flat: None, colon: ": " }
    }

    /// A line break, and the margin of what is so many steps deeper than a property.
    fn line(&self, deeper: usize) -> String {
        format!("{}{}{}", self.line_end, self.margin, self.step.repeat(deeper))
    }

    fn value(&self, field: &Field) -> String {
        match field {
            Field::Text(_) => field.to_json().to_string(),
            Field::List(list) => {
                let list: Vec<String> = list.iter().map(|text| Value::from(text.as_str()).to_string()).collect();
                format!("[{}]", list.join(self.flat.unwrap_or(", ")))
            }
        }
    }

    /// An object whose properties are so many steps deeper, at least one.
    fn object(&self, deeper: usize, properties: &[(&str, String)]) -> String {
        let properties = properties.iter().map(|(name, value)| format!("{}{}{value}", Value::from(*name), self.colon));
        let properties: Vec<String> = properties.collect();
        match self.flat {
            Some(comma) => format!("{{{}}}", properties.join(comma)),
            None => {
                let line = self.line(deeper);
                format!("{{{line}{}{}}}", properties.join(&format!(",{line}")), self.line(deeper - 1))
            }
        }
    }
}

/// A text, and how it is indented.
struct Layout<'a> {
    text: &'a str,
    step: String,
}

impl<'a> Layout<'a> {
    fn of(text: &'a str, outermost: &Object<'_>) -> Layout<'a> {
        let layout = Layout { text, step: String::new() };
        let first = outermost.properties.first().and_then(|property| layout.margin(property.start()));
        let step = first.filter(|margin| !margin.is_empty()).unwrap_or("  ").to_owned();
        Layout { text, step }
    }

    /// What stands before this in its line, where that is only blanks.
    fn margin(&self, at: usize) -> Option<&'a str> {
        let start = self.text[..at].rfind('\n').map_or(0, |line| line + 1);
        Some(&self.text[start..at]).filter(|margin| start > 0 && margin.trim().is_empty())
    }

    /// How a property of this object is to be written.
    fn style(&self, object: &Object<'_>, outermost: &Object<'_>) -> Style {
        let text_of = |object: &Object<'_>| &self.text[object.start()..object.end()];
        // An empty one is as what is around it.
        let model = if object.properties.is_empty() { outermost } else { object };
        let spaced = text_of(outermost).contains("\": ");
        if !model.properties.is_empty() && !text_of(model).contains('\n') {
            let (colon, comma) = if spaced { (": ", ", ") } else { (":", ",") };
            return Style { margin: String::new(), step: String::new(), line_end: "", flat: Some(comma), colon };
        }
        let line = &self.text[self.text[..object.start()].rfind('\n').map_or(0, |line| line + 1)..];
        let own = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let last = object.properties.iter().rev().find_map(|property| self.margin(property.start()));
        let margin = last.map_or_else(|| format!("{own}{}", self.step), str::to_owned);
        Style::lines(margin, self.step.clone(), line_end(self.text))
    }

    /// The text with another property at the end of this object: after the comments in the line of the last one, and
    /// with a comma behind it where that one has one.
    fn added(&self, object: &Object<'_>, style: &Style, property: &str) -> String {
        let line = if style.flat.is_some() { String::new() } else { style.line(0) };
        let Some(last) = object.properties.last() else {
            let at = self.comments(object.start() + 1, style);
            let is_open = self.text[at..object.end()].contains('\n') || style.flat.is_some();
            let own = style.margin.strip_suffix(&*style.step).unwrap_or_default();
            let end = if is_open { String::new() } else { format!("{}{own}", style.line_end) };
            return splice(self.text, at..at, &format!("{line}{property}{end}"));
        };
        let comma = self.comma(last.end());
        if let Some(comma) = style.flat {
            return splice(self.text, last.end()..last.end(), &format!("{comma}{property}"));
        }
        let at = self.comments(comma.unwrap_or(last.end()), style);
        match comma {
            Some(_) => splice(self.text, at..at, &format!("{line}{property},")),
            None => splice(&splice(self.text, at..at, &format!("{line}{property}")), last.end()..last.end(), ","),
        }
    }

    /// Behind the comma that follows, if one does.
    fn comma(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = &self.text[at..];
            at += rest.len() - rest.trim_start().len();
            match comment(&self.text[at..]) {
                0 => return self.text[at..].starts_with(',').then_some(at + 1),
                length => at += length,
            }
        }
    }

    /// Behind the comments that begin in the same line.
    fn comments(&self, from: usize, style: &Style) -> usize {
        let mut end = from;
        while style.flat.is_none() {
            let rest = &self.text[end..];
            let at = end + rest.len() - rest.trim_start_matches([' ', '\t']).len();
            match comment(&self.text[at..]) {
                0 => break,
                length => end = at + length,
            }
        }
        end
    }
}

/// The length of the comment with which a text begins, without its line break.
fn comment(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').map_or(text.len(), |end| text[..end].trim_end_matches('\r').len());
    }
    if text.starts_with("/*") { text.find("*/").map_or(text.len(), |end| end + 2) } else { 0 }
}
