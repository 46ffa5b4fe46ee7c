//! The CloudEvents HTTP binding, as a table of requests and what becomes of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail so"
)]

mod common;

use common::headers;
use edsr_model::Data;
use edsr_source::{Limits, cloudevents::parse};
use serde_json::{Value, json};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/s", "type": "t"})
}

/// One word an event: its id, or the code of its refusal; or one for the whole request.
fn check(pairs: &[(&str, &str)], body: impl AsRef<[u8]>, expected: &[&str]) {
    let limits = Limits {
        event_bytes: 400,
        batch_bytes: 2000,
        batch_events: 5,
        nodes: 50,
        batch_nodes: 80,
        depth: 8,
        string_bytes: 100,
        ..Limits::default()
    };
    let found = match parse(&headers(pairs), body.as_ref(), &limits) {
        Ok(items) => items
            .into_iter()
            .map(|item| item.map_or_else(|refusal| refusal.code.to_owned(), |event| event.id))
            .collect(),
        Err(error) => vec![error.code().to_owned()],
    };
    assert_eq!(
        found,
        expected,
        "{pairs:?} {}",
        String::from_utf8_lossy(body.as_ref())
    );
}

fn typed(content_type: &str, body: impl AsRef<[u8]>, expected: &[&str]) {
    check(&[("content-type", content_type)], body, expected);
}

#[test]
fn structured_mode() {
    let good = event("1").to_string();
    for kind in [
        STRUCTURED,
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=utf-8",
        "application/cloudevents+json;charset=\"UTF-8\"; x=y",
    ] {
        typed(kind, &good, &["1"]);
    }
    // The content type decides, not what else is there.
    check(
        &[
            ("content-type", STRUCTURED),
            ("ce-specversion", "1.0"),
            ("ce-id", "2"),
        ],
        &good,
        &["1"],
    );
    typed(
        "application/cloudevents+json; charset=utf-16",
        &good,
        &["content-type.charset"],
    );
    typed(STRUCTURED, "", &["json.empty"]);
    typed(STRUCTURED, "[]", &["event.invalid"]);
    typed(STRUCTURED, b"\xff", &["json.utf8"]);
    typed(STRUCTURED, good.replace("1.0", "0.3"), &["event.invalid"]);
    typed(
        STRUCTURED,
        good.replace("\"t\"", "\"\\u001b[0m\""),
        &["event.attribute"],
    );
    typed(STRUCTURED, "x".repeat(401), &["body.bytes"]);
    let mut long = event("1");
    long["subject"] = "s".repeat(101).into();
    typed(STRUCTURED, long.to_string(), &["json.string"]);
    typed(
        STRUCTURED,
        good.replace("\"id\"", "\"id\":\"0\",\"id\""),
        &["json.duplicate-key"],
    );
}

#[test]
fn formats_and_types_without_a_parser_are_named() {
    for kind in [
        "application/cloudevents+xml",
        "application/cloudevents+avro",
        "application/cloudevents+protobuf",
        "application/cloudevents-batch+protobuf",
        "application/cloudevents",
    ] {
        let error = parse(
            &headers(&[("content-type", kind)]),
            b"x",
            &Limits::default(),
        )
        .unwrap_err();
        assert_eq!(
            (error.code(), error.kind().status()),
            ("content-type.format", 415),
            "{kind}"
        );
        assert!(
            error.to_string().contains(kind) && error.to_string().contains("not supported"),
            "{error}"
        );
    }
    for pairs in [
        &[("content-type", "application/json")][..],
        &[("content-type", "text/plain")],
        &[],
    ] {
        let error = parse(&headers(pairs), b"{}", &Limits::default()).unwrap_err();
        assert_eq!(
            (error.code(), error.kind().status()),
            ("content-type.unsupported", 415)
        );
        assert!(
            error.to_string().contains(BATCH) && error.to_string().contains(LINES),
            "{error}"
        );
    }
    typed("nonsense", "{}", &["header.invalid"]);
    let mut twice = headers(&[("content-type", STRUCTURED)]);
    twice.append("content-type", BATCH.parse().unwrap());
    assert_eq!(
        parse(&twice, b"[]", &Limits::default()).unwrap_err().code(),
        "header.invalid"
    );
}

