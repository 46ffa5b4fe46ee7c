//! What goes out over HTTP, to whom, and what is taken from the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edsr_actuate::http::{Lookup, RESPONSE_KEPT};
use edsr_actuate::{Actuator as _, Connector, Http, HttpPolicy, Webhook};
use edsr_model::Outcome;
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::{failed, ok, request};

pub(crate) fn policy(rules: &[&str]) -> HttpPolicy {
    HttpPolicy {
        allow_hosts: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        allow_public: true,
    }
}

/// A connector that may reach this machine.
pub(crate) fn local() -> Connector {
    Connector::new(policy(&["127.0.0.0/8"]))
}

async fn call(connector: Connector, with: Value) -> Outcome {
    Http::new(connector)
        .perform(request("http/request", with))
        .await
}

#[tokio::test]
async fn a_request_carries_what_is_asked_and_who_asks() {
    let server = Server::answering(
        "200 OK",
        "content-type: application/json\r\n",
        r#"{"id": 7}"#,
    )
    .await;
    let with = json!({
        "method": "put", "url": server.url("/a?b=c"), "headers": {"X-One": "1", "Content-Type": "application/merge+json"},
        "json": {"k": "v"}
    });
    let output = ok(call(local(), with).await);
    assert_eq!(
        output,
        json!({"status": 200, "contentType": "application/json", "json": {"id": 7}, "body": "{\"id\": 7}", "truncated": false})
    );
    let seen = &server.requests()[0];
    assert!(seen.starts_with("PUT /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"k\":\"v\"}"), "{seen}");
    let asked = request("", json!({}));
    for line in [
        "x-one: 1".to_owned(),
        "content-type: application/merge+json".to_owned(),
        "idempotency-key: key-1".to_owned(),
        format!("edsr-execution: {}", asked.attempt.execution),
        format!("edsr-correlation: {}", asked.incident),
        "edsr-depth: 3".to_owned(),
    ] {
        let count = seen.lines().filter(|seen| **seen == line).count();
        assert_eq!(count, 1, "{line}\n{seen}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let trap = Server::answering("200 OK", "", "caught").await;
    let location = format!("location: {}\r\n", trap.url("/"));
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let server = Server::answering(status, &location, "").await;
        let (reason, output) = failed(call(local(), json!({"url": server.url("/")})).await);
        assert!(reason.contains("redirects are not followed"), "{reason}");
        assert_eq!(output["status"], status[..3].parse::<u16>().unwrap());
    }
    assert!(trap.requests().is_empty());
}

#[tokio::test]
async fn the_status_decides() {
    for (status, headers, ok_status, good) in [
        ("204 No Content", "", json!(["2xx"]), true),
        ("404 Not Found", "", json!([200]), false),
        ("404 Not Found", "", json!([200, 404]), true),
        ("302 Found", "", json!(["3xx"]), true),
        ("500 Oops", "", json!(["2xx"]), false),
    ] {
        let server = Server::answering(status, headers, "").await;
        let outcome = call(
            local(),
            json!({"url": server.url("/"), "okStatus": ok_status}),
        )
        .await;
        assert_eq!(outcome.as_str() == "ok", good, "{outcome:?}");
    }
    for (after, read) in [
        ("120", json!(120)),
        (
            "Fri, 31 Dec 2027 23:59:59 GMT",
            json!("Fri, 31 Dec 2027 23:59:59 GMT"),
        ),
    ] {
        let server =
            Server::answering("503 Busy", &format!("retry-after: {after}\r\n"), "wait").await;
        let (reason, output) = failed(call(local(), json!({"url": server.url("/")})).await);
        assert_eq!(reason, "the server answered 503 Service Unavailable");
        assert_eq!(
            (&output["retryAfter"], &output["body"]),
            (&read, &json!("wait"))
        );
    }
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    // It would answer, were it asked.
    let server = Server::answering("200 OK", "", "").await;
    let port = server.at.port();
    for host in [
        "0.0.0.0",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "100.64.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
        "localhost",
        "LOCALHOST.",
        "\u{ff11}27.0.0.1",
    ] {
        let with = json!({"url": format!("http://{host}:{port}/")});
        let (reason, _) = failed(call(Connector::new(policy(&[])), with).await);
        assert!(
            reason.starts_with("not started: the host "),
            "{host}: {reason}"
        );
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_is_listed_may_be_called() {
    let server = Server::answering("200 OK", "", "").await;
    let port = server.at.port();
    let with_port = format!("127.0.0.1:{port}");
    let other_port = format!("127.0.0.1:{}", port ^ 1);
    for (rule, host, good) in [
        ("127.0.0.0/8", "127.0.0.1", true),
        ("127.0.0.1", "2130706433", true),
        ("127.0.0.1", "[::ffff:127.0.0.1]", true),
        (&with_port, "127.0.0.1", true),
        (&other_port, "127.0.0.1", false),
        ("10.0.0.0/8", "127.0.0.1", false),
        ("localhost", "localhost", true),
        ("127.0.0.1", "localhost", false),
    ] {
        let outcome = call(
            Connector::new(policy(&[rule])),
            json!({"url": format!("http://{host}:{port}/")}),
        )
        .await;
        assert_eq!(outcome.as_str() == "ok", good, "{rule} {host}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_once_and_its_addresses_are_checked() {
    let server = Server::answering("200 OK", "", "").await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Like a name that shows a harmless address to the check and another one to the connection.
    let (first, later): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse().unwrap(), server.at);
    let lookup: Lookup = Arc::new(move |_, _| {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(vec![if nth == 0 { first } else { later }]) })
    });
    let with = json!({"url": format!("http://rebind.example:{}/", server.at.port())});
    let (reason, _) = failed(
        call(
            Connector::with_lookup(policy(&[]), lookup.clone()),
            with.clone(),
        )
        .await,
    );
    assert!(
        reason.contains("`10.0.0.1`, an address that is private"),
        "{reason}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    // Now the name has the server's address, which is taken only where it is listed.
    failed(
        call(
            Connector::with_lookup(policy(&["10.0.0.0/8"]), lookup.clone()),
            with.clone(),
        )
        .await,
    );
    ok(call(Connector::with_lookup(policy(&["*.example"]), lookup), with).await);
    assert_eq!(
        (asked.load(Ordering::SeqCst), server.requests().len()),
        (3, 1)
    );
}

#[tokio::test]
async fn of_many_addresses_only_the_permitted_are_tried() {
    let server = Server::answering("200 OK", "", "").await;
    let (at, port) = (server.at, server.at.port());
    let lookup: Lookup = Arc::new(move |_, _| {
        Box::pin(async move { Ok(vec![SocketAddr::new([127, 0, 0, 2].into(), port), at]) })
    });
    let with = json!({"url": format!("http://two.example:{port}/")});
    let only_one = Connector::with_lookup(policy(&["127.0.0.1/32"]), lookup);
    ok(call(only_one, with).await);
}

#[tokio::test]
async fn a_response_is_bounded() {
    for length in [RESPONSE_KEPT, RESPONSE_KEPT + 1] {
        let server = Server::answering("200 OK", "", &"x".repeat(length)).await;
        let output = ok(call(local(), json!({"url": server.url("/")})).await);
        assert_eq!(output["body"].as_str().unwrap().len(), RESPONSE_KEPT);
        assert_eq!(output["truncated"], length > RESPONSE_KEPT);
    }
    let server = Server::start(Reply::Endless).await;
    let output = ok(call(local(), json!({"url": server.url("/")})).await);
    assert_eq!(output["body"].as_str().unwrap().len(), RESPONSE_KEPT);
}

#[tokio::test]
async fn a_secret_is_sent_and_never_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("token");
    std::fs::write(&place, "s3cr3t-t0ken\n").unwrap();
    let body = format!(
        "{}s3cr3t-t0ken and czNjcjN0LXQwa2Vu",
        "x".repeat(RESPONSE_KEPT - 5)
    );
    for body in [body.as_str(), r#"{"token": "s3cr3t-t0ken"}"#] {
        let server = Server::answering("403 No", "content-type: s3cr3t-t0ken\r\n", body).await;
        let secret = json!({"secret": {"file": place}, "prefix": "Bearer "});
        let with = json!({"url": server.url("/"), "headers": {"Authorization": secret}});
        let text = format!("{:?}", call(local(), with).await);
        assert!(server.requests()[0].contains("authorization: Bearer s3cr3t-t0ken\r\n"));
        assert!(
            text.contains("***") && !text.contains("s3cr") && !text.contains("czNj"),
            "{text:.300}"
        );
    }
}

#[tokio::test]
async fn a_secret_url_is_hidden_with_its_parts() {
    let server = Server::answering(
        "404 Not Found",
        "",
        "no hook /services/T0AB12CD34/x9Y8z7W6v5 here",
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("url");
    std::fs::write(&place, server.url("/services/T0AB12CD34/x9Y8z7W6v5")).unwrap();
    let with = json!({"url": {"secret": {"file": place}}});
    let (_, output) = failed(call(local(), with).await);
    assert_eq!(output["body"], "no hook *** here");
}

#[tokio::test]
async fn a_secret_url_is_hidden_as_the_server_understood_it() {
    let body = "no /hook/s3cr3t+of/us for sig=another+s3cr3t/= here";
    let server = Server::answering("404 Not Found", "", body).await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("url");
    let url = server.url("/hook/s3cr3t%2Bof%2Fus?sig=another%2bs3cr3t%2F%3D");
    std::fs::write(&place, url).unwrap();
    let with = json!({"url": {"secret": {"file": place}}});
    let (_, output) = failed(call(local(), with).await);
    assert_eq!(output["body"], "no *** for sig=*** here");
}

#[tokio::test]
async fn a_secret_that_fits_no_header_is_not_sent_or_shown() {
    let server = Server::answering("200 OK", "", "").await;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("token");
    std::fs::write(&place, "two\r\nx-evil: lines").unwrap();
    let with = json!({"url": server.url("/"), "headers": {"X": {"secret": {"file": place}}}});
    let (reason, _) = failed(call(local(), with).await);
    assert_eq!(
        reason,
        "not started: the header `X` has a value that no header can have"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_notification_says_what_it_is_about() {
    let server = Server::answering("200 OK", "", "ok").await;
    let with = json!({
        "url": server.url("/hook"), "title": "down", "text": "checkout is down", "fields": {"region": "eu", "ratio": 0.5},
        "headers": {"X-One": "1"}
    });
    ok(Webhook::new(local())
        .perform(request("notify/webhook", with))
        .await);
    let seen = &server.requests()[0];
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    for line in [
        "POST /hook HTTP/1.1",
        "content-type: application/json",
        "idempotency-key: key-1",
        "x-one: 1",
    ] {
        assert!(head.lines().any(|seen| seen == line), "{line}\n{head}");
    }
    let asked = request("", json!({}));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "title": "down", "text": "checkout is down", "incident": asked.incident, "execution": asked.attempt.execution,
            "playbook": "mend-it", "target": "service/checkout", "fields": {"region": "eu", "ratio": 0.5}
        })
    );
    let refused = json!({"url": server.url("/hook"), "text": "x"});
    let strict = Webhook::new(Connector::new(policy(&[])));
    failed(strict.perform(request("notify/webhook", refused)).await);
}
