//! Binary mode: every attribute is a header `ce-<name>`, the body is the data.

use edsr_model::{Data, Event};
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{checked, media::MediaType, utf8};
use crate::error::{Item, ParseError, Refusal};
use crate::json::{self, JsonError, JsonFault};
use crate::limits::Limits;
use crate::quoted::quoted;

const PREFIX: &str = "ce-";

/// The one event of a request in binary mode.
pub(crate) fn parse(
    headers: &HeaderMap,
    media: Option<&MediaType>,
    body: &[u8],
    limits: &Limits,
) -> Result<Item, ParseError> {
    let mut attributes = attributes(headers, media, limits.string_bytes)?;
    if let Some(media) = media {
        attributes.insert("datacontenttype".to_owned(), media.raw.clone().into());
    }
    let data = data(media, body, limits)?;
    let id = attributes
        .get("id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(Event::from_value(Value::Object(attributes))
        .map_err(|error| Refusal::event(0, &error).with_id(id.as_deref()))
        .map(|event| Event { data, ..event })
        .and_then(|event| checked(0, event)))
}

fn attributes(
    headers: &HeaderMap,
    media: Option<&MediaType>,
    bytes_max: usize,
) -> Result<Map<String, Value>, ParseError> {
    let mut attributes = Map::new();
    // Header names arrive in lower case, and each name once.
    for header in headers.keys() {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        let fail = |reason| ParseError::Header {
            name: quoted(header.as_str()),
            reason,
        };
        let mut values = headers.get_all(header).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(fail("stands more than once"));
        };
        let value = decode(value.as_bytes()).ok_or_else(|| fail("is not UTF-8 once decoded"))?;
        match name {
            "datacontenttype" if !same_type(media, &value) => {
                return Err(fail("contradicts `content-type`; leave it out"));
            }
            "data" | "data_base64" => return Err(fail("is no attribute; data is the body")),
            _ => {}
        }
        if value.len() > bytes_max {
            return Err(fail("is longer than a string may be"));
        }
        attributes.insert(name.to_owned(), value.into());
    }
    Ok(attributes)
}

fn same_type(media: Option<&MediaType>, value: &str) -> bool {
    let essence = |media: &MediaType| media.essence.clone();
    media.is_some() && media.map(essence) == MediaType::parse(value).as_ref().map(essence)
}

fn data(media: Option<&MediaType>, body: &[u8], limits: &Limits) -> Result<Data, ParseError> {
    match media {
        _ if body.is_empty() => Ok(Data::None),
        Some(media) if media.is_json() => {
            utf8(Some(media))?;
            Ok(match json::read(body, limits)? {
                Value::Null => Data::None,
                value => Data::Json(value.into()),
            })
        }
        // Text in another encoding is kept byte by byte; we have no tables to read it with.
        Some(media) if media.is_text() && utf8(Some(media)).is_ok() => {
            let text = json::text(body)?;
            if text.len() > limits.string_bytes {
                return Err(
                    JsonError::at_start(JsonFault::StringBytes(limits.string_bytes)).into(),
                );
            }
            Ok(Data::Json(Value::from(text).into()))
        }
        _ => Ok(Data::Binary(body.to_vec())),
    }
}

/// A header value as the binding writes it: quoted strings unquoted (older senders), then percent-decoded once.
/// A `%` that begins no escape is kept, because senders that do not encode mean themselves. `None`: not UTF-8.
fn decode(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let unquoted = match value {
        [b'"', inner @ .., b'"'] => unescape(inner),
        _ => value.to_vec(),
    };
    String::from_utf8(percent_decode(&unquoted)).ok()
}

fn unescape(inner: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            _ => plain.push(*byte),
        }
    }
    plain
}

fn percent_decode(mut rest: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(rest.len());
    while let [byte, tail @ ..] = rest {
        let mut pair = [0];
        match (byte, tail) {
            (b'%', [high, low, after @ ..])
                if hex::decode_to_slice([*high, *low], &mut pair).is_ok() =>
            {
                plain.push(pair[0]);
                rest = after;
            }
            _ => {
                plain.push(*byte);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_decoded_once() {
        for (raw, plain) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("a%2520b", "a%20b"),
            ("\"quoted \\\"text\\\" %e2%82%ac\"", "quoted \"text\" €"),
            ("100%", "100%"),
            ("50%zz %4", "50%zz %4"),
            ("\"", "\""),
            ("\"\"", ""),
            ("€ raw", "€ raw"),
        ] {
            assert_eq!(decode(raw.as_bytes()).as_deref(), Some(plain), "{raw}");
        }
        assert_eq!(decode(b"%ff"), None);
        assert_eq!(decode(b"\xff"), None);
    }
}
