//! Payloads of any shape, mapped to events by CEL expressions.

use std::collections::BTreeMap;

use cel::Context;
use edsr_expr::{context, to_cel, to_map};
use edsr_model::event::is_attribute_name;
use edsr_model::{Data, Digest, Event, Scalar, Timestamp};
use http::HeaderMap;
use serde_json::Value;

use super::expr::Expr;
use super::value::{Room, to_json};
use crate::attributes::{CORE, OWN_PREFIX};
use crate::cloudevents::{Parsed, checked, within};
use crate::error::{Item, Kind, ParseError, Refusal};
use crate::json;
use crate::limits::Limits;
use crate::quoted::quoted;

/// What a mapping says, as texts of CEL expressions.
///
/// They read `body` (the JSON that was sent), `headers` (lower-case names; headers that authenticate are left out; several
/// values of one header are joined by `, `), `source` (the name of the source) and, with `each`, `item`. JSON numbers without
/// fraction are `int`. An optional attribute whose expression
/// gives `null` or an empty text is left out, or takes its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingSpec {
    /// A list; every element becomes an event, bound to `item`. Without it the whole body becomes one event.
    pub each: Option<String>,
    /// `type`: a text.
    pub kind: String,
    /// `subject`: a text or a whole number.
    pub subject: Option<String>,
    /// `time`: an RFC 3339 text, a CEL timestamp, or a number since the Unix epoch: seconds below 1e11, else milliseconds.
    pub time: Option<String>,
    /// `id`: a text or a whole number. By default the SHA-256 of the body, with `-<index>` under `each`, so that a
    /// redelivery of the same bytes is the same events.
    pub id: Option<String>,
    /// `source`: a text. By default `/hooks/<name of the source>`.
    pub source: Option<String>,
    /// Extension attributes: a text, a whole number or a truth value each.
    pub extensions: BTreeMap<String, String>,
    /// `data`: anything. By default `item`, or `body` without `each`.
    pub data: Option<String>,
}

/// A compiled [`MappingSpec`].
#[derive(Debug)]
pub struct Mapping {
    each: Option<Expr>,
    kind: Expr,
    subject: Option<Expr>,
    time: Option<Expr>,
    id: Option<Expr>,
    source: Option<Expr>,
    extensions: BTreeMap<String, Expr>,
    data: Option<Expr>,
}

/// Why a mapping cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mapping `{field}`: {message}")]
pub struct MappingError {
    /// The part: `each`, `type`, `extensions.region` ...
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// Where in the expression, in characters of its whole text from 1; `None` where all of it is meant.
    pub column: Option<usize>,
}

/// Words in the name of a header whose value may let somebody in; such headers are not shown to expressions.
const SECRET_WORDS: &[&str] = &[
    "authorization",
    "cookie",
    "signature",
    "token",
    "secret",
    "password",
    "api-key",
    "apikey",
    "credential",
];

/// Numbers below are seconds since the epoch, from it on milliseconds: seconds reach it in the year 5138, milliseconds
/// passed it in 1973.
const MILLIS_FROM: f64 = 1e11;

impl Mapping {
    /// Compiles all expressions.
    ///
    /// # Errors
    /// Every mistake, not only the first.
    pub fn compile(spec: &MappingSpec) -> Result<Self, Vec<MappingError>> {
        let mut errors = Vec::new();
        let outer = ["body", "headers", "source"];
        let inner = ["body", "headers", "source", "item"];
        let variables = if spec.each.is_some() {
            &inner[..]
        } else {
            &outer[..]
        };
        let mut compile = |field: &str, text: &str, variables: &[&str]| {
            Expr::compile(text, variables)
                .map_err(|fault| {
                    errors.push(MappingError {
                        field: field.to_owned(),
                        message: fault.message,
                        column: fault.column,
                    });
                })
                .ok()
        };
        let mut optional = |field: &str, text: &Option<String>, variables: &[&str]| {
            text.as_ref()
                .and_then(|text| compile(field, text, variables))
        };
        let each = optional("each", &spec.each, &outer);
        let kind = optional("type", &Some(spec.kind.clone()), variables);
        let [subject, time, id, source, data] = [
            ("subject", &spec.subject),
            ("time", &spec.time),
            ("id", &spec.id),
            ("source", &spec.source),
            ("data", &spec.data),
        ]
        .map(|(field, text)| optional(field, text, variables));
        let mut extensions = BTreeMap::new();
        for (name, text) in &spec.extensions {
            if let Some(expr) = compile(&format!("extensions.{}", quoted(name)), text, variables) {
                extensions.insert(name.clone(), expr);
            }
        }
        errors.extend(
            spec.extensions
                .keys()
                .filter_map(|name| extension_name(name)),
        );
        match kind {
            Some(kind) if errors.is_empty() => Ok(Self {
                each,
                kind,
                subject,
                time,
                id,
                source,
                extensions,
                data,
            }),
            _ => Err(errors),
        }
    }

