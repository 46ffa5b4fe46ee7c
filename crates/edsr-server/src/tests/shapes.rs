//! Bodies of the wrong kind and the wrong shape, at every route that reads one.

use std::sync::Arc;

use super::spelled::{check_turned_away, check_untouched, routes, untouched};
use super::*;
use crate::guard::{Access, access};

/// What a body is said to be, and is not.
const KINDS: &[&str] = &[
    "",
    "text/plain",
    "text/html",
    "text/json",
    "application/xml",
    "application/yaml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-ndjson",
    "application/json, text/plain",
    "application/jsonx",
    "application/json+x",
    "application/problem+json",
    "application / json",
    "json",
    "*/*",
    "\u{e9}",
];

/// Bodies that are no request, whatever route reads them.
fn shapes() -> Vec<String> {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let mut shapes: Vec<String> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-1.5e300",
        "1e999",
        "\"reason\"",
        "[]",
        "[1]",
        "{}",
        "[{\"scope\":\"all\",\"reason\":\"r\",\"text\":\"t\"}]",
        "{\"reason\":null,\"scope\":null,\"text\":null}",
        "{\"reason\":1,\"scope\":2,\"text\":3}",
        "{\"reason\":[],\"scope\":[],\"text\":[]}",
        "{\"reason\":{},\"scope\":{},\"text\":{}}",
        "{\"reason\":true,\"scope\":true,\"text\":true}",
        "{\"reason\":\"r\",\"reason\":\"r\"}",
        "{\"scope\":\"all\",\"reason\":\"r\",\"scope\":\"all\"}",
        "{\"text\":\"t\",\"text\":\"u\"}",
        "{\"text\":\"t\",\"te\\u0078t\":\"u\"}",
        "{\"reason\":\"r\",\"__proto__\":{}}",
        "{\"Reason\":\"r\",\"Scope\":\"all\",\"Text\":\"t\"}",
        "{\"reason\":\"\",\"scope\":\"all\",\"text\":\"\"}",
        "{\"reason\":\"\\ud800\"}",
        "{\"reason\":\"r\"",
        "{\"reason\":\"r\",}",
        "{reason:'r'}",
        "{\"text\":\"t\"}{\"text\":\"t\"}",
        "{\"reason\":\"r\"}\u{0}",
        "\u{feff}{\"text\":\"t\"}",
        "reason=r&scope=all&text=t",
        "<reason>r</reason>",
        "reason: r\nscope: all\ntext: t\n",
        "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nt\r\n--x--\r\n",
    ]
    .map(str::to_owned)
    .to_vec();
    shapes.push(deep("[", "]"));
    shapes.push(deep("{\"reason\":", "}"));
    shapes.push(format!(
        "{{\"text\":{}1{}}}",
        "[".repeat(200),
        "]".repeat(200)
    ));
    shapes.push(format!("{{\"text\":\"{}\"}}", "x".repeat(100_000)));
    shapes.push("{\"text\":1,".repeat(5_000));
    shapes
}

/// What is right for some route, and said to be something else.
const RIGHT: &[&str] = &[
    "{\"reason\":\"r\"}",
    "{\"text\":\"t\"}",
    "{\"scope\":\"all\",\"reason\":\"r\"}",
];

#[tokio::test]
async fn a_wrong_body_is_refused_by_every_route_that_reads_one() {
    let (node, server) = untouched();
    let mut tried = 0;
    for route in routes() {
        let (method, path) = (route.method, route.path);
        if method == Method::GET || access(&method, &path) == Access::Door {
            continue;
        }
        let posted = |kind: &str, body: &[u8]| {
            let asked = ask(method.clone(), &path).known().body(body.to_vec());
            if kind.is_empty() {
                asked
            } else {
                asked.with("content-type", kind)
            }
        };
        for shape in shapes() {
            let asked = posted(JSON.1, shape.as_bytes());
            check_turned_away(&server, asked, &[400, 413], "a person").await;
            tried += 1;
        }
        let broken = posted(JSON.1, b"{\"text\":\"\xff\"}");
        check_turned_away(&server, broken, &[400], "a person").await;
        for kind in KINDS {
            for body in RIGHT
                .iter()
                .map(|right| (*right).to_owned())
                .chain(shapes())
            {
                let asked = posted(kind, body.as_bytes());
                check_turned_away(&server, asked, &[415], "a person").await;
                tried += 1;
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
    check_untouched(&node);
}

/// Routes that read no body answer as ever, whatever comes with the request; a query that is not right is told so.
#[tokio::test]
async fn what_is_only_read_minds_no_body_and_no_odd_query() {
    let node = Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), crate::ServerSettings::default());
    for route in routes() {
        let (method, path) = (route.method, route.path);
        if method != Method::GET || path == "/v1/explain" {
            continue;
        }
        for kind in KINDS {
            for body in shapes() {
                let asked = ask(Method::GET, &path)
                    .known()
                    .with("content-type", kind)
                    .body(body);
                let status = asked.send(&server).await.status();
                assert_eq!(status, StatusCode::OK, "{path} {kind}");
            }
        }
        for query in [
            "limit=x",
            "limit=-1",
            "limit=0",
            "limit=1e3",
            "limit=99999999999999999999",
            "limit=1&limit=2",
            "limit[]=1",
            "limit",
            "=",
            "&&&",
            "before=null",
            "from=%00",
            "from=%ff",
            "state=%ff%fe",
            "kind=,,,",
            "__proto__=1",
            "%",
        ] {
            let asked = ask(Method::GET, &format!("{path}?{query}")).known();
            let status = asked.send(&server).await.status();
            assert!(
                [StatusCode::OK, StatusCode::BAD_REQUEST].contains(&status),
                "{path}?{query}: {status}"
            );
        }
    }
    check_untouched(&node);
}
