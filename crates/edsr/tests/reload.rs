//! A bundle that is edited while the node runs.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use common::{Node, OPEN_NODE, Place, Request, text, wait_for};
use serde_json::json;

fn detectors(edited_at_least: &str) -> String {
    let detector = |name: &str, kind: &str, at_least: &str| {
        format!(
            "---
apiVersion: edsr.dev/v1
kind: Detector
metadata: {{ name: {name}, owner: team }}
spec:
  on: type == \"{kind}\"
  count: {{ over: 10m, atLeast: {at_least} }}
"
        )
    };
    detector("edited", "edited", edited_at_least) + &detector("kept", "kept", "3")
}

/// The journal shows what is durable, so an entry may come a moment after what it says.
fn wait_activations(node: &Node, wanted: usize) {
    let found = wait_for("the entry of the bundle", || {
        let journal = node.journal().into_iter();
        let found = journal.filter(|entry| text(entry, "/kind") == "bundle-activated");
        Some(found.count()).filter(|count| *count >= wanted)
    });
    assert_eq!(found, wanted);
}

#[test]
fn an_edit_comes_into_force_and_a_broken_one_does_not() {
    let place = Place::new(OPEN_NODE);
    place.write("detectors/all.yaml", &detectors("100"));
    let node = place.start();
    let old = wait_for("the first bundle", || {
        Some(text(&node.status(), "/bundle").to_owned()).filter(|hash| !hash.is_empty())
    });
    wait_activations(&node, 1);
    node.events("kept", &[("k1", json!({})), ("k2", json!({}))]);
    node.events("edited", &[("e1", json!({})), ("e2", json!({}))]);

    // Another line: a new hash, an entry, and the other detector still knows its two events.
    place.write("detectors/all.yaml", &detectors("2"));
    let new = wait_for("the edited bundle", || {
        Some(text(&node.status(), "/bundle").to_owned()).filter(|hash| *hash != old)
    });
    wait_activations(&node, 2);
    let told = node.cli_ok(&["status", "-o", "json"]);
    assert!(told.contains(&new), "{told}");
    node.events("kept", &[("k3", json!({}))]);
    let kept = node.wait_item("detections", "/detector", "kept");
    assert_eq!(text(&kept, "/bundle"), new);
    node.events("edited", &[("e3", json!({})), ("e4", json!({}))]);
    node.wait_item("detections", "/detector", "edited");

    // A mistake: refused with its line, and everything else goes on.
    place.write("detectors/all.yaml", &detectors("many"));
    let problems = wait_for("the mistakes", || {
        let status = node.status();
        Some(text(&status, "/bundle_problems").to_owned()).filter(|text| !text.is_empty())
    });
    assert!(problems.contains("detectors/all.yaml"), "{problems}");
    let told = node.cli_ok(&["status"]);
    assert!(
        told.contains("is refused") && told.contains("all.yaml"),
        "{told}"
    );
    assert_eq!(text(&node.status(), "/bundle"), new);
    node.event("after", "kept", &json!({})).is(202);

    // A policy that would run the parser out of stack is refused as well, and ends nothing.
    place.write("detectors/all.yaml", &detectors("2"));
    let deep = "(".repeat(5_000) + "true" + &")".repeat(5_000);
    let deep = format!("permit (principal, action, resource) when {{ {deep} }};");
    place.write("policies/deep.cedar", &deep);
    let problems = wait_for("the deep policy", || {
        let status = node.status();
        Some(text(&status, "/bundle_problems").to_owned()).filter(|text| text.contains("deep"))
    });
    assert!(problems.contains("brackets"), "{problems}");
    std::fs::remove_file(place.ops().join("policies/deep.cedar")).unwrap();

    // Mended, back to what it was at first.
    place.write("detectors/all.yaml", &detectors("100"));
    wait_for("the mended bundle", || {
        let status = node.status();
        (text(&status, "/bundle") == old && status["bundle_problems"].is_null()).then_some(())
    });
    wait_activations(&node, 3);
    node.stop();
    place.verify_audit();
}

/// What was refused while the node ran is refused at its next start too; the data is not harmed by that.
#[test]
fn a_broken_bundle_does_not_start() {
    let place = Place::new(OPEN_NODE);
    place.write("detectors/all.yaml", &detectors("many"));
    let mut command = place.edsr();
    command
        .arg("run")
        .arg(place.ops())
        .arg("--data-dir")
        .arg(place.data_dir());
    let output = command.args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", common::told(&output));
    assert!(
        common::told(&output).contains("all.yaml"),
        "{}",
        common::told(&output)
    );
    assert!(!place.data_dir().exists());
    place.write("detectors/all.yaml", &detectors("2"));
    place.start().stop();
}

/// Who may send stands in `edsr.yaml`, which is not part of the bundle's hash: the first edit counts all the same.
#[test]
fn a_door_that_is_locked_is_locked() {
    let place = Place::new(OPEN_NODE);
    std::fs::write(place.path("secret"), "s3cret").unwrap();
    let node = place.start();
    node.event("e1", "other", &json!({})).is(202);
    let locked = OPEN_NODE.replace("none: true", "bearer: { secret: { file: ../secret } }");
    place.write("edsr.yaml", &locked);
    wait_for("the lock", || {
        (node.event("e1", "other", &json!({})).status == 401).then_some(())
    });
    wait_activations(&node, 1);
    node.stop();
}

const HOOK: &str = "\
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: deploys, owner: team }
spec:
  type: webhook
  auth: { bearer: { secret: { file: ../secret } } }
  map: { type: '\"deploy.finished\"' }
";

/// Doors open and close with their documents; one whose secret is not there stays shut, and says so.
#[test]
fn doors_follow_their_documents() {
    let place = Place::new(OPEN_NODE);
    let node = place.start();
    let knock = Request::post("/v1/hooks/deploys", "{}").json();
    let knock = knock.bearer("s3cret");
    node.send(&knock).is(404);
    place.write("sources/deploys.yaml", HOOK);
    let problems = wait_for("the missing secret", || {
        let status = node.status();
        Some(text(&status, "/bundle_problems").to_owned()).filter(|text| !text.is_empty())
    });
    assert!(problems.contains("secret"), "{problems}");
    node.send(&knock).is(404);

    std::fs::write(place.path("secret"), "s3cret").unwrap();
    // The secret lies elsewhere; an edit makes the node look again.
    place.write("sources/deploys.yaml", &format!("# mended\n{HOOK}"));
    wait_for("the door", || {
        (node.send(&knock).status == 202).then_some(())
    });
    node.send(&knock.bearer("too")).is(401);
    std::fs::remove_file(place.ops().join("sources/deploys.yaml")).unwrap();
    wait_for("the shut door", || {
        let knock = Request::post("/v1/hooks/deploys", "{}").json();
        (node.send(&knock).status == 404).then_some(())
    });
    assert_eq!(node.all("events").len(), 1);
    node.stop();
}
