//! The command line as scripts and people meet it: codes, formats, and what is said when something is wrong.

#[allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end")]
mod stub;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use edsr_journal::{Journal as _, Signer, SqliteJournal, SqliteOptions};
use edsr_model::{Actor, Draft, Fact, Lsn, Seq, Timestamp};
use serde_json::{Value, json};
use stub::{Ran, Reply, Stub, ask, edsr, feed, run};

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

#[track_caller]
fn plain(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
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
        assert!(ran.err.starts_with("error: it is\\u{1b}[31m so\n"), "{ran:?}");
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
fn lists_and_looks_in_every_format() {
    let text = "12.5% failed\u{1b}[2J\u{9b}x";
    for (resource, item, words) in [
        ("detection", detection(text), &["region=eu", "critical", "open"][..]),
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
        assert_eq!(request.line.contains("before=77"), before > 0, "{request:?}");
        Reply::json(200, json!({"items": items, "next": 77 + before}))
    });
    let ran = ask(&stub, &["detection", "list", "--state", "open", "--limit", "5", "-o", "json"]);
    let items: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(items.len(), 5);
    let lines: Vec<String> = stub.seen().into_iter().map(|request| request.line).collect();
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
    let lines: Vec<String> = stub.seen().into_iter().map(|request| request.line).collect();
    assert_eq!(
        lines,
        ["GET /v1/explain/event:42", "GET /v1/explain?source=%2Fa+b&id=1"]
    );
}

#[test]
fn settings_come_from_flag_variable_and_file_in_this_order() {
    let stubs: Vec<Stub> = (0..3).map(|_| Stub::always(Reply::json(200, status(true)))).collect();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yaml");
    let token = dir.path().join("token");
    fs::write(&token, "from-file\n").unwrap();
    private(&token);
    let text = format!("server: {}\ntokenFile: token\noutput: json\n", stubs[0].url());
    fs::write(&config, text).unwrap();

    let mut command = edsr(&["status"]);
    let ran: Ran = command.env("EDSR_CONFIG", &config).output().unwrap().into();
    assert!(serde_json::from_str::<Value>(&ran.out).is_ok(), "{ran:?}");
    assert!(stubs[0].seen()[0].headers.contains(&"authorization: Bearer from-file".into()));

    command.env("EDSR_SERVER", stubs[1].url()).env("EDSR_TOKEN", "from-env");
    let ran: Ran = command.env("EDSR_OUTPUT", "yaml").output().unwrap().into();
    assert!(serde_json::from_str::<Value>(&ran.out).is_err(), "{ran:?}");
    assert!(stubs[1].seen()[0].headers.contains(&"authorization: Bearer from-env".into()));

    let ran: Ran = command.args(["--server", &stubs[2].url(), "-o", "table"]).output().unwrap().into();
    assert!(ran.out.starts_with("edsr 0.1.0 at http"), "{ran:?}");
    assert_eq!(stubs.iter().map(|stub| stub.seen().len()).collect::<Vec<_>>(), [1, 1, 1]);
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
    assert!(!ask(&stub, &["status", "--token-file", path]).err.contains("chmod"));
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Takes every event but those with a `bad` attribute.
fn intake(request: &stub::Request) -> Reply {
    let events: Vec<Value> = serde_json::from_str(&request.body).unwrap();
    let rejected: Vec<Value> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event.get("bad").is_some())
        .map(|(index, event)| json!({"index": index, "id": event["id"], "code": "c", "reason": "bad"}))
        .collect();
    let accepted = events.len() - rejected.len();
    let answer = json!({"accepted": accepted, "duplicates": 0, "rejected": rejected});
    if accepted > 0 {
        return Reply::json(202, answer);
    }
    let mut problem = Reply::problem(400, "none of the events was accepted");
    let mut body: Value = serde_json::from_str(&problem.body).unwrap();
    body["rejected"] = answer["rejected"].clone();
    problem.body = body.to_string();
    problem
}

fn events(count: usize) -> String {
    (0..count)
        .map(|n| json!({"specversion": "1.0", "id": n.to_string(), "source": "/s", "type": "t"}))
        .map(|event| format!("{event}\n"))
        .collect()
}

#[test]
fn events_travel_in_batches() {
    let stub = Stub::serve(|request, _| intake(request));
    let ran = feed(&stub, &["emit", "-", "-o", "json"], &events(250));
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["accepted"], 250);
    let seen = stub.seen();
    let sizes: Vec<usize> = seen
        .iter()
        .map(|request| serde_json::from_str::<Vec<Value>>(&request.body).unwrap().len())
        .collect();
    assert_eq!(sizes, [100, 100, 50]);
    let media_type = "content-type: application/cloudevents-batch+json".to_owned();
    assert!(seen.iter().all(|request| request.headers.contains(&media_type)));
}

