//! The types that parameters are made of. Each checks itself while it is read, so a value of the
//! type is a valid one, and each says its rule in its schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::limits::{NAME_BYTES, PATH_BYTES, QUERY_CHARS};

/// A free JSON object, such as the arguments of a script.
pub type FreeObject = Map<String, Value>;

/// Give a checked newtype its `Deserialize` and its schema: the type it is read as, the check that
/// makes one or says what is expected, and the schema.
macro_rules! checked {
    ([$($param:ident: $kind:ty),*] $name:ty, $raw:ty, $check:expr, $schema:expr) => {
        impl<'de, $(const $param: $kind),*> Deserialize<'de> for $name {
            fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
                let check: fn($raw) -> Result<Self, String> = $check;
                check(<$raw>::deserialize(deserializer)?).map_err(De::Error::custom)
            }
        }

        impl<$(const $param: $kind),*> JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A text of at most `MAX` bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Text<const MAX: usize>(pub String);

checked!([MAX: usize] Text<MAX>, String, |text| {
    if text.len() > MAX {
        return Err(format!("a text of {} bytes, the limit is {MAX}", text.len()));
    }
    Ok(Text(text))
}, json_schema!({"type": "string", "maxLength": MAX}));

/// The name of a data-block, collection or the like: 1 to 255 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name(pub String);

checked!(
    [] Name,
    String,
    |name| {
        if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
            return Err(format!("expected a name of 1 to {NAME_BYTES} bytes without control characters"));
        }
        Ok(Name(name))
    },
    json_schema!({"type": "string", "minLength": 1, "maxLength": NAME_BYTES})
);

/// A file path on Blender's machine, at most 1023 bytes. Whether it may be used is decided there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilePath(pub String);

checked!(
    [] FilePath,
    String,
    |path| {
        if path.is_empty() || path.len() > PATH_BYTES || path.chars().any(char::is_control) {
            return Err(format!("expected a path of 1 to {PATH_BYTES} bytes without control characters"));
        }
        Ok(FilePath(path))
    },
    json_schema!({"type": "string", "minLength": 1, "maxLength": PATH_BYTES})
);

/// What may be in a query besides letters, digits and spaces.
const QUERY_MARKS: &str = "-_.,:;'\"()[]+&/#!?@*=%";

/// What somebody looks for: 1 to 200 letters, digits, spaces and `-_.,:;'"()[]+&/#!?@*=%`, spaces one at a time and
/// only in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Query(pub String);

impl Query {
    /// Take a text as a query. Its spaces are put in order for it; what breaks another rule is refused.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Query, String> {
        let is_allowed = |c: char| c.is_alphanumeric() || c == ' ' || QUERY_MARKS.contains(c);
        if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(format!("the query holds {bad:?}; allowed are letters, digits, spaces and {QUERY_MARKS}"));
        }
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let query = words.join(" ");
        let length = query.chars().count();
        if !(1..=QUERY_CHARS).contains(&length) {
            return Err(format!("the query has {length} characters; allowed are 1 to {QUERY_CHARS}"));
        }
        Ok(Query(query))
    }
}

checked!([] Query, String, |text| Query::parse(&text), json_schema!({
    "type": "string", "minLength": 1, "maxLength": QUERY_CHARS,
}));

/// An operator's name as Blender's Python has it, such as `mesh.primitive_cube_add`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OperatorName(pub String);

checked!(
    [] OperatorName,
    String,
    |name| {
        let word = |part: &str| {
            part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && part.starts_with(|c: char| c.is_ascii_lowercase())
        };
        match name.split_once('.') {
            Some((module, function)) if name.len() <= 128 && word(module) && word(function) => Ok(OperatorName(name)),
            _ => Err("expected an operator such as \"mesh.primitive_cube_add\"".to_owned()),
        }
    },
    json_schema!({"type": "string", "maxLength": 128, "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$"})
);

/// A number that fits Blender's 32-bit floats; finite, as all JSON numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Real(pub f64);

