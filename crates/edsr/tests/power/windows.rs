//! What a detector has seen and what it waits for outlive the process.

use serde_json::{Value, json};

use crate::common::{OPEN_NODE, Place, text, wait_for};

const WINDOWS: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: four, owner: team }
spec:
  on: type == "bump"
  count: { over: 1m, atLeast: 4 }
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: silent, owner: team }
spec:
  on: type == "begun" || type == "done"
  by: [data.job]
  absent: { after: type == "begun", expect: type == "done", within: 10s }
"#;

#[test]
fn windows_and_clocks_span_a_crash() {
    let place = Place::new(OPEN_NODE);
    place.write("detectors.yaml", WINDOWS);
    let node = place.start();
    node.events("bump", &[("b1", json!({})), ("b2", json!({}))]);
    let jobs = ["kept", "late", "never"].map(|job| (job, json!({"job": job})));
    node.events("begun", &jobs);
    node.events("done", &[("kept-done", json!({"job": "kept"}))]);
    assert_eq!(node.list("detections"), Vec::<Value>::new());
    node.kill();

    let node = place.start();
    node.events("bump", &[("b3", json!({}))]);
    assert_eq!(node.list("detections?detector=four").len(), 0);
    node.events("bump", &[("b4", json!({})), ("b5", json!({}))]);
    node.events("done", &[("late-done", json!({"job": "late"}))]);
    let four = node.wait_item("detections", "/detector", "four");
    // Armed before the crash, and what would have disarmed it never came.
    let silent = node.wait_item("detections", "/detector", "silent");
    assert_eq!(text(&silent, "/key_text"), "job=never");
    node.kill();

    let node = place.start();
    node.events("bump", &[("b6", json!({}))]);
    let open = wait_for("both detections, once", || {
        Some(node.list("detections")).filter(|found| found.len() >= 2)
    });
    assert_eq!(open.len(), 2, "{open:?}");
    for found in [four, silent] {
        assert!(
            open.iter().any(|item| item["id"] == found["id"]),
            "{open:?}"
        );
    }
    node.stop();
    place.verify_audit();
}
