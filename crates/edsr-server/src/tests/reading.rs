//! Lists, single items, both logs, explanations, the node itself.

use edsr_model::{DetectionId, Fact};

use super::*;
use crate::settings::{SITUATIONS_MAX, TIMELINE_MAX};
use crate::types::*;
use fake::ids;

#[tokio::test]
async fn lists_and_items_agree() {
    let (server, ids) = (server(), ids());
    let detections: Page<Detection> = get("/v1/detections").ok(&server).await;
    let detection: Detection = get(&format!("/v1/detections/{}", ids.detection))
        .ok(&server)
        .await;
    assert_eq!(detections.items, std::slice::from_ref(&detection));
    assert_eq!(
        (detection.key_text.as_str(), detection.state.as_str()),
        ("region=eu", "open")
    );
    assert_eq!(detection.executions, [ids.execution.to_string()]);

    let incidents: Page<Incident> = get("/v1/incidents?state=open").ok(&server).await;
    let detail: IncidentDetail = get(&format!("/v1/incidents/{}", &ids.incident.as_str()[..10]))
        .ok(&server)
        .await;
    assert_eq!(incidents.items, std::slice::from_ref(&detail.incident));
    assert_eq!(detail.incident.title, "errors region=eu");
    assert_eq!(detail.timeline.len(), 9, "the pause belongs to no incident");
    assert!(detail.timeline.is_sorted_by_key(|line| line.seq) && !detail.timeline_cut);

    let decisions: Page<Decision> = get("/v1/decisions").ok(&server).await;
    let decision: Decision = get(&format!("/v1/decisions/{}", ids.decision))
        .ok(&server)
        .await;
    assert_eq!((decisions.items.len(), &decisions.items[1]), (2, &decision));
    assert_eq!(decision.execution, Some(ids.execution.to_string()));
    assert_eq!(decision.reasons[0].figures["policy"], "prod");

    let executions: Page<Execution> =
        get("/v1/executions?playbook=rollback&target=service/checkout")
            .ok(&server)
            .await;
    let detail: ExecutionDetail = get(&format!("/v1/executions/{}", ids.execution))
        .ok(&server)
        .await;
    assert_eq!(executions.items, std::slice::from_ref(&detail.execution));
    assert_eq!(detail.execution.status, "succeeded");
    assert_eq!(
        detail.execution.steps[0].last_outcome.as_deref(),
        Some("ok")
    );
    assert_eq!(detail.plan_detail.unwrap().inputs["version"], "1.2");

    let pauses: Page<Pause> = get("/v1/pauses").ok(&server).await;
    assert_eq!(pauses.items[0].scope, "target:service/checkout");
    assert_eq!(pauses.items[0].by, "person:ann");
}

#[tokio::test]
async fn filters_filter() {
    let server = server();
    for (path, count) in [
        ("/v1/detections?state=open", 1),
        ("/v1/detections?state=resolved", 0),
        ("/v1/detections?detector=errors", 1),
        ("/v1/detections?detector=other", 0),
        ("/v1/incidents?state=resolved", 0),
        ("/v1/decisions?state=waiting", 1),
        ("/v1/decisions?state=auto", 1),
        ("/v1/decisions?state=deny", 0),
        ("/v1/decisions?playbook=other", 0),
        ("/v1/executions?state=ended", 1),
        ("/v1/executions?state=unended", 0),
        ("/v1/executions?state=succeeded", 1),
        ("/v1/executions?target=service/other", 0),
        ("/v1/journal?kind=decided", 2),
        ("/v1/journal?kind=decided,paused", 3),
    ] {
        let page: Page<Value> = get(path).ok(&server).await;
        assert_eq!(page.items.len(), count, "{path}");
    }
    for path in [
        "/v1/detections?state=ajar",
        "/v1/detections?limit=0",
        "/v1/detections?limit=501",
        "/v1/detections?limit=x",
        "/v1/detections?colour=red",
        "/v1/detections?state=open&state=open",
        "/v1/decisions?state=open",
        "/v1/executions?state=open",
        "/v1/incidents?before=-1",
        "/v1/events?from=1&before=2",
        "/v1/journal?from=1&before=2",
        "/v1/explain?id=1",
        "/v1/tail?only=both",
    ] {
        check_refused(&server, get(path), StatusCode::BAD_REQUEST, "bad-request").await;
    }
}

