//! What text, numbers and lists come to when they are known: bounded, so that no script makes this costly.

use ruff_python_ast::Operator;

use crate::format;
use crate::value::{Text, Value, index};

/// Folded text is kept up to here, in bytes: no name and no module comes near.
const TEXT: usize = 512;

/// Characters that are kept of either end of a text that is known in part.
const ENDS: usize = 64;

/// Combinations of alternatives that are tried.
const COMBINATIONS: usize = 64;

/// Apply a function to every combination of alternatives.
pub fn each2<'a>(
    left: &Value<'a>,
    right: &Value<'a>,
    apply: impl Fn(&Value<'a>, &Value<'a>) -> Value<'a>,
) -> Value<'a> {
    if left.each().len() * right.each().len() > COMBINATIONS {
        return Value::Decoded;
    }
    let mut all = Value::Nothing;
    for one in left.each() {
        for other in right.each() {
            all = all.or(apply(one, other));
        }
    }
    all
}

/// `left operator right`.
pub fn binary<'a>(left: &Value<'a>, operator: Operator, right: &Value<'a>) -> Value<'a> {
    each2(left, right, |left, right| match operator {
        Operator::Add => add(left, right),
        Operator::Mod => format::percent(left, right),
        Operator::Mult => multiply(left, right),
        Operator::Div => match left {
            Value::Thing(path) => Value::Thing(*path),
            _ => Value::Data,
        },
        Operator::Sub | Operator::BitXor | Operator::FloorDiv | Operator::BitOr | Operator::BitAnd => {
            number(left, operator, right)
        }
        _ => Value::Data,
    })
}

fn add<'a>(left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    match (left, right) {
        (Value::Text(one), Value::Text(other)) => joined(&[one, other]),
        (Value::Bytes(one), Value::Bytes(other)) if one.len() + other.len() <= TEXT => {
            Value::Bytes([&one[..], other].concat().into())
        }
        (Value::List(one), Value::List(other)) if one.len() + other.len() <= TEXT => {
            Value::list([&one[..], other].concat())
        }
        (Value::Decoded, _) | (_, Value::Decoded) => Value::Decoded,
        (Value::Int(one), Value::Int(other)) => one.checked_add(*other).map_or(Value::Data, Value::Int),
        (Value::Text(_) | Value::Pattern(_), _) | (_, Value::Text(_) | Value::Pattern(_)) => {
            pattern(&starts(left), &ends(right))
        }
        (Value::List(values), _) | (_, Value::List(values)) if values.iter().any(Value::is_live) => Value::Unknown,
        _ => Value::Data,
    }
}

/// Text of which the beginning and the end are known.
pub fn pattern<'a>(start: &str, end: &str) -> Value<'a> {
    let (start, end) = (first(start), last(end));
    if start.is_empty() && end.is_empty() {
        return Value::Data;
    }
    Value::Pattern((start.to_owned(), end.to_owned()).into())
}

fn first(text: &str) -> &str {
    text.char_indices().nth(ENDS).map_or(text, |(at, _)| &text[..at])
}

fn last(text: &str) -> &str {
    text.char_indices().nth_back(ENDS - 1).map_or(text, |(at, _)| &text[at..])
}

