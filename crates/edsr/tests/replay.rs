//! `edsr replay` on what a node left: everything follows, or the first entry that does not is pointed at.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{OPEN_NODE, Place, wait_for};
use edsr_journal::{Journal as _, Signer, SqliteJournal, SqliteOptions};
use edsr_model::{Draft, Fact, Seq, Severity};
use serde_json::{Value, json};

const BUNDLE: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: down, owner: team }
spec:
  on: type == "probe"
  by: [data.name]
  match: { when: data.ok == false }
  respond: [mend]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: mend, owner: team }
spec:
  target: service/${detection.key.name}
  risk: low
  autonomy: auto
  guards: { cooldown: 0s }
  steps: [{ id: one, uses: exec/run, with: { argv: [/bin/true] } }]
  verify: { until: detection.resolved, within: 1m }
"#;

/// A node that saw something, repaired it twice, was killed once, and stopped in the end.
fn past() -> Place {
    let place = Place::new(OPEN_NODE);
    place.write("down.yaml", BUNDLE);
    for round in 0..2 {
        let node = place.start();
        let ids = [format!("bad-{round}"), format!("good-{round}")];
        node.events("probe", &[(&ids[0], json!({"name": "a", "ok": false}))]);
        wait_for("the call", || {
            let journal = node.journal().into_iter();
            let outcomes = journal.filter(|entry| entry["kind"] == "step-outcome");
            (outcomes.count() > round).then_some(())
        });
        node.events("probe", &[(&ids[1], json!({"name": "a", "ok": true}))]);
        wait_for("the end of the run", || {
            let runs = node.list("executions");
            let ended = runs.iter().filter(|run| run["status"] == "succeeded");
            (ended.count() == round + 1).then_some(())
        });
        if round == 0 {
            node.kill();
        } else {
            node.stop();
        }
    }
    place
}

fn replay(place: &Place, data: &Path, args: &[&str]) -> Output {
    let mut command = place.edsr();
    command.args(["-o", "json", "replay"]).arg(data).args(args);
    command.output().unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn what_a_node_wrote_follows_from_what_it_was_told() {
    let place = past();
    let mut seen = Vec::new();
    for from in ["first", "oldest", "newest"] {
        for threads in ["1", "2", "8"] {
            let args = ["--from", from, "--threads", threads];
            let output = replay(&place, &place.data_dir(), &args);
            let found = json_of(&output);
            assert_eq!(output.status.code(), Some(0), "{found}");
            assert_eq!(
                (&found["same"], &found["unwritten"]),
                (&json!(true), &json!(0))
            );
            assert_eq!(found["from"].is_null(), from == "first", "{found}");
            seen.push((found["state"].clone(), found["root"].clone()));
        }
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

#[test]
fn a_running_node_is_left_alone() {
    let place = past();
    let node = place.start();
    let output = replay(&place, &place.data_dir(), &[]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("a node runs on it"), "{said}");
    node.stop();
    let output = replay(&place, &place.path("nowhere"), &[]);
    assert_eq!(output.status.code(), Some(3), "there is no event log");
}

/// The journal of `place`, written anew with its own key after `change`, beside the same events.
fn rewritten(place: &Place, change: impl Fn(&mut Draft)) -> std::path::PathBuf {
    let (old, new) = (place.data_dir(), place.path("other/data"));
    let look = SqliteJournal::look(&old.join("journal.db")).unwrap();
    let entries = look.read(Seq(1), usize::MAX).unwrap();
    let mut drafts: Vec<_> = entries.into_iter().map(|entry| entry.draft).collect();
    drafts.iter_mut().for_each(change);
    for folder in ["events", "bundles"] {
        fs::create_dir_all(new.join(folder)).unwrap();
        for file in fs::read_dir(old.join(folder)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), new.join(folder).join(file.file_name())).unwrap();
        }
    }
    let key = old.with_file_name("keys").join("journal.key");
    let signer = Signer::load_or_create(&key).unwrap();
    let path = new.join("journal.db");
    let mut journal = SqliteJournal::open(&path, signer, SqliteOptions::default()).unwrap();
    journal.append(&drafts).unwrap();
    new
}

#[test]
fn a_record_that_was_rewritten_with_the_key_does_not_follow() {
    let place = past();
    let forged = rewritten(&place, |draft| {
        if let Fact::DetectionOpened(detection) = &mut draft.fact {
            detection.severity = Severity::Info;
        }
    });
    let output = replay(&place, &forged, &[]);
    let found = json_of(&output);
    assert_eq!(output.status.code(), Some(1), "{found}");
    let difference = &found["difference"];
    assert_eq!(difference["recorded"]["fact"]["kind"], "detection-opened");
    let fields = difference["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "{difference}");
    assert_eq!(fields[0]["path"], "fact.severity");
    assert_eq!(fields[0]["recorded"], "info");

    // As text it names the entry, the field and both sides.
    let mut command = place.edsr();
    let output = command.arg("replay").arg(&forged).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "differs: entry",
        "fact.severity",
        "on record  \"info\"",
        "follows    ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_journal_that_lost_its_end_is_not_the_same() {
    let place = past();
    let journal = rusqlite::Connection::open(place.data_dir().join("journal.db")).unwrap();
    let gone = journal
        .execute(
            "DELETE FROM entry WHERE seq > (SELECT max(seq) FROM entry) - 3",
            [],
        )
        .unwrap();
    assert_eq!(gone, 3);
    drop(journal);
    for from in ["first", "oldest", "newest"] {
        let output = replay(&place, &place.data_dir(), &["--from", from]);
        assert_eq!(output.status.code(), Some(7), "{from}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("the journal ends before entry"), "{said}");
    }
}

#[test]
fn a_bundle_that_is_not_what_its_name_says_cannot_be_replayed() {
    let place = past();
    let folder = place.data_dir().join("bundles");
    let bundle = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs::read_to_string(&bundle).unwrap();
    fs::write(&bundle, text.replace("risk: low", "risk: high")).unwrap();
    let output = replay(&place, &place.data_dir(), &[]);
    assert_eq!(output.status.code(), Some(7));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("its content has the digest"), "{said}");
}
