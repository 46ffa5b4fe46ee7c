//! `event/emit`: puts an event back into the loop.
//!
//! The event says what caused it: its correlation is the incident, its causation the execution, and its depth counts
//! the actions of ours behind it. By default its id is the idempotency key of the call, so a second one is the same
//! event and the call is retry-safe.

use std::collections::BTreeMap;
use std::sync::Arc;

use edsr_model::event::{EXT_CAUSATION, EXT_CORRELATION, EXT_DEPTH, EXT_TRACEPARENT};
use edsr_model::{Data, EffectClass, EffectRequest, Event, Outcome, Scalar, format_duration};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::actuator::{Actuator, ArgError, BoxFuture, bad_arguments};
use crate::args::{Mode, Reader, read};

/// The name playbooks use.
pub const USES: &str = "event/emit";
/// The source of events that name none.
pub const SOURCE: &str = "edsr";
/// The longest `data`, as JSON in bytes.
pub const DATA_MAX: usize = 256 * 1024;
/// The longest of the other arguments, in bytes.
pub const ATTRIBUTE_MAX: usize = 1024;

const EXT_PARTITION_KEY: &str = "partitionkey";

/// Takes an event in. `Ok` means that it is durable, `Err` that it certainly was not taken and why. A sink that cannot
/// tell does not answer; the call then ends as unknown when its time is up.
pub type Sink = Arc<dyn Fn(Event) -> BoxFuture<Result<(), String>> + Send + Sync>;

/// Emits events.
#[derive(Clone)]
pub struct Emit {
    sink: Sink,
}

impl Emit {
    /// Events go to `sink`.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self { sink }
    }
}

impl Actuator for Emit {
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
        let sink = Arc::clone(&self.sink);
        Box::pin(async move {
            let event = match event_of(&request) {
                Ok(event) => event,
                Err(outcome) => return outcome,
            };
            let output = json!({"id": event.id, "source": event.source, "type": event.kind});
            match timeout(request.timeout, sink(event)).await {
                Ok(Ok(())) => Outcome::Ok { output },
                Ok(Err(why)) => Outcome::Failed {
                    reason: format!("the event was not taken: {why}"),
                    output,
                },
                Err(_) => Outcome::Unknown {
                    reason: format!(
                        "timed out after {} before the event was acknowledged",
                        format_duration(request.timeout)
                    ),
                },
            }
        })
    }
}

/// The event that `request` puts into the loop.
///
/// # Errors
/// What is wrong with its arguments, as the outcome of the call.
pub fn event_of(request: &EffectRequest) -> Result<Event, Outcome> {
    read(&request.with, Mode::Final, EmitArgs::read)
        .map(|args| event(args, request))
        .map_err(|errors| bad_arguments(&errors))
}

pub(crate) fn class(_with: &Value) -> EffectClass {
    EffectClass::RetrySafe
}

pub(crate) fn check(with: &Value) -> Result<(), Vec<ArgError>> {
    read(with, Mode::Draft, EmitArgs::read).map(|_| ())
}

fn event(args: EmitArgs, request: &EffectRequest) -> Event {
    let mut extensions = BTreeMap::from([
        (
            EXT_CORRELATION.to_owned(),
            Scalar::Str(request.correlated_by().to_owned()),
        ),
        (
            EXT_CAUSATION.to_owned(),
            Scalar::Str(request.attempt.execution.to_string()),
        ),
        (EXT_DEPTH.to_owned(), Scalar::Int(i64::from(request.depth))),
    ]);
    if let Some(trace) = &request.traceparent {
        extensions.insert(EXT_TRACEPARENT.to_owned(), Scalar::Str(trace.clone()));
    }
    if let Some(key) = args.partition_key {
        extensions.insert(EXT_PARTITION_KEY.to_owned(), Scalar::Str(key));
    }
    Event {
        id: args.id.unwrap_or_else(|| request.idempotency_key.clone()),
        source: args.source.unwrap_or_else(|| SOURCE.to_owned()),
        kind: args.kind,
        subject: args.subject,
        time: None,
        datacontenttype: args.data.is_some().then(|| "application/json".to_owned()),
        dataschema: None,
        extensions,
        data: args.data.map_or(Data::None, |data| Data::Json(data.into())),
    }
}

struct EmitArgs {
    kind: String,
    source: Option<String>,
    subject: Option<String>,
    id: Option<String>,
    partition_key: Option<String>,
    data: Option<Value>,
}

impl EmitArgs {
    fn read(reader: &mut Reader, with: &Value) -> Self {
        let empty = Map::new();
        let known = ["type", "source", "subject", "data", "id", EXT_PARTITION_KEY];
        let map = reader.object("", with, &known).unwrap_or(&empty);
        let args = Self {
            kind: reader.required(map, "type"),
            source: reader.optional(map, "source"),
            subject: reader.optional(map, "subject"),
            id: reader.optional(map, "id"),
            partition_key: reader.optional(map, EXT_PARTITION_KEY),
            data: map.get("data").filter(|data| !data.is_null()).cloned(),
        };
        for (name, value) in [
            ("type", Some(&args.kind)),
            ("source", args.source.as_ref()),
            ("subject", args.subject.as_ref()),
            ("id", args.id.as_ref()),
            (EXT_PARTITION_KEY, args.partition_key.as_ref()),
        ] {
            reader.at_most(name, value.map_or(0, String::len), ATTRIBUTE_MAX);
            if name != "type"
                && value.is_some_and(String::is_empty)
                && map.get(name).is_some_and(Value::is_string)
            {
                reader.complain(name, "must not be empty; leave it out instead");
            }
        }
        let length = args.data.as_ref().map_or(0, |data| data.to_string().len());
        reader.at_most("data", length, DATA_MAX);
        args
    }
}

pub(crate) fn schema() -> Value {
    let text = |description: &str| json!({"type": ["string", "number", "boolean"], "maxLength": ATTRIBUTE_MAX, "description": description});
    json!({
        "type": "object",
        "title": "event/emit",
        "description": "Emits an event that carries its cause.",
        "additionalProperties": false,
        "required": ["type"],
        "properties": {
            "type": text("What kind of thing happened."),
            "source": text("Where it happened; `edsr` when left out."),
            "subject": text("What it happened to."),
            "id": text("Unique within the source; the idempotency key of the call when left out."),
            EXT_PARTITION_KEY: text("Events with the same key stay in order."),
            "data": {"description": "The payload, any JSON."}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found_at_their_place() {
        for (with, wrong) in [
            (
                json!({"type": "x", "data": "${detection}", "subject": "${target.name}"}),
                vec![],
            ),
            (
                json!({"type": "x", "data": "x".repeat(DATA_MAX - 2)}),
                vec![],
            ),
            (
                json!({"type": "x", "data": "x".repeat(DATA_MAX)}),
                vec!["data"],
            ),
            (json!({"type": "x".repeat(ATTRIBUTE_MAX)}), vec![]),
            (json!({"type": "x".repeat(ATTRIBUTE_MAX + 1)}), vec!["type"]),
            (
                json!({"type": "x", "id": "", "source": {}}),
                vec!["source", "id"],
            ),
            (json!({"type": "x", "time": "now"}), vec!["time"]),
            (json!({}), vec!["type"]),
            (json!("x"), vec!["", "type"]),
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
