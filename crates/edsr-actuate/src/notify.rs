//! `notify/webhook`: tells people, through whatever takes a JSON message.
//!
//! The message is `{title, text, incident, execution, playbook, target, fields}`. A second one does no harm, and it
//! carries the same idempotency key, so the call is retry-safe.

use std::collections::BTreeMap;

use edsr_model::{EffectClass, EffectRequest, Outcome};
use http::Method;
use serde_json::{Map, Value, json};

use crate::actuator::{Actuator, ArgError, BoxFuture, bad_arguments};
use crate::args::{Mode, Reader, read};
use crate::http::{BODY_MAX, Call, Connector, HEADERS_MAX, perform, read_headers, read_url};
use crate::secret::{Text, text_schema};

/// The name playbooks use.
pub const USES: &str = "notify/webhook";
/// The most entries of `fields`.
pub const FIELDS_MAX: usize = 64;

/// Sends notifications.
#[derive(Clone)]
pub struct Webhook {
    connector: Connector,
}

impl Webhook {
    /// Notifications go where `connector` lets them.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self { connector }
    }
}

impl Actuator for Webhook {
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
        let connector = self.connector.clone();
        Box::pin(async move {
            let args = match read(&request.with, Mode::Final, NotifyArgs::read) {
                Ok(args) => args,
                Err(errors) => return bad_arguments(&errors),
            };
            let call = Call {
                method: Method::POST,
                body: Some((message(&args, &request).to_string(), true)),
                ok_status: vec![200..=299],
            };
            perform(&connector, args.url, args.headers, call, &request).await
        })
    }
}

pub(crate) fn class(_with: &Value) -> EffectClass {
    EffectClass::RetrySafe
}

pub(crate) fn check(with: &Value) -> Result<(), Vec<ArgError>> {
    read(with, Mode::Draft, NotifyArgs::read).map(|_| ())
}

fn message(args: &NotifyArgs, request: &EffectRequest) -> Value {
    json!({
        "title": args.title,
        "text": args.text,
        "incident": request.incident,
        "execution": request.attempt.execution,
        "playbook": request.playbook,
        "target": request.target,
        "fields": args.fields,
    })
}

struct NotifyArgs {
    url: Text,
    headers: BTreeMap<String, Text>,
    title: Option<String>,
    text: String,
    fields: Map<String, Value>,
}

impl NotifyArgs {
    fn read(reader: &mut Reader, with: &Value) -> Self {
        let empty = Map::new();
        let map = reader
            .object("", with, &["url", "text", "title", "headers", "fields"])
            .unwrap_or(&empty);
        let args = Self {
            url: read_url(reader, map),
            headers: read_headers(reader, map),
            title: reader.optional(map, "title"),
            text: reader.required(map, "text"),
            fields: fields(reader, map.get("fields")),
        };
        reader.at_most("text", args.text.len(), BODY_MAX);
        reader.at_most(
            "title",
            args.title.as_ref().map_or(0, String::len),
            BODY_MAX,
        );
        args
    }
}

fn fields(reader: &mut Reader, value: Option<&Value>) -> Map<String, Value> {
    match value {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) if fields.len() <= FIELDS_MAX => {
            let length = value.map_or(0, |value| value.to_string().len());
            reader.at_most("fields", length, BODY_MAX);
            fields.clone()
        }
        Some(open) if reader.is_open(open) => Map::new(),
        Some(_) => {
            reader.complain(
                "fields",
                format!("must be a map from names to values with at most {FIELDS_MAX} entries"),
            );
            Map::new()
        }
    }
}

pub(crate) fn schema() -> Value {
    let text = |description: &str| json!({"type": ["string", "number", "boolean"], "description": description});
    json!({
        "type": "object",
        "title": "notify/webhook",
        "description": "Posts a message as JSON: title, text, incident, execution, playbook, target, fields.",
        "additionalProperties": false,
        "required": ["url", "text"],
        "properties": {
            "url": text_schema(),
            "text": text("What to say."),
            "title": text("The headline."),
            "headers": {"type": "object", "maxProperties": HEADERS_MAX, "additionalProperties": text_schema()},
            "fields": {
                "description": "More to show, by name.",
                "anyOf": [{"type": "object", "maxProperties": FIELDS_MAX}, {"type": "string", "pattern": "\\$\\{"}]
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found_at_their_place() {
        let many: BTreeMap<String, u8> = (0..=FIELDS_MAX).map(|n| (n.to_string(), 0)).collect();
        let most: BTreeMap<String, u8> = (0..FIELDS_MAX).map(|n| (n.to_string(), 0)).collect();
        let base =
            |name: &str, value: Value| json!({"url": "https://a/", "text": "t", name: value});
        for (with, wrong) in [
            (base("fields", json!("${detection.key}")), vec![]),
            (base("fields", json!(most)), vec![]),
            (base("fields", json!(many)), vec!["fields"]),
            (
                base("fields", json!({"a": "x".repeat(BODY_MAX)})),
                vec!["fields"],
            ),
            (
                base("title", json!("x".repeat(BODY_MAX + 1))),
                vec!["title"],
            ),
            (base("text", json!("x".repeat(BODY_MAX + 1))), vec!["text"]),
            (base("fields", json!([])), vec!["fields"]),
            (base("method", json!("PUT")), vec!["method"]),
            (json!({"url": "https://a/", "text": ""}), vec!["text"]),
            (json!({}), vec!["url", "text"]),
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