/// How the text of a value begins, as far as that is known.
fn starts(value: &Value) -> String {
    match value {
        Value::Text(text) => first(text).to_owned(),
        Value::Pattern(parts) => parts.0.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn ends(value: &Value) -> String {
    match value {
        Value::Text(text) => last(text).to_owned(),
        Value::Pattern(parts) => parts.1.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn joined<'a>(parts: &[&str]) -> Value<'a> {
    if parts.iter().map(|part| part.len()).sum::<usize>() <= TEXT {
        return Value::made(parts.concat());
    }
    pattern(parts.first().unwrap_or(&""), parts.last().unwrap_or(&""))
}

/// Parts of a text, one after the other: what an f-string is.
pub fn concatenate<'a>(parts: &[Value<'a>]) -> Value<'a> {
    let mut all = Value::made("");
    for part in parts {
        let part = as_text(part);
        all = match (&all, &part) {
            (Value::Text(_), Value::Data | Value::Unknown | Value::Nothing) => pattern(&starts(&all), ""),
            _ => each2(&all, &part, |one, other| match (one, other) {
                (Value::Data, other) => pattern("", &ends(other)),
                (Value::Pattern(parts), Value::Data | Value::Unknown | Value::Nothing) => pattern(&parts.0, ""),
                (one, other) => add(one, other),
            }),
        };
    }
    all
}

/// What `str()` makes of a value.
pub fn as_text<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Int(number) => Value::made(number.to_string()),
        Value::Text(_) | Value::Pattern(_) | Value::Decoded | Value::Any(_) | Value::Identifier => value.clone(),
        _ => Value::Data,
    }
}

fn multiply<'a>(left: &Value<'a>, right: &Value<'a>) -> Value<'a> {
    match (left, right) {
        (Value::Text(text), Value::Int(times)) | (Value::Int(times), Value::Text(text)) => {
            let times = usize::try_from((*times).max(0)).unwrap_or(0);
            match text.len().checked_mul(times) {
                Some(length) if length <= TEXT => Value::made(text.repeat(times)),
                _ => pattern(text, ""),
            }
        }
        (Value::Int(one), Value::Int(other)) => one.checked_mul(*other).map_or(Value::Data, Value::Int),
        (Value::List(values), Value::Int(_)) | (Value::Int(_), Value::List(values)) => Value::List(values.clone()),
        (Value::Decoded, _) => Value::Decoded,
        _ => Value::Data,
    }
}

fn number<'a>(left: &Value<'a>, operator: Operator, right: &Value<'a>) -> Value<'a> {
    let (Value::Int(one), Value::Int(other)) = (left, right) else { return Value::Data };
    let result = match operator {
        Operator::Sub => one.checked_sub(*other),
        Operator::BitXor => Some(one ^ other),
        Operator::BitOr => Some(one | other),
        Operator::BitAnd => Some(one & other),
        Operator::FloorDiv => one.checked_div_euclid(*other).filter(|_| *other > 0),
        _ => None,
    };
    result.map_or(Value::Data, Value::Int)
}

/// What `chr()` makes of a number; of an unknown one, text made of characters.
pub fn character<'a>(value: &Value<'a>) -> Value<'a> {
    let mut all = Value::Nothing;
    for value in value.each() {
        all = all.or(match value {
            Value::Int(code) => u32::try_from(*code)
                .ok()
                .and_then(char::from_u32)
                .map_or(Value::Decoded, |one| Value::made(one.to_string())),
            Value::Text(text) => Value::Text(text.clone()),
            Value::Nothing => Value::Nothing,
            _ => Value::Decoded,
        });
    }
    all
}

/// The parts of a slice that are given.
pub type Slice<'v, 'a> = [Option<&'v Value<'a>>; 3];

/// `value[lower:upper:step]`.
pub fn slice<'a>(value: &Value<'a>, bounds: &Slice<'_, 'a>) -> Value<'a> {
    let mut known = [None; 3];
    for (known, bound) in known.iter_mut().zip(bounds) {
        *known = match bound {
            None => None,
            Some(Value::Int(number)) => Some(*number),
            Some(_) => {
                return if matches!(value, Value::Text(_) | Value::Decoded) { Value::Decoded } else { value.clone() };
            }
        };
    }
    match value {
        Value::Text(text) if text.len() <= TEXT => {
            let characters: Vec<char> = text.chars().collect();
            Value::made(sliced(&characters, known).into_iter().collect::<String>())
        }
        Value::Bytes(bytes) => Value::Bytes(sliced(bytes, known).into()),
        Value::List(values) => Value::list(sliced(values, known)),
        Value::Any(values) => values.iter().fold(Value::Nothing, |all, value| all.or(slice(value, bounds))),
        Value::Text(_) => Value::Data,
        value => value.clone(),
    }
}

