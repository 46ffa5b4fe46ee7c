//! Bodies of every wrong kind and shape at every kind of door. Which parser reads a body is said by the door; only the
//! door for CloudEvents has several, and there the content type says which.

use serde_json::{Value, json};

use crate::common::{OPEN_NODE, Place, Request};

const DOORS: &str = r#"
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: mapped, owner: team }
spec: { type: webhook, auth: { none: true }, map: { type: '"mapped"', data: body } }
---
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: alerts, owner: team }
spec: { type: alertmanager, auth: { none: true } }
---
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: events, owner: team }
spec: { type: cloudevents, auth: { none: true } }
"#;

/// Whether an answer is a refusal of this status, in the form of one.
#[track_caller]
fn check_refused(what: &str, request: &Request, to: &crate::common::Node, allowed: &[u16]) {
    let answer = to.send(request);
    assert!(allowed.contains(&answer.status), "{what}: {answer:?}");
    assert!(
        answer.head.contains("application/problem+json"),
        "{what}: {answer:?}"
    );
    let problem = answer.json();
    let told = problem["detail"].as_str().unwrap_or_default();
    assert!(told.len() > 5 && told.len() < 4_000, "{what}: {answer:?}");
}

const EVENT_KINDS: &[&str] = &[
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
];
const OTHER_KINDS: &[&str] = &[
    "text/plain",
    "application/xml",
    "application/yaml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/cloudevents+xml",
    "application/cloudevents+json+gzip",
    "application/octet-stream",
    "application/json",
    "json",
    "*/*",
];

/// No event, whoever reads it.
fn shapes() -> Vec<Vec<u8>> {
    let mut shapes: Vec<Vec<u8>> = [
        "", " ", "nul", "null", "true", "0", "1e999", "\"x\"", "[", "{", "]", "[null]", "[[]]", "{\"a\":1,\"a\":2}",
        "{\"specversion\":\"1.0\",\"id\":\"a\",\"id\":\"b\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":1,\"source\":2,\"type\":3}",
        "{\"specversion\":null,\"id\":null,\"source\":null,\"type\":null}",
        "{\"specversion\":[],\"id\":{},\"source\":[],\"type\":{}}",
        "{\"specversion\":\"9\",\"id\":\"a\",\"source\":\"/s\",\"type\":\"t\"}",
        "{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/s\",\"type\":\"t\",\"data\":1,\"data_base64\":\"AA==\"}",
        "{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"/s\",\"type\":\"t\",\"data_base64\":\"!\"}",
        "{\"a\":\"\\ud800\"}", "{'a':1}", "{\"a\":1}}", "a=1&b=2", "<a/>", "- a\n- b\n", "\u{feff}{}", "{\"a\":NaN}",
    ]
    .iter()
    .map(|shape| shape.as_bytes().to_vec())
    .collect();
    shapes.push(b"{\"a\":\"\xff\xfe\"}".to_vec());
    shapes.push(vec![0; 100]);
    shapes.push(b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec());
    shapes.push("[".repeat(100_000).into_bytes());
    shapes.push(
        [
            b"{\"a\":".repeat(50_000),
            b"1".to_vec(),
            b"}".repeat(50_000),
        ]
        .concat(),
    );
    shapes
}

#[test]
fn a_wrong_body_is_refused_at_every_door() {
    let place = Place::new(OPEN_NODE);
    place.write("doors.yaml", DOORS);
    let node = place.start();
    let post = |path: &str, kind: &str, body: &[u8]| {
        Request::post(path, body).header("content-type", kind)
    };
    for path in ["/v1/events", "/v1/hooks/events"] {
        for body in shapes() {
            for kind in EVENT_KINDS {
                let what = format!("{path} {kind} {:.80}", String::from_utf8_lossy(&body));
                // Lines that hold nothing, and a list of nothing, are no events and no mistake.
                let nothing = body.trim_ascii().is_empty() && *kind == "application/x-ndjson";
                if !nothing {
                    check_refused(&what, &post(path, kind, &body), &node, &[400, 413]);
                }
            }
            for kind in OTHER_KINDS {
                let what = format!("{path} {kind} {:.80}", String::from_utf8_lossy(&body));
                check_refused(&what, &post(path, kind, &body), &node, &[400, 415]);
            }
        }
    }
    let event = json!({"specversion": "1.0", "id": "a", "source": "/s", "type": "t"}).to_string();
    for kind in OTHER_KINDS {
        check_refused(
            kind,
            &post("/v1/events", kind, event.as_bytes()),
            &node,
            &[400, 415],
        );
    }
    for kind in EVENT_KINDS.iter().chain(OTHER_KINDS) {
        let what = format!("alerts {kind}");
        for body in
            shapes()
                .into_iter()
                .chain([event.clone().into_bytes(), b"{}".to_vec(), b"[]".to_vec()])
        {
            check_refused(
                &what,
                &post("/v1/hooks/alerts", kind, &body),
                &node,
                &[400, 413, 415],
            );
        }
    }
    assert_eq!(node.all("events").len(), 0, "nothing was taken");
    check_mapped(&node);
    assert!(!node.log().contains("panicked"), "{}", node.log());
    node.stop();
}

/// A door with a mapping reads JSON, whatever the sender calls it: nothing else becomes an event, and JSON becomes what
/// the mapping says.
fn check_mapped(node: &crate::common::Node) {
    let mut taken = Vec::new();
    let event =
        json!({"specversion": "1.0", "id": "a", "source": "/s", "type": "t", "data": {"n": 1}});
    let bodies = shapes().into_iter().chain([
        event.to_string().into_bytes(),
        b"[]".to_vec(),
        b"{}".to_vec(),
    ]);
    for (n, body) in bodies.enumerate() {
        let kind = EVENT_KINDS.iter().chain(OTHER_KINDS).nth(n % 14).unwrap();
        let request =
            Request::post("/v1/hooks/mapped", body.as_slice()).header("content-type", kind);
        // A JSON reader of another make may take the last of two keys; no door takes either.
        let twice = ["\"a\":1,\"a\"", "\"id\":\"b\""];
        let text = String::from_utf8_lossy(&body);
        let value = serde_json::from_slice::<Value>(&body);
        match value
            .ok()
            .filter(|_| !twice.iter().any(|part| text.contains(part)))
        {
            Some(value) if node.send(&request).status == 202 => taken.push(value),
            Some(_) => check_refused(kind, &request, node, &[400, 413, 415]),
            None => check_refused(kind, &request, node, &[400, 413]),
        }
    }
    let events = node.all("events");
    assert!(taken.contains(&event), "{taken:?}");
    let data = events.iter().map(|record| &record["event"]["data"]);
    assert!(data.eq(taken.iter()), "{events:?}");
    assert!(
        events
            .iter()
            .all(|record| record["event"]["type"] == "mapped"),
        "{events:?}"
    );
}
