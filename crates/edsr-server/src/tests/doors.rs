//! Events come in, and what they are refused with.

use std::sync::Arc;
use std::time::Duration;

use edsr_node::api::{Door, IngestError};

use super::*;
use crate::ServerSettings;
use crate::types::EventsAnswer;
use fake::{BODY_BYTES_MAX, rejected};

fn deliver(path: &str) -> Ask {
    ask(Method::POST, path)
        .with("x-signature", "good")
        .body("{}")
}

#[tokio::test]
async fn what_is_kept_is_told() {
    let node = Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), ServerSettings::default());
    for path in ["/v1/events", "/v1/hooks/pager"] {
        let response = deliver(path).send(&server).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let answer: EventsAnswer = deliver(path).ok(&server).await;
        assert_eq!((answer.accepted, answer.duplicates), (2, 1));
        assert_eq!(answer.rejected[0].code, "missing");
        assert_eq!(
            answer.lsns.map(|lsns| (lsns.first, lsns.last)),
            Some((6, 7))
        );
    }
    let doors: Vec<Door> = node
        .received
        .lock()
        .unwrap()
        .iter()
        .map(|(door, _)| door.clone())
        .collect();
    let hook = Door::Hook("pager".to_owned());
    assert_eq!(doors, [Door::Events, Door::Events, hook.clone(), hook]);
}

#[tokio::test]
async fn each_refusal_of_the_node_has_its_status() {
    let text = || "why".to_owned();
    for (error, status, code) in [
        (
            IngestError::Bad {
                code: "json.depth".into(),
                reason: text(),
            },
            400,
            "json.depth",
        ),
        (
            IngestError::Bad {
                code: "<b>\"".into(),
                reason: text(),
            },
            400,
            "bad-request",
        ),
        (
            IngestError::AllRejected(vec![rejected()]),
            400,
            "all-rejected",
        ),
        (IngestError::Unauthorized(text()), 401, "unauthorized"),
        (IngestError::NoSuchSource(text()), 404, "no-such-source"),
        (IngestError::TooLarge(text()), 413, "too-large"),
        (
            IngestError::Unsupported(text()),
            415,
            "unsupported-media-type",
        ),
        (
            IngestError::Behind {
                retry_after: Duration::from_secs(7),
            },
            429,
            "behind",
        ),
        (IngestError::Unavailable(text()), 503, "unavailable"),
    ] {
        let mut node = FakeNode::with_story();
        node.receive = Err(error.clone());
        let server = node.router();
        let problem = deliver("/v1/events").refused(&server).await;
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (status, code),
            "{error:?}"
        );
        let response = deliver("/v1/events").send(&server).await;
        let again = response.headers().get(header::RETRY_AFTER);
        assert_eq!(again.is_some(), [429, 503].contains(&status), "{error:?}");
        if status == 429 {
            assert_eq!(again.unwrap(), "7");
        }
        assert_eq!(problem.rejected.len(), usize::from(code == "all-rejected"));
    }
}

#[tokio::test]
async fn the_headers_are_judged_before_the_body_is_read() {
    let node = Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), ServerSettings::default());
    let endless = || {
        Body::from_stream(futures_util::stream::pending::<
            Result<bytes::Bytes, std::io::Error>,
        >())
    };
    let unsigned = ask(Method::POST, "/v1/events").body(endless());
    check_refused(&server, unsigned, StatusCode::UNAUTHORIZED, "unauthorized").await;
    let unknown = deliver("/v1/hooks/other").body(endless());
    check_refused(&server, unknown, StatusCode::NOT_FOUND, "no-such-source").await;
    let long = deliver("/v1/events")
        .body(endless())
        .with("content-length", &(BODY_BYTES_MAX + 1).to_string());
    check_refused(&server, long, StatusCode::PAYLOAD_TOO_LARGE, "too-large").await;
    let packed = deliver("/v1/events")
        .body(endless())
        .with("content-encoding", "gzip");
    check_refused(
        &server,
        packed,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
    )
    .await;
    let odd = deliver("/v1/events")
        .body(endless())
        .with("content-length", "-1");
    check_refused(&server, odd, StatusCode::BAD_REQUEST, "bad-request").await;
    assert!(node.received.lock().unwrap().is_empty());
    let plain = deliver("/v1/events").with("content-encoding", "identity");
    assert_eq!(plain.send(&server).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn bodies_that_are_read_at_once_are_bounded() {
    let settings = ServerSettings {
        bodies_max: 0,
        ..ServerSettings::default()
    };
    let server = crate::router(Arc::new(FakeNode::with_story()), settings);
    check_refused(
        &server,
        deliver("/v1/events"),
        StatusCode::TOO_MANY_REQUESTS,
        "busy",
    )
    .await;
}
