//! Who may send, and who may ask.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::common::{Node, Place, Request, now_micros, told};
use crate::open_place;

const KEY: &[u8] = b"a key of more than sixteen bytes";
const GITHUB_SECRET: &str = "it stands in the settings of the hook";
const BODY: &str = r#"{"state": "finished", "service": "checkout"}"#;

fn place_with_hooks() -> Place {
    let place = open_place();
    for (name, auth) in [
        ("bearer", "bearer: { secret: { file: ../bearer } }"),
        (
            "signed",
            "standardWebhooks: { secrets: [{ file: ../signed }] }",
        ),
        ("github", "github: { secrets: [{ file: ../github }] }"),
    ] {
        let text = format!(
            "apiVersion: edsr.dev/v1
kind: Source
metadata: {{ name: {name}, owner: team }}
spec:
  type: webhook
  auth: {{ {auth} }}
  limits: {{ eventBytes: 1KiB, batchBytes: 4KiB }}
  map: {{ type: '\"deploy.\" + body.state', subject: body.service, extensions: {{ team: '\"shop\"' }} }}
"
        );
        place.write(&format!("sources/{name}.yaml"), &text);
    }
    let signed = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    for (name, secret) in [
        ("bearer", "s3cret\n"),
        ("signed", &signed),
        ("github", GITHUB_SECRET),
    ] {
        std::fs::write(place.path(name), secret).unwrap();
    }
    place
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

fn standard(id: &str, at: u64, signed: &str) -> Request {
    let at = at.to_string();
    let signature = BASE64_STANDARD.encode(mac(KEY, &[id, ".", &at, ".", signed]));
    Request::post("/v1/hooks/signed", BODY)
        .json()
        .header("webhook-id", id)
        .header("webhook-timestamp", &at)
        .header("webhook-signature", &format!("v1,{signature}"))
}

fn github(delivery: &str, signed: &str) -> Request {
    let signature = hex::encode(mac(GITHUB_SECRET.as_bytes(), &[signed]));
    Request::post("/v1/hooks/github", BODY)
        .json()
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", &format!("sha256={signature}"))
}

fn bearer() -> Request {
    Request::post("/v1/hooks/bearer", BODY).json()
}

fn events(node: &Node) -> usize {
    node.all("events").len()
}

#[test]
fn hooks_know_their_senders() {
    let place = place_with_hooks();
    let node = place.start();
    let now = now_micros() / 1_000_000;
    node.send(&bearer().bearer("s3cret")).is(202);
    let record = node.get("/v1/events/1");
    assert_eq!(record["event"]["type"], "deploy.finished", "{record}");
    assert_eq!(record["event"]["team"], "shop", "{record}");
    node.send(&standard("msg_1", now, BODY)).is(202);
    node.send(&github("d-1", BODY)).is(202);
    assert_eq!(events(&node), 3);

    for (what, request) in [
        ("no token", bearer()),
        ("another token", bearer().bearer("s3cret2")),
        ("the token of nobody", bearer().bearer("")),
        ("two tokens", bearer().bearer("s3cret").bearer("s3cret")),
        (
            "a signature over something else",
            standard("msg_2", now, "{}"),
        ),
        ("an old signature", standard("msg_3", now - 3600, BODY)),
        (
            "a signature of tomorrow",
            standard("msg_4", now + 86_400, BODY),
        ),
        (
            "no signature",
            Request::post("/v1/hooks/signed", BODY).json(),
        ),
        (
            "a GitHub signature over something else",
            github("d-2", "{}"),
        ),
        (
            "no GitHub signature",
            Request::post("/v1/hooks/github", BODY).json(),
        ),
    ] {
        let answer = node.send(&request);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert!(!answer.body.contains("s3cret"), "{what}: {answer:?}");
    }
    // A delivery that was heard is not heard again.
    for request in [standard("msg_1", now, BODY), github("d-1", BODY)] {
        let answer = node.send(&request);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains("replay"), "{answer:?}");
    }
    assert_eq!(events(&node), 3);
    node.send(&Request::post("/v1/hooks/nobody", BODY).json())
        .is(404);
    node.stop();
}