checked!(
    [] Real,
    f64,
    |number| {
        if number.abs() > f64::from(f32::MAX) {
            return Err(format!("{number:e} does not fit a 32-bit float, the limit is {:e}", f32::MAX));
        }
        Ok(Real(number))
    },
    json_schema!({"type": "number"})
);

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Unit(pub f64);

checked!(
    [] Unit,
    f64,
    |number| {
        if !(0.0..=1.0).contains(&number) {
            return Err(format!("{number} is not within 0 and 1"));
        }
        Ok(Unit(number))
    },
    json_schema!({"type": "number", "minimum": 0, "maximum": 1})
);

/// A number from 0 to a million, such as a light's power in watts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Amount(pub f64);

checked!(
    [] Amount,
    f64,
    |number| {
        if !(0.0..=1e6).contains(&number) {
            return Err(format!("{number} is not within 0 and 1000000"));
        }
        Ok(Amount(number))
    },
    json_schema!({"type": "number", "minimum": 0, "maximum": 1e6})
);

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count<const LEAST: i64, const MOST: i64>(pub i64);

checked!([LEAST: i64, MOST: i64] Count<LEAST, MOST>, i64, |number| {
    if !(LEAST..=MOST).contains(&number) {
        return Err(format!("{number} is not within {LEAST} and {MOST}"));
    }
    Ok(Count(number))
}, json_schema!({"type": "integer", "minimum": LEAST, "maximum": MOST}));

/// `[x, y, z]` in Blender units (metres by default).
pub type Vector = [Real; 3];

/// `[x, y, z]` Euler angles in radians, order XYZ.
pub type Rotation = [Real; 3];

/// `[red, green, blue]` or `[red, green, blue, alpha]`, each from 0 to 1, scene linear as in
/// Blender's own properties. Alpha is 1 when absent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Color(pub [Unit; 4]);

checked!(
    [] Color,
    Vec<Unit>,
    |parts| match parts[..] {
        [r, g, b] => Ok(Color([r, g, b, Unit(1.0)])),
        [r, g, b, a] => Ok(Color([r, g, b, a])),
        _ => Err(format!("expected 3 or 4 numbers from 0 to 1, got {}", parts.len())),
    },
    json_schema!({
        "type": "array", "minItems": 3, "maxItems": 4, "items": {"type": "number", "minimum": 0, "maximum": 1},
    })
);

/// At most `MAX` items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> List<T, MAX> {
        List(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T, MAX>, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        if items.len() > MAX {
            return Err(D::Error::custom(format!("{} items, the limit is {MAX}", items.len())));
        }
        Ok(List(items))
    }
}

impl<T: JsonSchema, const MAX: usize> JsonSchema for List<T, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List of {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "maxItems": MAX, "items": generator.subschema_for::<T>()})
    }
}

/// Bytes in the frame's blob. In free values (script arguments, `data.set`) an object with the key
/// `$blob` is such a reference too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlobRef {
    /// Offset and length in bytes.
    #[serde(rename = "$blob")]
    pub range: [u64; 2],
    /// What the bytes are: a media type such as `image/png`, or absent for an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The item type of an array, as numpy writes it: `<f4`, `<i4`, `|u1` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The dimensions of an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
}

