//! A source from end to end: verified, read, mapped, stamped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail so"
)]

mod common;

use common::headers;
use edsr_model::Timestamp;
use edsr_source::{
    Adapter, Auth, Kind, Limits, Mapping, MappingSpec, ReplayWindow, Secret, Source,
};

// Signed with `openssl dgst -sha256 -hmac key`.
const BODY: &[u8] = b"{\"n\":1}";

fn source(adapter: Adapter, auth: Auth) -> Source {
    Source::new("shop", adapter, auth, Limits::default()).unwrap()
}

fn mapping(kind: &str) -> Adapter {
    let spec = MappingSpec {
        kind: kind.to_owned(),
        extensions: [("region".to_owned(), "'eu'".to_owned())].into(),
        ..MappingSpec::default()
    };
    Adapter::Webhook(Box::new(Mapping::compile(&spec).unwrap()))
}

#[test]
fn every_event_carries_the_stamp_of_its_source() {
    let event = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","edsrvia":"forged","edsrdepth":2,"edsrx":1}"#;
    let source = source(Adapter::CloudEvents, Auth::None);
    let kind = headers(&[("content-type", "application/cloudevents+json")]);
    let items = source
        .receive(&kind, event, Timestamp::EPOCH, &mut ReplayWindow::default())
        .unwrap();
    let event = items[0].as_ref().unwrap();
    assert_eq!(event.extension_str("edsrvia"), Some("shop"));
    assert_eq!((event.depth(), event.extensions.len()), (2, 2));
}

#[test]
fn nothing_is_read_before_the_sender_is_known() {
    let source = source(mapping("'t'"), Auth::bearer(&Secret::new("token")).unwrap());
    let mut window = ReplayWindow::default();
    let refused = source
        .receive(&headers(&[]), b"not json", Timestamp::EPOCH, &mut window)
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::Unauthorized, "auth.missing")
    );
    let known = headers(&[("authorization", "Bearer token")]);
    let refused = source
        .receive(&known, b"not json", Timestamp::EPOCH, &mut window)
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (Kind::BadRequest, "json.syntax")
    );
    let items = source
        .receive(&known, BODY, Timestamp::EPOCH, &mut window)
        .unwrap();
    assert_eq!(
        items[0].as_ref().unwrap().extension_str("region"),
        Some("eu")
    );
}

#[test]
fn a_delivery_that_cannot_be_read_is_told_so_again() {
    let auth = || Auth::github(vec![Secret::new("key")]).unwrap();
    let signature = "sha256=105f53bf3b432ed2e10c1a2f4f0cdc165d1ecdcf1412664224a905f19651c2b2";
    let known = headers(&[
        ("x-hub-signature-256", signature),
        ("x-github-delivery", "d-1"),
    ]);
    let mut window = ReplayWindow::default();
    let each = MappingSpec {
        each: Some("body.items".to_owned()),
        kind: "'t'".to_owned(),
        ..MappingSpec::default()
    };
    let failing = source(
        Adapter::Webhook(Box::new(Mapping::compile(&each).unwrap())),
        auth(),
    );
    for _ in 0..2 {
        let refused = failing
            .receive(&known, BODY, Timestamp::EPOCH, &mut window)
            .unwrap_err();
        assert_eq!(refused.code(), "mapping.failed");
    }
    assert!(window.is_empty());
    let working = source(mapping("'t'"), auth());
    assert!(
        working
            .receive(&known, BODY, Timestamp::EPOCH, &mut window)
            .is_ok()
    );
    let again = working
        .receive(&known, BODY, Timestamp::EPOCH, &mut window)
        .unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (Kind::Replayed, "auth.replayed")
    );
}

#[test]
fn names_fit_paths_and_attributes() {
    for good in ["a", "shop-eu.1_x", &"x".repeat(63)] {
        assert!(Source::new(good, Adapter::CloudEvents, Auth::None, Limits::default()).is_ok());
    }
    for bad in [
        "",
        "A",
        "a/b",
        "..",
        ".",
        "a b",
        "é",
        "a\n",
        &"x".repeat(64),
    ] {
        assert!(
            Source::new(bad, Adapter::CloudEvents, Auth::None, Limits::default()).is_err(),
            "{bad}"
        );
    }
}
