//! What a tool says: text for the model, the same as data for programs, and pictures. Always within the limits of the
//! clients that are in use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;

/// The most characters of text in one answer. Claude Code warns above 10,000 tokens and cuts at 25,000; most text of
/// Blender has three characters a token.
pub const TEXT_CHARS: usize = 10_000;

/// Items of each list that are told, tried in turn: an object may have hundreds of materials.
const LISTED: [usize; 3] = [50, 20, 5];

/// What a tool has to say.
#[derive(Default)]
pub struct Answer {
    text: String,
    data: Option<Value>,
    more: Vec<ContentBlock>,
    is_error: bool,
}

impl Answer {
    /// Data, which is its own text.
    pub fn data(data: &impl Serialize) -> Answer {
        let data = serde_json::to_value(data).expect("answers are plain JSON");
        Answer { text: data.to_string(), data: Some(data), ..Answer::default() }
    }

    /// The same with numbers of six digits, for Blender's own, which have single precision; and where it would be too
    /// long for one answer, with the first items of its lists only.
    pub fn rounded(data: &impl Serialize) -> Answer {
        let mut data = serde_json::to_value(data).expect("answers are plain JSON");
        round(&mut data);
        for most in LISTED {
            if data.to_string().chars().count() <= TEXT_CHARS {
                break;
            }
            shorten(&mut data, most);
        }
        Answer::data(&data)
    }

    /// Data, and how a model reads it best.
    pub fn told(text: String, data: &impl Serialize) -> Answer {
        Answer { text, ..Answer::data(data) }
    }

    /// The same as a failure of what was asked.
    pub fn failed(mut self) -> Answer {
        self.is_error = true;
        self
    }

    /// With a picture.
    pub fn with_jpeg(mut self, jpeg: &[u8]) -> Answer {
        self.more.push(ContentBlock::image(STANDARD.encode(jpeg), "image/jpeg"));
        self
    }

    /// With the place of something that is too large to be sent unasked.
    pub fn with_link(mut self, link: Resource) -> Answer {
        self.more.push(ContentBlock::resource_link(link));
        self
    }
}

/// Digits beyond the sixth are noise, and three of them cost a token.
fn round(data: &mut Value) {
    match data {
        Value::Number(number) => {
            let value = number.as_f64().filter(|_| number.is_f64());
            if let Some(value) = value {
                *data = rounded(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(values) => values.values_mut().for_each(round),
        _ => {}
    }
}

/// Leave out what is beyond so many items of each list, and say how many those are. Vectors and matrices stay whole.
pub fn shorten(data: &mut Value, most: usize) {
    match data {
        Value::Array(values) => {
            let is_list = values.first().is_some_and(|first| first.is_string() || first.is_object());
            if is_list && values.len() > most {
                let more = format!("… and {} more", values.len() - most);
                values.truncate(most);
                values.push(more.into());
            }
            values.iter_mut().for_each(|value| shorten(value, most));
        }
        Value::Object(values) => values.values_mut().for_each(|value| shorten(value, most)),
        _ => {}
    }
}

fn rounded(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        return Value::from(value as i64);
    }
    format!("{value:.5e}").parse::<f64>().map_or(Value::Null, Value::from)
}

impl From<Answer> for CallToolResult {
    fn from(answer: Answer) -> CallToolResult {
        let mut content = vec![ContentBlock::text(answer.text)];
        content.extend(answer.more);
        let mut result =
            if answer.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
        result.structured_content = answer.data;
        result
    }
}

impl From<Failure> for CallToolResult {
    fn from(failure: Failure) -> CallToolResult {
        let text: String = failure.to_string().chars().take(TEXT_CHARS).collect();
        CallToolResult::error(vec![ContentBlock::text(text)])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_are_exact() {
        for (long, short) in [
            (json!(7.358_891_487_121_582), json!(7.35889)),
            (json!([1.0, -0.0, 0.1]), json!([1, 0, 0.1])),
            (json!({"a": 123_456_789, "b": "1.00000001"}), json!({"a": 123_456_789, "b": "1.00000001"})),
            (json!(0.000_012_345_678), json!(0.000_012_345_7)),
            (json!(1e300), json!(1e300)),
            (json!(123_456_789.0), json!(123_456_789)),
        ] {
            let mut data = long;
            round(&mut data);
            assert_eq!(data, short);
        }
    }

    #[test]
    fn long_lists_are_shortened() {
        let names: Vec<String> = (0..6).map(|number| number.to_string()).collect();
        let whole = json!({"a": ["0", "1"], "matrix": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "b": {"c": names}});
        let mut data = whole.clone();
        shorten(&mut data, 6);
        assert_eq!(data, whole);
        shorten(&mut data, 2);
        assert_eq!(data["b"]["c"], json!(["0", "1", "… and 4 more"]));
        assert_eq!((&data["a"], &data["matrix"]), (&whole["a"], &whole["matrix"]));
        let many: Vec<String> = (0..5_000).map(|number| format!("Material {number:04}")).collect();
        let result = CallToolResult::from(Answer::rounded(&json!({"materials": many})));
        let told = result.structured_content.expect("it has data")["materials"].clone();
        assert_eq!((&told[0], &told[50]), (&json!("Material 0000"), &json!("… and 4950 more")));
    }
}
