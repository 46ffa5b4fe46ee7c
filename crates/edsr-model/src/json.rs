//! JSON that is kept as the text it came as, and becomes a tree only when somebody reads it.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON value. Most events are stored and never read: what was sent as text stays text until then. Two are equal when
/// their values are.
#[derive(Debug, Clone)]
pub struct Json {
    text: Option<Box<RawValue>>,
    value: OnceLock<Value>,
}

impl Json {
    /// A value as it was sent. Whoever takes text from outside bounds its depth before, at less than 128.
    #[must_use]
    pub const fn from_text(text: Box<RawValue>) -> Self {
        Self {
            text: Some(text),
            value: OnceLock::new(),
        }
    }

    /// The value; the text is read at the first call.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.value.get_or_init(|| {
            // Invariant: the text is JSON, and no deeper than the reader goes.
            let text = self.text.as_deref().map_or("null", RawValue::get);
            serde_json::from_str(text).unwrap_or_default()
        })
    }

    /// The text it came as; `None` for one that was made here.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref().map(RawValue::get)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.text() {
            Some(text) => text == "null",
            None => self.value().is_null(),
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self {
            text: None,
            value: OnceLock::from(value),
        }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            // Only JSON can take JSON text over as it is.
            Some(text) if serializer.is_human_readable() => text.serialize(serializer),
            _ => self.value().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Box::<RawValue>::deserialize(deserializer).map(Self::from_text);
        }
        Value::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_read_late_and_written_as_it_came() {
        let text = r#"{"b": 1.50, "a": [null, "\u0061"]}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
        assert_eq!(json.value(), &json!({"b": 1.5, "a": [null, "a"]}));
        assert_eq!(json, Json::from(json!({"a": [null, "a"], "b": 1.5})));
        assert_eq!(serde_json::to_value(&json).unwrap(), *json.value());
        let from_value: Json = serde_json::from_value(json!({"x": 1})).unwrap();
        assert_eq!(from_value, Json::from(json!({"x": 1})));
        assert!(serde_json::from_str::<Json>(" null ").unwrap().is_null());
        assert!(Json::from(Value::Null).is_null());
        assert!(!json.is_null());
    }
}
