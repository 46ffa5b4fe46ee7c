//! Notifications of a Prometheus Alertmanager, webhook version 4.

use std::collections::BTreeMap;

use edsr_model::event::{EXT_CORRELATION, json_type};
use edsr_model::{Data, Digest, Event, Scalar, Timestamp};
use serde_json::{Map, Value};

use super::value::Room;
use crate::cloudevents::{Parsed, checked, within};
use crate::error::{Item, Kind, ParseError, Refusal};
use crate::json;
use crate::limits::Limits;
use crate::quoted::quoted;

/// The `type` of its events.
pub(crate) const KIND: &str = "prometheus.alert";

const OF_ALERT: &[&str] = &[
    "status",
    "fingerprint",
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "generatorURL",
];
const OF_GROUP: &[&str] = &[
    "receiver",
    "groupKey",
    "groupLabels",
    "commonLabels",
    "externalURL",
    "truncatedAlerts",
];

pub(crate) fn events(source: &str, body: &[u8], limits: &Limits) -> Result<Parsed, ParseError> {
    within(body, limits.batch_bytes)?;
    let (mut body, _) = json::read_within(body, limits, limits.batch_nodes)?;
    match body.get("version").map(text_of) {
        Some(version) if version == "4" => {}
        Some(version) => {
            let version = quoted(&version);
            return Err(ParseError::Shape(format!(
                "the notification has version `{version}`; version `4` is understood"
            )));
        }
        None => {
            return Err(ParseError::Shape(
                "an Alertmanager notification is an object with `version`: \"4\" and `alerts`"
                    .to_owned(),
            ));
        }
    }
    let Some(Value::Array(alerts)) = body.get_mut("alerts").map(Value::take) else {
        return Err(ParseError::Shape(
            "the notification has no list `alerts`".to_owned(),
        ));
    };
    if alerts.len() > limits.batch_events {
        return Err(ParseError::BatchEvents(limits.batch_events));
    }
    let mut room = Room::new(limits);
    // Every event repeats what the group shares; that is weighed once, and before it is copied.
    let shared_bytes = shared(&body).map(|(_, value)| json::weight(value)).sum();
    let items = alerts.into_iter().enumerate().map(|(index, alert)| {
        room.holds(index, shared_bytes)?;
        let event = one(source, &body, index, alert)?;
        room.take(index, event)
    });
    Ok(items.collect())
}

fn one(source: &str, group: &Value, index: usize, alert: Value) -> Item {
    let refuse = |reason: &str| Refusal::new(index, Kind::BadRequest, "alertmanager.alert", reason);
    let Value::Object(alert) = alert else {
        let found = json_type(&alert);
        return Err(refuse(&format!(
            "an alert is a JSON object, this is {found}"
        )));
    };
    let status = alert.get("status").and_then(Value::as_str);
    let resolved = match status {
        Some("firing") => false,
        Some("resolved") => true,
        _ => return Err(refuse("`status` must be `firing` or `resolved`")),
    };
    let starts = time(&alert, "startsAt").map_err(|reason| refuse(&reason))?;
    let ends = time(&alert, "endsAt").map_err(|reason| refuse(&reason))?;
    let starts = starts.ok_or_else(|| refuse("`startsAt` is missing"))?;
    let ends = ends.filter(|_| resolved);
    let label = |name: &str| alert.get("labels").and_then(|l| l.get(name)?.as_str());

    let mut id = format!(
        "{}:{}:{starts}",
        fingerprint(&alert),
        status.unwrap_or_default()
    );
    if let Some(ends) = ends {
        id.push_str(&format!(":{ends}"));
    }
    let correlation = label(EXT_CORRELATION).or_else(|| label("correlation_id"));
    let event = Event {
        id,
        source: format!("/alertmanager/{source}"),
        kind: KIND.to_owned(),
        subject: label("alertname")
            .or_else(|| label("instance"))
            .map(str::to_owned),
        time: if resolved { ends } else { Some(starts) },
        datacontenttype: Some("application/json".to_owned()),
        dataschema: None,
        extensions: correlation
            .map(|id| (EXT_CORRELATION.to_owned(), Scalar::Str(id.to_owned())))
            .into_iter()
            .collect(),
        data: Data::None,
    };
    let data = data(alert, shared(group));
    checked(
        index,
        Event {
            data: Data::Json(data.into()),
            ..event
        },
    )
}

