//! A node as its neighbours meet it: senders, people, scripts, and a second node that wants the same directory.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod doors;
mod ingest;
mod pauses;
mod starts;

use common::{OPEN_NODE, Place};

/// A detector that opens for each `trouble` event, and a playbook that notes each of its runs in `ops/effects`.
fn repairs(place: &Place, autonomy: &str) {
    let text = format!(
        r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: {{ name: trouble, owner: team }}
spec:
  on: type == "trouble"
  by: [data.n]
  match: {{ when: "!data.over", clear: data.over }}
  respond: [repair]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: {{ name: repair, owner: team }}
spec:
  target: thing/${{detection.key.n}}
  risk: low
  autonomy: {autonomy}
  steps:
    - {{ id: note, uses: exec/run, with: {{ argv: [/bin/sh, append.sh] }} }}
  verify: {{ until: detection.resolved, within: 1m }}
"#
    );
    place.write("repairs.yaml", &text);
    let script = "echo \"$EDSR_TARGET\" >>effects\n";
    std::fs::write(place.ops().join("append.sh"), script).unwrap();
}

/// The targets that were worked on, in order.
fn effects(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.ops().join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn open_place() -> Place {
    Place::new(OPEN_NODE)
}
