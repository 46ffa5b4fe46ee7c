//! What senders send.

use std::sync::LazyLock;

use edsr_model::{Event, Timestamp};
use edsr_source::{Adapter, Auth, Limits, Mapping, MappingSpec, ReplayWindow, Source};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

static CLOUDEVENTS: LazyLock<Source> = LazyLock::new(|| source(Adapter::CloudEvents));
static ALERTS: LazyLock<Source> = LazyLock::new(|| source(Adapter::Alertmanager));
static MAPPED: LazyLock<Source> = LazyLock::new(|| {
    let spec = MappingSpec {
        each: Some("body.items".into()),
        kind: "'x.' + item.kind".into(),
        subject: Some("item.?subject.orValue(null)".into()),
        time: Some("item.?at.orValue(null)".into()),
        id: Some("item.?id.orValue(null)".into()),
        ..MappingSpec::default()
    };
    #[allow(clippy::expect_used, reason = "the mapping stands above")]
    let mapping = Mapping::compile(&spec).expect("it compiles");
    source(Adapter::Webhook(Box::new(mapping)))
});

#[allow(clippy::expect_used, reason = "the name is one")]
fn source(adapter: Adapter) -> Source {
    Source::new("fuzz", adapter, Auth::None, Limits::default()).expect("the name is one")
}

fn with_type(media: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))])
}

/// What is taken must be the same event when it is stored and read again.
fn take(source: &Source, headers: &HeaderMap, body: &[u8]) {
    let mut replay = ReplayWindow::default();
    let Ok(items) = source.receive(headers, body, Timestamp::EPOCH, &mut replay) else {
        return;
    };
    for event in items.iter().flatten() {
        stays_the_same(event);
    }
}

fn stays_the_same(event: &Event) {
    let stored = serde_json::to_vec(event).unwrap_or_default();
    match serde_json::from_slice::<Event>(&stored) {
        Ok(read) => assert_eq!(read, *event),
        Err(error) => panic!("a taken event cannot be read again: {error}"),
    }
}

pub(super) fn event(data: &[u8]) {
    take(
        &CLOUDEVENTS,
        &with_type("application/cloudevents+json"),
        data,
    );
    // The bounded reader and the plain one agree on what is JSON, as far as the bounded one goes.
    if let Ok(value) = edsr_source::json::read(data, &Limits::default()) {
        match serde_json::from_slice::<serde_json::Value>(data) {
            Ok(plain) => assert_eq!(value, plain),
            Err(error) => panic!("taken as JSON, which it is not: {error}"),
        }
    }
}

pub(super) fn batch(data: &[u8]) {
    let batch = "application/cloudevents-batch+json";
    for media in [
        batch,
        "application/x-ndjson",
        "application/cloudevents+ndjson",
    ] {
        take(&CLOUDEVENTS, &with_type(media), data);
    }
}

/// Binary mode: each line `name: value` up to an empty one is a header, the rest the body.
pub(super) fn headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, more) = (&rest[..end], &rest[end + 1..]);
        rest = more;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            break;
        };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    take(&CLOUDEVENTS, &headers, rest);
}

pub(super) fn alertmanager(data: &[u8]) {
    take(&ALERTS, &with_type("application/json"), data);
}

pub(super) fn mapping(data: &[u8]) {
    take(&MAPPED, &with_type("application/json"), data);
}
