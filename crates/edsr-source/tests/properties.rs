//! For all inputs: nothing panics, nothing steers, and what is an event stays the same event.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail so"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use edsr_model::printable;
use edsr_model::{Data, Event, Scalar, Timestamp};
use edsr_source::{
    Adapter, Auth, Limits, Mapping, MappingSpec, ReplayWindow, Secret, Source, cloudevents::parse,
};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let spec = MappingSpec {
        each: Some("body.items".into()),
        kind: "item.kind".into(),
        subject: Some("item.?subject.orValue(null)".into()),
        time: Some("item.?at.orValue(null)".into()),
        ..MappingSpec::default()
    };
    let mapping = || Adapter::Webhook(Box::new(Mapping::compile(&spec).unwrap()));
    let whsec = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    [
        (Adapter::CloudEvents, Auth::None),
        (Adapter::Alertmanager, Auth::None),
        (mapping(), Auth::None),
        (mapping(), Auth::bearer(&Secret::new("t")).unwrap()),
        (mapping(), Auth::github(vec![Secret::new("s")]).unwrap()),
        (
            mapping(),
            Auth::standard_webhooks(&[whsec], edsr_source::auth::TOLERANCE).unwrap(),
        ),
    ]
    .into_iter()
    .map(|(adapter, auth)| Source::new("s", adapter, auth, Limits::default()).unwrap())
    .collect()
});

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,3}|.{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON that looks like what the adapters expect, with anything inside.
fn payload() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "status",
        "fingerprint",
        "labels",
        "startsAt",
        "endsAt",
        "kind",
        "subject",
        "at",
        "id",
        "type",
        "source",
        "specversion",
        "data",
        "data_base64",
        "time",
    ]);
    let values = prop_oneof![
        json(),
        prop::sample::select(vec![
            "firing",
            "resolved",
            "1.0",
            "2026-01-02T03:04:05Z",
            "x"
        ])
        .prop_map(Value::from),
    ];
    let alert = prop::collection::btree_map(keys.prop_map(str::to_owned), values, 0..8);
    let alert = alert.prop_map(|map| Value::Object(map.into_iter().collect()));
    let items = prop::collection::vec(prop_oneof![4 => alert, 1 => json()], 0..4);
    (items, json()).prop_map(|(items, other)| {
        serde_json::json!({"version": "4", "alerts": items, "items": items, "groupLabels": other})
    })
}

fn header_map() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "content-type",
        "ce-specversion",
        "ce-id",
        "ce-type",
        "ce-source",
        "ce-time",
        "ce-data",
        "ce-x",
        "authorization",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-hub-signature-256",
        "x-github-delivery",
    ]);
    let known = prop::sample::select(vec![
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "text/plain",
        "application/x-ndjson",
        "1.0",
        "Bearer t",
        "v1,AAAA",
        "sha256=00",
        "0",
    ]);
    let value = prop_oneof![
        known.prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec((name, value), 0..10).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    })
}

/// Text that an attribute may hold.
fn text() -> impl Strategy<Value = String> {
    "[ -~]{1,8}|[à-ÿ漢字😀]{1,4}"
}

fn event() -> impl Strategy<Value = Event> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i32>().prop_map(|n| Scalar::Int(n.into())),
        text().prop_map(Scalar::Str),
    ];
    let data = prop_oneof![
        Just(Data::None),
        json()
            .prop_filter("null is no data", |v| !v.is_null())
            .prop_map(|value| Data::Json(value.into())),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Data::Binary),
    ];
    let micros = 0..253_402_300_799_000_000_i64;
    (
        (text(), text(), text()),
        prop::option::of(text()),
        prop::option::of(micros.prop_map(Timestamp::from_micros)),
        prop::option::of(text()),
        prop::option::of(text()),
        prop::collection::btree_map("ext[a-z0-9]{1,6}", scalar, 0..4),
        data,
    )
        .prop_map(
            |((id, source, kind), subject, time, datacontenttype, dataschema, extensions, data)| {
                Event {
                    id,
                    source,
                    kind,
                    subject,
                    time,
                    datacontenttype,
                    dataschema,
                    extensions: extensions.into_iter().collect::<BTreeMap<_, _>>(),
                    data,
                }
            },
        )
}

fn typed(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    )])
}

fn plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

fn survives(headers: &HeaderMap, body: &[u8]) -> Result<(), TestCaseError> {
    for source in SOURCES.iter() {
        let answer = source.receive(headers, body, Timestamp::EPOCH, &mut ReplayWindow::new(4));
        match answer {
            Err(refused) => prop_assert!(plain(&refused.to_string()), "{refused}"),
            Ok(items) => {
                for item in items {
                    match item {
                        Err(refusal) => {
                            prop_assert!(plain(&refusal.to_string()), "{refusal}");
                            prop_assert!(plain(&refusal.id.unwrap_or_default()));
                        }
                        Ok(event) => {
                            prop_assert_eq!(event.extension_str("edsrvia"), Some("s"));
                            prop_assert_eq!(Event::from_value(event.to_value()), Ok(event));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    // A failure prints its input; there is no place for a file of them here.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_requests_are_answered(headers in header_map(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&headers, &body)?;
    }

    #[test]
    fn arbitrary_json_is_answered(headers in header_map(), body in prop_oneof![json(), payload()]) {
        survives(&headers, body.to_string().as_bytes())?;
    }

    #[test]
    fn json_is_read_as_it_was_written(value in json()) {
        let read = edsr_source::json::read(value.to_string().as_bytes(), &Limits::default());
        prop_assert_eq!(read, Ok(value));
    }

    #[test]
    fn an_event_stays_itself(events in prop::collection::vec(event(), 1..4)) {
        let one = events[0].to_value().to_string();
        let read = parse(&typed("application/cloudevents+json"), one.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&read, &[Ok(events[0].clone())]);

        let all: Vec<_> = events.iter().cloned().map(Ok).collect();
        let values: Vec<_> = events.iter().map(Event::to_value).collect();
        let batch = Value::from(values.clone()).to_string();
        let read = parse(&typed("application/cloudevents-batch+json"), batch.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&read, &all);

        let lines: Vec<_> = values.iter().map(Value::to_string).collect();
        let read = parse(&typed("application/x-ndjson"), lines.join("\n").as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(&read, &all);
    }

    #[test]
    fn printable_is_printable(text in any::<String>(), max in 0_usize..40) {
        let shown = printable(&text, max);
        prop_assert!(plain(&shown) && shown.chars().count() <= max);
    }
}
