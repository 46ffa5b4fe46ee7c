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

fn mutations(path: &str) -> Vec<String> {
    let mut mutated = vec![
        format!("{path}/"),
        format!("{path}//"),
        format!("/{path}"),
        format!("{path}/."),
        format!("{path}/.."),
        format!("{path}%00"),
        format!("{path}%2f"),
        format!("{path}%20"),
        format!("{path};a=b"),
        format!("{path}..;/"),
        format!("{path}.json"),
        format!("{path}/configs"),
        format!("{path}/healthz"),
        format!("/healthz/..{path}"),
        format!("/healthz;{path}"),
        format!("/healthz%2f..{path}"),
        format!("/.{path}"),
        format!("/..{path}"),
        format!("/api{path}"),
        path.to_uppercase(),
        path.replacen('/', "//", 2),
        path.replacen('/', "/./", 1),
        path.replace('e', "%65"),
        path.replace('/', "%2f").replacen("%2f", "/", 1),
    ];
    if let Some(place) = path.rfind('/').filter(|place| *place > 0) {
        let (head, tail) = path.split_at(place);
        for between in ["/..;", "/;", "%2f", "/%2e%2e", "//", "/.", "/x/.."] {
            mutated.push(format!("{head}{between}{tail}"));
        }
    }
    mutated
}

#[tokio::test]
async fn no_other_spelling_of_a_path_reaches_a_route() {
    let node = std::sync::Arc::new(FakeNode::with_story());
    let server = crate::router(node.clone(), crate::ServerSettings::default());
    let mut tried = 0;
    for (method, _, path, _) in ROUTES {
        for mutated in mutations(path) {
            if mutated == *path || mutated.parse::<http::Uri>().is_err() {
                continue;
            }
            for token in [None, Some("Bearer junk"), Some("Bearer correct-horse")] {
                let mut ask = ask(method.parse().unwrap(), &mutated);
                if let Some(token) = token {
                    ask = ask.with("authorization", token);
                }
                let status = ask.send(&server).await.status();
                let closed = [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED].contains(&status);
                // `/v1/events/configs` has the shape of `/v1/events/{lsn}`, and `pau-0.json` that of an id: a person is
                // told that there is no such method, or what the body must be.
                let told = [
                    StatusCode::METHOD_NOT_ALLOWED,
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ];
                let shaped = token == Some("Bearer correct-horse") && told.contains(&status);
                assert!(closed || shaped, "{method} {mutated} {token:?}: {status}");
                tried += 1;
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
    assert!(node.told.lock().unwrap().is_empty() && node.received.lock().unwrap().is_empty());
}
