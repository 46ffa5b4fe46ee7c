//! What expressions read: the attributes of an event, named JSON values, and JSON as CEL.

use std::sync::{Arc, OnceLock};

use cel::common::types::CelString;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use edsr_model::{Data, Event};
use serde_json::Value;

use crate::read;

/// The variables a condition over an event may read.
pub const EVENT_VARS: &[&str] = &["type", "source", "subject", "id", "time", "data", "ext"];

/// Variables by name, converted when an expression first reads them.
pub trait Vars: Send + Sync {
    /// The value of `name`, or `None` where there is no such variable.
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>>;
}

pub(crate) struct Resolver<'v>(pub(crate) &'v dyn Vars);

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.0.get(variable)
    }
}

/// The variables of one event; its data is converted at most once, however many expressions read it.
pub struct EventVars<'e> {
    event: &'e Event,
    data: OnceLock<Box<dyn Val>>,
    ext: OnceLock<Box<dyn Val>>,
}

impl<'e> EventVars<'e> {
    /// The variables of `event`.
    #[must_use]
    pub fn new(event: &'e Event) -> Self {
        Self {
            event,
            data: OnceLock::new(),
            ext: OnceLock::new(),
        }
    }
}

impl Vars for EventVars<'_> {
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>> {
        let text = |text: &'a str| Some(CowVal::owned(CelString::from(text)));
        match name {
            "type" => text(&self.event.kind),
            "source" => text(&self.event.source),
            "subject" => text(self.event.subject.as_deref().unwrap_or("")),
            "id" => text(&self.event.id),
            "time" => {
                let time = self.event.time.map(|time| time.to_string());
                Some(CowVal::owned(CelString::from(time.unwrap_or_default())))
            }
            "data" => {
                let data = self.data.get_or_init(|| match &self.event.data {
                    Data::Json(json) => boxed(match json.text() {
                        Some(text) => read::to_cel(text),
                        None => to_cel(json.value()),
                    }),
                    Data::None | Data::Binary(_) => boxed(cel::Value::Null),
                });
                Some(CowVal::Borrowed(data.as_ref()))
            }
            "ext" => {
                let ext = self.ext.get_or_init(|| {
                    let map = self.event.extensions.iter();
                    boxed(to_map(map.map(|(name, value)| {
                        (name.clone(), to_cel(&value.to_value()))
                    })))
                });
                Some(CowVal::Borrowed(ext.as_ref()))
            }
            _ => None,
        }
    }
}

/// Named JSON values as variables.
#[derive(Default)]
pub struct Scope<'s>(Vec<(&'static str, Variable<'s>)>);

struct Variable<'s> {
    value: OnceLock<Box<dyn Val>>,
    make: Box<dyn Fn() -> Value + Send + Sync + 's>,
}

impl<'s> Scope<'s> {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(self, name: &'static str, value: &Value) -> Self {
        self.add(name, OnceLock::from(boxed(to_cel(value))), || Value::Null)
    }

    /// Adds a variable that is made when an expression first reads it.
    #[must_use]
    pub fn late(self, name: &'static str, make: impl Fn() -> Value + Send + Sync + 's) -> Self {
        self.add(name, OnceLock::new(), make)
    }

    fn add(
        mut self,
        name: &'static str,
        value: OnceLock<Box<dyn Val>>,
        make: impl Fn() -> Value + Send + Sync + 's,
    ) -> Self {
        let make = Box::new(make);
        self.0.push((name, Variable { value, make }));
        self
    }
}

impl Vars for Scope<'_> {
    fn get<'a>(&'a self, name: &str) -> Option<CowVal<'a, 'a>> {
        let (_, variable) = self.0.iter().find(|(known, _)| *known == name)?;
        let make = || boxed(to_cel(&(variable.make)()));
        Some(CowVal::Borrowed(variable.value.get_or_init(make).as_ref()))
    }
}

fn boxed(value: cel::Value) -> Box<dyn Val> {
    // Invariant: what JSON becomes has a boxed form.
    let boxed: Result<Box<dyn Val>, _> = value.try_into();
    boxed.unwrap_or_else(|_| Box::new(cel::common::types::CelNull))
}

/// JSON as CEL: whole numbers that fit are `int`, larger ones `uint`, the rest `double`.
#[must_use]
pub fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => number
            .as_i64()
            .map(cel::Value::Int)
            .or_else(|| number.as_u64().map(cel::Value::UInt))
            .unwrap_or_else(|| cel::Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => to_map(map.iter().map(|(key, value)| (key.clone(), to_cel(value)))),
    }
}

/// A CEL map with text for keys.
#[must_use]
pub fn to_map(entries: impl Iterator<Item = (String, cel::Value)>) -> cel::Value {
    #[allow(clippy::disallowed_types, reason = "the type CEL takes a map as")]
    let map: std::collections::HashMap<_, _> = entries
        .map(|(key, value)| (cel::objects::Key::String(Arc::new(key)), value))
        .collect();
    cel::Value::Map(cel::objects::Map { map: Arc::new(map) })
}
