//! Commands that need no server.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::stub::{Ran, edsr, plain, run};

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &["no-such-command"][..],
        &[],
        &["--token", "x", "status"],
        &["status", "-o", "xml"],
        &["pause"],
        &["pause", "--reason", " "],
        &["pause", "--reason", "x", "--scope", "everything"],
        &["--server", "nowhere", "status"],
        &["detection", "list", "--limit", "0"],
        &["emit", "/nonexistent/file"],
        &["emit", "--type", "t", "--data", "{"],
    ] {
        let ran = run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{args:?}");
    }
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    for line in ["Exit codes:", "  0  done", "  7  a record does not hold"] {
        assert!(help.out.contains(line), "{line}\n{}", help.out);
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.out.contains("edsr") && ran.out.contains("explain"),
            "{shell}"
        );
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    for args in [&["completions", "bash"][..], &["schema"], &["--help"]] {
        let mut child = edsr(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran: Ran = child.wait_with_output().unwrap().into();
        assert!(!ran.err.contains("panicked"), "{args:?}: {ran:?}");
        assert!(matches!(ran.code, 0 | 2), "{args:?}: {ran:?}");
    }
}

#[test]
fn schemas_are_json() {
    let all: Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    assert!(all["oneOf"].as_array().unwrap().len() >= 5);
    for kind in ["Detector", "detector", "Playbook", "exec/run"] {
        let ran = run(&["schema", kind]);
        let schema: Value = serde_json::from_str(&ran.out).unwrap();
        assert!(schema["properties"].is_object(), "{kind}: {ran:?}");
    }
    let ran = run(&["schema", "Nonsense"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("Detector"), "{ran:?}");
}

const DETECTOR: &str = "apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: errors, owner: team }
spec:
  on: type == \"request\"
  count: { over: 1m, above: 5 }
";

#[test]
fn a_bundle_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    fs::write(dir.path().join("errors.yaml"), DETECTOR).unwrap();
    let ran = run(&["check", path]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .contains("ok: 1 detector, 0 playbooks, 0 policies, hash "),
        "{ran:?}"
    );
    let value: Value = serde_json::from_str(&run(&["check", path, "-o", "json"]).out).unwrap();
    assert_eq!(
        (&value["ok"], &value["detectors"]),
        (&json!(true), &json!(1))
    );

    let bad = DETECTOR
        .replace("above: 5", "abvoe: 5")
        .replace("owner: team", "owner: 7");
    fs::write(dir.path().join("errors.yaml"), bad).unwrap();
    let ran = run(&["check", path]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("errors.yaml:6:"), "{ran:?}");
    assert!(ran.out.contains("`abvoe`"), "{ran:?}");
    plain(&ran);
    let ran = run(&["check", path, "-o", "json"]);
    assert_eq!(ran.code, 2);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["ok"], false);
    assert!(!value["problems"].as_array().unwrap().is_empty());
    assert_eq!(run(&["check", "/nonexistent"]).code, 2);
}
