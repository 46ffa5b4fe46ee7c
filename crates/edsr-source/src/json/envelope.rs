//! The usual event, read in one pass: attributes become what they are, the data is checked and stays text.
//!
//! Whatever is unusual (a mistake, a bound that is reached, an attribute that is no scalar, an object of many keys) is
//! not decided here but by the reader that builds a tree and can say what is wrong and where. So what is taken here must
//! be taken there, with the same meaning, and nothing is refused here.

use std::borrow::Cow;
use std::fmt;

use edsr_model::event::Attributes;
use edsr_model::json::Json;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::attributes::{CORE, fold_names};
use crate::limits::Limits;

/// Objects with more keys than this are left to the other reader, which looks keys up in a map.
const KEYS_MAX: usize = 64;

/// The attributes of an event with their number of values, if it is a usual one of at most `nodes` values.
pub(crate) fn read(text: &str, limits: &Limits, nodes: usize) -> Option<(Attributes, usize)> {
    let mut check = Check {
        depth_left: limits.depth.min(Limits::DEPTH_CEILING),
        nodes_left: nodes,
        string_bytes: limits.string_bytes,
        keys: Vec::with_capacity(KEYS_MAX),
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let attributes = Envelope(&mut check).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some((attributes, nodes - check.nodes_left))
}

/// What is left of the bounds, and the keys of all objects that are open.
struct Check<'e> {
    depth_left: usize,
    nodes_left: usize,
    string_bytes: usize,
    keys: Vec<Cow<'e, str>>,
}

impl<'e> Check<'e> {
    fn node<E: Error>(&mut self) -> Result<(), E> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(unusual)?;
        Ok(())
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or_else(unusual)?;
        Ok(())
    }

    fn string<E: Error>(&self, text: &str) -> Result<(), E> {
        if text.len() > self.string_bytes {
            return Err(unusual());
        }
        Ok(())
    }

    /// Notes a key of the object whose keys begin at `from`.
    fn key<E: Error>(&mut self, from: usize, key: Cow<'e, str>) -> Result<(), E> {
        self.string(&key)?;
        let known = &self.keys[from..];
        if known.len() == KEYS_MAX || known.contains(&key) {
            return Err(unusual());
        }
        self.keys.push(key);
        Ok(())
    }
}

fn unusual<E: Error>() -> E {
    E::custom("left to the other reader")
}

/// Reads a whole event.
struct Envelope<'c, 'e>(&'c mut Check<'e>);

impl<'e> DeserializeSeed<'e> for Envelope<'_, 'e> {
    type Value = Attributes;

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<Attributes, D::Error> {
        self.0.node()?;
        deserializer.deserialize_map(self)
    }
}

impl<'e> Visitor<'e> for Envelope<'_, 'e> {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut entries: A) -> Result<Attributes, A::Error> {
        let check = self.0;
        check.enter()?;
        let mut attributes = Attributes::default();
        let mut others = serde_json::Map::new();
        while let Some(name) = entries.next_key_seed(Key)? {
            check.key(0, name.clone())?;
            if name == "data" {
                let raw: &'e RawValue = entries.next_value()?;
                data(check, raw.get()).map_err(A::Error::custom)?;
                attributes.data(Json::from_text(raw.to_owned()));
                continue;
            }
            let value = entries.next_value_seed(Attribute(check))?;
            if CORE.contains(&name.as_ref()) {
                attributes.put(name, value);
            } else {
                others.insert(name.into_owned(), value);
            }
        }
        fold_names(&mut others);
        for (name, value) in others {
            attributes.put(name, value);
        }
        Ok(attributes)
    }
}

fn data<'e>(check: &mut Check<'e>, text: &'e str) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Whole(check).deserialize(&mut reader)
}

/// Reads a key.
struct Key;

impl<'e> DeserializeSeed<'e> for Key {
    type Value = Cow<'e, str>;

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'e> Visitor<'e> for Key {
    type Value = Cow<'e, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'e str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads the value of an attribute: a text, a whole number, a truth value or `null`.
struct Attribute<'c, 'e>(&'c mut Check<'e>);

impl<'e> DeserializeSeed<'e> for Attribute<'_, 'e> {
    type Value = Value;

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.node()?;
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Attribute<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.string(text)?;
        Ok(text.into())
    }
}

/// Reads any value to its end, and keeps nothing of it.
struct Whole<'c, 'e>(&'c mut Check<'e>);

impl<'e> DeserializeSeed<'e> for Whole<'_, 'e> {
    type Value = ();

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.node()?;
        deserializer.deserialize_any(self)
    }
}

