//! The arguments of `http/request`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use edsr_model::EffectClass;
use http::{HeaderName, Method};
use serde_json::{Map, Value, json};
use url::Url;

use crate::args::{Mode, Reader, has_expression, listed};
use crate::secret::{Text, text_schema};

/// The most entries of `headers`.
pub const HEADERS_MAX: usize = 64;
/// The longest URL, in bytes.
pub const URL_MAX: usize = 8 * 1024;
/// The longest request body, in bytes.
pub const BODY_MAX: usize = 1024 * 1024;
/// The most entries of `okStatus`.
const OK_STATUS_MAX: usize = 100;

const METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"];
const CLASSES: [(&str, EffectClass); 3] = [
    ("plain", EffectClass::Plain),
    ("retry-safe", EffectClass::RetrySafe),
    ("fenced", EffectClass::Fenced),
];

/// Headers that the connection or edsr itself sets.
const RESERVED: [&str; 13] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "proxy-authorization",
    "proxy-connection",
    "expect",
    "idempotency-key",
    "user-agent",
];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpArgs {
    pub(super) method: Method,
    pub(super) url: Text,
    pub(super) headers: BTreeMap<String, Text>,
    /// The body and whether it is JSON.
    pub(super) body: Option<(String, bool)>,
    pub(super) ok_status: Vec<RangeInclusive<u16>>,
}

impl HttpArgs {
    pub(super) fn read(reader: &mut Reader, with: &Value) -> Self {
        let known = [
            "method", "url", "headers", "json", "body", "class", "okStatus",
        ];
        let empty = Map::new();
        let map = reader.object("", with, &known).unwrap_or(&empty);
        let body = body(reader, map);
        let method = method(reader, map, body.is_some());
        if body.is_some() && (method == Method::GET || method == Method::HEAD) {
            reader.complain("method", format!("is `{method}`, which sends no body"));
        }
        declared_class(reader, map);
        Self {
            method,
            url: url(reader, map),
            headers: headers(reader, map),
            body,
            ok_status: ok_status(reader, map.get("okStatus")),
        }
    }
}

/// What `with` declares, or what its method says by itself (RFC 9110, section 9.2.2).
pub(super) fn class(with: &Value) -> EffectClass {
    if !with.is_object() {
        return EffectClass::Plain;
    }
    let field = |name: &str| with.get(name).and_then(Value::as_str);
    if let Some(class) = field("class") {
        let named = CLASSES.iter().find(|(name, _)| *name == class);
        return named.map_or(EffectClass::Plain, |(_, class)| *class);
    }
    let has_body = ["json", "body"].iter().any(|name| with.get(name).is_some());
    let method = field("method").unwrap_or(if has_body { "POST" } else { "GET" });
    match method.to_ascii_uppercase().as_str() {
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" => EffectClass::RetrySafe,
        _ => EffectClass::Plain,
    }
}

fn declared_class(reader: &mut Reader, map: &Map<String, Value>) {
    // Whether a call may be repeated is decided before anything happens, so it is never computed from an event.
    let names = CLASSES.map(|(name, _)| name);
    if let Some(class) = map.get("class")
        && !class.as_str().is_some_and(|class| names.contains(&class))
    {
        reader.complain("class", format!("must be one of {}", listed(&names)));
    }
}

fn method(reader: &mut Reader, map: &Map<String, Value>, has_body: bool) -> Method {
    let fallback = if has_body { Method::POST } else { Method::GET };
    let Some(text) = reader.optional(map, "method") else {
        return fallback;
    };
    let upper = text.to_ascii_uppercase();
    if METHODS.contains(&upper.as_str()) {
        return Method::from_bytes(upper.as_bytes()).unwrap_or(fallback);
    }
    // Its class hangs on the method, so the method is never computed either.
    reader.complain("method", format!("must be one of {}", listed(&METHODS)));
    fallback
}

/// Reads `url`, a text or a secret, as every actuator over HTTP does.
pub(crate) fn url(reader: &mut Reader, map: &Map<String, Value>) -> Text {
    let Some(value) = map.get("url") else {
        reader.complain("url", "is missing");
        return Text::Plain(String::new());
    };
    let text = Text::read(reader, "url", value);
    if let Text::Plain(url) = &text {
        reader.at_most("url", url.len(), URL_MAX);
        let open = reader.mode == Mode::Draft && has_expression(url);
        let complained = matches!(value, Value::Array(_) | Value::Null);
        if !open
            && !complained
            && let Err(why) = parse_url(url)
        {
            reader.complain("url", why);
        }
    }
    text
}

