//! Other spellings of a path, on the wire: what no client library would send.

use crate::common::{Node, Place, Request};

const SETTINGS: &str = "\
apiVersion: edsr.dev/v1
kind: Node
spec:
  tokens:
    - { name: ana, secret: { env: ANA } }
    - { name: bo, secret: { env: BO } }
  ingest: { auth: { bearer: { secret: { env: EVENTS } } } }
";
const HOOK: &str = "\
apiVersion: edsr.dev/v1
kind: Source
metadata: { name: pager, owner: team }
spec:
  type: webhook
  auth: { bearer: { secret: { env: PAGER } } }
  map: { type: '\"page\"' }
";
const SECRETS: [(&str, &str); 4] = [
    ("ANA", "anas-token-of-some-length"),
    ("BO", "bos-token-of-some-length"),
    ("EVENTS", "the-token-of-the-door-of-events"),
    ("PAGER", "the-token-of-the-pager"),
];

/// Spellings of `/v1/status`, as bytes of a request line.
const SPELLINGS: &[&str] = &[
    "/v1/status/",
    "//v1/status",
    "/v1//status",
    "/v1/./status",
    "/v1/x/../status",
    "/v1/status/..;/",
    "/v1;a=b/status",
    "/v1/status;.css",
    "/v1/status.",
    "/v1/statu%73",
    "/V1/STATUS",
    "/v1%2fstatus",
    "/v1\\status",
    "/v1/status%00",
    "/v1/status%0d%0a",
    "/healthz/../v1/status",
    "/healthz/..;/v1/status",
    "/healthz%2f..%2fv1/status",
    "/v1/status/healthz",
    "/v1/status\u{0}",
    "/v1/status\t",
    "v1/status",
    "*",
    "/v1/\u{17f}tatus",
    "/v1/status%",
    "",
];

#[test]
fn no_spelling_lets_a_stranger_in() {
    let place = Place::new(SETTINGS);
    place.write("pager.yaml", HOOK);
    let node = place.start_with(&SECRETS);
    let right = Request::get("/v1/status").bearer(SECRETS[0].1);
    node.send(&right).is(200);
    let strangers = [
        "",
        "junk",
        "anas-token-of-some-lengt",
        "nas-token-of-some-length",
        SECRETS[2].1,
        SECRETS[3].1,
    ];
    for token in strangers {
        check_closed(&node, "/v1/status", token, &[401]);
        for spelling in SPELLINGS {
            check_closed(&node, spelling, token, &[400, 401, 404]);
        }
    }
    // A person's token opens no door that has one of its own, and no door another door.
    let event = crate::common::node::event("e1", "page", &serde_json::json!({}));
    let page = |token: &str| Request::post("/v1/hooks/pager", "{}").json().bearer(token);
    for (_, token) in [SECRETS[0], SECRETS[2]] {
        node.send(&page(token)).is(401);
    }
    node.send(&page(SECRETS[3].1)).is(202);
    node.send(&event.bearer(SECRETS[3].1)).is(401);
    node.stop();
}

#[test]
fn a_token_that_was_taken_away_is_nobodys() {
    let place = Place::new(SETTINGS);
    let node = place.start_with(&SECRETS);
    node.send(&Request::get("/v1/status").bearer(SECRETS[1].1))
        .is(200);
    node.stop();
    place.write(
        "edsr.yaml",
        &SETTINGS.replace("    - { name: bo, secret: { env: BO } }\n", ""),
    );
    let node = place.start_with(&SECRETS);
    node.send(&Request::get("/v1/status").bearer(SECRETS[0].1))
        .is(200);
    check_closed(&node, "/v1/status", SECRETS[1].1, &[401]);
    node.stop();
}

/// Checks that a spelling is turned away, and that nothing of the real answer comes with it. No answer at all is one.
fn check_closed(node: &Node, spelling: &str, token: &str, allowed: &[u16]) {
    let Some(answer) = Request::get(spelling).bearer(token).send(node.address) else {
        return;
    };
    assert!(
        allowed.contains(&answer.status),
        "{spelling:?} {token}: {answer:?}"
    );
    assert!(
        !answer.body.contains("started_at"),
        "{spelling:?} {token}: {answer:?}"
    );
}
