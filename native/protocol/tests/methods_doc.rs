//! docs/methods.md is what the program prints, so that it says what the code does.

#[path = "../examples/methods_doc/page.rs"]
mod page;
#[path = "../examples/methods_doc/schema.rs"]
mod schema;

use serde_json::json;

const DOC: &str = include_str!("../../../docs/methods.md");

#[test]
fn the_page_is_the_codes() {
    let page = page::page();
    let differs = page.lines().zip(DOC.lines()).find(|(now, before)| now != before);
    assert!(
        page == DOC,
        "docs/methods.md is old, first here: {differs:?}; run \
         cargo run -p spindle-protocol --example methods_doc > docs/methods.md"
    );
}

/// Types and ranges as people read them.
#[test]
fn types() {
    let rows = [
        (json!({"type": "integer", "minimum": 4, "maximum": 16384}), "integer, 4 to 16,384"),
        (json!({"type": "integer", "minimum": 0, "format": "uint32"}), "integer"),
        (json!({"type": ["string", "null"], "minLength": 1, "maxLength": 255}), "string, 1 to 255 characters or null"),
        (json!({"oneOf": [{"const": "a"}, {"const": "b"}]}), "`a`, `b`"),
        (json!({"anyOf": [{"oneOf": [{"const": "a"}]}, {"type": "null"}]}), "`a` or null"),
        (
            json!({"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "maxItems": 4, "minItems": 3}),
            "array of (number, 0 to 1), 3 to 4 items",
        ),
        (json!({"type": "object", "additionalProperties": {"type": "integer"}}), "object of integer"),
        (json!({"type": "object", "properties": {"$blob": {}}}), "blob reference"),
        (json!({"description": "Anything."}), "any JSON"),
    ];
    for (schema, expected) in rows {
        assert_eq!(schema::kind(&schema), expected, "{schema}");
    }
}