fn sliced<T: Clone>(items: &[T], [lower, upper, step]: [Option<i64>; 3]) -> Vec<T> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let step = step.filter(|&step| step != 0).unwrap_or(1);
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (first, last) = if step > 0 {
        (lower.map_or(0, from_end).clamp(0, length), upper.map_or(length, from_end).clamp(0, length))
    } else {
        (lower.map_or(length - 1, from_end).min(length - 1), upper.map_or(-1, |at| from_end(at).max(-1)))
    };
    let mut taken = Vec::new();
    let mut at = first;
    while (step > 0 && at < last) || (step < 0 && at > last) {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            taken.push(item.clone());
        }
        at = at.saturating_add(step);
    }
    taken
}

/// What a method of known text, bytes, list or dictionary returns.
pub fn method<'a>(receiver: &Value<'a>, name: &str, arguments: &[Value<'a>]) -> Value<'a> {
    match receiver {
        Value::Text(text) => text_method(text, name, arguments),
        Value::Bytes(bytes) => match name {
            "decode" => match std::str::from_utf8(bytes) {
                Ok(_) if matches!(arguments.first(), Some(Value::Text(codec)) if !is_plain(codec)) => Value::Decoded,
                Ok(text) => Value::made(text),
                Err(_) => Value::Decoded,
            },
            "hex" => Value::Decoded,
            "replace" | "translate" => Value::Decoded,
            _ => Value::Data,
        },
        Value::List(values) => match name {
            "copy" | "append" | "sort" | "reverse" | "insert" | "extend" => Value::List(values.clone()),
            "pop" => receiver.item(arguments.first().unwrap_or(&Value::Int(-1))),
            _ => Value::Data,
        },
        Value::Dict(items) => dictionary_method(receiver, items, name, arguments),
        _ => Value::Data,
    }
}

fn is_plain(codec: &str) -> bool {
    matches!(
        codec.to_ascii_lowercase().replace('_', "-").as_str(),
        "utf-8" | "utf8" | "ascii" | "latin-1" | "latin1" | "us-ascii"
    )
}

fn dictionary_method<'a>(
    receiver: &Value<'a>,
    items: &[(Value<'a>, Value<'a>)],
    name: &str,
    arguments: &[Value<'a>],
) -> Value<'a> {
    match (name, arguments.first()) {
        ("get" | "pop" | "setdefault" | "__getitem__", Some(key)) => {
            let other = arguments.get(1).cloned().unwrap_or(Value::Nothing);
            receiver.item(key).or(other)
        }
        ("items", _) => {
            Value::list(items.iter().map(|(key, value)| Value::list(vec![key.clone(), value.clone()])).collect())
        }
        ("keys", _) => Value::list(items.iter().map(|(key, _)| key.clone()).collect()),
        ("values", _) => Value::list(items.iter().map(|(_, value)| value.clone()).collect()),
        ("copy", _) => receiver.clone(),
        ("popitem", _) => {
            items.iter().fold(Value::Nothing, |all, (key, value)| all.or(Value::list(vec![key.clone(), value.clone()])))
        }
        _ => Value::Data,
    }
}

