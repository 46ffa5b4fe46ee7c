//! What the bundle must know about actuators, without depending on them.

use edsr_model::EffectClass;
use serde_json::Value;

/// The actuators that exist and what they take.
pub trait ActuatorCatalog {
    /// Their names, `category/verb`.
    fn names(&self) -> Vec<String>;

    /// What is wrong with `with`, as (path like `argv[0]`, sentence about it). Text may still hold `${...}`.
    fn check(&self, uses: &str, with: &Value) -> Vec<(String, String)>;

    /// What help the target gives against doing this call twice.
    fn class(&self, uses: &str, with: &Value) -> EffectClass;

    /// Whether the author of a step may say the class, because the actuator cannot know it.
    fn class_is_declared(&self, uses: &str) -> bool;

    /// The JSON Schema of what it takes.
    fn schema(&self, uses: &str) -> Value;
}

/// A catalog for tests, with the four actuators every node has.
pub mod testing {
    use super::{ActuatorCatalog, EffectClass, Value};
    use serde_json::json;

    /// Checks only which arguments are there.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Catalog;

    struct Known {
        uses: &'static str,
        required: &'static [&'static str],
        optional: &'static [&'static str],
    }

    const KNOWN: &[Known] = &[
        Known {
            uses: "event/emit",
            required: &["type"],
            optional: &["source", "subject", "data", "extensions"],
        },
        Known {
            uses: "exec/run",
            required: &["argv"],
            optional: &["cwd", "env", "stdin", "ok"],
        },
        Known {
            uses: "http/request",
            required: &["url"],
            optional: &["method", "headers", "body", "json", "expect", "class"],
        },
        Known {
            uses: "notify/webhook",
            required: &["url"],
            optional: &["text", "headers", "fields", "body"],
        },
    ];

    fn known(uses: &str) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.uses == uses)
    }

    impl ActuatorCatalog for Catalog {
        fn names(&self) -> Vec<String> {
            KNOWN.iter().map(|known| known.uses.to_owned()).collect()
        }

        fn check(&self, uses: &str, with: &Value) -> Vec<(String, String)> {
            let (Some(known), Some(with)) = (known(uses), with.as_object()) else {
                return vec![(String::new(), "must be a mapping".to_owned())];
            };
            let missing = known
                .required
                .iter()
                .filter(|name| !with.contains_key(**name));
            let missing = missing.map(|name| ((*name).to_owned(), "is missing".to_owned()));
            let extra = with.keys().filter(|name| {
                !known.required.contains(&name.as_str()) && !known.optional.contains(&name.as_str())
            });
            let extra = extra.map(|name| (name.clone(), "is not known here".to_owned()));
            let argv = with
                .get("argv")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let empty = argv.enumerate().filter(|(_, item)| **item == "");
            let empty =
                empty.map(|(at, _)| (format!("argv[{at}]"), "must not be empty".to_owned()));
            missing.chain(extra).chain(empty).collect()
        }

        fn class(&self, uses: &str, _with: &Value) -> EffectClass {
            match uses {
                "event/emit" => EffectClass::RetrySafe,
                _ => EffectClass::Plain,
            }
        }

        fn class_is_declared(&self, uses: &str) -> bool {
            uses == "http/request"
        }

        fn schema(&self, uses: &str) -> Value {
            let Some(known) = known(uses) else {
                return json!({});
            };
            let names = known.required.iter().chain(known.optional);
            let properties: serde_json::Map<String, Value> =
                names.map(|name| ((*name).to_owned(), json!({}))).collect();
            json!({"type": "object", "properties": properties, "required": known.required})
        }
    }
}
