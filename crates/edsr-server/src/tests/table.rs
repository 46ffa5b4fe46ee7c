//! The table of routes is closed: what is listed here, and nothing beside it.

use std::collections::BTreeSet;

use super::*;
use crate::guard::{Access, access};

/// Every route, with an example of its path and what it needs.
const ROUTES: &[(&str, &str, &str, Access)] = &[
    ("GET", "/v1/events", "/v1/events", Access::Person),
    ("POST", "/v1/events", "/v1/events", Access::Door),
    (
        "POST",
        "/v1/hooks/{source}",
        "/v1/hooks/pager",
        Access::Door,
    ),
    ("GET", "/v1/events/{lsn}", "/v1/events/1", Access::Person),
    ("GET", "/v1/detections", "/v1/detections", Access::Person),
    (
        "GET",
        "/v1/detections/{id}",
        "/v1/detections/det-0",
        Access::Person,
    ),
    ("GET", "/v1/incidents", "/v1/incidents", Access::Person),
    (
        "GET",
        "/v1/incidents/{id}",
        "/v1/incidents/inc-0",
        Access::Person,
    ),
    ("GET", "/v1/decisions", "/v1/decisions", Access::Person),
    (
        "GET",
        "/v1/decisions/{id}",
        "/v1/decisions/dec-0",
        Access::Person,
    ),
    (
        "POST",
        "/v1/decisions/{id}/approve",
        "/v1/decisions/dec-0/approve",
        Access::Person,
    ),
    (
        "POST",
        "/v1/decisions/{id}/reject",
        "/v1/decisions/dec-0/reject",
        Access::Person,
    ),
    ("GET", "/v1/executions", "/v1/executions", Access::Person),
    (
        "GET",
        "/v1/executions/{id}",
        "/v1/executions/exe-0",
        Access::Person,
    ),
    ("GET", "/v1/journal", "/v1/journal", Access::Person),
    ("GET", "/v1/journal/{seq}", "/v1/journal/1", Access::Person),
    ("GET", "/v1/explain", "/v1/explain", Access::Person),
    ("GET", "/v1/explain/{ref}", "/v1/explain/1", Access::Person),
    ("GET", "/v1/pauses", "/v1/pauses", Access::Person),
    ("POST", "/v1/pauses", "/v1/pauses", Access::Person),
    (
        "DELETE",
        "/v1/pauses/{id}",
        "/v1/pauses/pau-0",
        Access::Person,
    ),
    (
        "POST",
        "/v1/pauses/{id}/resume",
        "/v1/pauses/pau-0/resume",
        Access::Person,
    ),
    ("POST", "/v1/notes", "/v1/notes", Access::Person),
    ("GET", "/v1/tail", "/v1/tail", Access::Person),
    ("GET", "/v1/status", "/v1/status", Access::Person),
    ("GET", "/v1/documents", "/v1/documents", Access::Person),
    ("GET", "/metrics", "/metrics", Access::Person),
    ("GET", "/healthz", "/healthz", Access::Open),
    ("GET", "/readyz", "/readyz", Access::Open),
    ("GET", "/openapi.json", "/openapi.json", Access::Person),
];

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

#[tokio::test]
async fn the_description_lists_every_route_and_no_other() {
    let document: Value = get("/openapi.json").ok(&server()).await;
    let described: BTreeSet<(String, String)> = (document["paths"].as_object().unwrap().iter())
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods
                .map(|method| (method.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    let listed: BTreeSet<(String, String)> = (ROUTES.iter())
        .map(|(method, path, _, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(described, listed);
    assert!(
        document["security"].is_array(),
        "a token is needed unless a route says otherwise"
    );
    for (method, path, _, needs) in ROUTES {
        let own = &document["paths"][path][method.to_lowercase()]["security"];
        assert_eq!(
            own.is_array(),
            *needs != Access::Person,
            "{method} {path}: {own}"
        );
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            schemas.contains_key(name),
            "{name} is referred to and not described"
        );
    }
}

#[tokio::test]
async fn each_route_answers_its_methods_and_no_other() {
    let server = server();
    for (_, template, path, _) in ROUTES {
        for method in METHODS {
            let known = ROUTES
                .iter()
                .any(|route| route.0 == method.as_str() && route.1 == *template);
            let response = ask(method.clone(), path).known().send(&server).await;
            let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, !known, "{method} {path}: {}", response.status());
            if refused {
                assert!(
                    response.headers().contains_key(header::ALLOW),
                    "{method} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_open_is_this_and_nothing_else() {
    let server = server();
    for (method, _, path, needs) in ROUTES {
        let method: Method = method.parse().unwrap();
        assert_eq!(access(&method, path), *needs, "{method} {path}");
        for token in [
            None,
            Some("Bearer junk"),
            Some("Basic correct-horse"),
            Some("Bearer "),
            Some("correct-horse"),
        ] {
            let mut ask = ask(method.clone(), path);
            if let Some(token) = token {
                ask = ask.with("authorization", token);
            }
            let response = ask.send(&server).await;
            let refused = response.status() == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, *needs != Access::Open, "{method} {path} {token:?}");
            if refused {
                assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
            }
        }
    }
}