impl BlobRef {
    /// The bytes that this refers to, if they lie within `blob`.
    pub fn slice<'a>(&self, blob: &'a [u8]) -> Option<&'a [u8]> {
        let [offset, length] = self.range;
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        blob.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: for<'de> Deserialize<'de>>(rows: &[(&str, Option<&str>)]) {
        for (json, expected) in rows {
            match (serde_json::from_str::<T>(json), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
                (Ok(_), Some(part)) => panic!("{json}: taken, expected {part}"),
                (Err(error), None) => panic!("{json}: {error}"),
            }
        }
    }

    /// EDGE-002, EDGE-003, ARRAYS: numbers are finite and in range, texts and arrays are bounded.
    #[test]
    fn values() {
        check::<Vector>(&[
            ("[0, -1.5, 3e38]", None),
            ("[0, 0]", Some("length")),
            ("[0, 0, 0, 0]", Some("trailing")),
            ("[0, 0, 3.5e38]", Some("32-bit float")),
            ("[0, 0, 1e999]", Some("out of range")),
            ("[0, 0, NaN]", Some("expected")),
            ("[0, 0, \"1\"]", Some("invalid type")),
            ("[0, 0, null]", Some("invalid type")),
        ]);
        check::<Color>(&[
            ("[0, 0.5, 1]", None),
            ("[0, 0.5, 1, 0]", None),
            ("[0, 0.5]", Some("3 or 4 numbers")),
            ("[0, 0.5, 1.01]", Some("1.01 is not within 0 and 1")),
            ("[0, -0.1, 1]", Some("-0.1 is not within 0 and 1")),
        ]);
        check::<Count<1, 10>>(&[
            ("1", None),
            ("10", None),
            ("0", Some("within 1 and 10")),
            ("1.5", Some("expected i64")),
        ]);
        check::<Text<3>>(&[
            ("\"abc\"", None),
            ("\"abcd\"", Some("4 bytes, the limit is 3")),
            ("\"éé\"", Some("limit")),
        ]);
        check::<Name>(&[("\"Cube.001\"", None), ("\"\"", Some("1 to 255")), ("\"a\\u0007\"", Some("control"))]);
        check::<List<i32, 2>>(&[("[1, 2]", None), ("[1, 2, 3]", Some("3 items, the limit is 2"))]);
        check::<OperatorName>(&[
            ("\"mesh.primitive_cube_add\"", None),
            ("\"mesh\"", Some("operator")),
            ("\"a.b.c\"", Some("operator")),
            ("\"Mesh.x\"", Some("operator")),
            ("\"mesh.__class__\"", Some("operator")),
        ]);
    }

    /// BUG-008: length, set, control characters, single spaces.
    #[test]
    fn queries() {
        let longest = "é".repeat(QUERY_CHARS);
        let rows = [
            ("oak table", Ok("oak table")),
            ("  oak   table ", Ok("oak table")),
            ("größe 50% (x/y)", Ok("größe 50% (x/y)")),
            (longest.as_str(), Ok(longest.as_str())),
            ("", Err("0 characters; allowed are 1 to 200")),
            ("   ", Err("0 characters")),
            ("a\nb", Err("holds '\\n'; allowed are letters")),
            ("a\tb", Err("'\\t'")),
            ("a\0", Err("'\\0'")),
            ("a\u{a0}b", Err("'\\u{a0}'")),
            ("a\u{202e}b", Err("'\\u{202e}'")),
            ("<script>", Err("'<'")),
            ("a`b", Err("'`'")),
        ];
        for (text, expected) in rows {
            match (Query::parse(text), expected) {
                (Ok(query), Ok(wanted)) => assert_eq!(query.0, wanted),
                (Err(fault), Err(part)) => assert!(fault.contains(part), "{fault}"),
                (outcome, _) => panic!("{text:?}: {outcome:?}, expected {expected:?}"),
            }
        }
        check::<Query>(&[("\"oak  table\"", None), ("\"a\\nb\"", Some("holds")), ("7", Some("invalid type"))]);
        assert!(Query::parse(&"a".repeat(QUERY_CHARS + 1)).is_err_and(|fault| fault.contains("201 characters")));
    }

    #[test]
    fn blob_references_stay_inside() {
        let slice = |offset, length| {
            let reference = BlobRef { range: [offset, length], media_type: None, dtype: None, shape: None };
            reference.slice(b"abcdef").map(<[u8]>::to_vec)
        };
        assert_eq!(slice(1, 2), Some(b"bc".to_vec()));
        assert_eq!(slice(6, 0), Some(Vec::new()));
        for (offset, length) in [(5, 2), (7, 0), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(slice(offset, length), None, "{offset} {length}");
        }
    }
}
