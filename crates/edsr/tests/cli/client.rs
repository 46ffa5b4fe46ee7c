//! Commands that ask a server: codes, formats, and what is said when something is wrong.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::stub::{Ran, Reply, Stub, ask, edsr, plain, run};

const AT: &str = "2026-01-02T03:04:05.000000Z";

fn status(ready: bool) -> Value {
    json!({"version": "0.1.0", "bundle": "ab".repeat(32), "ready": ready, "problems": [],
        "started_at": AT, "lsn": 12, "seq": 3, "paused": true,
        "counts": {"open_detections": 1, "open_incidents": 1, "running_executions": 0,
            "waiting_decisions": 2, "pauses": 1}})
}

fn detection(text: &str) -> Value {
    json!({"id": "det-0123456789abcdef", "incident": "inc-0123456789abcdef", "detector": "errors",
        "owner": "team", "key": {"region": "eu"}, "key_text": "region=eu", "severity": "critical",
        "state": "open", "since": AT, "opened_at": AT, "depth": 0, "bundle": "ab".repeat(32),
        "evidence": {"lsns": [7, 9], "at": AT, "figures": {"ratio": 0.125}, "text": text},
        "decisions": ["dec-0123456789abcdef"], "executions": []})
}

fn decision() -> Value {
    json!({"id": "dec-0123456789abcdef", "verdict": "deny", "playbook": "restart",
        "target": "service/checkout", "plan": "cd".repeat(32), "at": AT, "round": 0, "waiting": false,
        "reasons": [{"code": "guard.cooldown", "text": "too soon after the last run",
            "figures": {"left": "9m"}, "until": "2026-01-02T03:14:05.000000Z"}]})
}

#[test]
fn answers_of_a_server_become_exit_codes() {
    for (status, code) in [
        (400, 2),
        (401, 5),
        (403, 5),
        (404, 3),
        (408, 6),
        (409, 1),
        (413, 2),
        (429, 4),
        (500, 4),
        (503, 4),
        (504, 6),
    ] {
        let stub = Stub::always(Reply::problem(status, "it is\u{1b}[31m so"));
        let ran = ask(&stub, &["detection", "get", "det-1"]);
        assert_eq!(ran.code, code, "{status}: {ran:?}");
        assert!(
            ran.err.starts_with("error: it is\\u{1b}[31m so\n"),
            "{ran:?}"
        );
        assert_eq!(ran.out, "");
        plain(&ran);
    }
    let ready = Stub::always(Reply::json(200, status(true)));
    assert_eq!(ask(&ready, &["status"]).code, 0);
    let not_ready = Stub::always(Reply::json(200, status(false)));
    assert_eq!(ask(&not_ready, &["status"]).code, 1);
}

