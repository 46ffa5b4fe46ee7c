//! Events that others published: specification, SDKs, and webhook payloads of real systems.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail so"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{files, headers, samples};
use edsr_model::{Data, Event, Timestamp};
use edsr_source::{
    Adapter, Auth, Item, Kind, Limits, Mapping, MappingSpec, ReplayWindow, Source,
    cloudevents::parse,
};
use http::HeaderMap;
use serde_json::Value;

const STRUCTURED: &str = "application/cloudevents+json";

fn structured(body: &[u8]) -> Item {
    parse(
        &headers(&[("content-type", STRUCTURED)]),
        body,
        &Limits::default(),
    )
    .unwrap()
    .remove(0)
}

#[test]
fn files_of_the_sdks_are_taken_or_refused_as_named() {
    let Some(folder) = samples("cloudevents") else {
        return;
    };
    let mut tally = BTreeMap::new();
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let shown = path.strip_prefix(&folder).unwrap().display().to_string();
        let body = std::fs::read(&path).unwrap();
        let result = match path.extension().and_then(|ext| ext.to_str()) {
            Some("xml") => {
                let kind = headers(&[("content-type", "application/cloudevents+xml")]);
                let error = parse(&kind, &body, &Limits::default()).unwrap_err();
                assert_eq!(error.kind(), Kind::Unsupported, "{shown}: {error}");
                "xml: an adapter comes later"
            }
            // The JSON form of a protobuf message; not the JSON event format, whose names it changes.
            Some("json") if name.ends_with(".proto.json") => {
                let refusal = structured(&body).unwrap_err();
                assert!(
                    refusal.reason.contains("`specversion` is missing"),
                    "{shown}: {refusal}"
                );
                let kind = headers(&[("content-type", "application/cloudevents+protobuf")]);
                assert_eq!(
                    parse(&kind, &body, &Limits::default()).unwrap_err().kind(),
                    Kind::Unsupported
                );
                "protobuf: an adapter comes later"
            }
            Some("json") => {
                let bad = name.starts_with("fail_")
                    || name.starts_with("bad_")
                    || name.contains("_invalid");
                match structured(&body) {
                    Ok(event) => {
                        assert!(!bad, "{shown} must be refused");
                        assert_eq!(
                            Event::from_value(event.to_value()).unwrap(),
                            event,
                            "{shown}"
                        );
                        "taken"
                    }
                    Err(refusal) => {
                        assert!(bad, "{shown} must be taken: {refusal}");
                        println!("{shown}: {refusal}");
                        "refused as named"
                    }
                }
            }
            _ => continue,
        };
        *tally.entry(result).or_insert(0) += 1;
    }
    println!("cloudevents files: {tally:?}");
    assert!(
        tally["taken"] >= 7 && tally["refused as named"] >= 1,
        "{tally:?}"
    );
}

#[test]
fn examples_of_the_specification_are_taken() {
    let Some(folder) = samples("cloudevents") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("spec_examples.jsonl")).unwrap();
    let mut taken = 0;
    for line in text.lines() {
        let example: Value = serde_json::from_str(line).unwrap();
        let (id, body) = (
            example["id"].as_str().unwrap(),
            example["text"].as_str().unwrap(),
        );
        match (example["kind"].as_str(), example["valid_json"].as_bool()) {
            (Some("json"), Some(true)) => {
                let event =
                    structured(body.as_bytes()).unwrap_or_else(|refusal| panic!("{id}: {refusal}"));
                assert!(!event.id.is_empty());
                taken += 1;
            }
            // Requests; many have `...` where data would stand, which is then not JSON but never a panic.
            (Some("http"), _) => {
                let (headers, body) = request(body);
                match parse(&headers, body.as_bytes(), &Limits::default()) {
                    Ok(mut items) => match items.remove(0) {
                        Ok(_) => taken += 1,
                        Err(refusal) => println!("{id}: {refusal}"),
                    },
                    Err(error) => println!("{id}: {error}"),
                }
            }
            _ => println!("{id}: no JSON and no request"),
        }
    }
    println!("specification examples taken: {taken}");
    assert!(taken >= 10, "{taken}");
}

/// An HTTP request as the specifications print it.
fn request(text: &str) -> (HeaderMap, String) {
    let mut pairs = Vec::new();
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(": ")
            && !name.contains(' ')
        {
            pairs.push((name, value));
        }
    }
    (headers(&pairs), body.to_owned())
}

/// A scenario of the feature file, with one row of its examples filled in.
struct Scenario {
    name: String,
    request: String,
    attributes: Vec<(String, String)>,
    data: Value,
}

/// Reads as much Gherkin as the file has: outlines, doc strings, tables, examples.
fn scenarios(text: &str) -> Vec<Scenario> {
    let mut found = Vec::new();
    for outline in text.split("Scenario Outline:").skip(1) {
        let docs: Vec<String> = outline
            .split("\"\"\"")
            .skip(1)
            .step_by(2)
            .map(unindent)
            .collect();
        let rows = |part: &str| -> Vec<Vec<String>> {
            let rows = part
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with('|'));
            rows.map(|row| {
                row.trim_matches('|')
                    .split('|')
                    .map(|cell| cell.trim().to_owned())
                    .collect()
            })
            .collect()
        };
        let (steps, examples) = outline.split_once("Examples:").unwrap();
        let table = rows(steps.split("the attributes are:").nth(1).unwrap());
        let examples = rows(examples);
        let placeholder = format!("<{}>", examples[0][0]);
        for example in &examples[1..] {
            let fill = |text: &str| text.replace(&placeholder, &example[0]);
            found.push(Scenario {
                name: fill(outline.lines().next().unwrap()),
                request: fill(&docs[0]),
                attributes: table[1..]
                    .iter()
                    .map(|row| (row[0].clone(), fill(&row[1])))
                    .collect(),
                data: serde_json::from_str(&docs[1]).unwrap(),
            });
        }
    }
    found
}