#[test]
fn a_batch_keeps_its_good_events() {
    let good = event("1").to_string();
    typed(BATCH, "[]", &[]);
    typed(BATCH, format!(" [{good} , {}]", event("2")), &["1", "2"]);
    typed(
        BATCH,
        format!(
            "[{good},7,{{\"a\":1,\"a\":2}},[[[[[[[[[]]]]]]]]],{}]",
            event("5")
        ),
        &[
            "1",
            "event.invalid",
            "json.duplicate-key",
            "json.depth",
            "5",
        ],
    );
    let big = format!("{{\"data\":\"{}\"}}", "x".repeat(400));
    typed(BATCH, format!("[{big},{good}]"), &["event.bytes", "1"]);
    typed(BATCH, format!("[{good},{good}"), &["json.syntax"]);
    typed(BATCH, format!("[{good}]{good}"), &["json.syntax"]);
    typed(BATCH, &good, &["body.shape"]);
    typed(BATCH, "", &["json.empty"]);
    typed(BATCH, "nonsense", &["json.syntax"]);
    typed(BATCH, "[0,0,0,0,0]", &["event.invalid"; 5]);
    typed(BATCH, "[0,0,0,0,0,0]", &["batch.events"]);
    typed(BATCH, " ".repeat(2001), &["body.bytes"]);
    let nodes = format!("[{}1]", "1,".repeat(38));
    typed(BATCH, format!("[{nodes},{nodes}]"), &["event.invalid"; 2]);
    typed(BATCH, format!("[{nodes},{nodes},1]"), &["batch.nodes"]);
    let many = format!("[{}1]", "1,".repeat(49));
    typed(BATCH, format!("[{many},{good}]"), &["json.nodes", "1"]);
}

#[test]
fn lines_are_a_batch() {
    let good = event("1").to_string();
    typed(
        LINES,
        format!("{good}\n\r\n{}\r\n", event("2")),
        &["1", "2"],
    );
    typed(
        LINES,
        format!("{good}\n{{\n{good}"),
        &["1", "json.syntax", "1"],
    );
    typed(
        LINES,
        [good.as_bytes(), b"\n\xff\n", good.as_bytes()].concat(),
        &["1", "json.utf8", "1"],
    );
    typed(LINES, "", &[]);
    typed(LINES, "0\n".repeat(6), &["batch.events"]);
    typed(
        LINES,
        format!("{}\n{good}", "0".repeat(401)),
        &["event.bytes", "1"],
    );
}

fn binary(extra: &[(&str, &str)], body: &[u8]) -> Value {
    let base = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
    ];
    let mut pairs: Vec<_> = base
        .into_iter()
        .filter(|(name, _)| extra.iter().all(|e| e.0 != *name))
        .collect();
    pairs.extend(extra.iter().filter(|(_, value)| !value.is_empty()));
    match parse(&headers(&pairs), body, &Limits::default()) {
        Ok(mut items) => match items.remove(0) {
            Ok(event) => event.to_value(),
            Err(refusal) => json!(refusal.code),
        },
        Err(error) => json!(error.code()),
    }
}