#[test]
fn who_is_not_known_is_refused_before_the_body_is_read() {
    let place = place_with_hooks();
    let node = place.start();
    for request in [bearer(), bearer().bearer("another")] {
        node.send(&request.withheld()).is(401);
    }
    let stale = standard("msg_1", now_micros() / 1_000_000 - 3600, BODY);
    node.send(&stale.withheld()).is(401);
    // A source has bounds of its own.
    let large = Request::post("/v1/hooks/bearer", vec![b' '; 5000]).json();
    node.send(&large.bearer("s3cret").withheld()).is(413);
    node.stop();
}

const TWO_TOKENS: &str = "\
apiVersion: edsr.dev/v1
kind: Node
spec:
  tokens:
    - { name: ana, secret: { env: ANA } }
    - { name: bo, secret: { file: ../bo } }
";

#[test]
fn with_tokens_everybody_needs_one() {
    let place = Place::new(TWO_TOKENS);
    std::fs::write(place.path("bo"), "bos-token\n").unwrap();
    let node = place.start_with(&[("ANA", "anas-token")]);
    for path in [
        "/v1/status",
        "/v1/events",
        "/metrics",
        "/openapi.json",
        "/v1/nothing",
    ] {
        node.send(&Request::get(path)).is(401);
        node.send(&Request::get(path).bearer("nobodys")).is(401);
    }
    for path in ["/healthz", "/readyz"] {
        node.send(&Request::get(path)).is(200);
    }
    for token in ["anas-token", "bos-token"] {
        node.send(&Request::get("/v1/status").bearer(token)).is(200);
    }
    // What is done is done by somebody.
    let note = Request::post("/v1/notes", json!({"text": "hello"}).to_string()).json();
    node.send(&note).is(401);
    let seq = node.send(&note.bearer("bos-token")).is(200).json()["seq"].to_string();
    let entry = Request::get(&format!("/v1/journal/{seq}")).bearer("anas-token");
    assert_eq!(node.send(&entry).is(200).json()["actor"], "person:bo");

    assert_eq!(node.cli(&["status"]).status.code(), Some(5));
    let file = place.path("bo").display().to_string();
    node.cli_ok(&["status", "--token-file", &file]);
    node.stop();
}

/// Where nothing is said about events, they need a token like everything else, and everybody's counts.
#[test]
fn everybody_with_a_token_may_send() {
    let place = Place::new(TWO_TOKENS);
    std::fs::write(place.path("bo"), "bos-token\n").unwrap();
    let node = place.start_with(&[("ANA", "anas-token")]);
    let event = |id| crate::common::node::event(id, "order.placed", &json!({}));
    node.send(&event("e0")).is(401);
    node.send(&event("e1").bearer("anas-token")).is(202);
    node.send(&event("e2").bearer("bos-token")).is(202);
    node.stop();
}

#[test]
fn an_open_door_to_the_world_is_refused() {
    let place = open_place();
    let mut command = place.edsr();
    command
        .arg("run")
        .arg(place.ops())
        .arg("--data-dir")
        .arg(place.data_dir());
    let output = command.args(["--listen", "0.0.0.0:0"]).output().unwrap();
    let said = told(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("tokens:") && said.contains("- { name: me, secret:"),
        "{said}"
    );
    assert!(!place.data_dir().exists());

    // With the lines it asks for it goes on, and asks for a token that cannot be guessed.
    let settings = "apiVersion: edsr.dev/v1\nkind: Node\nspec:\n  tokens:\n    - { name: me, secret: { env: ME } }\n";
    place.write("edsr.yaml", settings);
    let output = command.env("ME", "a-token").output().unwrap();
    let said = told(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`me` has 7 characters"), "{said}");
    assert!(!place.data_dir().exists());
    // On loopback the same token does.
    let node = place.start_at("127.0.0.1:0", &[("ME", "a-token")]);
    node.send(&Request::get("/v1/status").bearer("a-token"))
        .is(200);
    node.stop();
}
