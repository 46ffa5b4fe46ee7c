//! What keys a mapping takes. The same tables serve the reader, which refuses all others, and the JSON Schema for
//! editors, so the two cannot disagree.

use serde_json::{Map, Value, json};

/// A mapping with fixed keys.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What it is called in messages: `the detector`, `ratio`.
    pub name: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
    /// Groups of keys of which exactly one must be there.
    pub one_of: &'static [&'static [&'static str]],
}

/// One key of a [`Shape`].
#[derive(Debug)]
pub(crate) struct Field {
    /// The key.
    pub name: &'static str,
    /// What stands there.
    pub ty: Ty,
    /// Whether it must be there.
    pub required: bool,
    /// One sentence for people.
    pub doc: &'static str,
}

/// What may stand after a key.
#[derive(Debug)]
pub(crate) enum Ty {
    /// Text.
    Text,
    /// Text or number or truth value.
    Scalar,
    /// A name like `checkout-errors`.
    Name,
    /// A CEL expression.
    Cel,
    /// Any JSON; text in it may hold `${...}`.
    Template,
    /// A span of time like `30s`.
    Duration,
    /// A size like `10GiB`.
    Bytes,
    /// A whole number from the first to the second.
    Int(u64, u64),
    /// A number.
    Number,
    /// A share like `5%` or `0.05`.
    Share,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Exactly this.
    True,
    /// A mapping with fixed keys.
    Object(&'static Shape),
    /// A list.
    List(&'static Ty),
    /// A mapping with keys of the user's choice.
    Map(&'static Ty),
    /// One of these.
    Either(&'static [Ty]),
}

/// A key that must be there.
pub(crate) const fn required(name: &'static str, ty: Ty, doc: &'static str) -> Field {
    Field {
        name,
        ty,
        required: true,
        doc,
    }
}

/// A key that may be left out.
pub(crate) const fn optional(name: &'static str, ty: Ty, doc: &'static str) -> Field {
    Field {
        name,
        ty,
        required: false,
        doc,
    }
}

impl Shape {
    /// The JSON Schema of the mapping.
    #[must_use]
    pub(crate) fn schema(&self) -> Value {
        let properties: Map<String, Value> = self
            .fields
            .iter()
            .map(|field| {
                let mut schema = field.ty.schema();
                if let Value::Object(map) = &mut schema {
                    map.insert("description".to_owned(), field.doc.into());
                }
                (field.name.to_owned(), schema)
            })
            .collect();
        let required = self.fields.iter().filter(|field| field.required);
        let required: Vec<&str> = required.map(|field| field.name).collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let groups: Vec<Value> = self.one_of.iter().map(|group| exactly_one(group)).collect();
        if !groups.is_empty() {
            schema["allOf"] = Value::Array(groups);
        }
        schema
    }
}

fn exactly_one(group: &[&str]) -> Value {
    let one: Vec<Value> = group
        .iter()
        .map(|name| json!({"required": [name]}))
        .collect();
    json!({ "oneOf": one })
}

impl Ty {
    /// The JSON Schema of the value.
    #[must_use]
    pub(crate) fn schema(&self) -> Value {
        match self {
            Self::Text => json!({"type": "string"}),
            Self::Scalar => json!({"type": ["string", "number", "boolean"]}),
            Self::Name => json!({
                "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
                "maxLength": crate::envelope::NAME_MAX,
            }),
            // `true` and `1` are expressions too.
            Self::Cel => json!({"type": ["string", "number", "boolean"]}),
            Self::Template => json!({}),
            Self::Duration => json!({
                "anyOf": [
                    {"type": "string", "pattern": "^(0|([0-9]+(us|ms|s|m|h|d|w))+)$"},
                    {"const": 0},
                ]
            }),
            Self::Bytes => json!({
                "anyOf": [
                    {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$"},
                    {"type": "integer", "minimum": 0},
                ]
            }),
            Self::Int(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Self::Number => json!({"type": "number", "minimum": 0}),
            Self::Share => json!({
                "anyOf": [
                    {"type": "string", "pattern": "^[0-9.]+%$"},
                    {"type": "number", "minimum": 0, "maximum": 1},
                ]
            }),
            Self::Word(words) => json!({"enum": words}),
            Self::True => json!({"const": true}),
            Self::Object(shape) => shape.schema(),
            Self::List(item) => json!({"type": "array", "items": item.schema()}),
            Self::Map(value) => {
                json!({"type": "object", "additionalProperties": value.schema()})
            }
            Self::Either(forms) => {
                let forms: Vec<Value> = forms.iter().map(Self::schema).collect();
                json!({ "anyOf": forms })
            }
        }
    }
}
