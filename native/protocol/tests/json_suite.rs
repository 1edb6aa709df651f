//! The public JSONTestSuite through the message layer: `y_` cases are JSON, `n_` cases are none, and `i_`
//! cases are free. Its files are not ours to hold; the source of the crate justjson, a development
//! dependency for nothing else, has all of them.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;
use spindle_protocol::envelope::Request;
use spindle_protocol::{json, method};

/// The JSON that our rules refuse, by what the refusal says.
const STRICTER: &[(&str, &[&str])] = &[
    ("twice in one object", &["y_object_duplicated_key", "y_object_duplicated_key_and_value"]),
    ("a NUL character", &["y_object_escaped_null_in_key", "y_string_null_escape"]),
];

/// The free cases that are taken: numbers, read as the nearest double.
const FREE_TAKEN: &[&str] = &[
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
];

/// The free cases that are refused, by what the refusal says.
const FREE_REFUSED: &[(&str, &[&str])] = &[
    (
        "number out of range",
        &[
            "i_number_huge_exp",
            "i_number_neg_int_huge_exp",
            "i_number_pos_double_huge_exp",
            "i_number_real_neg_overflow",
            "i_number_real_pos_overflow",
        ],
    ),
    (
        "lone leading surrogate",
        &[
            "i_object_key_lone_2nd_surrogate",
            "i_string_1st_valid_surrogate_2nd_invalid",
            "i_string_incomplete_surrogate_pair",
            "i_string_incomplete_surrogates_escape_valid",
            "i_string_inverted_surrogates_U+1D11E",
            "i_string_lone_second_surrogate",
        ],
    ),
    (
        "unexpected end of hex escape",
        &[
            "i_string_1st_surrogate_but_2nd_missing",
            "i_string_incomplete_surrogate_and_escape_valid",
            "i_string_invalid_lonely_surrogate",
            "i_string_invalid_surrogate",
        ],
    ),
    (
        "invalid unicode code point",
        &[
            "i_string_UTF-8_invalid_sequence",
            "i_string_UTF8_surrogate_U+D800",
            "i_string_invalid_utf-8",
            "i_string_iso_latin_1",
            "i_string_lone_utf8_continuation_byte",
            "i_string_not_in_unicode_range",
            "i_string_overlong_sequence_2_bytes",
            "i_string_overlong_sequence_6_bytes",
            "i_string_overlong_sequence_6_bytes_null",
            "i_string_truncated-utf-8",
        ],
    ),
    (
        "expected value",
        &[
            "i_string_UTF-16LE_with_BOM",
            "i_string_utf16BE_no_BOM",
            "i_string_utf16LE_no_BOM",
            "i_structure_UTF-8_BOM_empty_object",
        ],
    ),
    ("nesting deeper", &["i_structure_500_nested_arrays"]),
];

/// The files of the suite by name.
fn suite() -> Vec<(String, Vec<u8>)> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "host-tuple"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages.iter().find(|package| package["name"] == "justjson").expect("a development dependency");
    let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
    let folder = manifest.with_file_name("tests").join("JSONTestSuite");
    let mut cases: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("the suite")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("a file"))
        })
        .collect();
    cases.sort();
    cases
}

/// Read a text as JSON under our rules.
fn alone(text: &[u8]) -> Result<(), String> {
    json::check(text).map_err(|error| error.to_string())
}

/// Read a text as an argument of a script, as the server reads a request.
fn in_a_request(text: &[u8]) -> Result<(), String> {
    let before = br#"{"jsonrpc":"2.0","id":1,"method":"script.run","params":{"code":"","args":{"value":"#;
    let message = [before, text, b"}}}"].concat();
    let request = Request::parse(&message).map_err(|bad| bad.error.message)?;
    let method = method::find(&request.method).expect("a method");
    method.read(&request.params).map(drop).map_err(|error| error.message)
}

/// What the refusal of a case must say, nothing for a case that must be taken.
fn expected(name: &str) -> Option<&'static str> {
    let listed = STRICTER.iter().chain(FREE_REFUSED).find(|(_, names)| names.contains(&name));
    match (listed, &name[..2]) {
        (Some((reason, _)), _) => Some(reason),
        (None, "y_") => None,
        (None, "n_") => Some(""),
        _ if FREE_TAKEN.contains(&name) => None,
        _ => panic!("{name} is in no list"),
    }
}

/// JSON_DEFENCE: all that is JSON is taken but for our stricter rules, and nothing else is.
#[test]
fn the_whole_suite() {
    let cases = suite();
    let count = |start: &str| cases.iter().filter(|(name, _)| name.starts_with(start)).count();
    assert_eq!((count("y_"), count("n_"), count("i_")), (95, 188, 35), "the suite is whole");
    for (name, text) in &cases {
        for (place, outcome) in [("alone", alone(text)), ("in a request", in_a_request(text))] {
            match (outcome, expected(name)) {
                (Ok(()), None) => {}
                (Err(error), Some(reason)) => assert!(error.contains(reason), "{name} {place}: {error}"),
                (Ok(()), Some(_)) => panic!("{name} {place}: taken"),
                (Err(error), None) => panic!("{name} {place}: {error}"),
            }
        }
    }
}