fn text_method<'a>(text: &Text<'a>, name: &str, arguments: &[Value<'a>]) -> Value<'a> {
    let texts: Vec<Option<&str>> =
        arguments.iter().map(|value| if let Value::Text(text) = value { Some(&**text) } else { None }).collect();
    if text.len() > TEXT && name != "split" && name != "splitlines" {
        return Value::Data;
    }
    match (name, texts.as_slice()) {
        ("lower" | "casefold", []) => Value::made(text.to_lowercase()),
        ("upper", []) => Value::made(text.to_uppercase()),
        ("title" | "capitalize", []) => capitalized(text),
        ("swapcase", []) => Value::made(swapped(text)),
        ("strip", []) => Value::made(text.trim()),
        ("lstrip", []) => Value::made(text.trim_start()),
        ("rstrip", []) => Value::made(text.trim_end()),
        ("strip", [Some(set)]) => Value::made(text.trim_matches(|one| set.contains(one))),
        ("lstrip", [Some(set)]) => Value::made(text.trim_start_matches(|one| set.contains(one))),
        ("rstrip", [Some(set)]) => Value::made(text.trim_end_matches(|one| set.contains(one))),
        ("removeprefix", [Some(start)]) => Value::made(text.strip_prefix(start).unwrap_or(text)),
        ("removesuffix", [Some(end)]) => Value::made(text.strip_suffix(end).unwrap_or(text)),
        ("replace", [Some(old), Some(new), ..]) => {
            let most = text.len().saturating_add(text.len().saturating_add(1).saturating_mul(new.len()));
            if most > TEXT * 64 { Value::Decoded } else { joined(&[&text.replace(old, new)]) }
        }
        ("join", _) => arguments.first().map_or(Value::Data, |parts| join(text, parts)),
        ("split", [Some(by)]) if !by.is_empty() => parts(text.split(by)),
        ("split", []) => parts(text.split_whitespace()),
        ("splitlines", _) => parts(text.lines()),
        ("rsplit", [Some(by)]) if !by.is_empty() => parts(text.split(by)),
        ("partition", [Some(by)]) if !by.is_empty() => match text.split_once(by) {
            Some((before, after)) => parts([before, *by, after].into_iter()),
            None => parts([&**text, "", ""].into_iter()),
        },
        ("encode", _) => Value::Bytes(text.as_bytes().into()),
        ("zfill" | "ljust" | "rjust" | "center", _) => pattern("", ""),
        ("translate" | "expandtabs", _) => Value::Decoded,
        ("__add__", [Some(other)]) => joined(&[text, other]),
        ("__getitem__", _) => arguments.first().map_or(Value::Data, |at| Value::Text(text.clone()).item(at)),
        _ => Value::Data,
    }
}

fn parts<'a, 's>(parts: impl Iterator<Item = &'s str>) -> Value<'a> {
    Value::list(parts.take(TEXT).map(Value::made).collect())
}

fn capitalized<'a>(text: &str) -> Value<'a> {
    let mut characters = text.chars();
    let first = characters.next().map(|one| one.to_uppercase().to_string()).unwrap_or_default();
    Value::made(first + &characters.as_str().to_lowercase())
}

fn swapped(text: &str) -> String {
    let swap = |one: char| -> String {
        if one.is_uppercase() { one.to_lowercase().collect() } else { one.to_uppercase().collect() }
    };
    text.chars().map(swap).collect()
}

fn join<'a>(between: &str, parts: &Value<'a>) -> Value<'a> {
    match parts {
        Value::List(values) => {
            let mut all = Vec::new();
            for (index, value) in values.iter().enumerate() {
                if index > 0 && !between.is_empty() {
                    all.push(Value::made(between));
                }
                all.push(value.clone());
            }
            if all.len() > TEXT || all.iter().any(|part| part.each().contains(&Value::Decoded)) {
                return Value::Decoded;
            }
            concatenate(&all)
        }
        Value::Text(text) if between.is_empty() => Value::Text(text.clone()),
        Value::Text(_) | Value::Decoded => Value::Decoded,
        Value::Any(values) => values.iter().fold(Value::Nothing, |all, value| all.or(join(between, value))),
        _ => Value::Data,
    }
}

/// `reversed(value)`, as a list.
pub fn reversed<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Text(text) if text.len() <= TEXT => {
            Value::list(text.chars().rev().map(|one| Value::made(one.to_string())).collect())
        }
        Value::List(values) => Value::list(values.iter().rev().cloned().collect()),
        Value::Text(_) | Value::Decoded => Value::Decoded,
        value => value.clone(),
    }
}

