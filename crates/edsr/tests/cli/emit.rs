//! `edsr emit`: batches, rejections, waiting.

use serde_json::{Value, json};

use crate::stub::{Reply, Request, Stub, ask, feed};

/// Takes every event but those with a `bad` attribute.
fn intake(request: &Request) -> Reply {
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
        .map(|request| {
            serde_json::from_str::<Vec<Value>>(&request.body)
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(sizes, [100, 100, 50]);
    let media_type = "content-type: application/cloudevents-batch+json".to_owned();
    assert!(
        seen.iter()
            .all(|request| request.headers.contains(&media_type))
    );
}

#[test]
fn what_is_rejected_is_told_by_line() {
    let stub = Stub::serve(|request, _| intake(request));
    let mut input = events(3);
    input.push_str("nonsense\n");
    input.push_str(
        "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/s\",\"type\":\"t\",\"bad\":true}\n",
    );
    input.push_str("{\"id\":\"y\"}\n");
    let ran = feed(&stub, &["emit"], &input);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.out, "3 events accepted, 3 rejected\n");
    for text in [
        "line 4: it is not JSON",
        "line 5 (id `x`): bad [c]",
        "line 6: ",
    ] {
        assert!(ran.err.contains(text), "{text}\n{ran:?}");
    }

    // A batch of which nothing is kept is no reason to stop.
    let ran = feed(
        &stub,
        &["emit"],
        "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/s\",\"type\":\"t\",\"bad\":1}",
    );
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (1, "0 events accepted, 1 rejected\n")
    );
}

#[test]
fn events_are_made_of_flags() {
    let stub = Stub::serve(|request, _| intake(request));
    let ran = ask(&stub, &["emit", "--type", "a.b", "--data", "{\"x\":1}"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "1 event accepted\n"),
        "{ran:?}"
    );
    let ran = feed(
        &stub,
        &["emit", "--type", "a.b", "--source", "/s"],
        "[{\"data\":1},\n{\"data\":2}]",
    );
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
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 events accepted\n"),
        "{ran:?}"
    );
    assert_eq!(stub.seen().len(), 3);

    let stub = Stub::always(Reply::problem(429, "behind").header("retry-after: 0"));
    let ran = feed(&stub, &["emit"], &events(2));
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("stopped at line 1: behind"), "{ran:?}");
    assert_eq!(stub.seen().len(), 8);
}
