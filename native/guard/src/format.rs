//! Format texts: what stands between their braces, and what they come to.

use crate::fold;
use crate::value::Value;

/// Pieces of a format text that are folded.
const PIECES: usize = 64;

/// What `str.format` makes of its fields `{}`, `{0}` and `{name}`.
pub fn format<'a>(text: &str, arguments: &[Value<'a>], named: &[(&str, Value<'a>)]) -> Value<'a> {
    let mut parts = Vec::new();
    let mut next = 0;
    for piece in fields(text) {
        parts.push(match piece {
            Piece::Text(text) => Value::made(text),
            Piece::Field(field) => {
                let name = field.split(['!', ':']).next().unwrap_or("");
                let number = if name.is_empty() { Some(next) } else { name.parse().ok() };
                next += 1;
                let character_wanted = field.ends_with(":c");
                let value = match number {
                    Some(number) => arguments.get(number).cloned(),
                    None => named.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()),
                };
                let value = value.unwrap_or(Value::Data);
                if character_wanted { fold::character(&value) } else { value }
            }
        });
        if parts.len() > PIECES {
            return Value::Data;
        }
    }
    fold::concatenate(&parts)
}

/// `text % values`, for the conversions that names are made with.
pub fn percent<'a>(left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    let text = match (left, right) {
        (Value::Text(text), _) => text,
        (Value::Int(one), Value::Int(other)) => {
            return one.checked_rem_euclid(*other).map_or(Value::Data, Value::Int);
        }
        (Value::Pattern(_) | Value::Decoded, _) => return left.clone(),
        _ => return Value::Data,
    };
    let single = [right.clone()];
    let mut values = if let Value::List(values) = right { values.iter() } else { single.iter() };
    let mut next = || values.next().cloned().unwrap_or(Value::Data);
    let mut parts = Vec::new();
    let mut rest: &str = text;
    while let Some((before, after)) = rest.split_once('%') {
        parts.push(Value::made(before));
        let at = after.find(|one: char| one.is_ascii_alphabetic() || one == '%' || one == '(').unwrap_or(after.len());
        let mut conversion = after[at..].chars();
        let kind = conversion.next();
        rest = conversion.as_str();
        parts.push(match kind {
            Some('%') => Value::made("%"),
            Some('(') => {
                let (key, after) = rest.split_once(')').unwrap_or(("", ""));
                rest = after.trim_start_matches(|one: char| !one.is_ascii_alphabetic()).get(1..).unwrap_or("");
                right.item(&Value::made(key))
            }
            Some('c') => fold::character(&next()),
            _ => next(),
        });
        if parts.len() > PIECES {
            return fold::pattern(text.split('%').next().unwrap_or(""), "");
        }
    }
    parts.push(Value::made(rest));
    fold::concatenate(&parts)
}

/// A part of a format text.
pub enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// Between braces.
    Field(&'t str),
}

/// The parts of a format text. Fields inside a field's format are told as fields of their own.
pub fn fields(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        if after.starts_with("{{") || after.starts_with("}}") {
            pieces.push(Piece::Text(&after[..1]));
            rest = &after[2..];
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = inner.find(['{', '}']).unwrap_or(inner.len());
            pieces.push(Piece::Field(&inner[..end]));
            rest = inner[end..].strip_prefix('}').unwrap_or(&inner[end..]);
        } else {
            rest = &after[1..];
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}
