//! What a node says about itself.

use serde_json::json;

use crate::common::{Request, text};
use crate::{open_place, repairs};

#[test]
fn health_metrics_and_description() {
    let place = open_place();
    repairs(&place, "observe");
    let node = place.start();
    node.events("other", &[("e1", json!({}))]);
    assert_eq!(node.send(&Request::get("/healthz")).is(200).body, "ok\n");
    assert_eq!(node.get("/readyz")["ready"], true);
    let metrics = node.send(&Request::get("/metrics")).is(200);
    assert!(
        metrics.head.contains("application/openmetrics-text"),
        "{metrics:?}"
    );
    assert!(metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    assert!(
        metrics.body.contains("edsr_events_accepted_total 1"),
        "{metrics:?}"
    );
    let description = node.get("/openapi.json");
    assert!(
        text(&description, "/openapi").starts_with("3.1"),
        "{description}"
    );
    let paths = description["paths"].as_object().unwrap();
    for path in [
        "/v1/events",
        "/v1/status",
        "/v1/pauses",
        "/v1/explain/{ref}",
        "/healthz",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let status = node.status();
    assert_eq!(
        (&status["ready"], &status["lsn"]),
        (&json!(true), &json!(1))
    );
    let documents = node.list("documents");
    assert!(
        documents
            .iter()
            .any(|document| document["name"] == "trouble"),
        "{documents:?}"
    );
    node.stop();
}

#[test]
fn nothing_is_explained_too() {
    let place = open_place();
    repairs(&place, "observe");
    let node = place.start();
    node.events("other", &[("e1", json!({"n": 1}))]);
    node.events("trouble", &[("e2", json!({"n": 2, "over": false}))]);
    node.wait_item("decisions", "/verdict", "observe");

    let story = node.get("/v1/explain/event:1");
    let outcome = text(&story, "/situations/0/outcome");
    assert_eq!(outcome, "nothing-detected", "{story}");
    assert_eq!(story["event"]["event"]["id"], "e1", "{story}");
    let told = node.cli_ok(&["explain", "1"]);
    assert!(told.contains("nothing-detected"), "{told}");
    let told = node.cli_ok(&["explain", "--source", "/test", "--id", "e1"]);
    assert!(told.contains("nothing-detected"), "{told}");

    let told = node.cli_ok(&["explain", "2"]);
    assert!(
        told.contains("observed") && told.contains("repair"),
        "{told}"
    );
    for unknown in ["3", "det-0000000000", "nonsense"] {
        let output = node.cli(&["explain", unknown]);
        assert_eq!(
            output.status.code(),
            Some(3),
            "{unknown}: {}",
            crate::common::told(&output)
        );
    }
    node.stop();
}