/// A URL that can be called.
///
/// # Errors
/// Why not; the text does not repeat the URL.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with `https://` or `http://`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user or a password; use the header `Authorization` with a secret"
                .to_owned(),
        );
    }
    Ok(url)
}

/// Reads `headers`, as every actuator over HTTP does.
pub(crate) fn headers(reader: &mut Reader, map: &Map<String, Value>) -> BTreeMap<String, Text> {
    reader.entries(map, "headers", HEADERS_MAX, |reader, path, name, value| {
        let lower = name.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            reader.complain(path, "is no name for a header");
        }
        if RESERVED.contains(&lower.as_str()) || lower.starts_with("edsr-") {
            reader.complain(path, "is set by edsr itself");
        }
        let text = Text::read(reader, path, value);
        if let Text::Plain(plain) = &text
            && plain.bytes().any(|b| b < b' ' && b != b'\t' || b == 0x7f)
        {
            reader.complain(path, "holds a control character");
        }
        text
    })
}

fn body(reader: &mut Reader, map: &Map<String, Value>) -> Option<(String, bool)> {
    let body = match (map.get("json"), map.get("body")) {
        (Some(_), Some(_)) => {
            reader.complain("body", "and `json` exclude each other");
            None
        }
        (Some(json), None) => Some((json.to_string(), true)),
        (None, Some(body)) => Some((reader.scalar("body", body), false)),
        (None, None) => None,
    };
    if let Some((text, is_json)) = &body {
        let path = if *is_json { "json" } else { "body" };
        reader.at_most(path, text.len(), BODY_MAX);
    }
    body
}

fn ok_status(reader: &mut Reader, value: Option<&Value>) -> Vec<RangeInclusive<u16>> {
    let Some(value) = value else {
        return vec![200..=299];
    };
    let items = reader.list("okStatus", value, OK_STATUS_MAX);
    if items.is_empty() && value.is_array() {
        reader.complain(
            "okStatus",
            "must hold at least one status, for example `[200]`",
        );
    }
    let mut ranges = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match status_range(item) {
            Some(range) => ranges.push(range),
            None if reader.is_open(item) => {}
            None => reader.complain(
                &format!("okStatus[{place}]"),
                "must be a status from 200 to 599, or a group like `2xx`",
            ),
        }
    }
    ranges
}

fn status_range(item: &Value) -> Option<RangeInclusive<u16>> {
    if let Some(text) = item.as_str() {
        let group = match text.to_ascii_lowercase().as_str() {
            "2xx" => 200,
            "3xx" => 300,
            "4xx" => 400,
            "5xx" => 500,
            _ => return None,
        };
        return Some(group..=group + 99);
    }
    let status = u16::try_from(item.as_u64()?).ok()?;
    (200..=599).contains(&status).then_some(status..=status)
}

