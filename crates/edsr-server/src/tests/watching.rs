//! `/v1/tail`, and real connections.

use std::sync::Arc;
use std::time::Duration;

use axum::body::BodyDataStream;
use edsr_model::{Lsn, Record, Seq};
use edsr_node::api::{Happening, NodeApi as _};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::ServerSettings;
use crate::serve::{Bounds, serve_within};
use fake::{at, event};

fn happened(kind: &str) -> Arc<Happening> {
    Arc::new(Happening::Event(Record {
        lsn: Lsn(8),
        at: at(8),
        event: event(8, kind),
    }))
}

fn entries(node: &FakeNode) -> Vec<Arc<Happening>> {
    let entries = node.journal().read(Seq(1), 100).unwrap();
    entries
        .into_iter()
        .map(|entry| Arc::new(Happening::Entry(entry)))
        .collect()
}

/// What is there to read now.
fn ready(stream: &mut BodyDataStream) -> String {
    let mut text = String::new();
    while let Some(Some(piece)) = stream.next().now_or_never() {
        text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
    }
    text
}

#[tokio::test(start_paused = true)]
async fn filters_choose_what_is_shown() {
    let check = async |query: &str, expected: &[&str]| {
        let node = Arc::new(FakeNode::with_story());
        let server = crate::router(node.clone(), ServerSettings::default());
        let response = get(&format!("/v1/tail{query}")).send(&server).await;
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/event-stream"
        );
        let mut stream = response.into_body().into_data_stream();
        let mut text = ready(&mut stream);
        assert!(text.starts_with(": watching"), "{text}");
        for kind in ["order.placed", "payment.captured"] {
            node.happenings.send(happened(kind)).unwrap();
            text.push_str(&ready(&mut stream));
        }
        for entry in entries(&node) {
            node.happenings.send(entry).unwrap();
            text.push_str(&ready(&mut stream));
        }
        let ids: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .collect();
        assert_eq!(ids, expected, "{query}");
    };
    let e = "event:8";
    let all: Vec<String> = (1..=10).map(|n| format!("entry:{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check("", &[&[e, e], all.as_slice()].concat()).await;
    check("?only=events", &[e, e]).await;
    check("?only=entries", &all).await;
    check("?type=order.", &[e]).await;
    check("?type=order.&only=entries", &[]).await;
    check("?kind=decided,paused", &["entry:3", "entry:9", "entry:10"]).await;
    check("?detector=errors", &all[..9]).await;
    check("?detector=other", &[]).await;
    check("?playbook=rollback", &all[1..9]).await;
    check(
        "?playbook=rollback&kind=step-outcome&type=payment",
        &[e, "entry:6"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_is_told_what_it_missed_and_a_silent_stream_stays_alive() {
    let node = Arc::new(FakeNode::with_story());
    let settings = ServerSettings::default();
    let alive = settings.keep_alive;
    let server = crate::router(node.clone(), settings);
    let mut stream = get("/v1/tail")
        .send(&server)
        .await
        .into_body()
        .into_data_stream();
    assert_eq!(ready(&mut stream), ": watching\n\n");
    tokio::time::sleep(alive * 2).await;
    assert!(
        ready(&mut stream).starts_with(':'),
        "a comment, and nothing else"
    );
    for _ in 0..10 {
        node.happenings.send(happened("order.placed")).unwrap();
    }
    let text = ready(&mut stream);
    assert!(
        text.contains("event: missed\ndata: {\"missed\":6}"),
        "{text}"
    );
    assert_eq!(text.matches("event: event\n").count(), 4);
}

#[tokio::test]
async fn watchers_are_bounded_and_make_room_when_they_go() {
    let settings = ServerSettings {
        watchers_max: 1,
        ..ServerSettings::default()
    };
    let server = crate::router(Arc::new(FakeNode::with_story()), settings);
    let first = get("/v1/tail").send(&server).await;
    check_refused(
        &server,
        get("/v1/tail"),
        StatusCode::TOO_MANY_REQUESTS,
        "busy",
    )
    .await;
    drop(first);
    assert_eq!(get("/v1/tail").send(&server).await.status(), StatusCode::OK);
}

async fn served() -> (
    std::net::SocketAddr,
    tokio::sync::oneshot::Sender<()>,
    tokio::task::JoinHandle<std::io::Result<()>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let bounds = Bounds {
        connections_max: 2,
        headers_time_max: Duration::from_millis(200),
        ..Bounds::default()
    };
    let serving = tokio::spawn(serve_within(bounds, listener, server(), async {
        let _ = stopped.await;
    }));
    (address, stop, serving)
}

async fn answer(stream: &mut TcpStream, request: &str) -> String {
    // A server that has given up already may refuse the bytes; what it said before is read all the same.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_real_connection_is_answered_and_a_stop_ends_the_server() {
    let (address, stop, serving) = served().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(
        &mut stream,
        "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("ok\n"),
        "{text}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    let many = "a: b\r\n".repeat(200);
    let text = answer(
        &mut stream,
        &format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(
        &mut stream,
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nx-signature: good\r\ncontent-length: 99999999\r\n\r\n",
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    // Two that never finish their headers hold both places, and lose them: the third is answered after all.
    let mut slow = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    for stream in &mut slow {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: ")
            .await
            .unwrap();
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    let text = answer(
        &mut third,
        "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    for stream in &mut slow {
        let text = answer(stream, "x").await;
        assert!(!text.contains(" 200 "), "{text}");
    }
    let _idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}
