//! The actuators there are, without any node: for checking a bundle and for its schema.

use edsr_model::EffectClass;
use serde_json::Value;

use crate::actuator::ArgError;
use crate::{args, echo, emit, exec, http, notify};

struct Kind {
    uses: &'static str,
    class: fn(&Value) -> EffectClass,
    check: fn(&Value) -> Result<(), Vec<ArgError>>,
    schema: fn() -> Value,
}

/// In order of name.
const KINDS: [Kind; 5] = [
    Kind {
        uses: echo::USES,
        class: echo::class,
        check: echo::check,
        schema: echo::schema,
    },
    Kind {
        uses: emit::USES,
        class: emit::class,
        check: emit::check,
        schema: emit::schema,
    },
    Kind {
        uses: exec::USES,
        class: exec::class,
        check: exec::check,
        schema: exec::schema,
    },
    Kind {
        uses: http::USES,
        class: http::class,
        check: http::check,
        schema: http::schema,
    },
    Kind {
        uses: notify::USES,
        class: notify::class,
        check: notify::check,
        schema: notify::schema,
    },
];

/// Every name that `uses` may have, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.uses).collect()
}

/// Checks the arguments of a step as they stand in a playbook, where strings may hold `${...}`.
///
/// # Errors
/// Every mistake with its path; a single one without a path when no actuator has the name.
pub fn check(uses: &str, with: &Value) -> Result<(), Vec<ArgError>> {
    match find(uses) {
        Some(kind) => (kind.check)(with),
        None => Err(vec![unknown(uses, &names())]),
    }
}

/// The class of a call; `None` when no actuator has the name.
#[must_use]
pub fn class(uses: &str, with: &Value) -> Option<EffectClass> {
    find(uses).map(|kind| (kind.class)(with))
}

/// The JSON Schema (2020-12) of the arguments; `None` when no actuator has the name.
#[must_use]
pub fn schema(uses: &str) -> Option<Value> {
    find(uses).map(|kind| (kind.schema)())
}

pub(crate) fn unknown(uses: &str, names: &[&str]) -> ArgError {
    ArgError {
        path: String::new(),
        message: format!(
            "there is no actuator `{uses}`; there are {}",
            args::listed(names)
        ),
    }
}

fn find(uses: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.uses == uses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_argument_in_a_schema_is_known_and_every_known_one_is_in_it() {
        for kind in &KINDS {
            let schema = (kind.schema)();
            let mut in_schema: Vec<&str> = schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            in_schema.sort_unstable();
            let errors = (kind.check)(&json!({"unheard-of": 1})).unwrap_err();
            let message = &errors
                .iter()
                .find(|e| e.path == "unheard-of")
                .unwrap()
                .message;
            let mut known: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
            known.sort_unstable();
            assert_eq!(in_schema, known, "{}", kind.uses);
            for name in schema["required"].as_array().unwrap() {
                let missing = errors.iter().any(|e| name == e.path.as_str());
                assert!(missing, "{}: {name}", kind.uses);
            }
        }
    }

    #[test]
    fn names_are_in_order_and_an_unknown_one_is_told() {
        assert!(names().is_sorted());
        assert_eq!(class("exec/run", &json!({})), Some(EffectClass::Plain));
        assert_eq!(class("exec/shell", &json!({})), None);
        assert_eq!(schema("exec/shell"), None);
        let errors = check("exec/shell", &json!({})).unwrap_err();
        assert!(errors[0].message.contains("`exec/run`"), "{errors:?}");
    }
}
