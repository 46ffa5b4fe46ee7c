//! Bytes to a JSON value, under bounds that are checked while it is read.
//!
//! Object keys that stand twice are refused: two readers of the same event must not see different values.

pub(crate) mod envelope;
mod error;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

pub use error::{JsonError, JsonFault};

use crate::limits::Limits;
use edsr_model::printable;

use crate::quoted::quoted;

/// Reads one value. The size of `bytes` is the caller's to bound; depth, values and strings are bounded here.
///
/// # Errors
/// [`JsonError`] says what is wrong and where.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    read_within(bytes, limits, limits.nodes).map(|(value, _)| value)
}

/// As [`read`], with at most `nodes` values; also gives how many there are.
pub(crate) fn read_within(
    bytes: &[u8],
    limits: &Limits,
    nodes: usize,
) -> Result<(Value, usize), JsonError> {
    let text = text(bytes)?;
    if text.trim_ascii().is_empty() {
        return Err(JsonError::at_start(JsonFault::Empty));
    }
    let mut budget = Budget {
        depth: limits.depth.min(Limits::DEPTH_CEILING),
        depth_left: limits.depth.min(Limits::DEPTH_CEILING),
        nodes,
        nodes_left: nodes,
        string_bytes: limits.string_bytes,
        fault: None,
        path: Vec::new(),
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed(&mut budget).deserialize(&mut reader);
    match value.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok((value, nodes - budget.nodes_left)),
        Err(error) => Err(budget.explain(&error)),
    }
}

/// The bytes as text.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes)
        .map_err(|error| JsonError::at_start(JsonFault::NotUtf8(error.valid_up_to())))
}

/// About how many bytes `value` takes as text.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 2 + items.iter().map(weight).sum::<usize>(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| key.len() + 4 + weight(value));
            2 + entries.sum::<usize>()
        }
    }
}

enum Step {
    Key(String),
    Place(usize),
}

struct Budget {
    depth: usize,
    depth_left: usize,
    nodes: usize,
    nodes_left: usize,
    string_bytes: usize,
    fault: Option<JsonFault>,
    /// The way to the fault, innermost first; filled on the way out, so that a good value pays nothing for it.
    path: Vec<Step>,
}

impl Budget {
    fn fail<E: serde::de::Error>(&mut self, fault: JsonFault) -> E {
        self.fault = Some(fault);
        E::custom("out of bounds")
    }

    fn string<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        if bytes > self.string_bytes {
            return Err(self.fail(JsonFault::StringBytes(self.string_bytes)));
        }
        Ok(())
    }

    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.depth_left.checked_sub(1) {
            Some(left) => self.depth_left = left,
            None => return Err(self.fail(JsonFault::Depth(self.depth))),
        }
        Ok(())
    }

    fn explain(self, error: &serde_json::Error) -> JsonError {
        let mut path = "$".to_owned();
        for step in self.path.iter().rev() {
            match step {
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(&quoted(key));
                }
                Step::Place(place) => path.push_str(&format!("[{place}]")),
            }
        }
        let path = printable(&path, PATH_CHARS_MAX);
        let syntax = JsonError::syntax(error);
        JsonError {
            fault: self.fault.unwrap_or(syntax.fault),
            path,
            ..syntax
        }
    }
}

/// How much of a path an error shows, in characters.
const PATH_CHARS_MAX: usize = 200;

