//! JSON text to CEL, without a tree of JSON values in between.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::vars::to_map;

/// The value of a text that is JSON; `null` for any other. The same as that of [`to_cel`](crate::to_cel) for the tree.
pub(crate) fn to_cel(text: &str) -> cel::Value {
    let read = serde_json::from_str(text).map(|Read(value)| value);
    read.unwrap_or(cel::Value::Null)
}

struct Read(cel::Value);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = cel::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<cel::Value, E> {
        Ok(cel::Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<cel::Value, E> {
        Ok(cel::Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<cel::Value, E> {
        Ok(i64::try_from(number).map_or(cel::Value::UInt(number), cel::Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<cel::Value, E> {
        Ok(cel::Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<cel::Value, E> {
        Ok(cel::Value::String(Arc::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<cel::Value, E> {
        Ok(cel::Value::String(Arc::new(text)))
    }

    fn visit_unit<E>(self) -> Result<cel::Value, E> {
        Ok(cel::Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<cel::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Read(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(cel::Value::List(Arc::new(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<cel::Value, A::Error> {
        let mut found = Vec::new();
        while let Some((name, Read(value))) = entries.next_entry::<String, Read>()? {
            found.push((name, value));
        }
        Ok(to_map(found.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_what_its_tree_becomes() {
        for text in [
            "null",
            "true",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "1.0",
            "1e3",
            "\"\\u00e4\\n\"",
            "[1, [2, []], {\"a\": {}}]",
            "{\"b\": 1, \"a\": [null, \"x\"], \"b\": 2}",
        ] {
            let tree: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(to_cel(text), crate::to_cel(&tree), "{text}");
        }
        assert_eq!(to_cel("{"), cel::Value::Null);
    }
}