#[test]
fn what_is_rejected_is_told_by_line() {
    let stub = Stub::serve(|request, _| intake(request));
    let mut input = events(3);
    input.push_str("nonsense\n");
    input.push_str("{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/s\",\"type\":\"t\",\"bad\":true}\n");
    input.push_str("{\"id\":\"y\"}\n");
    let ran = feed(&stub, &["emit"], &input);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.out, "3 events accepted, 3 rejected\n");
    for text in ["line 4: it is not JSON", "line 5 (id `x`): bad [c]", "line 6: "] {
        assert!(ran.err.contains(text), "{text}\n{ran:?}");
    }

    // A batch of which nothing is kept is no reason to stop.
    let ran = feed(&stub, &["emit"], "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/s\",\"type\":\"t\",\"bad\":1}");
    assert_eq!((ran.code, ran.out.as_str()), (1, "0 events accepted, 1 rejected\n"));
}

#[test]
fn events_are_made_of_flags() {
    let stub = Stub::serve(|request, _| intake(request));
    let ran = ask(&stub, &["emit", "--type", "a.b", "--data", "{\"x\":1}"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "1 event accepted\n"), "{ran:?}");
    let ran = feed(&stub, &["emit", "--type", "a.b", "--source", "/s"], "[{\"data\":1},\n{\"data\":2}]");
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent: Vec<Value> = stub
        .seen()
        .iter()
        .flat_map(|request| serde_json::from_str::<Vec<Value>>(&request.body).unwrap())
        .collect();
    assert_eq!(sent.len(), 3);
    for event in &sent {
        assert_eq!(event["type"], "a.b");
        for name in ["id", "source", "time", "specversion"] {
            assert!(event[name].is_string(), "{event}");
        }
    }
    assert_ne!(sent[0]["id"], sent[1]["id"]);
}

#[test]
fn a_node_that_is_behind_is_asked_again_but_not_for_ever() {
    let stub = Stub::serve(|request, before| match before {
        0 | 1 => Reply::problem(429, "behind").header("retry-after: 0"),
        _ => intake(request),
    });
    let ran = feed(&stub, &["emit"], &events(2));
    assert_eq!((ran.code, ran.out.as_str()), (0, "2 events accepted\n"), "{ran:?}");
    assert_eq!(stub.seen().len(), 3);

    let stub = Stub::always(Reply::problem(429, "behind").header("retry-after: 0"));
    let ran = feed(&stub, &["emit"], &events(2));
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("stopped at line 1: behind"), "{ran:?}");
    assert_eq!(stub.seen().len(), 8);
}