    pub(crate) const fn fans_out(&self) -> bool {
        self.each.is_some()
    }

    pub(crate) fn events(
        &self,
        source: &str,
        headers: &HeaderMap,
        body: &[u8],
        limits: &Limits,
    ) -> Result<Parsed, ParseError> {
        let (bytes, nodes) = if self.fans_out() {
            (limits.batch_bytes, limits.batch_nodes)
        } else {
            (limits.event_bytes, limits.nodes)
        };
        within(body, bytes)?;
        let digest = Digest::of(body);
        let body = to_cel(&json::read_within(body, limits, nodes)?.0);
        let mut context = context(limits.loop_steps);
        context.add_variable_from_value("body", body.clone());
        context.add_variable_from_value("headers", shown(headers));
        context.add_variable_from_value("source", source.to_owned());
        let mut room = Room::new(limits);
        let name = source;
        let Some(each) = &self.each else {
            let about = About {
                name,
                index: 0,
                id: digest.to_string(),
                data: &body,
            };
            return Ok(vec![self.one(&about, &context, &mut room)]);
        };
        let items = list(each, &context)?;
        if items.len() > limits.batch_events {
            return Err(ParseError::BatchEvents(limits.batch_events));
        }
        let items = items.iter().enumerate().map(|(index, item)| {
            let mut context = context.new_inner_scope();
            context.add_variable_from_value("item", item.clone());
            let about = About {
                name,
                index,
                id: format!("{digest}-{index}"),
                data: item,
            };
            self.one(&about, &context, &mut room)
        });
        Ok(items.collect())
    }

    fn one(&self, about: &About<'_>, context: &Context<'_, '_>, room: &mut Room) -> Item {
        // Before the work is done: a request that has used its room gets no more of ours.
        room.holds(about.index, 1)?;
        let event = self.event(about, context, room.value_bytes());
        let event = event.map_err(|(field, reason)| {
            let reason = format!("the mapping `{field}` failed: {reason}");
            Refusal::new(about.index, Kind::BadRequest, "mapping.failed", &reason)
        })?;
        checked(about.index, event).and_then(|event| room.take(about.index, event))
    }

    fn event(
        &self,
        about: &About<'_>,
        context: &Context<'_, '_>,
        bytes: usize,
    ) -> Result<Event, (String, String)> {
        let optional = |field: &str, expr: &Option<Expr>| match expr {
            Some(expr) => word(expr, context).map_err(|reason| (field.to_owned(), reason)),
            None => Ok(None),
        };
        let named = |field: &'static str| move |reason| (field.to_owned(), reason);
        let kind = word(&self.kind, context)
            .and_then(|kind| {
                kind.ok_or_else(|| self.kind.failed("`type` must not be null or empty"))
            })
            .map_err(named("type"))?;
        let time = self
            .time
            .as_ref()
            .map(|expr| time(expr, context))
            .transpose();
        let mut extensions = BTreeMap::new();
        for (name, expr) in &self.extensions {
            let value =
                scalar(expr, context).map_err(|reason| (format!("extensions.{name}"), reason))?;
            extensions.extend(value.map(|value| (name.clone(), value)));
        }
        let data = self.data(about, context, bytes).map_err(named("data"))?;
        Ok(Event {
            id: optional("id", &self.id)?.unwrap_or_else(|| about.id.clone()),
            source: optional("source", &self.source)?
                .unwrap_or_else(|| format!("/hooks/{}", about.name)),
            kind,
            subject: optional("subject", &self.subject)?,
            time: time.map_err(named("time"))?.flatten(),
            datacontenttype: matches!(data, Data::Json(_)).then(|| "application/json".to_owned()),
            dataschema: None,
            extensions,
            data,
        })
    }

    fn data(
        &self,
        about: &About<'_>,
        context: &Context<'_, '_>,
        mut bytes: usize,
    ) -> Result<Data, String> {
        let value = match &self.data {
            Some(expr) => {
                let value = expr.value(context)?;
                to_json(&value, &mut bytes).map_err(|reason| expr.failed(&reason))?
            }
            None => to_json(about.data, &mut bytes)?,
        };
        Ok(match value {
            Value::Null => Data::None,
            value => Data::Json(value.into()),
        })
    }
}

