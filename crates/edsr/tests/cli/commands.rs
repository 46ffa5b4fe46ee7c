//! What persons tell a node.

use std::fs;

use serde_json::{Value, json};

use crate::stub::{Reply, Stub, ask, run};

const AT: &str = "2026-01-02T03:04:05.000000Z";

#[test]
fn a_pause_is_asked_for_or_written_to_a_file() {
    let stub = Stub::serve(|request, _| match request.line.as_str() {
        "GET /v1/pauses" => Reply::json(
            200,
            json!({"items": [
            {"id": "pau-1", "scope": "all", "reason": "r", "by": "person:ana", "at": AT},
            {"id": "pau-2", "scope": "playbook:p", "reason": "r", "by": "person:ana", "at": AT}]}),
        ),
        _ => Reply::json(200, json!({"seq": 9, "pause": "pau-1", "durable": true})),
    });
    let ran = ask(
        &stub,
        &["pause", "--reason", "deploy", "--scope", "playbook:p"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("paused playbook:p"), "{ran:?}");
    assert_eq!(
        stub.seen()[0].body,
        "{\"scope\":\"playbook:p\",\"reason\":\"deploy\"}"
    );
    let ran = ask(&stub, &["resume", "--all", "--reason", "done"]);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert_eq!(ask(&stub, &["resume", "pau", "--reason", "x"]).code, 2);
    assert!(ask(&stub, &["pause", "list"]).out.contains("person:ana"));

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    // What is no data directory would be a pause that no node ever sees.
    let ran = run(&["pause", "--reason", "all is lost", "--data-dir", data]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!dir.path().join("pause").exists());
    fs::create_dir(dir.path().join("events")).unwrap();
    let ran = run(&["pause", "--reason", "all is lost", "--data-dir", data]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let note: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("pause")).unwrap()).unwrap();
    assert_eq!(note["reason"], "all is lost");
    assert!(note["by"].is_string() && note["at"].is_string());
    assert_eq!(
        run(&["pause", "--reason", "x", "--data-dir", "/nonexistent"]).code,
        2
    );
    let scoped = [
        "pause",
        "--reason",
        "x",
        "--scope",
        "playbook:p",
        "--data-dir",
        data,
    ];
    assert_eq!(run(&scoped).code, 2);
}

#[test]
fn answers_of_persons_are_sent() {
    let stub = Stub::always(Reply::json(200, json!({"seq": 9, "durable": true})));
    for args in [
        &["decision", "approve", "dec-1", "--reason", "go"][..],
        &["decision", "reject", "dec-1", "--reason", "no"],
        &["note", "looked at it"],
    ] {
        let ran = ask(&stub, args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("journal entry 9"), "{ran:?}");
    }
    let seen: Vec<String> = stub
        .seen()
        .into_iter()
        .map(|request| format!("{} {}", request.line, request.body))
        .collect();
    assert_eq!(
        seen,
        [
            "POST /v1/decisions/dec-1/approve {\"reason\":\"go\"}",
            "POST /v1/decisions/dec-1/reject {\"reason\":\"no\"}",
            "POST /v1/notes {\"text\":\"looked at it\"}"
        ]
    );
}
