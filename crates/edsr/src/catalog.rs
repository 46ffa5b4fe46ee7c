//! The actuators of this program, as a bundle sees them.

use edsr_bundle::ActuatorCatalog;
use edsr_model::EffectClass;
use serde_json::Value;

/// The actuators that every node has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Catalog;

impl ActuatorCatalog for Catalog {
    fn names(&self) -> Vec<String> {
        edsr_actuate::names()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn check(&self, uses: &str, with: &Value) -> Vec<(String, String)> {
        let errors = edsr_actuate::check(uses, with).err().unwrap_or_default();
        errors
            .into_iter()
            .map(|error| (error.path, error.message))
            .collect()
    }

    fn class(&self, uses: &str, with: &Value) -> EffectClass {
        // The class that promises least, where there is no such actuator.
        edsr_actuate::class(uses, with).unwrap_or(EffectClass::Plain)
    }

    fn class_is_declared(&self, uses: &str) -> bool {
        self.schema(uses)["properties"].get("class").is_some()
    }

    fn schema(&self, uses: &str) -> Value {
        edsr_actuate::schema(uses).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_some_classes_are_declared() {
        assert!(Catalog.class_is_declared("http/request"));
        assert!(!Catalog.class_is_declared("event/emit"));
        assert!(!Catalog.class_is_declared("no/such"));
        assert_eq!(Catalog.class("no/such", &Value::Null), EffectClass::Plain);
        assert!(!Catalog.check("no/such", &Value::Null).is_empty());
    }
}