#[test]
fn the_tail_goes_on_after_a_break_and_says_so() {
    let stub = Stub::serve(|_, before| {
        let entry = json!({"seq": before, "at": AT, "lsn": 1, "actor": "engine", "kind": "note",
            "text": "n", "fact": {}, "prev": "", "hash": ""});
        let missed = "event: missed\ndata: {\"missed\":4}\n\n";
        let body = format!(": hi\n\nevent: entry\ndata: {entry}\n\n{missed}");
        Reply { status: 200, headers: vec!["content-type: text/event-stream".into()], body }
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
    assert!(err.err.contains("4 events and entries went by unseen"), "{err:?}");
    assert!(err.err.contains("closed the stream; trying again"), "{err:?}");
    assert!(err.err.contains("connected again"), "{err:?}");
    assert_eq!(stub.seen()[0].line, "GET /v1/tail?kind=note&only=entries");
}

#[test]
fn a_pause_is_asked_for_or_written_to_a_file() {
    let stub = Stub::serve(|request, _| match request.line.as_str() {
        "GET /v1/pauses" => Reply::json(200, json!({"items": [
            {"id": "pau-1", "scope": "all", "reason": "r", "by": "person:ana", "at": AT},
            {"id": "pau-2", "scope": "playbook:p", "reason": "r", "by": "person:ana", "at": AT}]})),
        _ => Reply::json(200, json!({"seq": 9, "pause": "pau-1", "durable": true})),
    });
    let ran = ask(&stub, &["pause", "--reason", "deploy", "--scope", "playbook:p"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("paused playbook:p"), "{ran:?}");
    assert_eq!(stub.seen()[0].body, "{\"scope\":\"playbook:p\",\"reason\":\"deploy\"}");
    let ran = ask(&stub, &["resume", "--all", "--reason", "done"]);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert_eq!(ask(&stub, &["resume", "pau", "--reason", "x"]).code, 2);
    assert!(ask(&stub, &["pause", "list"]).out.contains("person:ana"));

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let ran = run(&["pause", "--reason", "all is lost", "--data-dir", data]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let note: Value = serde_json::from_str(&fs::read_to_string(dir.path().join("pause")).unwrap()).unwrap();
    assert_eq!(note["reason"], "all is lost");
    assert!(note["by"].is_string() && note["at"].is_string());
    assert_eq!(run(&["pause", "--reason", "x", "--data-dir", "/nonexistent"]).code, 2);
    let scoped = ["pause", "--reason", "x", "--scope", "playbook:p", "--data-dir", data];
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

#[test]
fn an_id_cannot_leave_its_place_in_the_path() {
    let stub = Stub::always(Reply::problem(404, "there is none"));
    for id in ["../status", "a/b?c#d", "%2e%2e"] {
        assert_eq!(ask(&stub, &["detection", "get", id]).code, 3);
    }
    for request in stub.seen() {
        assert!(request.line.starts_with("GET /v1/detections/"), "{request:?}");
        assert_eq!(request.line.matches('/').count(), 3, "{request:?}");
        assert!(!request.line.contains('?'), "{request:?}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("edsr") && ran.out.contains("explain"), "{shell}");
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
    assert!(ran.out.contains("ok: 1 detector, 0 playbooks, 0 policies, hash "), "{ran:?}");
    let value: Value = serde_json::from_str(&run(&["check", path, "-o", "json"]).out).unwrap();
    assert_eq!((&value["ok"], &value["detectors"]), (&json!(true), &json!(1)));

    let bad = DETECTOR.replace("above: 5", "abvoe: 5").replace("owner: team", "owner: 7");
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

/// A journal with a few entries, its public key and its witness, as a node leaves them.
fn journal(dir: &Path) -> [String; 2] {
    let key = dir.join("keys/journal.key");
    fs::create_dir_all(dir.join("keys")).unwrap();
    fs::create_dir_all(dir.join("data")).unwrap();
    let signer = Signer::load_or_create(&key).unwrap();
    let options = SqliteOptions {
        witness: Some(dir.join("keys/journal.key.witness")),
        ..SqliteOptions::default()
    };
    let mut journal = SqliteJournal::open(&dir.join("data/journal.db"), signer, options).unwrap();
    let drafts: Vec<Draft> = (1..=5).map(note).collect();
    journal.append(&drafts).unwrap();
    journal.witness().unwrap();
    let text = |path: &str| dir.join(path).to_str().unwrap().to_owned();
    [text("data"), text("keys/journal.key.pub")]
}

fn note(seq: u64) -> Draft {
    Draft {
        seq: Seq(seq),
        at: Timestamp::from_secs(i64::try_from(seq).unwrap()),
        lsn: Lsn(0),
        actor: Actor::Person("ana".into()),
        cause: None,
        correlation: None,
        bundle: None,
        fact: Fact::Note {
            text: format!("remark number {seq}"),
        },
    }
}

#[test]
fn a_journal_is_verified_offline() {
    let dir = tempfile::tempdir().unwrap();
    let [data, key] = journal(dir.path());
    let args = ["audit", "verify", "--data-dir", &data, "--key", &key];
    let ran = run(&args);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("ok: 5 entries"), "{ran:?}");
    assert!(ran.out.contains("witness `"), "{ran:?}");

    // One letter of one remark, where it is stored.
    let file = dir.path().join("data/journal.db");
    let mut bytes = fs::read(&file).unwrap();
    let remark = b"remark number 3";
    let place = bytes.windows(remark.len()).position(|part| part == remark).unwrap();
    bytes[place] = b'R';
    fs::write(&file, bytes).unwrap();
    let ran = run(&args);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.out.contains("edited 3: "), "{ran:?}");
    let ran = run(&[&args[..], &["-o", "json"]].concat());
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &value["ok"]), (7, &json!(false)));

    assert_eq!(run(&["audit", "verify", "--data-dir", "/nonexistent", "--key", &key]).code, 3);
    assert_eq!(run(&["audit", "verify", "--data-dir", &data, "--key", "/nonexistent"]).code, 3);
}

#[test]
fn what_the_journal_says_can_be_shown_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let [data, key] = journal(dir.path());
    let place = ["--data-dir", &data, "--key", &key];
    let save = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };

    let proof = run(&[&["audit", "proof", "3"][..], &place].concat());
    assert_eq!(proof.code, 0, "{proof:?}");
    let check = |text: &str| run(&["audit", "check-proof", &save("proof", text), "--key", &key]);
    let ran = check(&proof.out);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("proven: entry 3 (note, by person:ana"), "{ran:?}");
    assert_eq!(check(&proof.out.replace("number 3", "number 4")).code, 7);
    assert_eq!(check("{}").code, 2);
    assert_eq!(run(&[&["audit", "proof", "6"][..], &place].concat()).code, 3);

    let export = run(&["audit", "export", "--data-dir", &data, "--from", "2"]);
    assert_eq!((export.code, export.out.lines().count()), (0, 5), "{export:?}");
    let check = |text: &str| run(&["audit", "check-export", &save("export", text), "--key", &key]);
    let ran = check(&export.out);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("ok: 4 entries from 2 on"), "{ran:?}");
    assert_eq!(check(&export.out.replace("number 3", "number 9")).code, 7);
    let first = export.out.lines().next().unwrap();
    assert_eq!(check(first).code, 7, "the end is missing");
}
