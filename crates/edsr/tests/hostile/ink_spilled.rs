//! Texts from outside go through everything that a node and its commands write.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Node, OPEN_NODE, Place, Process, Request, text, wait_for};
use crate::ink::{check_lines, check_tame, says, texts};

/// Puts the text of an event into everything that may hold one.
const BUNDLE: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: spilled, owner: team }
spec:
  on: type == "spilled"
  by: [data.n, data.text]
  match: { when: "true" }
  summary: "it said ${detection.key.text}"
  respond: [aimed, repeated, agreed]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: aimed, owner: team }
spec:
  target: "thing/${detection.key.text}"
  risk: low
  autonomy: auto
  steps: [{ id: work, uses: debug/echo, with: { value: "${target.name}" } }]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: repeated, owner: team }
spec:
  target: "thing/${detection.key.n}"
  risk: low
  autonomy: auto
  inputs: { said: "${detection.key.text}" }
  steps:
    - { id: echo, uses: debug/echo, with: { value: { "said": "${inputs.said}" } } }
    - { id: emit, uses: event/emit, with: { type: repeated, subject: "x", data: { said: "${inputs.said}" } } }
    - { id: fail, uses: exec/run, with: { argv: [/bin/sh, -c, 'cat; cat "$0" >&2; exit 3', ./text], stdin: "${inputs.said}" } }
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: agreed, owner: team }
spec:
  target: "other/${detection.key.n}"
  risk: low
  autonomy: approve
  inputs: { said: "${detection.key.text}" }
  steps: [{ id: work, uses: debug/echo, with: { value: "${inputs.said}" } }]
"#;

#[test]
fn no_text_steers_a_terminal_or_makes_up_a_line() {
    let place = Place::new(OPEN_NODE);
    place.write("spilled.yaml", BUNDLE);
    std::fs::write(place.ops().join("text"), texts().concat()).unwrap();
    let node = place.start_with(&[("EDSR_LOG", "trace")]);
    let tails = watch(&place, &node);
    let texts = texts();
    spill(&node, &texts);
    // A longer text is no key.
    let keys = texts.iter().filter(|said| said.len() <= 1024).count();
    wait_for("the end of all runs", || {
        let items = node.list("executions?limit=500");
        let ended = |item: &&Value| !text(item, "/ended_at").is_empty();
        let ended = items
            .iter()
            .filter(|item| text(item, "/playbook") == "repeated")
            .filter(ended);
        (ended.count() == keys).then_some(())
    });
    let broken = format!("\"kind\\e[2J\\nFORGED\\u202e\": 1\n# {}\n", texts.concat());
    place.write("broken\u{1b}[2J\nFORGED\u{202e}.yaml", &broken);
    wait_for("the refusal of the bundle", || {
        let status = node.status();
        (!text(&status, "/bundle_problems").is_empty()).then_some(())
    });
    check_commands(&place, &node);
    check_answers(&node, &texts);
    for (format, (process, path)) in ["table", "json", "yaml"].into_iter().zip(tails) {
        let seen = wait_for("the last entry in the tail", || {
            let seen = std::fs::read_to_string(&path).unwrap();
            seen.contains("execution-ended").then_some(seen)
        });
        drop(process);
        assert!(seen.lines().count() > 100, "{format}");
        check_printed(&["tail", "-o", format], seen.as_bytes());
    }
    let log = node.log();
    node.stop();
    check_log(&log);
}

/// Starts a watcher for each format, with its output in a file.
fn watch(place: &Place, node: &Node) -> Vec<(Process, PathBuf)> {
    let start = |format: &str| {
        let path = place.path(&format!("tail.{format}"));
        let mut command = edsr(place, node);
        command.args(["tail", "-o", format]);
        (Process::start(&mut command, &path), path)
    };
    ["table", "json", "yaml"].map(start).into()
}

fn edsr(place: &Place, node: &Node) -> Command {
    let mut command = place.edsr();
    command.args(["--server", &format!("http://{}", node.address)]);
    command
}

/// Sends every text in every place of an event, and to everything else that takes one.
fn spill(node: &Node, texts: &[String]) {
    for (n, said) in texts.iter().enumerate() {
        let id = format!("e{n}");
        node.event(
            &id,
            "spilled",
            &json!({"n": n, "text": said, "deep": [{said.as_str(): said}]}),
        )
        .is(202);
        for name in [
            "id",
            "source",
            "type",
            "subject",
            "time",
            "traceparent",
            "ext",
            "specversion",
            "datacontenttype",
        ] {
            let mut event = json!({"specversion": "1.0", "id": format!("{id}-{name}"), "source": "/test", "type": "t"});
            event[name] = json!(said);
            let request = Request::post("/v1/events", event.to_string());
            tame(
                node,
                &request.header("content-type", "application/cloudevents+json"),
            );
        }
        let odd = json!({"specversion": "1.0", "id": id, "source": "/test", "type": "t", said.as_str(): said});
        tame(
            node,
            &Request::post("/v1/events", odd.to_string())
                .header("content-type", "application/cloudevents+json"),
        );
        let note = json!({"text": said}).to_string();
        tame(node, &Request::post("/v1/notes", note).json());
        for (scope, reason) in [
            ("playbook:nobody", said.as_str()),
            (said.as_str(), "r"),
            (&format!("playbook:{said}"), "r"),
        ] {
            let pause = json!({"scope": scope, "reason": reason}).to_string();
            tame(node, &Request::post("/v1/pauses", pause).json());
        }
        let unknown = json!({said.as_str(): 1}).to_string();
        tame(node, &Request::post("/v1/notes", unknown).json());
        let header: String = said
            .chars()
            .filter(|c| !c.is_control())
            .take(1_000)
            .collect();
        tame(
            node,
            &Request::get("/v1/status")
                .header("x-said", &header)
                .bearer(&header),
        );
        tame(
            node,
            &Request::post("/v1/events", "{}").header("content-type", &header),
        );
        let query: String = said
            .bytes()
            .take(1_000)
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        tame(node, &Request::get(&format!("/v1/events?{query}={query}")));
        tame(
            node,
            &Request::get(&format!("/v1/explain?source={query}&id={query}")),
        );
        tame(
            node,
            &Request::get(&format!("/v1/executions?state={query}")),
        );
        tame(node, &Request::get(&format!("/v1/tail?kind={query}")));
    }
}

