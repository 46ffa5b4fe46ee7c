//! Events, as CloudEvents 1.0 (JSON event format, <https://github.com/cloudevents/spec>).

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::detection::Scalar;
use crate::id::Lsn;
use crate::time::Timestamp;

/// One thing that happened, as its source told it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique within `source`; a repetition of (source, id) is the same event.
    pub id: String,
    /// Where it happened, a URI reference.
    pub source: String,
    /// What kind of thing happened, for example `order.placed`.
    pub kind: String,
    /// What it happened to.
    pub subject: Option<String>,
    /// When it happened, by the source's clock.
    pub time: Option<Timestamp>,
    /// Media type of the data.
    pub datacontenttype: Option<String>,
    /// Schema the data follows, a URI.
    pub dataschema: Option<String>,
    /// Extension attributes: lower-case letters and digits.
    pub extensions: BTreeMap<String, Scalar>,
    /// The payload.
    pub data: Data,
}

/// The payload of an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Data {
    /// None was sent.
    #[default]
    None,
    /// A JSON value, or text (a JSON string).
    Json(Value),
    /// Anything else.
    Binary(Vec<u8>),
}

/// An event in its place in the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place.
    pub lsn: Lsn,
    /// When the log took it; strictly increasing with `lsn`. This is the time detection runs on.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
}

/// Why something is not a CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The value is not an object.
    #[error("an event is a JSON object, this is {0}")]
    NotAnObject(&'static str),
    /// The version is another one.
    #[error("`specversion` is `{0}`; only `1.0` is understood")]
    SpecVersion(String),
    /// A required attribute is not there or empty.
    #[error("the attribute `{0}` is missing or empty")]
    Missing(&'static str),
    /// An attribute has the wrong type.
    #[error("the attribute `{name}` must be {expected}")]
    Type {
        /// The attribute.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An extension name breaks the naming rule.
    #[error(
        "`{0}` is not an attribute name: use lower-case letters and digits, at most 64 of them"
    )]
    Name(String),
    /// `time` is not RFC 3339.
    #[error("the attribute `time` is `{0}`, which is not an RFC 3339 time")]
    Time(String),
    /// `data_base64` is not Base64.
    #[error("`data_base64` is not Base64")]
    Base64,
    /// Both forms of data are there.
    #[error("`data` and `data_base64` exclude each other")]
    TwoData,
}

/// The longest attribute name that is taken, in bytes.
pub const ATTRIBUTE_NAME_MAX: usize = 64;

/// Extension attribute: groups events of one business operation.
pub const EXT_CORRELATION: &str = "correlationid";
/// Extension attribute: what caused the event; an execution id where edsr did.
pub const EXT_CAUSATION: &str = "causationid";
/// Extension attribute: the W3C trace context (<https://www.w3.org/TR/trace-context/>).
pub const EXT_TRACEPARENT: &str = "traceparent";
/// Extension attribute: how many actions of ours lie between this event and an outside cause.
pub const EXT_DEPTH: &str = "edsrdepth";
/// Extension attribute: the `Source` document that let the event in.
pub const EXT_VIA: &str = "edsrvia";

impl Event {
    /// Reads one event from its structured JSON form.
    ///
    /// # Errors
    /// [`EventError`] says which attribute is wrong and how.
    pub fn from_value(value: Value) -> Result<Self, EventError> {
        let Value::Object(mut map) = value else {
            return Err(EventError::NotAnObject(json_type(&value)));
        };
        match map.remove("specversion") {
            Some(Value::String(version)) if version == "1.0" => {}
            Some(Value::String(version)) => return Err(EventError::SpecVersion(version)),
            Some(_) => return Err(wrong("specversion", "a string")),
            None => return Err(EventError::Missing("specversion")),
        }
        let id = required(&mut map, "id")?;
        let source = required(&mut map, "source")?;
        let kind = required(&mut map, "type")?;
        let subject = optional(&mut map, "subject")?;
        let datacontenttype = optional(&mut map, "datacontenttype")?;
        let dataschema = optional(&mut map, "dataschema")?;
        let time = match optional(&mut map, "time")? {
            Some(text) => Some(text.parse().map_err(|_| EventError::Time(text))?),
            None => None,
        };
        let data = data(&mut map)?;
        let mut extensions = BTreeMap::new();
        for (name, value) in map {
            if let Some(scalar) = extension(&name, value)? {
                extensions.insert(name, scalar);
            }
        }
        Ok(Self {
            id,
            source,
            kind,
            subject,
            time,
            datacontenttype,
            dataschema,
            extensions,
            data,
        })
    }

