//! Events in every form they may come in, and what happens to those that may not.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::common::{Answer, Node, Request, WAIT, text};
use crate::open_place;

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

fn raw(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": "order.placed", "data": {"n": 1}})
}

fn post(node: &Node, media: &str, body: impl Into<Vec<u8>>) -> Answer {
    node.send(&Request::post("/v1/events", body).header("content-type", media))
}

fn ids(node: &Node) -> Vec<String> {
    let records = node.all("events");
    let ids = records
        .iter()
        .map(|record| text(record, "/event/id").to_owned());
    ids.collect()
}

#[test]
fn every_form_is_taken_and_keeps_its_attributes() {
    let place = open_place();
    let node = place.start();
    let mut rich = raw("structured");
    rich["subject"] = "order/7".into();
    rich["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    rich["attempt"] = 3.into();
    rich["replayed"] = true.into();
    post(&node, ONE, rich.to_string()).is(202);
    let binary = Request::post("/v1/events", r#"{"n": 2}"#)
        .json()
        .header("ce-specversion", "1.0")
        .header("ce-id", "binary")
        .header("ce-source", "/shop")
        .header("ce-type", "order.placed")
        .header("ce-tenant", "caf%C3%A9");
    node.send(&binary).is(202);
    let batch = json!([raw("batch-1"), raw("batch-2")]).to_string();
    let answer = post(&node, BATCH, batch).is(202).json();
    assert_eq!(answer["lsns"], json!({"first": 3, "last": 4}), "{answer}");
    let lines = format!("{}\n\n{}\n", raw("line-1"), raw("line-2"));
    let answer = post(&node, LINES, lines).is(202).json();
    assert_eq!(answer["accepted"], 2, "{answer}");
    let all = [
        "structured",
        "binary",
        "batch-1",
        "batch-2",
        "line-1",
        "line-2",
    ];
    assert_eq!(ids(&node), all);

    let record = event(&node, "1");
    for name in [
        "subject",
        "traceparent",
        "attempt",
        "replayed",
        "data",
        "source",
        "type",
    ] {
        assert_eq!(record["event"][name], rich[name], "{name}: {record}");
    }
    let record = event(&node, "2");
    assert_eq!(record["event"]["tenant"], "café", "{record}");
    assert_eq!(record["event"]["data"], json!({"n": 2}), "{record}");
    let told = node.cli_ok(&["events", "get", "2"]);
    assert!(told.contains("tenant") && told.contains("café"), "{told}");
    assert_eq!(node.cli(&["events", "get", "7"]).status.code(), Some(3));
    node.stop();
}

/// An event as the command line shows it.
fn event(node: &Node, lsn: &str) -> Value {
    serde_json::from_str(&node.cli_ok(&["events", "get", lsn, "-o", "json"])).unwrap()
}

#[test]
fn bad_events_are_named_and_good_ones_kept() {
    let place = open_place();
    let node = place.start();
    let mut nameless = raw("x");
    nameless.as_object_mut().unwrap().remove("type");
    let batch = json!([raw("good-1"), nameless, 7, raw("good-2")]).to_string();
    let answer = post(&node, BATCH, batch).is(202).json();
    assert_eq!(answer["accepted"], 2, "{answer}");
    let rejected = answer["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|item| &item["index"]).collect();
    assert_eq!(places, [1, 2], "{answer}");
    assert_eq!(rejected[0]["id"], "x");
    assert!(text(&rejected[0], "/reason").contains("type"), "{answer}");
    for item in rejected {
        assert!(
            !text(item, "/code").is_empty() && !text(item, "/reason").is_empty(),
            "{answer}"
        );
    }
    assert_eq!(ids(&node), ["good-1", "good-2"]);

    // None is kept: a refusal, with the same list.
    let none = post(&node, LINES, "{\"id\": \"y\"}\nnot json\n").is(400);
    assert!(none.head.contains("application/problem+json"), "{none:?}");
    let none = none.json();
    assert_eq!(none["code"], "all-rejected", "{none}");
    assert_eq!(none["rejected"].as_array().unwrap().len(), 2, "{none}");

    for (media, body, status) in [
        (ONE, "", 400),
        (ONE, "[1, 2", 400),
        (BATCH, "{}", 400),
        ("text/plain", "hello", 415),
        ("application/cloudevents+avro", "", 415),
    ] {
        let answer = post(&node, media, body);
        assert_eq!(answer.status, status, "{media}: {answer:?}");
    }
    assert_eq!(ids(&node).len(), 2);
    let metrics = node.send(&Request::get("/metrics")).is(200).body;
    assert!(metrics.contains("rejected"), "{metrics}");
    node.stop();
}

#[test]
fn an_event_counts_once_before_and_after_a_restart() {
    let place = open_place();
    let node = place.start();
    let again = |node: &Node, accepted: u64, duplicates: u64| {
        let answer = post(node, ONE, raw("one").to_string()).is(202).json();
        assert_eq!(answer["accepted"], accepted, "{answer}");
        assert_eq!(answer["duplicates"], duplicates, "{answer}");
    };
    again(&node, 1, 0);
    again(&node, 0, 1);
    // The id is another sender's too, and then it is another event.
    let mut other = raw("one");
    other["source"] = "/another".into();
    let answer = post(&node, ONE, other.to_string()).is(202).json();
    assert_eq!(answer["accepted"], 1, "{answer}");
    node.kill();
    let node = place.start();
    again(&node, 0, 1);
    node.stop();
    let node = place.start();
    again(&node, 0, 1);
    assert_eq!(ids(&node), ["one", "one"]);
    node.stop();
}

#[test]
fn what_is_too_large_is_refused_unread() {
    let place = open_place();
    let node = place.start();
    // More than any request may have: the announcement is enough.
    let huge = vec![b' '; (8 << 20) + 1];
    let request = Request::post("/v1/events", huge).header("content-type", BATCH);
    let answer = node.send(&request.withheld()).is(413).json();
    assert_eq!(answer["code"], "too-large", "{answer}");
    // More than one event may have, in a request that is not too large.
    let mut large = raw("large");
    large["data"] = "x".repeat(1 << 20).into();
    let answer = post(&node, ONE, large.to_string());
    assert_eq!(answer.status, 413, "{answer:?}");
    // In a batch it costs only itself.
    let batch = json!([large, raw("small")]).to_string();
    let answer = post(&node, BATCH, batch).is(202).json();
    assert_eq!(answer["rejected"][0]["index"], 0, "{answer}");
    assert_eq!(ids(&node), ["small"]);
    node.stop();
}

/// Bodies that never come hold the places there are for a moment only; whoever finds none is told when to come back.
#[test]
fn too_many_at_once_are_told_to_come_back() {
    const AT_ONCE: usize = 64;
    const MORE: usize = 16;
    let place = open_place();
    let node = place.start();
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: {ONE}\r\ncontent-length: 10\r\n\r\n",
        node.address
    );
    let mut streams: Vec<TcpStream> = (0..AT_ONCE + MORE)
        .map(|_| {
            let mut stream = TcpStream::connect(node.address).unwrap();
            stream.set_read_timeout(Some(WAIT)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut busy = 0;
    for stream in &mut streams {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let answer = answer.to_ascii_lowercase();
        if answer.starts_with("http/1.1 429 ") {
            assert!(answer.contains("retry-after: 1"), "{answer}");
            busy += 1;
        } else {
            assert!(answer.starts_with("http/1.1 408 "), "{answer}");
        }
    }
    assert_eq!(busy, MORE);
    post(&node, ONE, raw("after").to_string()).is(202);
    node.stop();
}