pub(super) fn schema() -> Value {
    let open = || json!({"type": "string", "pattern": "\\$\\{"});
    json!({
        "type": "object",
        "title": "http/request",
        "description": "Sends one HTTP request. Redirects are not followed.",
        "additionalProperties": false,
        "required": ["url"],
        "properties": {
            "method": {"enum": METHODS, "description": "GET when left out, POST with a body."},
            "url": text_schema(),
            "headers": {"type": "object", "maxProperties": HEADERS_MAX, "additionalProperties": text_schema()},
            "json": {"description": "The body, sent as JSON."},
            "body": {"type": ["string", "number", "boolean"], "description": "The body, sent as it is."},
            "class": {
                "enum": CLASSES.map(|(name, _)| name),
                "description": "Whether the call may be sent again when its outcome is lost. By itself retry-safe for GET, HEAD, PUT, DELETE and OPTIONS, plain for POST and PATCH."
            },
            "okStatus": {
                "description": "The statuses that mean success; [2xx] when left out.",
                "anyOf": [
                    {
                        "type": "array", "minItems": 1, "maxItems": OK_STATUS_MAX,
                        "items": {"anyOf": [
                            {"type": "integer", "minimum": 200, "maximum": 599},
                            {"enum": ["2xx", "3xx", "4xx", "5xx"]},
                            open()
                        ]}
                    },
                    open()
                ]
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::read;

    fn paths(mode: Mode, with: &Value) -> Vec<String> {
        let errors = read(with, mode, HttpArgs::read).err().unwrap_or_default();
        errors.into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn mistakes_are_found_at_their_place() {
        let with = |name: &str, value: Value| json!({"url": "https://a.example/", name: value});
        for (with, wrong) in [
            (
                with("headers", json!({"A": "x", "B": {"secret": {"env": "B"}}})),
                vec![],
            ),
            (
                with("okStatus", json!([200, "3xx", "${inputs.ok}"])),
                vec![],
            ),
            (
                with("okStatus", json!([99, "6xx", 1.5])),
                vec!["okStatus[0]", "okStatus[1]", "okStatus[2]"],
            ),
            (with("okStatus", json!([])), vec!["okStatus"]),
            (with("method", json!("post")), vec![]),
            (with("method", json!("CONNECT")), vec!["method"]),
            (with("method", json!("${inputs.method}")), vec!["method"]),
            (with("class", json!("fenced")), vec![]),
            (with("class", json!("${inputs.class}")), vec!["class"]),
            (with("proxy", json!("x")), vec!["proxy"]),
            (
                with(
                    "headers",
                    json!({"A B": "x", "Host": "x", "Edsr-Depth": "1", "X": "a\r\nb: c"}),
                ),
                vec![
                    "headers.A B",
                    "headers.Edsr-Depth",
                    "headers.Host",
                    "headers.X",
                ],
            ),
            (with("headers", json!("${data.headers}")), vec!["headers"]),
            (
                json!({"url": "https://a/", "json": {}, "body": "x"}),
                vec!["body"],
            ),
            (
                json!({"url": "https://a/", "json": {}, "method": "GET"}),
                vec!["method"],
            ),
            (
                json!({"url": "https://a/", "body": "x".repeat(BODY_MAX)}),
                vec![],
            ),
            (
                json!({"url": "https://a/", "body": "x".repeat(BODY_MAX + 1)}),
                vec!["body"],
            ),
            (
                json!({"url": format!("https://a/{}", "x".repeat(URL_MAX))}),
                vec!["url"],
            ),
            (json!({"url": {"secret": {"env": "HOOK"}}}), vec![]),
            (json!({"url": "https://${inputs.host}/x"}), vec![]),
            (json!({"url": "file:///etc/passwd"}), vec!["url"]),
            (json!({"url": "https://me:pw@a/"}), vec!["url"]),
            (json!({"url": "a.example"}), vec!["url"]),
            (json!({}), vec!["url"]),
            (json!(["https://a"]), vec!["", "url"]),
        ] {
            // In the order the keys stand in, which may be the author's.
            let mut found = paths(Mode::Draft, &with);
            found.sort();
            assert_eq!(found, wrong, "{:.200}", with.to_string());
        }
    }

    #[test]
    fn header_bound_is_reached() {
        let with = |n: usize| {
            let headers: BTreeMap<String, &str> = (0..n).map(|n| (format!("h{n}"), "x")).collect();
            json!({"url": "https://a/", "headers": headers})
        };
        assert!(paths(Mode::Final, &with(HEADERS_MAX)).is_empty());
        assert_eq!(paths(Mode::Final, &with(HEADERS_MAX + 1)), ["headers"]);
    }

    #[test]
    fn the_class_is_declared_or_follows_from_the_method() {
        for (with, expected) in [
            (json!({}), EffectClass::RetrySafe),
            (json!({"method": "delete"}), EffectClass::RetrySafe),
            (json!({"method": "POST"}), EffectClass::Plain),
            (json!({"json": {}}), EffectClass::Plain),
            (
                json!({"method": "POST", "class": "retry-safe"}),
                EffectClass::RetrySafe,
            ),
            (
                json!({"method": "GET", "class": "plain"}),
                EffectClass::Plain,
            ),
            (
                json!({"method": "PUT", "class": "fenced"}),
                EffectClass::Fenced,
            ),
            (json!({"method": "GET", "class": "?"}), EffectClass::Plain),
            (json!(null), EffectClass::Plain),
        ] {
            assert_eq!(class(&with), expected, "{with}");
        }
    }
}
