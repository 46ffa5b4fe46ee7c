//! `debug/echo`: reaches nothing and returns what it was given.
//!
//! For trying a playbook out before its steps reach anything, for computing a value that later steps share, and for
//! measuring what a durable step costs by itself.

use edsr_model::{EffectClass, EffectRequest, Outcome};
use serde_json::{Map, Value, json};

use crate::actuator::{Actuator, ArgError, BoxFuture, bad_arguments};
use crate::args::{Mode, Reader, read};

/// The name playbooks use.
pub const USES: &str = "debug/echo";
/// The longest `value`, as JSON in bytes.
pub const VALUE_MAX: usize = 64 * 1024;

/// Returns what it was given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Actuator for Echo {
    fn uses(&self) -> &'static str {
        USES
    }

    fn class(&self, with: &Value) -> EffectClass {
        class(with)
    }

    fn check(&self, with: &Value) -> Result<(), Vec<ArgError>> {
        check(with)
    }

    fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome> {
        let outcome = match read(&request.with, Mode::Final, value) {
            Ok(output) => Outcome::Ok { output },
            Err(errors) => bad_arguments(&errors),
        };
        Box::pin(std::future::ready(outcome))
    }
}

pub(crate) fn class(_with: &Value) -> EffectClass {
    EffectClass::RetrySafe
}

pub(crate) fn check(with: &Value) -> Result<(), Vec<ArgError>> {
    read(with, Mode::Draft, value).map(|_| ())
}

fn value(reader: &mut Reader, with: &Value) -> Value {
    let empty = Map::new();
    let map = reader.object("", with, &["value"]).unwrap_or(&empty);
    let value = map.get("value").cloned().unwrap_or_default();
    reader.at_most("value", value.to_string().len(), VALUE_MAX);
    value
}

pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "title": "debug/echo",
        "description": "Reaches nothing and returns what it was given.",
        "additionalProperties": false,
        "required": [],
        "properties": {
            "value": {"description": "What comes back as the output, any JSON; null when left out."}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found_at_their_place() {
        for (with, wrong) in [
            (json!({}), vec![]),
            (json!({"value": {"a": ["${detection.key.k}"]}}), vec![]),
            (json!({"value": "x".repeat(VALUE_MAX - 2)}), vec![]),
            (json!({"value": "x".repeat(VALUE_MAX)}), vec!["value"]),
            (json!({"values": 1}), vec!["values"]),
            (json!("x"), vec![""]),
        ] {
            let found: Vec<String> = check(&with)
                .err()
                .unwrap_or_default()
                .into_iter()
                .map(|error| error.path)
                .collect();
            assert_eq!(found, wrong, "{:.200}", with.to_string());
        }
    }
}