#[test]
fn binary_mode_attributes() {
    let mut expected = event("1");
    expected["subject"] = "Euro € 😀".into();
    expected["time"] = "2018-04-05T03:56:24.000000Z".into();
    expected["dataschema"] = "http://x".into();
    expected["region"] = "eu".into();
    let pairs = [
        ("CE-Subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("ce-time", "2018-04-05T03:56:24Z"),
        ("ce-dataschema", "http://x"),
        ("ce-region", "\"eu\""),
    ];
    assert_eq!(binary(&pairs, b""), expected);
    for (name, value, code) in [
        ("ce-id", "", "event.invalid"),
        ("ce-source", "", "event.invalid"),
        ("ce-specversion", "0.3", "event.invalid"),
        ("ce-time", "noon", "event.invalid"),
        ("ce-some-name", "x", "event.invalid"),
        ("ce-", "x", "event.invalid"),
        ("ce-subject", "a%0Ab", "event.attribute"),
        ("ce-subject", "%ff", "header.invalid"),
        ("ce-data", "x", "header.invalid"),
        ("ce-data_base64", "eA==", "header.invalid"),
        ("ce-datacontenttype", "text/plain", "header.invalid"),
    ] {
        assert_eq!(
            binary(&[(name, value)], b""),
            json!(code),
            "{name}: {value}"
        );
    }
    let mut twice = headers(&[
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
    ]);
    twice.append("ce-id", "2".parse().unwrap());
    assert_eq!(
        parse(&twice, b"", &Limits::default()).unwrap_err().code(),
        "header.invalid"
    );
    let same = binary(
        &[
            ("content-type", "application/json; charset=utf-8"),
            ("ce-datacontenttype", "application/json"),
        ],
        b"1",
    );
    assert_eq!(same["datacontenttype"], "application/json; charset=utf-8");
}

#[test]
fn binary_mode_data() {
    let data = |content_type: &str, body: &[u8]| {
        let value = binary(&[("content-type", content_type)], body);
        value
            .get("data")
            .or(value.get("data_base64"))
            .cloned()
            .unwrap_or(value)
    };
    assert_eq!(data("application/json", b"{\"a\":[1]}"), json!({"a": [1]}));
    assert_eq!(
        data("application/vnd.x+json; charset=utf-8", b"7"),
        json!(7)
    );
    assert_eq!(
        data("application/x-ndjson", b"1\n2"),
        json!("MQoy"),
        "binary mode wins over lines"
    );
    assert_eq!(data("text/plain", "ünï".as_bytes()), json!("ünï"));
    assert_eq!(data("text/csv; charset=us-ascii", b"a,b"), json!("a,b"));
    assert_eq!(data("text/plain; charset=latin1", b"\xfc"), json!("/A=="));
    assert_eq!(data("application/xml", b"<a/>"), json!("PGEvPg=="));
    assert_eq!(data("", b"\x00\xff"), json!("AP8="));
    for (content_type, body, code) in [
        ("application/json", &b"{"[..], "json.syntax"),
        (
            "application/json",
            b"{\"a\":1,\"a\":1}",
            "json.duplicate-key",
        ),
        (
            "application/json; charset=utf-16",
            b"1",
            "content-type.charset",
        ),
        ("text/plain", b"\xff", "json.utf8"),
        ("text/plain", &[b'x'; 300_000], "json.string"),
        (
            "application/octet-stream",
            &[0; (1 << 20) + 1],
            "body.bytes",
        ),
    ] {
        assert_eq!(data(content_type, body), json!(code), "{content_type}");
    }
    for nothing in [&b""[..], b"null"] {
        let pairs = [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/s"),
            ("ce-type", "t"),
        ];
        let items = parse(&headers(&pairs), nothing, &Limits::default()).unwrap();
        assert_eq!(items[0].as_ref().unwrap().data, Data::None);
    }
}

#[test]
fn refusals_quote_without_steering() {
    let evil = "\u{1b}[2J\n\u{202e}gnp";
    let mut bad = event(evil);
    bad["time"] = evil.into();
    bad[evil] = evil.into();
    let body = format!(
        "[{bad}, {{\"specversion\": {0}}}, {{{0}:1,{0}:2}}]",
        json!(evil)
    );
    for item in parse(
        &headers(&[("content-type", BATCH)]),
        body.as_bytes(),
        &Limits::default(),
    )
    .unwrap()
    {
        let refusal = item.unwrap_err();
        let text = format!("{refusal} {}", refusal.id.clone().unwrap_or_default());
        assert!(!text.contains(['\u{1b}', '\n', '\u{202e}']), "{text:?}");
        assert!(text.contains("\\u{1b}[2J\\n\\u{202e}gnp"), "{text:?}");
    }
    for name in ["content-type", "ce-x"] {
        let mut pairs = headers(&[("ce-specversion", "1.0")]);
        let value = http::HeaderValue::from_bytes("a\u{202e}\u{9b}b".as_bytes()).unwrap();
        pairs.insert(name, value);
        let text = match parse(&pairs, b"", &Limits::default()) {
            Ok(items) => items[0].as_ref().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(!text.contains(['\u{9b}', '\u{202e}']), "{text:?}");
    }
}
