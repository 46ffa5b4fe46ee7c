//! CEL to JSON, and how much room the events of one webhook body may take.

use edsr_model::{Data, Event};
use serde_json::{Map, Number, Value};

use crate::error::{Item, Kind, Refusal};
use crate::json;
use crate::limits::Limits;

/// Room that is left for the events of one request.
pub(crate) struct Room {
    left: usize,
    event_bytes: usize,
    max: usize,
}

impl Room {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            left: limits.fanout_bytes,
            event_bytes: limits.event_bytes,
            max: limits.fanout_bytes,
        }
    }

    /// Whether `bytes` still fit.
    pub(crate) fn holds(&self, index: usize, bytes: usize) -> Result<(), Refusal> {
        if bytes > self.left {
            let reason = format!(
                "the events of this request take more than {} bytes together",
                self.max
            );
            return Err(Refusal::new(index, Kind::TooLarge, "fanout.bytes", &reason));
        }
        Ok(())
    }

    /// Takes the room of `event`.
    pub(crate) fn take(&mut self, index: usize, event: Event) -> Item {
        let data = match &event.data {
            Data::Json(json) => json::weight(json.value()),
            Data::Binary(bytes) => bytes.len(),
            Data::None => 0,
        };
        let size = data + event.id.len() + event.source.len() + event.kind.len();
        if size > self.event_bytes {
            return Err(Refusal::size(index, size, self.event_bytes).with_id(Some(&event.id)));
        }
        if let Err(refusal) = self.holds(index, size) {
            // Whatever comes after is refused too: a gap in the middle would be harder to see.
            self.left = 0;
            return Err(refusal.with_id(Some(&event.id)));
        }
        self.left -= size;
        Ok(event)
    }

    /// The most bytes one value may have.
    pub(crate) fn value_bytes(&self) -> usize {
        self.left.min(self.event_bytes)
    }
}

/// CEL as JSON of at most `bytes`. Values share their parts until they are written out here, so that this is the place
/// where a short expression over a long body could become very long.
pub(crate) fn to_json(value: &cel::Value, bytes: &mut usize) -> Result<Value, String> {
    let cost = match value {
        cel::Value::String(text) => text.len() + 3,
        cel::Value::Bytes(raw) => raw.len() * 4 / 3 + 4,
        _ => 8,
    };
    *bytes = bytes
        .checked_sub(cost)
        .ok_or_else(|| "the value is larger than an event may be".to_owned())?;
    match value {
        cel::Value::List(items) => items.iter().map(|item| to_json(item, bytes)).collect(),
        cel::Value::Map(map) => {
            // CEL keeps no order; sorted, so that the same value is the same text.
            let mut entries: Vec<_> = map.map.iter().map(|(k, v)| (k.to_string(), v)).collect();
            entries.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
            let mut object = Map::new();
            for (key, value) in entries {
                *bytes = bytes.saturating_sub(key.len());
                object.insert(key, to_json(value, bytes)?);
            }
            Ok(Value::Object(object))
        }
        cel::Value::Float(number) => Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| "the value holds a number that is not finite".to_owned()),
        cel::Value::Opaque(_) | cel::Value::Function(..) | cel::Value::Struct(_) => Err(format!(
            "a value of type {} has no JSON form",
            value.type_of()
        )),
        scalar => scalar
            .json()
            .map_err(|_| format!("a value of type {} has no JSON form", value.type_of())),
    }
}

#[cfg(test)]
mod tests {
    use edsr_expr::{to_cel, to_map};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_is_written_in_order() {
        let keys = ["z", "m", "a", "q", "b"].map(|key| (key.to_owned(), cel::Value::Null));
        let value = to_json(&to_map(keys.into_iter()), &mut 1000).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{"a":null,"b":null,"m":null,"q":null,"z":null}"#
        );
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        for value in [
            json!(null),
            json!(-1),
            json!(u64::MAX),
            json!(1.0),
            json!({"a": [1, 2.5, "x", true, null, {"b": {}}], "": []}),
        ] {
            assert_eq!(to_json(&to_cel(&value), &mut 1000), Ok(value));
        }
        assert!(matches!(to_cel(&json!(7)), cel::Value::Int(7)));
        assert!(matches!(to_cel(&json!(7.0)), cel::Value::Float(_)));
        assert!(to_json(&cel::Value::Float(f64::NAN), &mut 1000).is_err());
        assert!(to_json(&to_cel(&json!(["x".repeat(90), "y"])), &mut 100).is_err());
    }
}