/// `list(value)` and `tuple(value)`: a list of what is in it.
pub fn listed<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Text(text) if text.len() <= TEXT => {
            Value::list(text.chars().map(|one| Value::made(one.to_string())).collect())
        }
        Value::Bytes(bytes) if bytes.len() <= TEXT => {
            Value::list(bytes.iter().map(|&byte| Value::Int(i64::from(byte))).collect())
        }
        Value::Dict(items) => Value::list(items.iter().map(|(key, _)| key.clone()).collect()),
        value => value.clone(),
    }
}

/// `bytes(value)` of known numbers or text.
pub fn as_bytes<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::List(values) => {
            let bytes = values.iter().map(|value| match value {
                Value::Int(number) => u8::try_from(*number).ok(),
                _ => None,
            });
            bytes.collect::<Option<Vec<u8>>>().map_or(Value::Decoded, |bytes| Value::Bytes(bytes.into()))
        }
        Value::Text(text) => Value::Bytes(text.as_bytes().into()),
        Value::Bytes(_) => value.clone(),
        _ => Value::Data,
    }
}

/// `bytes.fromhex(text)`.
pub fn from_hex<'a>(value: &Value<'a>) -> Value<'a> {
    let Value::Text(text) = value else { return Value::Decoded };
    let digits: Vec<u8> =
        text.chars().filter_map(|one| one.to_digit(16)).filter_map(|one| u8::try_from(one).ok()).collect();
    if digits.len() > TEXT || !digits.len().is_multiple_of(2) {
        return Value::Decoded;
    }
    Value::Bytes(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

/// One character's number, as `ord()` has it.
pub fn ordinal<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Text(text) => text.chars().next().map_or(Value::Data, |one| Value::Int(i64::from(u32::from(one)))),
        Value::Bytes(bytes) => index(0, bytes.len()).map_or(Value::Data, |at| Value::Int(i64::from(bytes[at]))),
        _ => Value::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_text_is_folded_as_python_does() {
        let text = |text: &str| Value::made(text);
        let list = |parts: &[&str]| Value::list(parts.iter().map(Value::made).collect());
        let rows = [
            (binary(&text("sys"), Operator::Add, &text("tem")), text("system")),
            (binary(&text("%s%c"), Operator::Mod, &Value::list(vec![text("a"), Value::Int(98)])), text("ab")),
            (binary(&text("ab"), Operator::Mult, &Value::Int(2)), text("abab")),
            (binary(&text("a"), Operator::Mult, &Value::Int(i64::MAX)), pattern("a", "")),
            (binary(&Value::Int(i64::MAX), Operator::Add, &Value::Int(1)), Value::Data),
            (binary(&text("a"), Operator::Add, &Value::Data), pattern("a", "")),
            (pattern(&"é".repeat(65), &"ab".repeat(64)), pattern(&"é".repeat(64), &"ab".repeat(32))),
            (slice(&text("metsys"), &[None, None, Some(&Value::Int(-1))]), text("system")),
            (slice(&text("abc"), &[Some(&Value::Int(i64::MIN)), Some(&Value::Int(2)), None]), text("ab")),
            (method(&text(""), "join", &[list(&["a", "b"])]), text("ab")),
            (method(&text("a.b"), "split", &[text(".")]), list(&["a", "b"])),
            (method(&text("axb"), "replace", &[text("x"), text("y")]), text("ayb")),
            (reversed(&list(&["a", "b"])), list(&["b", "a"])),
            (character(&Value::Int(-1)), Value::Decoded),
            (from_hex(&text("6162")), Value::Bytes(b"ab".as_slice().into())),
        ];
        for (place, (found, expected)) in rows.into_iter().enumerate() {
            assert_eq!(found, expected, "row {place}");
        }
    }
}
