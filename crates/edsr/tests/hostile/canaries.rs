//! Secrets are planted wherever one may stand, everything goes right and wrong, and then they are looked for in all
//! that a node writes and says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::canary::Canary;
use crate::common::{Node, Request, text, told, wait_for};
use crate::planted::Planted;

/// Looked for beside the secrets, and to be found: what is searched is what is there.
const SEEN: &str = "LookForMeIAmNoSecret";

#[test]
fn a_secret_is_found_in_nothing_that_a_node_writes_or_says() {
    let planted = Planted::new();
    assert!(planted.canaries.len() >= 24, "{}", planted.canaries.len());
    let node = start(&planted, "trace");
    deliver(&node, &planted);
    wait_runs(&node, &planted);
    let said = heard(&node, &planted);
    for wanted in ["/v1/events/", "/v1/journal/", "/metrics", "edsr explain 1"] {
        assert!(
            said.iter().any(|(place, _)| place.contains(wanted)),
            "{wanted}"
        );
    }
    node.stop();
    let written = written(planted.place.root());
    for wanted in ["node.log", "journal.db", "events/", ".snapshot", "bundles/"] {
        assert!(
            written.iter().any(|(place, _)| place.contains(wanted)),
            "{wanted} is not among what was written"
        );
    }
    let all: Vec<_> = said.into_iter().chain(written).collect();
    let seen = all
        .iter()
        .filter(|(_, bytes)| holds(bytes, SEEN.as_bytes()))
        .count();
    assert!(seen >= 8, "only {seen} places are read as they are");
    check_hidden(&planted.canaries, &all);
}

#[test]
fn a_start_that_fails_does_not_say_why_with_the_secret() {
    for (name, text) in [
        ("signed-old", "whsec_short~"),
        ("github-new", ""),
        ("person-bo", "\n\n"),
    ] {
        let planted = Planted::new();
        let canary = Canary::new("broken");
        let value = if text.starts_with("whsec") {
            format!("{text}{}", canary.core)
        } else {
            text.to_owned()
        };
        std::fs::write(planted.place.path("secrets").join(name), value).unwrap();
        let refused = planted.place.try_start(&env(&planted, "trace")).err();
        let refused = refused.unwrap_or_else(|| panic!("{name}: it started"));
        assert_eq!(refused.code, Some(2), "{name}: {}", refused.told);
        let mut canaries = planted.canaries.clone();
        canaries.push(canary);
        check_hidden(&canaries, &[(name.to_owned(), refused.told.into_bytes())]);
    }
}

fn env<'p>(planted: &'p Planted, level: &'static str) -> Vec<(&'static str, &'p str)> {
    let mut env: Vec<_> = planted
        .env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    env.push(("EDSR_LOG", level));
    env
}

fn start(planted: &Planted, level: &'static str) -> Node {
    let tmp = planted.place.path("tmp").display().to_string();
    let mut env = env(planted, level);
    env.push(("TMPDIR", &tmp));
    planted.place.start_with(&env)
}

/// Shows every token at its own door and at every other one, with events that are taken where it is the right one.
fn deliver(node: &Node, planted: &Planted) {
    let event = |id: &str, kind: &str| {
        let event = json!({"specversion": "1.0", "id": id, "source": "/test", "type": kind, "data": {"n": 1, "seen": SEEN}});
        Request::post("/v1/events", event.to_string())
            .header("content-type", "application/cloudevents+json")
    };
    let hook = |name: &str| {
        Request::post(&format!("/v1/hooks/{name}"), json!({"a": SEEN}).to_string()).json()
    };
    let token = |name: &str| value(planted, name);
    node.send(&event("trouble", "trouble").bearer(&token("events-door")))
        .is(202);
    node.send(
        &hook("bearer")
            .bearer(&token("bearer-door"))
            .header("x-seen", SEEN),
    )
    .is(202);
    for canary in &planted.canaries {
        let shown = canary.for_header();
        node.send(&event("e", "t").bearer(&format!("{shown}x")))
            .is(401);
        node.send(&hook("bearer").bearer(&format!("{shown}x")))
            .is(401);
        node.send(
            &hook("signed")
                .header("webhook-id", "m1")
                .header("webhook-timestamp", "1")
                .header("webhook-signature", &format!("v1,{shown}")),
        )
        .is(401);
        node.send(
            &hook("github")
                .header("x-github-delivery", "d1")
                .header("x-hub-signature-256", &format!("sha256={shown}")),
        )
        .is(401);
        node.send(&Request::get("/v1/status").bearer(&format!("{shown}x")))
            .is(401);
        node.send(&Request::get(&format!("/v1/status?token={}", canary.core)))
            .is(401);
    }
}