fn shared(group: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    OF_GROUP
        .iter()
        .filter_map(|name| Some((*name, group.get(*name)?)))
}

fn data<'g>(
    mut alert: Map<String, Value>,
    shared: impl Iterator<Item = (&'static str, &'g Value)>,
) -> Value {
    let own = OF_ALERT
        .iter()
        .filter_map(|name| alert.remove(*name).map(|value| (*name, value)));
    let mut data: Map<String, Value> = own.map(|(name, value)| (name.to_owned(), value)).collect();
    data.extend(shared.map(|(name, value)| (name.to_owned(), value.clone())));
    Value::Object(data)
}

fn fingerprint(alert: &Map<String, Value>) -> String {
    match alert.get("fingerprint").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => {
            let labels = alert.get("labels").and_then(Value::as_object);
            // Sorted, so that it is the same whatever order the labels were sent in.
            let labels: BTreeMap<_, _> = labels.into_iter().flatten().collect();
            let values = labels
                .values()
                .map(|value| text_of(value))
                .collect::<Vec<_>>();
            let names = labels.keys().map(|name| name.as_bytes());
            let parts = names.zip(values.iter().map(|value| value.as_bytes()));
            let digest = Digest::of_parts(parts.flat_map(|(name, value)| [name, value]));
            digest.to_string()[..16].to_owned()
        }
    }
}

