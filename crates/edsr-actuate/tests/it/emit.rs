//! Events that go back into the loop.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edsr_actuate::{Actuator as _, Emit, Sink};
use edsr_model::Event;
use serde_json::{Value, json};

use crate::{failed, ok, request, unknown};

fn keeping() -> (Sink, Arc<Mutex<Vec<Event>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let sink: Sink = Arc::new(move |event| {
        keep.lock().unwrap().push(event);
        Box::pin(async { Ok(()) })
    });
    (sink, kept)
}

#[tokio::test]
async fn an_event_carries_its_cause() {
    let (sink, kept) = keeping();
    let emit = Emit::new(sink);
    let full = json!({"type": "t", "source": "/s", "subject": "x", "id": "i", "partitionkey": "eu", "data": {"a": 1}});
    let output = ok(emit.perform(request("event/emit", full)).await);
    assert_eq!(output, json!({"id": "i", "source": "/s", "type": "t"}));
    ok(emit
        .perform(request("event/emit", json!({"type": "t"})))
        .await);
    let asked = request("", json!({}));
    let expected = |more: Value| {
        let mut event = json!({
            "specversion": "1.0", "type": "t", "correlationid": asked.incident, "causationid": asked.attempt.execution,
            "edsrdepth": 3
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Event::from_value(event).unwrap()
    };
    let full = json!({"id": "i", "source": "/s", "subject": "x", "partitionkey": "eu", "data": {"a": 1}, "datacontenttype": "application/json"});
    let kept = kept.lock().unwrap();
    assert_eq!(
        *kept,
        [
            expected(full),
            expected(json!({"id": "key-1", "source": "edsr"}))
        ]
    );
}

#[tokio::test]
async fn a_sink_that_refuses_or_does_not_answer() {
    let refusing: Sink = Arc::new(|_| Box::pin(async { Err("the log is full".to_owned()) }));
    let call = request("event/emit", json!({"type": "t"}));
    let (reason, _) = failed(Emit::new(refusing).perform(call.clone()).await);
    assert_eq!(reason, "the event was not taken: the log is full");

    let silent: Sink = Arc::new(|_| Box::pin(std::future::pending()));
    let mut call = call;
    call.timeout = Duration::from_millis(30);
    let reason = unknown(Emit::new(silent).perform(call).await);
    assert!(reason.contains("30ms"), "{reason}");

    let (sink, kept) = keeping();
    failed(
        Emit::new(sink)
            .perform(request("event/emit", json!({"type": ""})))
            .await,
    );
    assert!(kept.lock().unwrap().is_empty());
}
