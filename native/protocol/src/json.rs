//! The written rules for JSON, so that one message has one meaning.
//!
//! On top of `serde_json` (which refuses bad UTF-8, lone surrogates, NaN, infinities, numbers beyond
//! a double, raw control characters and trailing data) [`check`] refuses duplicate keys, NUL
//! characters, deep nesting and overlong strings, arrays and objects. An integer outside 64 bits is
//! read as the nearest double, as JavaScript reads it.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::limits::{ARRAY_ITEMS, JSON_DEPTH, OBJECT_KEYS, STRING_BYTES};

/// Walk one JSON value and apply the rules, keeping nothing of it.
///
/// # Errors
/// The first rule that is broken, with line and column.
pub fn check(json: &[u8]) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Rules { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()
}

#[derive(Clone, Copy)]
struct Rules {
    depth: usize,
}

impl Rules {
    fn deeper<E: serde::de::Error>(self) -> Result<Rules, E> {
        if self.depth >= JSON_DEPTH {
            return Err(E::custom(format!("nesting deeper than {JSON_DEPTH}")));
        }
        Ok(Rules { depth: self.depth + 1 })
    }
}

fn check_text<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.len() > STRING_BYTES {
        return Err(E::custom(format!("a string of {} bytes, the limit is {STRING_BYTES}", text.len())));
    }
    if text.contains('\0') {
        return Err(E::custom("a NUL character in a string; Blender's texts end there"));
    }
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Rules {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rules {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        check_text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut count = 0;
        while items.next_element_seed(inner)?.is_some() {
            count += 1;
            if count > ARRAY_ITEMS {
                return Err(A::Error::custom(format!("an array of more than {ARRAY_ITEMS} items; use a blob")));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            check_text(&key)?;
            if seen.len() >= OBJECT_KEYS {
                return Err(A::Error::custom(format!("an object of more than {OBJECT_KEYS} keys")));
            }
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key {key:?} twice in one object")));
            }
            seen.insert(key);
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A `T` written as a JSON object. A derived struct alone would take an array of its fields too.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct ObjectOnly<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOnly<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(entries))
            }
        }

        deserializer.deserialize_map(ObjectOnly(PhantomData)).map(Object)
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Object<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON_DEFENCE, EDGE-002, EDGE-003, ARRAYS: each hazard is refused, and honest values pass.
    #[test]
    fn rules() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let (deep, too_deep) = (nested(JSON_DEPTH), nested(JSON_DEPTH + 1));
        let long = format!("\"{}\"", "x".repeat(STRING_BYTES + 1));
        let wide = format!("[{}1]", "1,".repeat(ARRAY_ITEMS));
        let keys = (0..=OBJECT_KEYS).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(",");
        let rows: &[(&[u8], Option<&str>)] = &[
            (br#"{"a": [1, -2.5e3, "x", null, true]}"#, None),
            (b"123456789012345678901234567890", None),
            (deep.as_bytes(), None),
            (br#"{"a": {"b": 1}, "b": 1}"#, None),
            (br#"{"a": 1, "a": 2}"#, Some("twice")),
            (br#"{"x": {"a": 1, "\u0061": 2}}"#, Some("twice")),
            (br#"["\u0000"]"#, Some("NUL")),
            (br#"{"a\u0000": 1}"#, Some("NUL")),
            (too_deep.as_bytes(), Some("nesting")),
            (&[b'['; 100_000], Some("nesting")),
            (b"[NaN]", Some("expected")),
            (b"[Infinity]", Some("expected")),
            (b"[1e999]", Some("out of range")),
            (br#"["\ud800"]"#, Some("")),
            (b"\"\xff\"", Some("")),
            (b"\"a\nb\"", Some("control character")),
            (b"1 2", Some("trailing")),
            (b"", Some("EOF")),
            (b"\xef\xbb\xbf1", Some("expected")),
            (long.as_bytes(), Some("a string of")),
            (wide.as_bytes(), Some("blob")),
            (keys.as_bytes(), Some("")),
        ];
        for (json, expected) in rows {
            let shown = String::from_utf8_lossy(&json[..json.len().min(60)]).into_owned();
            match (check(json), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{shown}: {error}"),
                (result, _) => panic!("{shown}: {result:?}"),
            }
        }
    }

    /// A double arrives as the very double that was sent.
    #[test]
    fn numbers_are_exact() {
        let read: f64 = serde_json::from_str("18.724158270135618").expect("a number");
        assert_eq!(read.to_bits(), 18.724158270135618_f64.to_bits());
    }

    #[test]
    fn an_object_is_no_array() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Pair {
            a: i32,
            b: i32,
        }
        let read = |text| serde_json::from_str::<Object<Pair>>(text).map(|Object(pair)| pair);
        assert_eq!(read(r#"{"a": 1, "b": 2}"#).expect("an object"), Pair { a: 1, b: 2 });
        assert!(serde_json::from_str::<Pair>("[1, 2]").is_ok(), "what Object is for");
        assert!(read("[1, 2]").expect_err("an array").to_string().contains("expected an object"));
    }
}