impl<'e> Visitor<'e> for Whole<'_, 'e> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if number.is_finite() {
            Ok(())
        } else {
            Err(unusual())
        }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.string(text)
    }

    fn visit_seq<A: SeqAccess<'e>>(self, mut seq: A) -> Result<(), A::Error> {
        let check = self.0;
        check.enter()?;
        while seq.next_element_seed(Whole(check))?.is_some() {}
        check.depth_left += 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'e>>(self, mut entries: A) -> Result<(), A::Error> {
        let check = self.0;
        check.enter()?;
        let from = check.keys.len();
        while let Some(key) = entries.next_key_seed(Key)? {
            check.key(from, key)?;
            entries.next_value_seed(Whole(check))?;
        }
        check.keys.truncate(from);
        check.depth_left += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use edsr_model::Event;

    use super::*;
    use crate::json::read_within;

    /// What both readers make of a text: the event as JSON, or why it is none, and its number of values.
    fn check(text: &str, usual: bool) {
        let limits = Limits {
            depth: 4,
            nodes: 200,
            string_bytes: 40,
            ..Limits::default()
        };
        let found = read(text, &limits, limits.nodes);
        assert_eq!(found.is_some(), usual, "{text}");
        let Some((attributes, nodes)) = found else {
            return;
        };
        let (mut tree, slow_nodes) = read_within(text.as_bytes(), &limits, limits.nodes).unwrap();
        fold_names(tree.as_object_mut().unwrap());
        let told = |event: Result<Event, _>| event.map(|event| event.to_value());
        let (fast, slow) = (Event::from_attributes(attributes), Event::from_value(tree));
        assert_eq!(told(fast), told(slow), "{text}");
        assert_eq!(nodes, slow_nodes, "{text}");
    }

    fn event(more: &str) -> String {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{more}}}"#)
    }

    #[test]
    fn what_is_usual_is_read_as_the_other_reader_reads_it() {
        for more in [
            "",
            r#", "data" : {"a": [1, -2, 1.50, 1e3, true, null, "\u0061\n"], "b": {"a": {}}}"#,
            r#","data":null,"subject":null,"data_base64":"AAEC""#,
            r#","data":"text","datacontenttype":"text/plain""#,
            r#","data":1,"data_base64":"AAEC""#,
            r#","partitionKey":"a","REGION":"b","n":5,"flag":true,"time":"2026-01-02T03:04:05Z""#,
            r#","specVersion":"x","Id":"2""#,
            r#","aB":1,"ab":2"#,
            r#","time":"noon""#,
            r#","d\u0061ta":{"a":1}"#,
        ] {
            check(&event(more), true);
        }
        for text in [
            "{}",
            r#"{"specversion":"0.3","id":7}"#,
            r#"{"specversion":"1.0","id":""}"#,
        ] {
            check(text, true);
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_other_reader() {
        let keys: Vec<_> = (0..=KEYS_MAX).map(|n| format!("\"k{n}\":1")).collect();
        let many = format!(",\"data\":{{{}}}", keys.join(","));
        let long = format!(",\"data\":\"{}\"", "x".repeat(41));
        let nodes = format!(",\"data\":[{}0]", "0,".repeat(300));
        for more in [
            r#","data":{"a":1,"\u0061":2}"#,
            r#","data":1,"data":2"#,
            r#","id":"2""#,
            r#","data":[[[[]]]]"#,
            r#","data":[1,]"#,
            r#","data":1e999999"#,
            r#","data":"\ud800""#,
            r#","ext":{}"#,
            r#","ext":1.5"#,
            r#","ext":[]"#,
            r#","id2":"a" "#,
        ] {
            check(&event(more), more.contains("id2"));
        }
        for more in [many, long, nodes] {
            check(&event(&more), false);
        }
        for text in ["", "[]", "1", "{}x", "{", "null"] {
            check(text, false);
        }
    }
}