#[test]
fn nobody_there_is_said_with_a_way_out() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let ran = run(&["--server", &url, "status"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("cannot reach"), "{ran:?}");
    assert!(ran.err.contains("edsr run DIR"), "{ran:?}");

    let ran = run(&["--server", &url, "pause", "--reason", "x"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("--data-dir"), "{ran:?}");
}

#[test]
fn lists_and_looks_in_every_format() {
    let text = "12.5% failed\u{1b}[2J\u{9b}x";
    for (resource, item, words) in [
        (
            "detection",
            detection(text),
            &["region=eu", "critical", "open"][..],
        ),
        ("decision", decision(), &["guard.cooldown", "deny"]),
    ] {
        let page = item.clone();
        let stub = Stub::serve(move |request, _| match request.line.contains("?limit=") {
            true => Reply::json(200, json!({"items": [page]})),
            false => Reply::json(200, page.clone()),
        });
        for args in [[resource, "list"].as_slice(), &[resource, "get", "x"]] {
            let ran = ask(&stub, args);
            assert_eq!(ran.code, 0, "{ran:?}");
            for word in words {
                assert!(ran.out.contains(word), "{word}: {}", ran.out);
            }
            assert!(!ran.out.contains('\u{9b}'), "{ran:?}");
            plain(&ran);

            for format in ["json", "yaml"] {
                let ran = ask(&stub, &[args, &["-o", format]].concat());
                plain(&ran);
                assert!(!ran.out.contains('\u{9b}'), "{ran:?}");
                let value: Value = match format {
                    "json" => serde_json::from_str(&ran.out).unwrap(),
                    _ => serde_saphyr::from_str(&ran.out).unwrap(),
                };
                let found = value.get(0).unwrap_or(&value);
                assert_eq!(*found, item, "{args:?} {format}");
            }
        }
    }
}

#[test]
fn a_list_goes_on_over_pages_up_to_its_limit() {
    let stub = Stub::serve(|request, before| {
        let items: Vec<Value> = match before {
            0 => (0..3).map(|_| detection("a")).collect(),
            _ => (0..9).map(|_| detection("b")).collect(),
        };
        assert_eq!(
            request.line.contains("before=77"),
            before > 0,
            "{request:?}"
        );
        Reply::json(200, json!({"items": items, "next": 77 + before}))
    });
    let ran = ask(
        &stub,
        &[
            "detection",
            "list",
            "--state",
            "open",
            "--limit",
            "5",
            "-o",
            "json",
        ],
    );
    let items: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(items.len(), 5);
    let lines: Vec<String> = stub
        .seen()
        .into_iter()
        .map(|request| request.line)
        .collect();
    assert_eq!(
        lines,
        [
            "GET /v1/detections?state=open&limit=5",
            "GET /v1/detections?state=open&limit=2&before=77"
        ]
    );
}

#[test]
fn a_story_says_why_not() {
    let story = json!({"subject": "det-0123456789abcdef", "summary": "nothing was done: too soon",
        "situations": [{"outcome": "denied", "text": "The repair was denied.",
            "detection": detection("12.5% failed"), "events": [], "plans": [],
            "decisions": [decision()], "executions": [], "timeline": [
                {"seq": 5, "at": AT, "kind": "decided", "actor": "engine", "text": "denied restart"}]}]});
    let stub = Stub::always(Reply::json(200, story));
    let ran = ask(&stub, &["explain", "event:42"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for text in [
        "nothing was done: too soon",
        "12.5% failed",
        "ratio = 0.125",
        "guard.cooldown: too soon after the last run",
        "left = 9m",
        "until        2026-01-02T03:14:05Z",
        "denied restart",
    ] {
        assert!(ran.out.contains(text), "{text}\n{}", ran.out);
    }
    ask(&stub, &["explain", "--source", "/a b", "--id", "1"]);
    let lines: Vec<String> = stub
        .seen()
        .into_iter()
        .map(|request| request.line)
        .collect();
    assert_eq!(
        lines,
        [
            "GET /v1/explain/event:42",
            "GET /v1/explain?source=%2Fa+b&id=1"
        ]
    );
}

#[test]
fn settings_come_from_flag_variable_and_file_in_this_order() {
    let stubs: Vec<Stub> = (0..3)
        .map(|_| Stub::always(Reply::json(200, status(true))))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yaml");
    let token = dir.path().join("token");
    fs::write(&token, "from-file\n").unwrap();
    private(&token);
    let text = format!(
        "server: {}\ntokenFile: token\noutput: json\n",
        stubs[0].url()
    );
    fs::write(&config, text).unwrap();

    let mut command = edsr(&["status"]);
    let ran: Ran = command.env("EDSR_CONFIG", &config).output().unwrap().into();
    assert!(serde_json::from_str::<Value>(&ran.out).is_ok(), "{ran:?}");
    assert!(
        stubs[0].seen()[0]
            .headers
            .contains(&"authorization: Bearer from-file".into())
    );

    command
        .env("EDSR_SERVER", stubs[1].url())
        .env("EDSR_TOKEN", "from-env");
    let ran: Ran = command.env("EDSR_OUTPUT", "yaml").output().unwrap().into();
    assert!(serde_json::from_str::<Value>(&ran.out).is_err(), "{ran:?}");
    assert!(
        stubs[1].seen()[0]
            .headers
            .contains(&"authorization: Bearer from-env".into())
    );

    let ran: Ran = command
        .args(["--server", &stubs[2].url(), "-o", "table"])
        .output()
        .unwrap()
        .into();
    assert!(ran.out.starts_with("edsr 0.1.0 at http"), "{ran:?}");
    assert_eq!(
        stubs
            .iter()
            .map(|stub| stub.seen().len())
            .collect::<Vec<_>>(),
        [1, 1, 1]
    );
    assert!(!format!("{ran:?}").contains("from-"), "{ran:?}");
}

#[test]
fn a_token_that_others_can_read_is_warned_of() {
    let stub = Stub::always(Reply::problem(401, "a token is needed"));
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    fs::write(&token, "s3cret").unwrap();
    let path = token.to_str().unwrap();
    let ran = ask(&stub, &["status", "--token-file", path]);
    assert_eq!(ran.code, 5);
    assert!(ran.err.contains("chmod 600"), "{ran:?}");
    assert!(!ran.err.contains("s3cret"), "{ran:?}");
    private(&token);
    assert!(
        !ask(&stub, &["status", "--token-file", path])
            .err
            .contains("chmod")
    );
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_tail_goes_on_after_a_break_and_says_so() {
    let stub = Stub::serve(|_, before| {
        let entry = json!({"seq": before, "at": AT, "lsn": 1, "actor": "engine", "kind": "note",
            "text": "n", "fact": {}, "prev": "", "hash": ""});
        let missed = "event: missed\ndata: {\"missed\":4}\n\n";
        let body = format!(": hi\n\nevent: entry\ndata: {entry}\n\n{missed}");
        Reply {
            status: 200,
            headers: vec!["content-type: text/event-stream".into()],
            body,
        }
    });
    let mut child = edsr(&["tail", "--kind", "note", "--only", "entries", "-o", "json"])
        .env("EDSR_SERVER", stub.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<Value> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .take(4)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    child.kill().unwrap();
    let err: Ran = child.wait_with_output().unwrap().into();
    assert_eq!(lines[0]["seq"], 0);
    assert_eq!(lines[1]["missed"], 4);
    assert_eq!(lines[2]["seq"], 1);
    assert!(
        err.err.contains("4 events and entries went by unseen"),
        "{err:?}"
    );
    assert!(
        err.err.contains("closed the stream; trying again"),
        "{err:?}"
    );
    assert!(err.err.contains("connected again"), "{err:?}");
    assert_eq!(stub.seen()[0].line, "GET /v1/tail?kind=note&only=entries");
}

#[test]
fn an_id_cannot_leave_its_place_in_the_path() {
    let stub = Stub::always(Reply::problem(404, "there is none"));
    for id in ["../status", "a/b?c#d", "%2e%2e"] {
        assert_eq!(ask(&stub, &["detection", "get", id]).code, 3);
    }
    for request in stub.seen() {
        assert!(
            request.line.starts_with("GET /v1/detections/"),
            "{request:?}"
        );
        assert_eq!(request.line.matches('/').count(), 3, "{request:?}");
        assert!(!request.line.contains('?'), "{request:?}");
    }
}