struct Seed<'b>(&'b mut Budget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0.nodes_left.checked_sub(1) {
            Some(left) => self.0.nodes_left = left,
            None => {
                let nodes = self.0.nodes;
                return Err(self.0.fail(JsonFault::Nodes(nodes)));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.string(text.len())?;
        Ok(text.into())
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.0.string(text.len())?;
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let budget = self.0;
        budget.enter()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(Seed(budget)) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => {
                    budget.path.push(Step::Place(items.len()));
                    return Err(error);
                }
            }
        }
        budget.depth_left += 1;
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let budget = self.0;
        budget.enter()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            budget.string::<A::Error>(key.len())?;
            // Looked up once: the place that shows that the key is new is the place it goes to.
            match map.entry(key) {
                Entry::Occupied(known) => {
                    let shown = quoted(known.key());
                    return Err(budget.fail(JsonFault::DuplicateKey(shown)));
                }
                Entry::Vacant(place) => match entries.next_value_seed(Seed(budget)) {
                    Ok(value) => place.insert(value),
                    Err(error) => {
                        budget.path.push(Step::Key(place.key().clone()));
                        return Err(error);
                    }
                },
            };
        }
        budget.depth_left += 1;
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &[u8], code: &str, path: &str) {
        let limits = Limits {
            depth: 3,
            nodes: 10,
            string_bytes: 8,
            ..Limits::default()
        };
        let error = read(text, &limits).expect_err(&String::from_utf8_lossy(text));
        assert_eq!((error.code(), &*error.path), (code, path), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_and_placed() {
        check(b"", "json.empty", "$");
        check(b" \n", "json.empty", "$");
        check(b"{\"a\":\"\xff\"}", "json.utf8", "$");
        check(b"{\"a\":NaN}", "json.syntax", "$.a");
        check(b"[1,Infinity]", "json.syntax", "$[1]");
        check(b"{\"a\":[1,1e999999]}", "json.syntax", "$.a[1]");
        check(b"{\"a\":1} x", "json.syntax", "$");
        check(b"{\"a\":1}{}", "json.syntax", "$");
        check(b"{\"a\":\"\\ud800\"}", "json.syntax", "$.a");
        check(b"{\"a\":1,}", "json.syntax", "$");
        check(b"{'a':1}", "json.syntax", "$");
        check(b"[01]", "json.syntax", "$[0]");
        check(b"[\"a\nb\"]", "json.syntax", "$[0]");
        check(
            b"{\"a\":{\"b\":1,\"c\":2,\"b\":3}}",
            "json.duplicate-key",
            "$.a",
        );
        check(
            b"{\"a\":{\"b\":1,\"\\u0062\":3}}",
            "json.duplicate-key",
            "$.a",
        );
        check(b"[[[[]]]]", "json.depth", "$[0][0][0]");
        check(b"[0,1,2,3,4,5,6,7,8,9]", "json.nodes", "$[9]");
        check(b"{\"a\":\"123456789\"}", "json.string", "$.a");
        check(b"{\"123456789\":1}", "json.string", "$");
    }

    #[test]
    fn the_bounds_themselves_are_allowed() {
        let limits = Limits {
            depth: 3,
            nodes: 10,
            string_bytes: 8,
            ..Limits::default()
        };
        for text in [
            "[[[]]]",
            "[0,1,2,3,4,5,6,7,8]",
            "{\"12345678\":\"12345678\"}",
        ] {
            let value = read(text.as_bytes(), &limits).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        }
        let deep = Limits {
            depth: 10_000,
            ..Limits::default()
        };
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(nested(Limits::DEPTH_CEILING).as_bytes(), &deep).is_ok());
        let error = read(nested(Limits::DEPTH_CEILING + 1).as_bytes(), &deep).unwrap_err();
        assert_eq!(error.fault, JsonFault::Depth(Limits::DEPTH_CEILING));
    }

    #[test]
    fn numbers_keep_what_they_are() {
        let value = read(b"[1,-1,18446744073709551615,0.1,1e3]", &Limits::default()).unwrap();
        assert_eq!(value, json!([1, -1, u64::MAX, 0.1, 1000.0]));
    }

    #[test]
    fn a_quoted_key_does_not_steer_the_reader() {
        let error = read(
            "{\"\\u001b[2J\u{202e}\":1,\"\\u001b[2J\u{202e}\":2}".as_bytes(),
            &Limits::default(),
        )
        .unwrap_err();
        assert!(
            !error.to_string().contains(['\u{1b}', '\u{202e}']),
            "{error}"
        );
    }
}
