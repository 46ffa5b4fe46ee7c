//! Events, as CloudEvents 1.0 (JSON event format, <https://github.com/cloudevents/spec>).

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::detection::Scalar;
use crate::id::Lsn;
use crate::json::Json;
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
    Json(Json),
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
        match value {
            Value::Object(map) => {
                let mut attributes = Attributes::default();
                for (name, value) in map {
                    if name == "data" {
                        attributes.data(Json::from(value));
                    } else {
                        attributes.put(name, value);
                    }
                }
                Self::from_attributes(attributes)
            }
            other => Err(EventError::NotAnObject(json_type(&other))),
        }
    }

    /// From attributes as they were sent.
    ///
    /// # Errors
    /// [`EventError`] says which attribute is wrong and how.
    pub fn from_attributes(attributes: Attributes) -> Result<Self, EventError> {
        let Attributes { core, others } = attributes;
        match core.specversion {
            Some(Value::String(version)) if version == "1.0" => {}
            Some(Value::String(version)) => return Err(EventError::SpecVersion(version)),
            Some(_) => return Err(wrong("specversion", "a string")),
            None => return Err(EventError::Missing("specversion")),
        }
        let id = required(core.id, "id")?;
        let source = required(core.source, "source")?;
        let kind = required(core.kind, "type")?;
        let subject = optional(core.subject, "subject")?;
        let datacontenttype = optional(core.datacontenttype, "datacontenttype")?;
        let dataschema = optional(core.dataschema, "dataschema")?;
        let time = match optional(core.time, "time")? {
            Some(text) => Some(text.parse().map_err(|_| EventError::Time(text))?),
            None => None,
        };
        let data = data(core.data, core.data_base64)?;
        let mut extensions = BTreeMap::new();
        for (name, value) in others {
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
            Data::Json(json) => put("data", json.value().clone()),
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
        // As [`Event::to_value`], in order of name, without copying the data first.
        let mut parts: Vec<(&str, Part<'_>)> = vec![
            ("specversion", Part::Text("1.0")),
            ("id", Part::Text(&self.id)),
            ("source", Part::Text(&self.source)),
            ("type", Part::Text(&self.kind)),
        ];
        let optional = [
            ("subject", &self.subject),
            ("datacontenttype", &self.datacontenttype),
            ("dataschema", &self.dataschema),
        ];
        parts.extend(
            optional.into_iter().filter_map(|(name, value)| {
                value.as_deref().map(|value| (name, Part::Text(value)))
            }),
        );
        parts.extend(self.time.map(|time| ("time", Part::Time(time))));
        match &self.data {
            Data::None => {}
            Data::Json(json) => parts.push(("data", Part::Json(json))),
            Data::Binary(bytes) => parts.push(("data_base64", Part::Binary(bytes))),
        }
        // An extension cannot have the name of any other attribute; where one does all the same, the attribute stays.
        let taken = parts.len();
        for (name, value) in &self.extensions {
            if !parts[..taken].iter().any(|(known, _)| known == name) {
                parts.push((name, Part::Extension(value)));
            }
        }
        parts.sort_unstable_by_key(|(name, _)| *name);
        serializer.collect_map(parts)
    }
}

/// The value of one attribute.
enum Part<'e> {
    Text(&'e str),
    Time(Timestamp),
    Extension(&'e Scalar),
    Json(&'e Json),
    Binary(&'e [u8]),
}

impl Serialize for Part<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Time(time) => time.serialize(serializer),
            Self::Extension(value) => value.serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
            Self::Binary(bytes) => serializer.serialize_str(&BASE64_STANDARD.encode(bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

/// Reads attributes as they come; no map of them is made first.
struct EventVisitor;

impl<'de> serde::de::Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an event, which is a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Event, A::Error> {
        let mut attributes = Attributes::default();
        while let Some(name) = entries.next_key::<String>()? {
            if name == "data" {
                attributes.data(entries.next_value()?);
            } else {
                attributes.put(name, entries.next_value()?);
            }
        }
        Event::from_attributes(attributes).map_err(serde::de::Error::custom)
    }
}

/// Attributes as they were sent, before anybody has looked whether they make an event. Of two with the same name the last
/// one counts.
#[derive(Debug, Default)]
pub struct Attributes {
    core: Core,
    others: Vec<(String, Value)>,
}

impl Attributes {
    /// Any attribute but `data`.
    pub fn put(&mut self, name: impl AsRef<str> + Into<String>, value: Value) {
        match self.core.place(name.as_ref()) {
            Some(place) => *place = Some(value),
            None => self.others.push((name.into(), value)),
        }
    }

    /// The data.
    pub fn data(&mut self, data: Json) {
        self.core.data = Some(data);
    }

    /// The `id`, where it is a text.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.core.id.as_ref().and_then(Value::as_str)
    }
}

/// The attributes that the specification names, as they were sent.
#[derive(Debug, Default)]
struct Core {
    specversion: Option<Value>,
    id: Option<Value>,
    source: Option<Value>,
    kind: Option<Value>,
    subject: Option<Value>,
    time: Option<Value>,
    datacontenttype: Option<Value>,
    dataschema: Option<Value>,
    data: Option<Json>,
    data_base64: Option<Value>,
}

impl Core {
    /// Where an attribute belongs; an extension has no place.
    fn place(&mut self, name: &str) -> Option<&mut Option<Value>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.kind,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            "dataschema" => &mut self.dataschema,
            "data_base64" => &mut self.data_base64,
            _ => return None,
        })
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

fn data(plain: Option<Json>, base64: Option<Value>) -> Result<Data, EventError> {
    let plain = plain.filter(|json| !json.is_null());
    match (plain, base64) {
        (None, None | Some(Value::Null)) => Ok(Data::None),
        (Some(json), None | Some(Value::Null)) => Ok(Data::Json(json)),
        (None, Some(Value::String(text))) => BASE64_STANDARD
            .decode(text)
            .map(Data::Binary)
            .map_err(|_| EventError::Base64),
        (None, Some(_)) => Err(wrong("data_base64", "a string")),
        (Some(_), Some(_)) => Err(EventError::TwoData),
    }
}

fn required(value: Option<Value>, name: &'static str) -> Result<String, EventError> {
    match optional(value, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(EventError::Missing(name)),
    }
}

fn optional(value: Option<Value>, name: &str) -> Result<Option<String>, EventError> {
    match value {
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
    fn an_event_is_written_as_its_value_is() {
        for extra in [
            json!({}),
            json!({"time": "2026-01-02T03:04:05Z", "subject": "o-1", "partitionkey": "eu", "edsrdepth": 2,
                   "sampled": true, "data": {"b": 12.5, "a": [1, null, "x"]}}),
            json!({"data": "text", "datacontenttype": "text/plain", "dataschema": "s:/x"}),
            json!({"data_base64": "AAEC"}),
        ] {
            let mut value = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
            for (name, extra) in extra.as_object().unwrap() {
                value[name] = extra.clone();
            }
            let event = Event::from_value(value).unwrap();
            let written = serde_json::to_string(&event).unwrap();
            let value: Value = serde_json::from_str(&written).unwrap();
            assert_eq!(value, event.to_value());
            let back: Event = serde_json::from_str(&written).unwrap();
            assert_eq!(back, event);
        }
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