#[tokio::test]
async fn pages_lead_through_everything_once() {
    let server = server();
    for (path, word, count, up) in [
        ("/v1/events?limit=2", "before", 5, false),
        ("/v1/events?limit=2&from=1", "from", 5, true),
        ("/v1/journal?limit=3", "before", 10, false),
        ("/v1/journal?limit=3&from=1", "from", 10, true),
        ("/v1/journal?limit=5&from=1", "from", 10, true),
        ("/v1/decisions?limit=1", "before", 2, false),
    ] {
        let start = path.split("&from").next().unwrap();
        let (mut seen, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page: Page<Value> = get(&path).ok(&server).await;
            assert!(!page.items.is_empty(), "{path}");
            seen.extend(page.items.iter().map(|item| {
                let place = item.get("lsn").filter(|_| item.get("seq").is_none());
                place
                    .or(item.get("seq"))
                    .and_then(Value::as_u64)
                    .map_or_else(|| item["id"].to_string(), |n| format!("{n:04}"))
            }));
            next = page.next.map(|next| format!("{start}&{word}={next}"));
            assert!(seen.len() <= count, "{start}");
        }
        assert_eq!(seen.len(), count, "{start}");
        if word == "from" {
            assert!(up && seen.is_sorted(), "{seen:?}");
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "{start}: nothing twice");
    }
}

#[tokio::test]
async fn both_logs_can_be_read() {
    let server = server();
    let event: EventRecord = get("/v1/events/3").ok(&server).await;
    assert_eq!((event.lsn, &event.event["id"]), (3, &Value::from("3")));
    let entry: EntryRecord = get("/v1/journal/3").ok(&server).await;
    assert_eq!(
        (entry.kind.as_str(), entry.cause.as_deref()),
        ("decided", Some("event:3"))
    );
    assert_eq!(
        entry.text,
        "rollback on service/checkout runs: all agree (permitted)"
    );
    assert_eq!(entry.fact["kind"], "decided");
    let before: EntryRecord = get("/v1/journal/2").ok(&server).await;
    assert_eq!(entry.prev, before.hash, "entries form a chain");
    for path in [
        "/v1/events/6",
        "/v1/events/0",
        "/v1/events/x",
        "/v1/events/03",
        "/v1/events/99999999999999999999",
        "/v1/journal/11",
        "/v1/journal/0",
    ] {
        check_refused(&server, get(path), StatusCode::NOT_FOUND, "not-found").await;
    }
}

#[tokio::test]
async fn everything_can_be_explained() {
    let (server, ids) = (server(), ids());
    for reference in [ids.execution.to_string(), ids.decision.to_string()] {
        let told: Explanation = get(&format!("/v1/explain/{reference}")).ok(&server).await;
        assert_eq!(told.subject, reference);
        assert_eq!(told.situations[0].outcome, "succeeded");
        assert!(
            told.summary.contains("verification passed"),
            "{}",
            told.summary
        );
    }
    for reference in [
        ids.detection.to_string(),
        ids.incident.to_string(),
        "3".to_owned(),
        "event:3".to_owned(),
    ] {
        let told: Explanation = get(&format!("/v1/explain/{reference}")).ok(&server).await;
        let [situation] = told.situations.as_slice() else {
            panic!("{reference}: {told:?}");
        };
        assert_eq!(
            situation.detection.as_ref().unwrap().id,
            ids.detection.to_string()
        );
        assert_eq!(
            situation
                .events
                .iter()
                .map(|event| event.lsn)
                .collect::<Vec<_>>(),
            [2, 3]
        );
        assert_eq!(
            (
                situation.plans.len(),
                situation.decisions.len(),
                situation.executions.len()
            ),
            (1, 2, 1)
        );
        let kinds: Vec<&str> = situation
            .timeline
            .iter()
            .map(|line| line.kind.as_str())
            .collect();
        for kind in [
            "detection-opened",
            "decided",
            "step-outcome",
            "verified",
            "execution-ended",
        ] {
            assert!(kinds.contains(&kind), "{reference}: {kinds:?} lacks {kind}");
        }
    }
    let named: Explanation = get("/v1/explain?source=/shop&id=3").ok(&server).await;
    assert_eq!(
        (named.subject.as_str(), named.event.unwrap().lsn),
        ("event:3", 3)
    );
    let waiting: Explanation = get(&format!("/v1/explain/{}", ids.waiting))
        .ok(&server)
        .await;
    assert_eq!(waiting.situations[0].outcome, "waiting");
    let nothing: Explanation = get("/v1/explain/event:5").ok(&server).await;
    assert_eq!(nothing.situations[0].outcome, "nothing-detected");
    assert!(
        nothing.summary.contains("`order.placed`"),
        "{}",
        nothing.summary
    );
    for reference in ["event:6", "event:", "nonsense", "pau-0000", "event:x", "-1"] {
        check_refused(
            &server,
            get(&format!("/v1/explain/{reference}")),
            StatusCode::NOT_FOUND,
            "not-found",
        )
        .await;
    }
    check_refused(
        &server,
        get("/v1/explain?source=/shop&id=9"),
        StatusCode::NOT_FOUND,
        "not-found",
    )
    .await;
    check_refused(
        &server,
        get("/v1/explain/det-"),
        StatusCode::NOT_FOUND,
        "malformed-id",
    )
    .await;
}

