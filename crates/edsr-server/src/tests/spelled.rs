//! Every route, as it is written and in every other spelling, for whoever has no right to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::spelling::misspelled;
use super::*;
use crate::ServerSettings;
use fake::ids;

/// What is shown instead of a person's token; none of these is one.
const STRANGERS: &[(&str, Headers)] = &[
    ("nothing", &[]),
    ("junk", &[("authorization", "Bearer junk")]),
    (
        "a token that lacks its end",
        &[("authorization", "Bearer correct-hors")],
    ),
    (
        "a token that lacks its beginning",
        &[("authorization", "Bearer orrect-horse")],
    ),
    (
        "a token and more",
        &[("authorization", "Bearer correct-horse.")],
    ),
    (
        "a token in other letters",
        &[("authorization", "Bearer CORRECT-HORSE")],
    ),
    (
        "a token that was taken away",
        &[("authorization", "Bearer battery-staple")],
    ),
    (
        "the token of a door",
        &[("authorization", "Bearer good"), ("x-door", "pager")],
    ),
    (
        "a token of another kind",
        &[("authorization", "Basic correct-horse")],
    ),
    (
        "a token without its kind",
        &[("authorization", "correct-horse")],
    ),
    (
        "a token in a cookie",
        &[(
            "cookie",
            "authorization=Bearer correct-horse; token=correct-horse",
        )],
    ),
    (
        "a token in another header",
        &[
            ("x-api-key", "correct-horse"),
            ("proxy-authorization", "Bearer correct-horse"),
        ],
    ),
    (
        "a token after junk",
        &[
            ("authorization", "Bearer junk"),
            ("authorization", "Bearer correct-horse"),
        ],
    ),
    (
        "an address that is trusted elsewhere",
        &[
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-user", "ann"),
        ],
    ),
    (
        "another path for a proxy",
        &[
            ("x-original-url", "/healthz"),
            ("x-rewrite-url", "/healthz"),
        ],
    ),
    (
        "another method for a proxy",
        &[
            ("x-http-method-override", "GET"),
            ("x-method-override", "OPTIONS"),
        ],
    ),
];

/// Those that are shown at every spelling; the rest only where a path is written right.
const STRANGERS_EVERYWHERE: usize = 8;

type Headers = &'static [(&'static str, &'static str)];

/// A route of the router: its method, and its path with something in it that is there.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: String,
}

/// The routes as the router itself lists them.
pub(super) fn routes() -> Vec<Route> {
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let names = item.as_object().unwrap().keys();
        let methods = names.filter_map(|name| name.to_uppercase().parse().ok());
        routes.extend(methods.map(|method| Route {
            method,
            path: filled(template),
        }));
    }
    routes
}

/// The path of a template, with the things of the story in its gaps.
fn filled(template: &str) -> String {
    let ids = ids();
    let mut path = template.to_owned();
    for (gap, thing) in [
        ("hooks/{source}", "hooks/pager".to_owned()),
        ("events/{lsn}", "events/1".to_owned()),
        ("journal/{seq}", "journal/1".to_owned()),
        ("explain/{ref}", "explain/1".to_owned()),
        ("detections/{id}", format!("detections/{}", ids.detection)),
        ("incidents/{id}", format!("incidents/{}", ids.incident)),
        ("executions/{id}", format!("executions/{}", ids.execution)),
        ("decisions/{id}", format!("decisions/{}", ids.waiting)),
        ("pauses/{id}", format!("pauses/{}", ids.pause)),
    ] {
        path = path.replace(gap, &thing);
    }
    assert!(
        !path.contains('{'),
        "say above what stands in the gaps of {template}"
    );
    path
}

fn shown(method: &Method, path: &str, headers: Headers) -> Ask {
    headers
        .iter()
        .fold(ask(method.clone(), path), |ask, (name, value)| {
            ask.with(name, value)
        })
}

/// A node that was told nothing and was given nothing.
pub(super) fn untouched() -> (Arc<FakeNode>, Router) {
    let node = Arc::new(FakeNode::with_story());
    (node.clone(), crate::router(node, ServerSettings::default()))
}

pub(super) fn check_untouched(node: &FakeNode) {
    assert!(
        node.told.lock().unwrap().is_empty(),
        "the node was told something"
    );
    assert!(
        node.received.lock().unwrap().is_empty(),
        "the node was given something"
    );
}

/// Checks that a request is turned away with one of these, in the form of a refusal and of nothing else.
pub(super) async fn check_turned_away(
    router: &Router,
    asked: Ask,
    allowed: &[u16],
    who: &str,
) -> u16 {
    let what = format!("{} {} with {who}", asked.method, asked.path);
    let answer = asked.send(router).await;
    let status = answer.status().as_u16();
    assert!(allowed.contains(&status), "{what}: {status}");
    let media = answer.headers().get(header::CONTENT_TYPE);
    assert!(
        media.is_some_and(|media| media == "application/problem+json"),
        "{what}: {status} {media:?}"
    );
    status
}

#[tokio::test]
async fn no_route_lets_a_stranger_in() {
    let (node, server) = untouched();
    for Route { method, path } in routes() {
        if crate::guard::access(&method, &path) == crate::guard::Access::Open {
            continue;
        }
        for (who, headers) in STRANGERS {
            for query in [
                "",
                "?",
                "?/healthz",
                "?token=correct-horse",
                "?access_token=correct-horse&authorization=x",
            ] {
                let asked = shown(&method, &format!("{path}{query}"), headers);
                check_turned_away(&server, asked, &[401], who).await;
            }
            let head = shown(&Method::HEAD, &path, headers);
            check_turned_away(&server, head, &[401], who).await;
            let whole = shown(&method, &format!("http://edsr.example{path}"), headers);
            check_turned_away(&server, whole, &[401], who).await;
        }
    }
    check_untouched(&node);
}

/// A stranger is told that somebody must be known (401), or that there is nothing (404). 405 is not among it: which
/// methods a path has is nothing for strangers.
#[tokio::test]
async fn no_other_spelling_of_a_path_lets_a_stranger_in() {
    let (node, server) = untouched();
    let mut seen = BTreeSet::new();
    for Route { method, path } in routes() {
        let others = misspelled(&path);
        assert!(
            others.len() >= 200,
            "{path} has {} other spellings",
            others.len()
        );
        for other in &others {
            for (who, headers) in &STRANGERS[..STRANGERS_EVERYWHERE] {
                let asked = shown(&method, other, headers);
                seen.insert(check_turned_away(&server, asked, &[401, 404], who).await);
            }
        }
    }
    assert_eq!(seen, BTreeSet::from([401, 404]), "both happen");
    check_untouched(&node);
}

/// A person is told that there is nothing (404), and where a path has the shape of another route, that this has no such
/// method (405) or wants a body (415): `/v1/events/configs` has the shape of `/v1/events/{lsn}`.
#[tokio::test]
async fn no_other_spelling_of_a_path_reaches_a_route() {
    let (node, server) = untouched();
    for Route { method, path } in routes() {
        for other in misspelled(&path) {
            let asked = ask(method.clone(), &other)
                .known()
                .with("x-signature", "good");
            check_turned_away(&server, asked, &[404, 405, 415], "all that is right").await;
        }
    }
    check_untouched(&node);
}