/// A time; `None` where there is none, which Go writes as year 1.
fn time(alert: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, String> {
    let text = match alert.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("`{name}` must be a string")),
    };
    let at: Timestamp = text.parse().map_err(|_| {
        format!(
            "`{name}` is `{}`, which is not an RFC 3339 time",
            quoted(text)
        )
    })?;
    Ok(Some(at).filter(|_| !text.starts_with("0001-01-01")))
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(extra: Value) -> Value {
        let mut alert = json!({
            "status": "firing", "fingerprint": "f00d", "labels": {"alertname": "Slow", "instance": "a:1"},
            "startsAt": "2026-01-02T03:04:05.123456789+01:00", "endsAt": "0001-01-01T00:00:00Z"
        });
        for (name, value) in extra.as_object().unwrap() {
            alert[name] = value.clone();
        }
        alert
    }

    fn run(alerts: &[Value]) -> Parsed {
        let body = json!({
            "version": "4", "alerts": alerts, "receiver": "edsr", "groupKey": "{}:{}", "groupLabels": {"a": "b"},
            "commonLabels": {}, "commonAnnotations": {"x": "y"}, "externalURL": "http://am", "truncatedAlerts": 2
        });
        events("prod", body.to_string().as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn an_alert_is_an_event_and_a_repetition_is_the_same_event() {
        let resolved =
            json!({"status": "resolved", "endsAt": "2026-01-02T04:00:00Z", "values": {"A": 1}});
        let events: Vec<Event> = run(&[alert(json!({})), alert(resolved), alert(json!({}))])
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(events[0].id, "f00d:firing:2026-01-02T02:04:05.123456Z");
        assert_eq!(
            events[1].id,
            "f00d:resolved:2026-01-02T02:04:05.123456Z:2026-01-02T04:00:00.000000Z"
        );
        assert_eq!(events[0], events[2]);
        assert_eq!(events[0].source, "/alertmanager/prod");
        assert_eq!(events[0].kind, "prometheus.alert");
        assert_eq!(events[0].subject.as_deref(), Some("Slow"));
        assert_eq!(
            events[0].time.unwrap().to_string(),
            "2026-01-02T02:04:05.123456Z"
        );
        assert_eq!(
            events[1].time.unwrap().to_string(),
            "2026-01-02T04:00:00.000000Z"
        );
        let Data::Json(data) = &events[1].data else {
            panic!("{:?}", events[1])
        };
        let names: std::collections::BTreeSet<_> = data
            .value()
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let names: Vec<_> = names.into_iter().collect();
        assert_eq!(
            names,
            [
                "commonLabels",
                "endsAt",
                "externalURL",
                "fingerprint",
                "groupKey",
                "groupLabels",
                "labels",
                "receiver",
                "startsAt",
                "status",
                "truncatedAlerts"
            ]
        );
    }

    #[test]
    fn labels_name_subject_and_correlation_and_stand_in_for_a_fingerprint() {
        let by_instance = run(&[alert(
            json!({"labels": {"instance": "a:1", "correlation_id": "c-1"}}),
        )]);
        let event = by_instance[0].as_ref().unwrap();
        assert_eq!(event.subject.as_deref(), Some("a:1"));
        assert_eq!(event.extension_str("correlationid"), Some("c-1"));
        let ids: Vec<String> = [
            json!({"a": "1", "b": "2"}),
            json!({"b": "2", "a": "1"}),
            json!({"a": "1"}),
        ]
        .into_iter()
        .map(|labels| run(&[alert(json!({"fingerprint": null, "labels": labels}))]))
        .map(|items| items[0].as_ref().unwrap().id.clone())
        .collect();
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
    }

    #[test]
    fn a_bad_alert_costs_only_itself() {
        let items = run(&[
            alert(json!({})),
            json!("no object"),
            alert(json!({"status": "pending"})),
            alert(json!({"startsAt": "noon\u{1b}"})),
            alert(json!({"startsAt": null})),
            alert(json!({"fingerprint": "a\nb"})),
            alert(json!({"status": "resolved"})),
        ]);
        let codes: Vec<_> = items
            .iter()
            .map(|item| item.as_ref().map_or_else(|r| r.code, |_| "ok"))
            .collect();
        assert_eq!(
            codes,
            [
                "ok",
                "alertmanager.alert",
                "alertmanager.alert",
                "alertmanager.alert",
                "alertmanager.alert",
                "event.attribute",
                "ok"
            ]
        );
        assert!(
            items
                .iter()
                .flat_map(|i| i.as_ref().err())
                .all(|r| !r.reason.contains(['\n', '\u{1b}']))
        );
        assert_eq!(
            items[6].as_ref().unwrap().time,
            None,
            "resolved, nobody says when"
        );
    }

    #[test]
    fn other_shapes_are_refused_as_a_whole() {
        for (body, needle) in [
            (json!({"version": "3", "alerts": []}), "version `3`"),
            (json!({"alerts": []}), "`version`"),
            (json!({"version": "4"}), "no list `alerts`"),
            (json!([]), "`version`"),
        ] {
            let error = events("s", body.to_string().as_bytes(), &Limits::default()).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
        }
        assert_eq!(run(&[]), []);
    }

    #[test]
    fn what_the_group_repeats_is_bounded() {
        let alerts: Vec<_> = (0..100)
            .map(|n| alert(json!({"fingerprint": n.to_string()})))
            .collect();
        let body =
            json!({"version": "4", "alerts": alerts, "commonLabels": {"x": "y".repeat(1000)}});
        let limits = Limits {
            fanout_bytes: 50_000,
            ..Limits::default()
        };
        let items = events("s", body.to_string().as_bytes(), &limits).unwrap();
        let taken = items.iter().filter(|item| item.is_ok()).count();
        assert!((20..50).contains(&taken), "{taken}");
        assert_eq!(items[99].as_ref().unwrap_err().code, "fanout.bytes");
    }
}
