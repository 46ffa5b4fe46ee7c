//! Origin, host, headers.

use super::*;

#[tokio::test]
async fn foreign_origins_are_refused_everywhere() {
    let server = server();
    for path in ["/v1/status", "/healthz", "/nowhere"] {
        for origin in [
            "null",
            "http://evil.example",
            "http://edsr.example.evil",
            "file://",
            "",
            "http://edsr.example:1",
        ] {
            let ask = get(path)
                .with("host", "edsr.example")
                .with("origin", origin);
            check_refused(&server, ask, StatusCode::FORBIDDEN, "foreign-origin").await;
        }
    }
    for origin in ["http://edsr.example", "https://EDSR.example"] {
        let ask = get("/v1/status")
            .with("host", "edsr.example")
            .with("origin", origin);
        assert_eq!(ask.send(&server).await.status(), StatusCode::OK, "{origin}");
    }
    let without_host = get("/v1/status").with("origin", "http://edsr.example");
    check_refused(
        &server,
        without_host,
        StatusCode::FORBIDDEN,
        "foreign-origin",
    )
    .await;
    let second = get("/v1/status")
        .with("host", "a")
        .with("origin", "http://a")
        .with("origin", "null");
    check_refused(&server, second, StatusCode::FORBIDDEN, "foreign-origin").await;
}

#[tokio::test]
async fn an_open_node_answers_only_to_this_machine() {
    let mut node = FakeNode::with_story();
    node.open = true;
    let server = node.router();
    for host in [
        "localhost",
        "localhost:7070",
        "127.0.0.1:7070",
        "[::1]:7070",
        "127.0.0.9",
    ] {
        let ask = ask(Method::GET, "/v1/status").with("host", host);
        assert_eq!(ask.send(&server).await.status(), StatusCode::OK, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:7070",
        "10.0.0.1",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ] {
        let ask = ask(Method::GET, "/v1/status").with("host", host);
        check_refused(&server, ask, StatusCode::FORBIDDEN, "foreign-host").await;
    }
    let junk = ask(Method::GET, "/v1/status").with("authorization", "Bearer junk");
    check_refused(&server, junk, StatusCode::UNAUTHORIZED, "unauthorized").await;
}

#[tokio::test]
async fn two_tokens_are_none() {
    let twice = get("/v1/status").known();
    check_refused(&server(), twice, StatusCode::UNAUTHORIZED, "unauthorized").await;
}

#[tokio::test]
async fn every_answer_is_protected() {
    let server = server();
    let asks = [
        get("/v1/status"),
        get("/nowhere"),
        ask(Method::GET, "/v1/status"),
        ask(Method::PUT, "/v1/status").known(),
        get("/healthz").with("origin", "null"),
    ];
    for ask in asks {
        let response = ask.send(&server).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(response.headers()[name], value, "{}", response.status());
        }
        assert!(!response.headers().contains_key("set-cookie"));
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[tokio::test]
async fn unknown_paths_and_long_paths_are_not_found() {
    let server = server();
    for path in [
        "/",
        "/v1",
        "/v2/status",
        "/favicon.ico",
        &format!("/{}", "a".repeat(5_000)),
    ] {
        check_refused(&server, get(path), StatusCode::NOT_FOUND, "not-found").await;
    }
}
