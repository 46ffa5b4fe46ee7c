//! Stopping automatic dispatch, in every way there is; and people who are asked first.

use edsr_model::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::{Node, Place, Request, now_micros, text, wait_for};
use crate::{effects, open_place, repairs};

/// Pauses with `pause`, and looks that nothing is done until a person lifts it, whatever happens to the process.
fn check_pause(by: &str, pause: impl Fn(&Place, &Node)) {
    let place = open_place();
    repairs(&place, "auto");
    let node = place.start();
    node.events("trouble", &[("t0", json!({"n": 0, "over": false}))]);
    wait_for("a run before the pause", || {
        (effects(&place) == ["thing/0"]).then_some(())
    });

    pause(&place, &node);
    let pauses = wait_for("the pause", || {
        Some(node.list("pauses")).filter(|found| !found.is_empty())
    });
    assert_eq!(pauses.len(), 1, "{pauses:?}");
    assert!(text(&pauses[0], "/by").contains(by), "{pauses:?}");
    assert_eq!(node.status()["paused"], true);
    trouble_waits(&node, 1);
    // A run that had begun is carried to its end: that is no dispatch of something new.
    node.events("trouble", &[("t0-over", json!({"n": 0, "over": true}))]);
    node.wait_item("executions", "/status", "succeeded");

    node.kill();
    let node = place.start();
    assert_eq!(node.status()["paused"], true);
    trouble_waits(&node, 2);
    node.stop();
    let node = place.start();
    assert_eq!(node.list("pauses"), pauses);
    assert_eq!(effects(&place), ["thing/0"]);
    assert_eq!(node.list("executions").len(), 1);

    let id = text(&pauses[0], "/id");
    assert_eq!(
        node.cli(&["resume", id]).status.code(),
        Some(2),
        "it asks for a reason"
    );
    node.cli_ok(&["resume", id, "--reason", "all is well"]);
    wait_for("what had waited", || {
        (effects(&place).len() == 3).then_some(())
    });
    assert_eq!(node.status()["paused"], false);
    for n in [1, 2] {
        let id = format!("t{n}-over");
        node.events("trouble", &[(&id, json!({"n": n, "over": true}))]);
    }
    wait_for("the end of both", || {
        let runs = node.list("executions");
        let done = runs
            .iter()
            .filter(|run| text(run, "/status") == "succeeded");
        (done.count() == 3).then_some(())
    });
    let mut done = effects(&place);
    done.sort();
    assert_eq!(done, ["thing/0", "thing/1", "thing/2"]);
    assert!(!place.data_dir().join("pause").exists());
    node.stop();
    place.verify_audit();
}

/// Lets something go wrong; it must be decided, with the pause as the reason why nothing is done.
fn trouble_waits(node: &Node, n: u64) {
    let id = format!("t{n}");
    node.events("trouble", &[(&id, json!({"n": n, "over": false}))]);
    let decision = node.wait_item("decisions", "/target", &format!("thing/{n}"));
    let reasons = decision["reasons"].as_array().unwrap();
    let codes: Vec<_> = reasons.iter().map(|reason| text(reason, "/code")).collect();
    assert!(codes.contains(&"paused"), "{decision}");
    assert!(decision["execution"].is_null(), "{decision}");
}

#[test]
fn a_pause_by_api() {
    check_pause("local", |_, node| {
        let body = json!({"scope": "all", "reason": "a drill"}).to_string();
        let answer = node
            .send(&Request::post("/v1/pauses", body).json())
            .is(200)
            .json();
        assert_eq!(answer["durable"], true, "{answer}");
        // It holds from the answer on, not some time later.
        assert_eq!(node.status()["paused"], true);
    });
}

#[test]
fn a_pause_by_command() {
    check_pause("local", |_, node| {
        node.cli_ok(&["pause", "--reason", "a drill"]);
        let told = node.cli_ok(&["pause", "list"]);
        assert!(told.contains("a drill"), "{told}");
    });
}

