//! Calls that get no answer: which of them certainly did not happen, and which may have.

use std::sync::Arc;
use std::time::Duration;

use edsr_actuate::http::Lookup;
use edsr_actuate::{Actuator as _, Connector, Http};
use edsr_model::Outcome;
use serde_json::json;
use tokio::net::TcpListener;

use crate::http::{local, policy};
use crate::server::{Reply, Server};
use crate::{failed, ok, request, unknown};

const SHORT: Duration = Duration::from_secs(1);

async fn post(connector: Connector, url: String, limit: Duration) -> Outcome {
    let mut request = request(
        "http/request",
        json!({"method": "POST", "url": url, "json": {}}),
    );
    request.timeout = limit;
    Http::new(connector).perform(request).await
}

#[tokio::test]
async fn no_answer_in_time_leaves_it_unknown() {
    let server = Server::start(Reply::Stall(Vec::new())).await;
    let reason = unknown(post(local(), server.url("/p4th"), SHORT).await);
    assert_eq!(
        reason,
        "timed out after 1s without an answer from `127.0.0.1`"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_it_unknown() {
    for reply in [
        Reply::Close,
        Reply::Bytes(b"HTTP/1.1 200".to_vec()),
        Reply::Bytes(b"garbage\r\n\r\n".to_vec()),
    ] {
        let server = Server::start(reply).await;
        let reason = unknown(post(local(), server.url("/p4th"), 10 * SHORT).await);
        assert!(
            reason.starts_with("the connection to `127.0.0.1` broke"),
            "{reason}"
        );
        assert!(!reason.contains("p4th"), "{reason}");
        assert_eq!(server.requests().len(), 1, "it is not sent again");
    }
}

#[tokio::test]
async fn an_answer_without_the_end_of_its_body_is_an_answer() {
    let begun = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nbegun".to_vec();
    for (reply, limit) in [
        (Reply::Stall(begun.clone()), SHORT),
        (Reply::Bytes(begun), Duration::MAX),
    ] {
        let server = Server::start(reply).await;
        let output = ok(post(local(), server.url("/"), limit).await);
        assert_eq!(
            (&output["body"], &output["truncated"]),
            (&json!("begun"), &json!(true))
        );
    }
}

#[tokio::test]
async fn without_a_connection_nothing_happened() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (reason, _) = failed(post(local(), format!("http://{free}/"), 10 * SHORT).await);
    assert!(
        reason.starts_with("not started: no connection to `127.0.0.1`: "),
        "{reason}"
    );
    assert!(reason.to_lowercase().contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing() {
    let server = Server::answering("200 OK", "", "").await;
    let url = server.url("/").replace("http:", "https:");
    // It reads until something looks like a request, so the handshake ends with the connection or the time for it.
    let (reason, _) = failed(post(local(), url, SHORT).await);
    assert!(
        reason.starts_with("not started: no connection to "),
        "{reason}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_a_failure() {
    let lookups: [(Lookup, &str); 3] = [
        (
            Arc::new(|_, _| Box::pin(async { Err(std::io::Error::other("no such name")) })),
            "no such name",
        ),
        (Arc::new(|_, _| Box::pin(std::future::pending())), "in time"),
        (
            Arc::new(|_, _| Box::pin(async { Ok(Vec::new()) })),
            "has no address",
        ),
    ];
    for (lookup, why) in lookups {
        let connector = Connector::with_lookup(policy(&[]), lookup);
        let (reason, _) = failed(post(connector, "http://a.example/".to_owned(), SHORT).await);
        assert!(
            reason.starts_with("not started: ") && reason.contains(why),
            "{reason}"
        );
    }
}