#[tokio::test]
async fn ambiguous_ids_name_their_candidates() {
    let (server, ids) = (server(), ids());
    // The two decisions of the story begin with different digits, so a shared beginning is the prefix alone.
    let problem = get("/v1/decisions/dec-").refused(&server).await;
    assert_eq!(problem.code, "malformed-id");
    let none = get("/v1/decisions/dec-ffffffffffffffff")
        .refused(&server)
        .await;
    assert_eq!((none.status, none.code.as_str()), (404, "not-found"));
    let fault = crate::problem::Fault::from(edsr_node::view::LookupError::Many {
        what: "decision",
        text: "dec-0".to_owned(),
        count: 2,
        candidates: vec![ids.decision.to_string(), ids.waiting.to_string()],
    });
    let response = axum::response::IntoResponse::into_response(fault);
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let problem: Problem = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        problem.candidates,
        [ids.decision.to_string(), ids.waiting.to_string()]
    );
}

#[tokio::test]
async fn the_node_says_how_it_is() {
    let server = server();
    let status: NodeStatus = get("/v1/status").ok(&server).await;
    assert_eq!((status.lsn, status.seq, status.paused), (5, 10, true));
    assert_eq!(status.counts.waiting_decisions, 1);
    assert_eq!(
        (status.counts.open_detections, status.counts.pauses),
        (1, 1)
    );
    let documents: Page<Document> = get("/v1/documents").ok(&server).await;
    assert_eq!(documents.items[0].name, "errors");
    let metrics = get("/metrics").send(&server).await;
    assert!(
        metrics.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    for (ready, code) in [
        (true, StatusCode::OK),
        (false, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let mut node = FakeNode::with_story();
        node.ready = ready;
        let server = node.router();
        let response = ask(Method::GET, "/readyz").send(&server).await;
        assert_eq!(response.status(), code);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let readiness: Readiness = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (readiness.ready, readiness.problems.len()),
            (ready, usize::from(!ready))
        );
        assert_eq!(
            ask(Method::GET, "/healthz").send(&server).await.status(),
            StatusCode::OK,
            "alive"
        );
    }
}

#[tokio::test]
async fn long_stories_are_cut_and_say_so() {
    let note = || Fact::Note {
        text: "still looking".to_owned(),
    };
    let opened = |n: u64| {
        let node = FakeNode::with_story();
        let mut detection = node
            .views
            .detections()
            .get(&ids().detection)
            .unwrap()
            .detection
            .clone();
        detection.id = DetectionId::derive([n.to_be_bytes().as_slice()]);
        Fact::DetectionOpened(detection)
    };
    let notes = std::iter::repeat_with(note).take(TIMELINE_MAX);
    let detections = (0..SITUATIONS_MAX as u64 + 4).map(opened);
    let server = FakeNode::telling(notes.chain(detections).collect()).router();
    let incident = ids().incident;
    let detail: IncidentDetail = get(&format!("/v1/incidents/{incident}")).ok(&server).await;
    assert!(detail.timeline_cut);
    assert_eq!(detail.timeline.len(), TIMELINE_MAX);
    let told: Explanation = get(&format!("/v1/explain/{incident}")).ok(&server).await;
    assert_eq!(told.situations.len(), SITUATIONS_MAX);
    assert!(
        told.summary
            .ends_with("; 5 further detections are not told here"),
        "{}",
        told.summary
    );
    let kinds = "note,".repeat(40);
    let many = get(&format!("/v1/journal?kind={kinds}"));
    check_refused(&server, many, StatusCode::BAD_REQUEST, "bad-request").await;
    let unknown = get("/v1/journal?kind=decided,nonsense");
    check_refused(&server, unknown, StatusCode::BAD_REQUEST, "bad-request").await;
}
