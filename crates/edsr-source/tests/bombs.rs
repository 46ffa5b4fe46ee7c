//! Requests that are made to hurt: each must be answered with a named bound, without work or memory out of proportion.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail so"
)]

mod common;

use common::headers;
use edsr_source::{
    Adapter, Auth, Limits, Mapping, MappingSpec, ReplayWindow, Source, cloudevents::parse, json,
};

const MILLION: usize = 1_000_000;

#[test]
fn values_beyond_the_bounds_are_refused_by_name() {
    let limits = Limits::default();
    let keys: Vec<String> = (0..MILLION).map(|n| format!("\"{n}\":0")).collect();
    for (what, body, code) in [
        ("nested arrays", "[".repeat(MILLION), "json.depth"),
        (
            "nested arrays, closed",
            "[".repeat(MILLION) + &"]".repeat(MILLION),
            "json.depth",
        ),
        ("nested objects", "{\"a\":".repeat(MILLION), "json.depth"),
        ("many keys", format!("{{{}}}", keys.join(",")), "json.nodes"),
        (
            "many values",
            format!("[{}0]", "0,".repeat(MILLION)),
            "json.nodes",
        ),
        (
            "many objects",
            format!("[{}0]", "{},".repeat(MILLION)),
            "json.nodes",
        ),
        (
            "one key twice",
            "{\"a\":1,\"a\":1}".to_owned(),
            "json.duplicate-key",
        ),
        (
            "one key a million times",
            format!("{{{}\"a\":0}}", "\"a\":0,".repeat(MILLION)),
            "json.duplicate-key",
        ),
        (
            "a long string",
            format!("\"{}\"", "x".repeat(2 << 20)),
            "json.string",
        ),
        (
            "a long string of escapes",
            format!("\"{}\"", "\\u0041".repeat(1 << 20)),
            "json.string",
        ),
        (
            "a long key",
            format!("{{\"{}\":1}}", "x".repeat(2 << 20)),
            "json.string",
        ),
        ("a huge number", "1e999999".to_owned(), "json.syntax"),
        ("a long number", "9".repeat(MILLION), "json.syntax"),
        (
            "a huge negative number",
            "[-1e999999]".to_owned(),
            "json.syntax",
        ),
    ] {
        let error = json::read(body.as_bytes(), &limits).expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
        assert!(
            error.to_string().len() < 1000,
            "{what}: the error repeats the bomb"
        );
    }
}

#[test]
fn requests_beyond_the_bounds_are_refused_before_they_are_read() {
    let limits = Limits::default();
    for (kind, body, code) in [
        (
            "application/cloudevents+json",
            "[".repeat(limits.event_bytes + 1),
            "body.bytes",
        ),
        (
            "application/cloudevents-batch+json",
            "[".repeat(limits.batch_bytes + 1),
            "body.bytes",
        ),
        (
            "application/x-ndjson",
            "0\n".repeat(limits.batch_bytes / 2 + 1),
            "body.bytes",
        ),
        (
            "application/cloudevents-batch+json",
            "[".repeat(limits.batch_bytes),
            "json.syntax",
        ),
        (
            "application/cloudevents-batch+json",
            format!("[{}0]", "0,".repeat(MILLION)),
            "batch.events",
        ),
        (
            "application/x-ndjson",
            "0\n".repeat(MILLION),
            "batch.events",
        ),
        // Small in bytes, eighty times that in memory.
        (
            "application/cloudevents-batch+json",
            format!(
                "[{}0]",
                format!("[{}0],", "{\"a\":0},".repeat(40_000)).repeat(20)
            ),
            "batch.nodes",
        ),
    ] {
        let error = parse(
            &headers(&[("content-type", kind)]),
            body.as_bytes(),
            &limits,
        )
        .unwrap_err();
        assert_eq!(error.code(), code, "{kind}: {error}");
    }
}

#[test]
fn a_deep_event_costs_a_batch_nothing_but_itself() {
    let good = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let deep = "[".repeat(400_000) + &"]".repeat(400_000);
    let body = format!("[{good},{deep},{good}]");
    let kind = headers(&[("content-type", "application/cloudevents-batch+json")]);
    let items = parse(&kind, body.as_bytes(), &Limits::default()).unwrap();
    assert!(items[0].is_ok() && items[2].is_ok());
    assert_eq!(items[1].as_ref().unwrap_err().code, "json.depth");
}

#[test]
fn webhooks_are_bounded_like_events() {
    let spec = MappingSpec {
        kind: "'t'".to_owned(),
        ..MappingSpec::default()
    };
    let mapping = Mapping::compile(&spec).unwrap();
    for adapter in [Adapter::Webhook(Box::new(mapping)), Adapter::Alertmanager] {
        let source = Source::new("s", adapter, Auth::None, Limits::default()).unwrap();
        for (body, code) in [
            (vec![b' '; source.body_bytes() + 1], "body.bytes"),
            ("[".repeat(MILLION).into_bytes(), "json.depth"),
            (
                format!("[{}0]", "0,".repeat(510_000)).into_bytes(),
                "json.nodes",
            ),
            (b"{\"a\":1,\"a\":2}".to_vec(), "json.duplicate-key"),
            (b"".to_vec(), "json.empty"),
        ] {
            let refused = source
                .receive(
                    &headers(&[]),
                    &body,
                    edsr_model::Timestamp::EPOCH,
                    &mut ReplayWindow::default(),
                )
                .unwrap_err();
            assert_eq!(refused.code(), code, "{source:?}");
        }
    }
}
