//! Rules for values that a program is about to send: vectors and colours (EDGE-002, EDGE-003), and queries for a
//! search (BUG-008). Each gives the value back, or says what is wrong with it.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use spindle_protocol::value::Query;

use crate::error::Error;

/// Which rule a value breaks.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A number is NaN or infinite.
    NotFinite(String),
    /// Anything else.
    Other(String),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::NotFinite(text) | Fault::Other(text) => Error::Invalid(text),
        }
    }
}

/// Coordinates, angles, a matrix as one row: finite, and within what Blender's 32-bit floats hold. `name` is for the
/// message.
///
/// # Errors
/// The first component at fault.
pub fn vector<const N: usize>(name: &str, components: [f64; N]) -> Result<[f64; N], Fault> {
    for (index, number) in components.into_iter().enumerate() {
        finite(name, index, number)?;
        if number.abs() > f64::from(f32::MAX) {
            let most = f32::MAX;
            return Err(Fault::Other(format!("{name}[{index}] is {number:e}; a 32-bit float holds at most {most:e}")));
        }
    }
    Ok(components)
}

/// Red, green, blue, and alpha where there are four: finite, and from 0 to 1.
///
/// # Errors
/// The first component at fault.
pub fn colour<const N: usize>(name: &str, components: [f64; N]) -> Result<[f64; N], Fault> {
    const { assert!(N == 3 || N == 4, "a colour has 3 or 4 components") };
    for (index, number) in components.into_iter().enumerate() {
        finite(name, index, number)?;
        if !(0.0..=1.0).contains(&number) {
            return Err(Fault::Other(format!("{name}[{index}] is {number}; allowed is 0 to 1")));
        }
    }
    Ok(components)
}

fn finite(name: &str, index: usize, number: f64) -> Result<(), Fault> {
    if number.is_finite() {
        return Ok(());
    }
    Err(Fault::NotFinite(format!("{name}[{index}] is {number}; allowed are finite numbers")))
}

/// What somebody looks for, by the rules of [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery(Query);

impl SearchQuery {
    /// Take a text as a query; whether its spaces had to be put in order for it. Nothing else is changed: what breaks
    /// a rule is refused.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<(SearchQuery, bool), Fault> {
        let query = Query::parse(text).map_err(Fault::Other)?;
        let tidied = query.0 != text;
        Ok((SearchQuery(query), tidied))
    }

    /// The query as people read it.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// The query as a part of a URL, everything but ASCII letters and digits percent-encoded: none of its characters
    /// can end the part that it stands in, or begin another one.
    pub fn for_url(&self) -> String {
        utf8_percent_encode(self.as_str(), NON_ALPHANUMERIC).to_string()
    }
}

impl fmt::Display for SearchQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: PartialEq + fmt::Debug>(outcome: Result<T, Fault>, expected: Result<T, &str>) {
        match (outcome, expected) {
            (Ok(value), Ok(wanted)) => assert_eq!(value, wanted),
            (Err(Fault::NotFinite(text) | Fault::Other(text)), Err(part)) => assert!(text.contains(part), "{text}"),
            (outcome, expected) => panic!("{outcome:?}, expected {expected:?}"),
        }
    }

    /// BUG-008: the rules are the protocol's; here it is also told whether spaces had to be put in order.
    #[test]
    fn queries() {
        let query = |text: &str| SearchQuery::parse(text).map(|(query, tidied)| (query.to_string(), tidied));
        check(query("oak table"), Ok(("oak table".to_owned(), false)));
        check(query("  oak   table "), Ok(("oak table".to_owned(), true)));
        check(query("a\nb"), Err("holds '\\n'; allowed are letters"));
    }

    /// BUG-008: a query in a URL stays within its part.
    #[test]
    fn queries_in_urls() {
        let (query, _) = SearchQuery::parse("a&b=c/../d?e#f %2e é").expect("a query");
        assert_eq!(query.for_url(), "a%26b%3Dc%2F%2E%2E%2Fd%3Fe%23f%20%252e%20%C3%A9");
    }

    /// EDGE-002, EDGE-003: numbers are finite, colours within 0 and 1.
    #[test]
    fn vectors_and_colours() {
        check(vector("location", [0.0, -1.5, 3e38]), Ok([0.0, -1.5, 3e38]));
        check(vector("location", [0.0, f64::NAN, 0.0]), Err("location[1] is NaN; allowed are finite numbers"));
        check(vector("rotation", [f64::NEG_INFINITY]), Err("rotation[0] is -inf"));
        check(vector("location", [4e38]), Err("location[0] is 4e38; a 32-bit float holds"));
        check(colour("colour", [0.0, 0.5, 1.0, 1.0]), Ok([0.0, 0.5, 1.0, 1.0]));
        check(colour("colour", [0.0, 0.5, 1.01]), Err("colour[2] is 1.01; allowed is 0 to 1"));
        check(colour("colour", [-0.1, 0.5, 1.0]), Err("colour[0] is -0.1"));
        check(colour("colour", [0.1, f64::INFINITY, 1.0]), Err("colour[1] is inf; allowed are finite"));
        assert!(matches!(colour("c", [f64::NAN, 0.0, 0.0]), Err(Fault::NotFinite(_))));
    }
}