/// Sends it, whatever comes of it; nothing of the answer has a bare control character.
fn tame(node: &Node, request: &Request) {
    let answer = node.send(request);
    assert!(answer.status < 500, "{answer:?}");
    let bare = answer
        .body
        .chars()
        .find(|c| c.is_ascii_control() && *c != '\n');
    assert_eq!(bare, None, "{answer:?}");
}

/// Every command that prints what came from outside, in every format.
fn check_commands(place: &Place, node: &Node) {
    let data = place.data_dir().display().to_string();
    let run = |args: &[&str]| {
        let output = edsr(place, node).args(args).output().unwrap();
        for written in [&output.stdout, &output.stderr] {
            check_printed(args, written);
        }
        output
    };
    let lines = [
        "status",
        "events list --limit 1000",
        "detection list --limit 1000",
        "incident list --limit 1000",
        "decision list --limit 1000",
        "execution list --limit 1000",
        "pause list",
    ];
    for format in ["table", "json", "yaml"] {
        for line in lines {
            let mut args: Vec<_> = line.split(' ').collect();
            args.extend(["-o", format]);
            let output = run(&args);
            assert!(output.status.success(), "{args:?}");
            if format == "json" {
                serde_json::from_slice::<Value>(&output.stdout).unwrap();
            }
        }
        for (list, word) in [
            ("detections", "detection"),
            ("incidents", "incident"),
            ("executions", "execution"),
            ("decisions", "decision"),
        ] {
            for item in node.list(&format!("{list}?limit=500")).iter().step_by(3) {
                let id = text(item, "/id");
                run(&[word, "get", id, "-o", format]);
                run(&["explain", id, "-o", format]);
            }
        }
        for lsn in 1..=60 {
            run(&["events", "get", &lsn.to_string(), "-o", format]);
        }
        run(&["check", "ops", "-o", format]);
        run(&["audit", "verify", "--data-dir", &data, "-o", format]);
    }
    for said in texts()
        .iter()
        .filter(|said| !said.contains('\0') && said.len() < 1_000)
    {
        for args in [
            &["explain", said][..],
            &["explain", "--source", said, "--id", said],
            &["detection", "get", said],
            &["note", said],
            &["pause", "all", "--reason", said],
            &["pause", said, "--reason", said],
            &["resume", said],
            &["emit", "--type", said, "--data", "1"],
            &[
                "emit",
                "--type",
                "t",
                "--subject",
                said,
                "--id",
                said,
                "--data",
                said,
            ],
            &["emit", said],
            &["check", said],
            &["tail", "--kind", said],
            &["--server", said, "status"],
            &[said],
        ] {
            run(args);
        }
    }
}

fn check_printed(args: &[&str], written: &[u8]) {
    let check = if args.ends_with(&["yaml"]) {
        check_tame
    } else {
        check_lines
    };
    check(&format!("{args:?}"), &String::from_utf8_lossy(written));
}

/// What programs read is what was said; the metrics are lines of their format.
fn check_answers(node: &Node, texts: &[String]) {
    let events = Value::Array(node.all("events"));
    let journal = Value::Array(node.journal());
    for said in texts {
        assert!(says(&events, said), "{said:?} is not among the events");
        assert!(
            says(&journal, said) || said.len() > 100_000,
            "{said:?} is not in the journal"
        );
    }
    let metrics = node.send(&Request::get("/metrics")).is(200).body;
    check_lines("/metrics", &metrics);
    for line in metrics.lines() {
        let fits = line.starts_with("# ")
            || line.split_once(' ').is_some_and(|(name, value)| {
                name.starts_with("edsr_") && value.parse::<f64>().is_ok()
            });
        assert!(fits, "/metrics: {line}");
    }
}

/// Every line of the log begins as a line of the log does.
fn check_log(log: &str) {
    check_lines("the log", log);
    assert!(log.lines().count() > 100, "it says what it does");
    for line in log.lines() {
        let mut words = line.split_whitespace();
        let at = words.next().unwrap_or_default();
        let level = words.next().unwrap_or_default();
        let fits = at.len() == 27
            && at.ends_with('Z')
            && ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level);
        assert!(fits, "the log: {line:.200}");
    }
}
