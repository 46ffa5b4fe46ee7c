//! A bundle whose repairs leave a line in a file, and what has to be true of those lines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::common::{Node, OPEN_NODE, Place, Request, text, wait_within};

/// How long the last run may take to end once nothing goes wrong any more.
const END_WAIT: Duration = Duration::from_secs(120);

/// Some events ask for a repair, which is two lines in a file and leaves the engine a moment to die in.
const REPAIRS: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: trouble, owner: team }
spec:
  on: type == "tick" && data.trouble
  by: [data.n]
  match: {}
  keepFor: 50ms
  respond: [repair]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: repair, owner: team }
spec:
  target: thing/${detection.key.n}
  risk: low
  autonomy: auto
  guards: { cooldown: 0s, breaker: { after: 1000000 } }
  steps:
    - { id: first, uses: exec/run, with: { argv: [/bin/sh, append.sh] }, timeout: 10s }
    - { id: second, uses: exec/run, with: { argv: [/bin/sh, append.sh] }, timeout: 10s }
  verify: { until: detection.resolved, within: 5s }
"#;

const APPEND: &str = "\
echo \"$EDSR_EXECUTION $EDSR_STEP $EDSR_ATTEMPT\" >>effects
sleep 0.02
";

/// A place with that bundle.
pub(crate) fn place() -> Place {
    let place = Place::new(OPEN_NODE);
    place.write("repairs.yaml", REPAIRS);
    std::fs::write(place.ops().join("append.sh"), APPEND).unwrap();
    place
}

/// What the repairs left so far.
pub(crate) fn effects(place: &Place) -> String {
    std::fs::read_to_string(place.ops().join("effects")).unwrap_or_default()
}

/// Waits until every run has ended, each in a state that says what is known; returns how many ended how.
pub(crate) fn check_runs(node: &Node) -> BTreeMap<String, usize> {
    // What is acknowledged may not have led to anything yet. A note has its place behind all that follows from it, and
    // is answered once it is durable.
    let note = Request::post("/v1/notes", json!({"text": "that was all"}).to_string()).json();
    let noted = node.send(&note).is(200).json();
    assert_eq!(noted["durable"], true, "{noted}");
    wait_within(END_WAIT, "the end of every run", || {
        let counts = node.status()["counts"].clone();
        (counts["running_executions"] == 0 && counts["open_detections"] == 0).then_some(())
    });
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (_, status) in ended(node) {
        *ends.entry(status).or_default() += 1;
    }
    let known = ["succeeded", "unverified", "in-doubt", "failed"];
    let strange: Vec<_> = (ends.keys())
        .filter(|end| !known.contains(&end.as_str()))
        .collect();
    assert!(strange.is_empty(), "{ends:?}");
    ends
}

/// A step was dispatched once at most, every effect stands in the journal as an intent, and no run says more than was
/// done.
pub(crate) fn check_effects(node: &Node, told: &str) {
    let mut seen = BTreeSet::new();
    for line in told.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [execution, step, attempt] = words[..] else {
            panic!("{line}");
        };
        assert_eq!(attempt, "1", "{line}");
        assert!(
            seen.insert((execution.to_owned(), step.to_owned())),
            "twice: {line}"
        );
    }
    for (id, status) in ended(node) {
        let done = ["first", "second"].map(|step| seen.contains(&(id.clone(), step.to_owned())));
        let whole = done.iter().all(|done| *done);
        assert!(
            status != "succeeded" || whole,
            "{id} did not do all it says"
        );
    }
    let journal = node.journal();
    let intended: String = (journal.iter())
        .filter(|entry| text(entry, "/kind") == "step-intended")
        .map(|entry| entry["fact"].to_string() + "\n")
        .collect();
    for (execution, step) in &seen {
        let found = (intended.lines()).any(|fact| fact.contains(execution) && fact.contains(step));
        assert!(found, "no intent of {step} in {execution}");
    }
}

/// How every run ended, by id.
pub(crate) fn ended(node: &Node) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut page = node.get("/v1/executions?limit=500");
    loop {
        for item in page["items"].as_array().unwrap() {
            found.insert(
                text(item, "/id").to_owned(),
                text(item, "/status").to_owned(),
            );
        }
        match page["next"].as_u64() {
            Some(next) => page = node.get(&format!("/v1/executions?limit=500&before={next}")),
            None => return found,
        }
    }
}