fn unindent(text: &str) -> String {
    let text = text.trim_matches('\n');
    let indent = text.len() - text.trim_start().len();
    let lines = text
        .lines()
        .map(|line| line.get(indent..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_conformance_feature_passes() {
    let Some(folder) = samples("cloudevents/conformance") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("http-protocol-binding.feature")).unwrap();
    let scenarios = scenarios(&text);
    for scenario in &scenarios {
        let (headers, body) = request(&scenario.request);
        let mut items = parse(&headers, body.as_bytes(), &Limits::default()).unwrap();
        let event = items.remove(0).unwrap();
        let value = event.to_value();
        for (name, expected) in &scenario.attributes {
            match &**name {
                "time" => assert_eq!(event.time, Some(expected.parse::<Timestamp>().unwrap())),
                name => assert_eq!(value[name], **expected, "{}: {name}", scenario.name),
            }
        }
        assert_eq!(
            event.data,
            Data::Json(scenario.data.clone().into()),
            "{}",
            scenario.name
        );
    }
    println!("conformance scenarios passed: {}", scenarios.len());
    assert!(scenarios.len() >= 4);
}

fn source(adapter: Adapter) -> Source {
    Source::new("sample", adapter, Auth::None, Limits::default()).unwrap()
}

fn webhook(spec: &MappingSpec) -> Source {
    source(Adapter::Webhook(Box::new(Mapping::compile(spec).unwrap())))
}

fn receive(source: &Source, path: &Path) -> Result<Vec<Item>, String> {
    let body = std::fs::read(path).unwrap();
    let headers = headers(&[
        ("content-type", "application/json"),
        ("x-github-event", "sample"),
    ]);
    source
        .receive(
            &headers,
            &body,
            Timestamp::EPOCH,
            &mut ReplayWindow::default(),
        )
        .map_err(|refused| refused.to_string())
}

#[test]
fn every_payload_is_taken_or_refused_with_a_reason() {
    let Some(folder) = samples("events") else {
        return;
    };
    let generic = webhook(&MappingSpec {
        kind: "source + '.' + headers['x-github-event']".into(),
        ..MappingSpec::default()
    });
    // Asks for what only some payloads have, so that refusals happen too.
    let picky = webhook(&MappingSpec {
        each: Some("has(body.Records) ? body.Records : [body]".into()),
        kind: "has(item.eventName) ? item.eventName : item.action".into(),
        subject: Some("item.?resource.?name.orValue(null)".into()),
        time: Some("item.?eventTime.orValue(null)".into()),
        extensions: BTreeMap::from([("region".into(), "item.?awsRegion.orValue(null)".into())]),
        ..MappingSpec::default()
    });
    let alertmanager = source(Adapter::Alertmanager);
    let mut tally: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for path in files(&folder)
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
    {
        for (name, source) in [
            ("generic", &generic),
            ("picky", &picky),
            ("alertmanager", &alertmanager),
        ] {
            let results: Vec<Result<(), String>> = match receive(source, path) {
                Ok(items) => items
                    .into_iter()
                    .map(|item| item.map(drop).map_err(|refusal| refusal.to_string()))
                    .collect(),
                Err(reason) => vec![Err(reason)],
            };
            for result in results {
                match result {
                    Ok(()) => *tally.entry((name, "taken")).or_default() += 1,
                    Err(reason) => {
                        assert!(reason.len() > 20, "{}: {reason}", path.display());
                        *tally.entry((name, "refused")).or_default() += 1;
                        if name == "generic" {
                            println!("{}: {reason}", path.display());
                        }
                    }
                }
            }
        }
    }
    println!("payloads: {tally:#?}");
    let count = |name, what| tally.get(&(name, what)).copied().unwrap_or(0);
    assert!(
        count("generic", "taken") > 80 && count("generic", "refused") == 0,
        "{tally:?}"
    );
    assert!(
        count("picky", "taken") > 10 && count("picky", "refused") > 10,
        "{tally:?}"
    );
    assert!(count("alertmanager", "taken") >= 1, "{tally:?}");
}

#[test]
fn the_sample_of_alertmanager_is_an_alert() {
    let Some(folder) = samples("events/alert_webhooks") else {
        return;
    };
    let path = folder.join("alerta__prometheus_v4_alert.json");
    let event = receive(&source(Adapter::Alertmanager), &path)
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(event.kind, "prometheus.alert");
    assert_eq!(event.source, "/alertmanager/sample");
    assert_eq!(event.subject.as_deref(), Some("thing_dead"));
    assert_eq!(
        event.time,
        Some("2017-08-03T19:17:37.804Z".parse().unwrap())
    );
    let Data::Json(data) = &event.data else {
        panic!("{event:?}")
    };
    let data = data.value();
    assert_eq!(data["labels"]["severity"], "critical");
    assert_eq!(data["receiver"], "alerta");
}