/// What an event is made of when no expression says otherwise.
struct About<'a> {
    name: &'a str,
    index: usize,
    id: String,
    data: &'a cel::Value,
}

fn list(
    each: &Expr,
    context: &Context<'_, '_>,
) -> Result<std::sync::Arc<Vec<cel::Value>>, ParseError> {
    let fail = |message| ParseError::Mapping {
        field: "each".to_owned(),
        message,
    };
    match each.value(context).map_err(fail)? {
        cel::Value::List(items) => Ok(items),
        other => Err(fail(
            each.failed(&format!("it must give a list, not {}", other.type_of())),
        )),
    }
}

/// A text or a whole number, as text; `None` for `null` and for an empty text.
fn word(expr: &Expr, context: &Context<'_, '_>) -> Result<Option<String>, String> {
    match expr.value(context)? {
        cel::Value::Null => Ok(None),
        cel::Value::String(text) => Ok(Some(text.to_string()).filter(|text| !text.is_empty())),
        cel::Value::Int(number) => Ok(Some(number.to_string())),
        cel::Value::UInt(number) => Ok(Some(number.to_string())),
        other => {
            let found = other.type_of();
            Err(expr.failed(&format!(
                "it must give a string or a whole number, not {found}"
            )))
        }
    }
}

fn scalar(expr: &Expr, context: &Context<'_, '_>) -> Result<Option<Scalar>, String> {
    match expr.value(context)? {
        cel::Value::Null => Ok(None),
        cel::Value::String(text) => Ok(Some(Scalar::Str(text.to_string()))),
        cel::Value::Bool(flag) => Ok(Some(Scalar::Bool(flag))),
        cel::Value::Int(number) => Ok(Some(Scalar::Int(number))),
        other => {
            let found = other.type_of();
            Err(expr.failed(&format!(
                "it must give a string, a whole number or a boolean, not {found}"
            )))
        }
    }
}

fn time(expr: &Expr, context: &Context<'_, '_>) -> Result<Option<Timestamp>, String> {
    let at = match expr.value(context)? {
        cel::Value::Null => return Ok(None),
        cel::Value::String(text) => text
            .parse()
            .map_err(|_| format!("`{}` is not an RFC 3339 time", quoted(&text))),
        cel::Value::Timestamp(at) => Ok(Timestamp::from_micros(at.timestamp_micros())),
        cel::Value::Int(number) => since_epoch(number as f64),
        cel::Value::UInt(number) => since_epoch(number as f64),
        cel::Value::Float(number) => since_epoch(number),
        other => Err(format!("it must give a time, not {}", other.type_of())),
    };
    at.map(Some).map_err(|reason: String| expr.failed(&reason))
}

/// Whole microseconds fit a double until the year 2255, so that nothing is lost on the way.
fn since_epoch(number: f64) -> Result<Timestamp, String> {
    const YEAR_9999_MICROS: f64 = 253_402_300_799_999_999.0;
    let unit = if number.abs() < MILLIS_FROM { 1e6 } else { 1e3 };
    let micros = (number * unit).round();
    if micros.abs() <= YEAR_9999_MICROS {
        #[allow(clippy::cast_possible_truncation, reason = "inside the bound above")]
        return Ok(Timestamp::from_micros(micros as i64));
    }
    Err(format!(
        "{number} is no time in seconds or milliseconds since 1970; divide it first"
    ))
}

fn shown(headers: &HeaderMap) -> cel::Value {
    let names = headers
        .keys()
        .filter(|name| !SECRET_WORDS.iter().any(|word| name.as_str().contains(word)));
    to_map(names.filter_map(|name| {
        let values: Result<Vec<_>, _> = headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str())
            .collect();
        let text = values.ok()?.join(", ");
        Some((name.as_str().to_owned(), cel::Value::String(text.into())))
    }))
}

fn extension_name(name: &str) -> Option<MappingError> {
    let message = if !is_attribute_name(name) {
        "an extension is named by lower-case letters and digits, at most 64 of them"
    } else if CORE.contains(&name) {
        "this is an attribute of its own, not an extension"
    } else if name.starts_with(OWN_PREFIX) {
        "names that begin with `edsr` are set by the node"
    } else {
        return None;
    };
    Some(MappingError {
        field: format!("extensions.{}", quoted(name)),
        message: message.to_owned(),
        column: None,
    })
}

#[cfg(test)]
mod tests;
