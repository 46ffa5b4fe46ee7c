//! The JSON Schema for editors and the loader agree about keys.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::path::Path;

use edsr_bundle::{
    Code, Document, Kind, NODE_FILE, SourceFile, kinds, load, load_files, schema, testing::Catalog,
};
use serde_json::{Map, Value, json};

/// What of JSON Schema the schemas use; anything else is a mistake of this test.
fn valid(schema: &Value, value: &Value) -> bool {
    let Value::Object(rules) = schema else {
        panic!("{schema} is no schema");
    };
    rules.iter().all(|(rule, by)| match rule.as_str() {
        "type" => types(by).iter().any(|name| is_type(name, value)),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter()
                .all(|(name, value)| by.get(name).is_none_or(|schema| valid(schema, value)))
        }),
        "additionalProperties" => additional(rules, by, value),
        "required" => value.as_object().is_none_or(|map| {
            by.as_array()
                .unwrap()
                .iter()
                .all(|name| map.contains_key(name.as_str().unwrap()))
        }),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| valid(by, item))),
        "allOf" => by
            .as_array()
            .unwrap()
            .iter()
            .all(|schema| valid(schema, value)),
        "anyOf" => by
            .as_array()
            .unwrap()
            .iter()
            .any(|schema| valid(schema, value)),
        "oneOf" => {
            by.as_array()
                .unwrap()
                .iter()
                .filter(|schema| valid(schema, value))
                .count()
                == 1
        }
        "enum" => by.as_array().unwrap().contains(value),
        "const" => by == value,
        "minimum" => value
            .as_f64()
            .is_none_or(|figure| figure >= by.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|figure| figure <= by.as_f64().unwrap()),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.len() as u64 <= by.as_u64().unwrap()),
        // Patterns would need a library; the loader checks the same texts.
        "pattern" | "description" | "title" | "$schema" => by.is_string(),
        _ => panic!("`{rule}` is not known here"),
    })
}

fn types(by: &Value) -> Vec<&str> {
    match by {
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
        _ => vec![by.as_str().unwrap()],
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => panic!("{name}"),
    }
}

fn additional(rules: &Map<String, Value>, by: &Value, value: &Value) -> bool {
    let known = rules.get("properties").and_then(Value::as_object);
    value.as_object().is_none_or(|map| {
        map.iter()
            .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)))
            .all(|(_, value)| *by != Value::Bool(false) && valid(by, value))
    })
}

fn documents() -> Vec<Document> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart");
    load(&dir, &Catalog).unwrap().documents
}

#[test]
fn every_kind_has_a_schema_and_the_examples_fit_it() {
    assert_eq!(kinds().len(), Kind::ALL.len());
    assert!(kinds().iter().all(|kind| schema(kind).is_some()));
    assert_eq!(schema("Detectr"), None);
    for document in documents() {
        let schema = schema(document.kind.as_str()).unwrap();
        assert!(valid(&schema, &document.value), "{}", document.name);
    }
    let node = json!({"apiVersion": "edsr.dev/v1", "kind": "Node", "spec": {"listen": "127.0.0.1:1", "retention": {"maxBytes": 5}}});
    assert!(valid(&schema("Node").unwrap(), &node));
}

/// Every object inside of `value`, as JSON pointers.
fn objects(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(path.to_owned());
            for (name, value) in map {
                objects(value, &format!("{path}/{}", name.replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                objects(item, &format!("{path}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// Both refuse an unknown key wherever the other does.
#[test]
fn schema_and_loader_refuse_the_same_keys() {
    let mut refused = 0;
    for document in documents() {
        let schema = schema(document.kind.as_str()).unwrap();
        let mut places = Vec::new();
        objects(&document.value, "", &mut places);
        for place in places {
            let mut value = document.value.clone();
            value.pointer_mut(&place).unwrap()["zzz"] = json!("1");
            let path = if document.kind == Kind::Node {
                NODE_FILE
            } else {
                "a.yaml"
            };
            let files = vec![SourceFile::new(path, value.to_string())];
            let by_loader = load_files(files, &Catalog).is_err_and(|report| {
                report
                    .problems
                    .iter()
                    .any(|problem| problem.code == Code::UnknownKey)
            });
            assert_eq!(
                by_loader,
                !valid(&schema, &value),
                "{} {place}",
                document.name
            );
            refused += usize::from(by_loader);
        }
    }
    assert!(refused > 50, "{refused}");
}