    /// The structured JSON form; [`Event::from_value`] reads it back to an equal event.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| {
            map.insert(name.to_owned(), value);
        };
        put("specversion", "1.0".into());
        put("id", self.id.clone().into());
        put("source", self.source.clone().into());
        put("type", self.kind.clone().into());
        for (name, value) in [
            ("subject", &self.subject),
            ("datacontenttype", &self.datacontenttype),
            ("dataschema", &self.dataschema),
        ] {
            if let Some(value) = value {
                put(name, value.clone().into());
            }
        }
        if let Some(time) = self.time {
            put("time", time.to_string().into());
        }
        for (name, value) in &self.extensions {
            put(name, value.to_value());
        }
        match &self.data {
            Data::None => {}
            Data::Json(value) => put("data", value.clone()),
            Data::Binary(bytes) => put("data_base64", BASE64_STANDARD.encode(bytes).into()),
        }
        Value::Object(map)
    }

    /// An extension attribute that is text.
    #[must_use]
    pub fn extension_str(&self, name: &str) -> Option<&str> {
        match self.extensions.get(name) {
            Some(Scalar::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// How many actions of ours lie behind this event; 0 for one from outside.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self.extensions.get(EXT_DEPTH) {
            Some(Scalar::Int(depth)) => u32::try_from(*depth).unwrap_or(0),
            Some(Scalar::Str(text)) => text.parse().unwrap_or(0),
            _ => 0,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether `name` may name an extension attribute.
#[must_use]
pub fn is_attribute_name(name: &str) -> bool {
    (1..=ATTRIBUTE_NAME_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn extension(name: &str, value: Value) -> Result<Option<Scalar>, EventError> {
    if !is_attribute_name(name) {
        return Err(EventError::Name(name.to_owned()));
    }
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(Scalar::Bool(flag))),
        Value::String(text) => Ok(Some(Scalar::Str(text))),
        Value::Number(number) => number
            .as_i64()
            .map(|number| Some(Scalar::Int(number)))
            .ok_or_else(|| wrong(name, "a whole number")),
        Value::Array(_) | Value::Object(_) => {
            Err(wrong(name, "a string, a whole number or a boolean"))
        }
    }
}

fn data(map: &mut Map<String, Value>) -> Result<Data, EventError> {
    let plain = map.remove("data");
    match (plain, map.remove("data_base64")) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(Data::None),
        (Some(value), None | Some(Value::Null)) => Ok(Data::Json(value)),
        (None | Some(Value::Null), Some(Value::String(text))) => BASE64_STANDARD
            .decode(text)
            .map(Data::Binary)
            .map_err(|_| EventError::Base64),
        (None | Some(Value::Null), Some(_)) => Err(wrong("data_base64", "a string")),
        (Some(_), Some(_)) => Err(EventError::TwoData),
    }
}

fn required(map: &mut Map<String, Value>, name: &'static str) -> Result<String, EventError> {
    match optional(map, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(EventError::Missing(name)),
    }
}

fn optional(map: &mut Map<String, Value>, name: &str) -> Result<Option<String>, EventError> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(name, "a string")),
    }
}

fn wrong(name: &str, expected: &'static str) -> EventError {
    EventError::Type {
        name: name.to_owned(),
        expected,
    }
}

/// What a JSON value is, in words.
#[must_use]
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_survives_its_own_form() {
        let event = Event::from_value(json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed",
            "time": "2026-01-02T03:04:05Z", "subject": "o-1", "partitionkey": "eu", "edsrdepth": 2,
            "sampled": true, "data": {"total": 12.5}
        }))
        .unwrap();
        assert_eq!(event.depth(), 2);
        assert_eq!(Event::from_value(event.to_value()).unwrap(), event);
    }

    #[test]
    fn what_is_not_an_event_is_refused_by_name() {
        let base = || json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
        let with = |name: &str, value: Value| {
            let mut event = base();
            event[name] = value;
            Event::from_value(event)
        };
        assert!(Event::from_value(base()).is_ok());
        assert_eq!(with("id", json!("")), Err(EventError::Missing("id")));
        assert_eq!(
            with("specversion", json!("0.3")),
            Err(EventError::SpecVersion("0.3".into()))
        );
        assert_eq!(
            with("Upper", json!(1)),
            Err(EventError::Name("Upper".into()))
        );
        assert_eq!(
            with("time", json!("noon")),
            Err(EventError::Time("noon".into()))
        );
        assert!(matches!(
            with("ext", json!(1.5)),
            Err(EventError::Type { .. })
        ));
        assert!(matches!(
            with("ext", json!({})),
            Err(EventError::Type { .. })
        ));
        assert_eq!(with("data_base64", json!("?")), Err(EventError::Base64));
        assert_eq!(
            Event::from_value(json!([])),
            Err(EventError::NotAnObject("an array"))
        );
    }
}