/// The value of a canary that stands in a file.
fn value(planted: &Planted, name: &str) -> String {
    let text = std::fs::read_to_string(planted.place.path("secrets").join(name)).unwrap();
    text.trim_end().to_owned()
}

/// Waits until every run has ended, in its way.
fn wait_runs(node: &Node, planted: &Planted) {
    let token = value(planted, "person-bo");
    let asked = Request::get("/v1/executions?limit=500").bearer(&token);
    let items = wait_for("the end of all runs", || {
        let page = node.send(&asked).is(200).json();
        let items = page["items"].as_array().unwrap().clone();
        let ended = items
            .iter()
            .filter(|item| !text(item, "/ended_at").is_empty())
            .count();
        (ended == planted.runs.len()).then_some(items)
    });
    for run in &planted.runs {
        let name = run.name.to_lowercase().replace('_', "-");
        let item = items
            .iter()
            .find(|item| text(item, "/playbook") == name)
            .unwrap();
        assert_eq!(text(item, "/status"), run.ends, "{name}: {item}");
    }
}

type Places = Vec<(String, Vec<u8>)>;

/// What the node answers at every path that can be read, and what the commands print.
fn heard(node: &Node, planted: &Planted) -> Places {
    let token = value(planted, "person-bo");
    let ask = |path: &str| node.send(&Request::get(path).bearer(&token));
    let mut places = Places::new();
    let mut told = |path: String| {
        let answer = ask(&path);
        places.push((
            path,
            format!("{}\n{}", answer.head, answer.body).into_bytes(),
        ));
        serde_json::from_str::<Value>(&answer.body).unwrap_or_default()
    };
    let document = told("/openapi.json".to_owned());
    let paths = document["paths"].as_object().unwrap();
    let readable = paths.iter().filter(|(_, item)| item.get("get").is_some());
    for (template, _) in readable.filter(|(template, _)| *template != "/v1/tail") {
        let Some((list, _)) = template.split_once("/{") else {
            told(format!("{template}?limit=500"));
            told(template.clone());
            continue;
        };
        let list = if list == "/v1/explain" {
            "/v1/events"
        } else {
            list
        };
        for id in ids(&ask(&format!("{list}?limit=500")).json()) {
            told(
                template
                    .replace("{ref}", &id)
                    .replace("{id}", &id)
                    .replace("{lsn}", &id)
                    .replace("{seq}", &id),
            );
        }
    }
    places.extend(printed(node, planted));
    places
}

fn ids(page: &Value) -> BTreeSet<String> {
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let id = |item: &Value| {
        ["id", "lsn", "seq"]
            .iter()
            .find_map(|name| match &item[name] {
                Value::String(id) => Some(id.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
    };
    items.iter().filter_map(id).collect()
}

/// What the commands print, also where they are refused.
fn printed(node: &Node, planted: &Planted) -> Places {
    let token = planted
        .place
        .path("secrets")
        .join("person-bo")
        .display()
        .to_string();
    let data = planted.place.data_dir().display().to_string();
    let mut places = Places::new();
    for line in [
        "status",
        "events list",
        "events get 1",
        "detection list",
        "incident list",
        "decision list",
        "execution list",
        "explain 1",
        "explain 2",
        "pause list",
        "audit verify --data-dir DATA",
        "audit export --data-dir DATA --to export",
        "note hello",
        "status -vv",
        "check ops",
    ] {
        for format in ["table", "json", "yaml"] {
            let args: Vec<_> = line
                .split(' ')
                .map(|word| word.replace("DATA", &data))
                .collect();
            let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
            args.extend(["-o", format, "--token-file", &token]);
            let output = node.cli(&args);
            places.push((
                format!("edsr {line} -o {format}"),
                told(&output).into_bytes(),
            ));
        }
    }
    places
}

/// Every file below `root`, but those where the secrets stand.
fn written(root: &Path) -> Places {
    let mut places = Places::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path == root.join("secrets") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    places
}

/// Checks that no form of a canary stands in any of these.
fn check_hidden(canaries: &[Canary], places: &[(String, Vec<u8>)]) {
    let mut found = Vec::new();
    for canary in canaries {
        for (form, wanted) in canary.forms() {
            let hit = places.iter().filter(|(_, bytes)| holds(bytes, &wanted));
            found.extend(hit.map(|(place, _)| format!("{} ({form}) in {place}", canary.name)));
        }
    }
    assert!(
        found.is_empty(),
        "{} hits:\n{}",
        found.len(),
        found.join("\n")
    );
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|part| part == wanted)
}
