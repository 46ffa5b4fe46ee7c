//! CloudEvents 1.0 over HTTP: structured, batched (JSON array or one event a line) and binary mode.
//!
//! | content type | mode |
//! |---|---|
//! | `application/cloudevents+json` | structured: the body is one event |
//! | `application/cloudevents-batch+json` | the body is an array of events |
//! | any, with the header `ce-specversion` | binary: attributes are headers, the body is the data |
//! | `application/x-ndjson` without it | one structured event a line |
//!
//! Only UTF-8 is read. Text data (`text/*`) becomes a JSON string, JSON data (`application/json`, `*+json`) a JSON value,
//! everything else stays bytes.

mod binary;
mod media;

use edsr_model::Event;
use edsr_model::event::Attributes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::attributes;
use crate::error::{Item, ParseError, Refusal};
use crate::json::{self, JsonError, JsonFault};
use crate::limits::Limits;
use media::MediaType;

/// The events of one request, in their order.
pub type Parsed = Vec<Item>;

/// Reads the events of one request. A good event of a batch is taken whatever the others are.
///
/// # Errors
/// [`ParseError`] where nothing of the request can be taken: its form is unknown, or it exceeds a bound as a whole.
pub fn parse(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    let media = content_type(headers)?;
    let essence = media.as_ref().map_or("", |media| &*media.essence);
    match essence {
        "application/cloudevents+json" => {
            utf8(media.as_ref())?;
            within(body, limits.event_bytes)?;
            Ok(vec![one(0, body, limits, limits.nodes)?.0])
        }
        "application/cloudevents-batch+json" => {
            utf8(media.as_ref())?;
            within(body, limits.batch_bytes)?;
            batch(body, limits)
        }
        other if other.starts_with("application/cloudevents") => {
            Err(ParseError::Format(media::shown(headers)))
        }
        _ if headers.contains_key("ce-specversion") => {
            within(body, limits.event_bytes)?;
            Ok(vec![binary::parse(headers, media.as_ref(), body, limits)?])
        }
        "application/x-ndjson" => {
            utf8(media.as_ref())?;
            within(body, limits.batch_bytes)?;
            lines(body, limits)
        }
        _ => Err(ParseError::ContentType(media::shown(headers))),
    }
}

/// One event in its structured form, and how many values it has.
fn one(
    index: usize,
    body: &[u8],
    limits: &Limits,
    nodes: usize,
) -> Result<(Item, usize), JsonError> {
    let text = json::text(body)?;
    match json::envelope::read(text, limits, nodes) {
        Some((attributes, nodes)) => Ok((usual(index, attributes), nodes)),
        None => {
            let (value, nodes) = json::read_within(body, limits, nodes)?;
            Ok((structured(index, value), nodes))
        }
    }
}

fn usual(index: usize, attributes: Attributes) -> Item {
    let id = attributes.id().map(str::to_owned);
    let event = Event::from_attributes(attributes);
    event
        .map_err(|error| Refusal::event(index, &error).with_id(id.as_deref()))
        .and_then(|event| checked(index, event))
}

/// One event as a tree.
fn structured(index: usize, mut value: Value) -> Item {
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    if let Value::Object(map) = &mut value {
        attributes::fold_names(map);
    }
    let event = Event::from_value(value).map_err(|error| Refusal::event(index, &error));
    event
        .and_then(|event| checked(index, event))
        .map_err(|refusal| refusal.with_id(id.as_deref()))
}

/// `event`, if its attributes keep to the type system.
pub(crate) fn checked(index: usize, event: Event) -> Item {
    match attributes::check(&event) {
        Ok(()) => Ok(event),
        Err(error) => Err(Refusal::attribute(index, &error).with_id(Some(&event.id))),
    }
}

fn batch(body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    let text = json::text(body)?;
    if !text.trim_ascii_start().starts_with('[') {
        // An empty body, or no JSON at all, has a better name than "not an array".
        json::read(body, limits)?;
        return Err(ParseError::Shape(
            "a batch is a JSON array of events".to_owned(),
        ));
    }
    let mut pieces = Pieces {
        found: Vec::new(),
        max: limits.batch_events,
        over: false,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let split = pieces.deserialize(&mut reader).and_then(|()| reader.end());
    if pieces.over {
        return Err(ParseError::BatchEvents(limits.batch_events));
    }
    split.map_err(|error| {
        let mut error = JsonError::syntax(&error);
        error.path = format!("$[{}]", pieces.found.len());
        error
    })?;
    each(pieces.found.iter().map(|raw| raw.get().as_bytes()), limits)
}

fn lines(body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    let mut lines = Vec::new();
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        let line = body[begin..end].trim_ascii();
        begin = end + 1;
        if line.is_empty() {
            continue;
        }
        if lines.len() == limits.batch_events {
            return Err(ParseError::BatchEvents(limits.batch_events));
        }
        lines.push(line);
    }
    each(lines.into_iter(), limits)
}

fn each<'b>(pieces: impl Iterator<Item = &'b [u8]>, limits: &Limits) -> Result<Parsed, ParseError> {
    let mut nodes_left = limits.batch_nodes;
    let mut items = Vec::new();
    for (index, piece) in pieces.enumerate() {
        if piece.len() > limits.event_bytes {
            items.push(Err(Refusal::size(index, piece.len(), limits.event_bytes)));
            continue;
        }
        let nodes = limits.nodes.min(nodes_left);
        match one(index, piece, limits, nodes) {
            Ok((item, nodes)) => {
                nodes_left -= nodes;
                items.push(item);
            }
            Err(error) if error.fault == JsonFault::Nodes(nodes) && nodes < limits.nodes => {
                return Err(ParseError::BatchNodes(limits.batch_nodes));
            }
            Err(error) => items.push(Err(Refusal::json(index, &error))),
        }
    }
    Ok(items)
}

/// Cuts an array into its elements without reading them, so that a bad one costs only itself.
struct Pieces<'b> {
    found: Vec<&'b RawValue>,
    max: usize,
    over: bool,
}

impl<'b> DeserializeSeed<'b> for &mut Pieces<'b> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'b> Visitor<'b> for &mut Pieces<'b> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(piece) = seq.next_element::<&'b RawValue>()? {
            if self.found.len() == self.max {
                self.over = true;
                return Err(A::Error::custom("too many events"));
            }
            self.found.push(piece);
        }
        Ok(())
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<MediaType>, ParseError> {
    let fail = |reason| ParseError::Header {
        name: "content-type".to_owned(),
        reason,
    };
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(fail("stands more than once"));
    }
    let text = value.to_str().map_err(|_| fail("is not plain text"))?;
    MediaType::parse(text)
        .map(Some)
        .ok_or_else(|| fail("is not a media type like `application/json`"))
}

fn utf8(media: Option<&MediaType>) -> Result<(), ParseError> {
    match media.and_then(|media| media.charset.as_deref()) {
        Some(charset) if !media::is_utf8(charset) => {
            Err(ParseError::Charset(crate::quoted::quoted(charset)))
        }
        _ => Ok(()),
    }
}

pub(crate) fn within(body: &[u8], max: usize) -> Result<(), ParseError> {
    if body.len() > max {
        let actual = body.len();
        return Err(ParseError::BodyBytes { actual, max });
    }
    Ok(())
}