#[test]
fn a_pause_by_file() {
    check_pause("person:kim", |place, _| {
        let mut command = place.edsr();
        command
            .env("USER", "kim")
            .args(["pause", "--reason", "a drill", "--data-dir"]);
        // No server is asked.
        command
            .arg(place.data_dir())
            .args(["--server", "http://127.0.0.1:1"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", crate::common::told(&output));
        // Once its entry is durable, the file has done its work.
        let file = place.data_dir().join("pause");
        wait_for("the end of the file", || (!file.exists()).then_some(()));
    });
}

#[test]
fn a_pause_by_signal() {
    check_pause("person:signal", |_, node| node.signal(Signal::USR1));
}

/// A pause that is written while nothing runs holds before anything is done, be it new or long due.
#[test]
fn a_pause_before_the_start() {
    let place = open_place();
    repairs(&place, "auto");
    place.write("patient.yaml", PATIENT);
    let node = place.start();
    node.events("worry", &[("w1", json!({"n": 1}))]);
    wait_for("a first run", || (effects(&place).len() == 1).then_some(()));
    node.wait_item("executions", "/playbook", "soothe");
    wait_for("its end", || {
        (node.status()["counts"]["running_executions"] == 0).then_some(())
    });
    node.events("worry", &[("w2", json!({"n": 2}))]);
    let until = wait_for("a decision that waits for the cooldown", || {
        let decisions = node.list("decisions").into_iter();
        let mut reasons = decisions.flat_map(|found| found["reasons"].as_array().unwrap().clone());
        let cooldown = reasons.find(|reason| text(reason, "/code") == "guard.cooldown")?;
        serde_json::from_value::<Timestamp>(cooldown["until"].clone()).ok()
    });
    let until = u64::try_from(until.as_micros()).unwrap();
    node.stop();
    std::fs::write(place.data_dir().join("pause"), "").unwrap();
    wait_for("the end of the cooldown", || {
        (now_micros() > until).then_some(())
    });

    let node = place.start();
    wait_for("the pause", || {
        (node.status()["paused"] == true).then_some(())
    });
    trouble_waits(&node, 1);
    assert_eq!(effects(&place).len(), 1);
    assert_eq!(node.list("executions").len(), 1);
    node.cli_ok(&["resume", "--all", "--reason", "all is well"]);
    wait_for("what had waited", || {
        (effects(&place).len() == 3).then_some(())
    });
    node.stop();
}

/// Two findings, one target, and a while between two runs.
const PATIENT: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: worry, owner: team }
spec:
  on: type == "worry"
  by: [data.n]
  match: {}
  respond: [soothe]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: soothe, owner: team }
spec:
  target: thing/patient
  risk: low
  autonomy: auto
  guards: { cooldown: 4s }
  steps:
    - { id: note, uses: exec/run, with: { argv: [/bin/sh, append.sh] } }
  verify: { until: "!detection.resolved", within: 1m }
"#;

#[test]
fn a_person_agrees_or_does_not() {
    let place = open_place();
    repairs(&place, "approve");
    let node = place.start();
    let waiting = |n: u64| -> Value {
        let id = format!("t{n}");
        node.events("trouble", &[(&id, json!({"n": n, "over": false}))]);
        let decision = node.wait_item("decisions?state=waiting", "/target", &format!("thing/{n}"));
        assert_eq!(text(&decision, "/verdict"), "approve");
        decision
    };
    let (first, second) = (waiting(1), waiting(2));
    assert_eq!(effects(&place), Vec::<String>::new());
    let told = node.cli_ok(&["decision", "list", "--state", "waiting"]);
    assert!(
        told.contains("thing/1") && told.contains("thing/2"),
        "{told}"
    );

    let (first, second) = (text(&first, "/id"), text(&second, "/id"));
    node.cli_ok(&["decision", "approve", first, "--reason", "it is night"]);
    node.cli_ok(&["decision", "reject", second, "--reason", "it is day"]);
    wait_for("the approved run", || {
        (!effects(&place).is_empty()).then_some(())
    });
    node.events("trouble", &[("t1-over", json!({"n": 1, "over": true}))]);
    node.wait_item("executions", "/status", "succeeded");
    assert_eq!(effects(&place), ["thing/1"]);
    // Once is enough.
    for (id, verb) in [(first, "approve"), (second, "approve"), (second, "reject")] {
        let output = node.cli(&["decision", verb, id, "--reason", "again"]);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}",
            crate::common::told(&output)
        );
    }
    let explained = node.cli_ok(&["explain", second]);
    assert!(explained.contains("it is day"), "{explained}");
    assert_eq!(effects(&place), ["thing/1"]);
    node.stop();
    place.verify_audit();
}
