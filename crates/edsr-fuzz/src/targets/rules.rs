//! Expressions, templates and policies, over an event that means no good.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use edsr_engine::policy::Policies;
use edsr_engine::template::Template;
use edsr_expr::{EVENT_VARS, EventVars, Expr};
use edsr_model::json::Json;
use edsr_model::{Data, Event};
use serde_json::{Value, json};

static EVENT: LazyLock<Event> = LazyLock::new(|| Event {
    id: "${detection.id}".into(),
    source: "/a/\u{202e}b".into(),
    kind: "http.request".into(),
    subject: Some("--help".into()),
    time: None,
    datacontenttype: None,
    dataschema: None,
    extensions: BTreeMap::new(),
    data: Data::Json(Json::from(json!({
        "n": 1, "f": 0.5, "big": u64::MAX, "t": "text ${1+1} $(id)", "none": null,
        "list": [1, 2, 3, [4, [5]]], "map": {"a": {"b": {"c": true}}}, "": "empty name",
    }))),
});

/// The same text over the same event has the same value, or none, every time.
pub(super) fn expression(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(expr) = Expr::compile(&text, EVENT_VARS) else {
        return;
    };
    let vars = EventVars::new(&EVENT);
    let first = expr.value(&vars);
    assert_eq!(first, expr.value(&vars));
    let truth = expr.truth(&vars);
    if let Ok(truth) = truth {
        assert_eq!(first.ok(), Some(Value::Bool(truth)));
    }
}

/// What comes out of a template is not evaluated again.
pub(super) fn template(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let Ok(template) = Template::compile(&value, EVENT_VARS) {
        let vars = EventVars::new(&EVENT);
        let first = template.render(&vars);
        assert_eq!(first.ok(), template.render(&vars).ok());
    }
}

pub(super) fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    match Policies::compile(&[("a.cedar".to_owned(), text)]) {
        Ok(policies) => {
            let _ = policies.ids();
        }
        Err(errors) => assert!(!errors.is_empty(), "refused without a word"),
    }
}
