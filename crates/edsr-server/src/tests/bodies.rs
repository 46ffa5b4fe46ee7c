//! Slow, endless and malformed bodies; commands.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edsr_model::{Actor, PauseScope};
use edsr_node::api::{Command, CommandError};
use futures_util::stream;
use serde_json::json;

use super::*;
use crate::ServerSettings;
use crate::settings::CALL_BYTES_MAX;
use crate::types::CommandAnswer;
use fake::{BODY_BYTES_MAX, ids};

/// A body that gives `size` bytes every `pause`, for ever.
fn dripping(size: usize, pause: Duration) -> Body {
    Body::from_stream(stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from(vec![b' '; size])), ()))
    }))
}

#[tokio::test(start_paused = true)]
async fn a_body_is_neither_too_slow_nor_too_long() {
    let server = server();
    let deliver = |body| {
        ask(Method::POST, "/v1/events")
            .with("x-signature", "good")
            .body(body)
    };
    let second = Duration::from_secs(1);
    for (body, status, code) in [
        (dripping(1, second), StatusCode::REQUEST_TIMEOUT, "too-slow"),
        (
            dripping(1, second * 60),
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
        ),
        (
            dripping(100, Duration::ZERO),
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
        ),
        (
            dripping(usize::from(u16::MAX), Duration::ZERO),
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
        ),
    ] {
        let started = tokio::time::Instant::now();
        check_refused(&server, deliver(body), status, code).await;
        assert!(started.elapsed() <= ServerSettings::default().body_time_max);
    }
    for (size, kept) in [(BODY_BYTES_MAX, true), (BODY_BYTES_MAX + 1, false)] {
        let status = deliver(Body::from(vec![b' '; size]))
            .send(&server)
            .await
            .status();
        assert_eq!(status == StatusCode::ACCEPTED, kept, "{size}");
    }
    let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other(
        "cut",
    ))]));
    check_refused(
        &server,
        deliver(broken),
        StatusCode::BAD_REQUEST,
        "bad-request",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn bodies_that_arrive_at_once_share_their_room() {
    let second = Duration::from_secs(1);
    let settings = |arriving, held| ServerSettings {
        bodies_arriving_bytes_max: arriving,
        bodies_bytes_max: held,
        ..ServerSettings::default()
    };
    let deliver = |body: Body| {
        ask(Method::POST, "/v1/events")
            .with("x-signature", "good")
            .body(body)
    };
    let whole = || deliver(Body::from(vec![b' '; 50]));
    // Somebody drips; whoever comes meanwhile has the rest, and a person is heard all the same.
    for (arriving, turned_away) in [(60, false), (40, true)] {
        let server = crate::router(
            Arc::new(FakeNode::with_story()),
            settings(arriving, usize::MAX),
        );
        let dripping = {
            let server = server.clone();
            tokio::spawn(deliver(dripping(5, second * 2)).send_owned(server))
        };
        tokio::time::sleep(second * 3).await;
        if turned_away {
            check_refused(&server, whole(), StatusCode::TOO_MANY_REQUESTS, "busy").await;
        } else {
            assert_eq!(whole().send(&server).await.status(), StatusCode::ACCEPTED);
        }
        let pause = post(
            "/v1/pauses",
            json!({"scope": "all", "reason": "x".repeat(60)}),
        );
        let _: CommandAnswer = pause.ok(&server).await;
        assert_eq!(dripping.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(whole().send(&server).await.status(), StatusCode::ACCEPTED);
    }
    // Alone, any body has room, also where it is larger than that.
    let server = crate::router(Arc::new(FakeNode::with_story()), settings(1, 1));
    assert_eq!(whole().send(&server).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_a_person_says_reaches_the_node_under_their_name() {
    let node = Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), ServerSettings::default());
    let (pause, decision) = (ids().pause, ids().waiting);
    let reason = json!({"reason": " because "});
    let short = &pause.as_str()[..12];
    let mut delete = post(&format!("/v1/pauses/{pause}"), reason.clone());
    delete.method = Method::DELETE;
    let asks = [
        post("/v1/pauses", json!({"scope": "all", "reason": "because"})),
        post(
            "/v1/pauses",
            json!({"scope": "playbook:rollback", "reason": "because"}),
        ),
        post(
            "/v1/pauses",
            json!({"scope": "target:service/checkout/eu", "reason": "because"}),
        ),
        post(&format!("/v1/pauses/{short}/resume"), reason.clone()),
        delete,
        post(&format!("/v1/decisions/{decision}/approve"), reason.clone()),
        post(&format!("/v1/decisions/{decision}/reject"), reason.clone()),
        post("/v1/notes", json!({"text": "because"})),
    ];
    for ask in asks {
        let answer: CommandAnswer = ask.ok(&server).await;
        assert!(answer.durable && answer.seq == 99);
    }
    let reason = "because".to_owned();
    let stop = |scope| Command::Pause {
        scope,
        reason: reason.clone(),
    };
    let resume = Command::Resume {
        pause,
        reason: reason.clone(),
    };
    let answer = |granted| Command::Approve {
        decision: decision.clone(),
        granted,
        reason: reason.clone(),
    };
    let expected = [
        stop(PauseScope::All),
        stop(PauseScope::Playbook("rollback".to_owned())),
        stop(PauseScope::Target("service/checkout/eu".parse().unwrap())),
        resume.clone(),
        resume,
        answer(true),
        answer(false),
        Command::Note {
            text: reason.clone(),
        },
    ];
    let told = node.told.lock().unwrap().clone();
    assert!(
        told.iter()
            .all(|(actor, _)| *actor == Actor::Person("ann".to_owned()))
    );
    assert_eq!(
        told.into_iter()
            .map(|(_, command)| command)
            .collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn malformed_calls_reach_nobody() {
    let node = Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), ServerSettings::default());
    let raw = |text: &str| post("/v1/pauses", json!(null)).body(text.to_owned());
    for text in [
        "",
        "null",
        "[]",
        "{\"scope\":\"all\"}",
        "{\"scope\":\"all\",\"reason\":\"r\",\"reason\":\"s\"}",
        "{\"scope\":\"all\",\"reason\":\"r\",\"force\":true}",
        "{\"scope\":\"all\",\"reason\":1}",
        "{\"scope\":\"all\",\"reason\":\"  \"}",
        "{\"scope\":\"everything\",\"reason\":\"r\"}",
        "{\"scope\":\"playbook:\",\"reason\":\"r\"}",
        "{\"scope\":\"target:checkout\",\"reason\":\"r\"}",
        "{\"scope\":\"\",\"reason\":\"r\"}",
        "{\"scope\":\"all\",\"reason\":\"r\"} x",
    ] {
        check_refused(&server, raw(text), StatusCode::BAD_REQUEST, "bad-request").await;
    }
    for (media, ok) in [
        ("text/plain", false),
        ("application/jsonx", false),
        ("application/json; charset=utf-8", true),
    ] {
        let mut ask = raw("{\"scope\":\"all\",\"reason\":\"r\"}");
        ask.headers.retain(|(name, _)| name != "content-type");
        let status = ask.with("content-type", media).send(&server).await.status();
        assert_eq!(status == StatusCode::OK, ok, "{media}: {status}");
        assert!(ok || status == StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let long = json!({"text": "x".repeat(CALL_BYTES_MAX)});
    check_refused(
        &server,
        post("/v1/notes", long),
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
    )
    .await;
    let reason = || json!({"reason": "r"});
    let waiting = ids().waiting;
    let short = &waiting.as_str()[..12];
    let part = post(&format!("/v1/decisions/{short}/approve"), reason());
    check_refused(&server, part, StatusCode::NOT_FOUND, "not-found").await;
    let unknown = post("/v1/pauses/pau-00/resume", reason());
    check_refused(&server, unknown, StatusCode::NOT_FOUND, "not-found").await;
    assert_eq!(node.told.lock().unwrap().len(), 1, "the one that was right");
}

#[tokio::test]
async fn each_refusal_of_a_command_has_its_status() {
    let text = || "why".to_owned();
    for (error, status, code) in [
        (CommandError::NotFound(text()), 404, "not-found"),
        (CommandError::Conflict(text()), 409, "conflict"),
        (CommandError::Bad(text()), 400, "bad-request"),
        (CommandError::Unavailable(text()), 503, "unavailable"),
    ] {
        let mut node = FakeNode::with_story();
        node.command = Err(error);
        let problem = post("/v1/notes", json!({"text": "t"}))
            .refused(&node.router())
            .await;
        assert_eq!((problem.status, problem.code.as_str()), (status, code));
    }
    let mut node = FakeNode::with_story();
    node.command = node.command.map(|mut done| {
        done.durable = false;
        done.pause = Some(ids().pause);
        done
    });
    let response = post("/v1/pauses", json!({"scope": "all", "reason": "r"}))
        .send(&node.router())
        .await;
    assert_eq!(
        response.status(),
        StatusCode::ACCEPTED,
        "it holds, and is not durable yet"
    );
}
