//! Names and bounds.

use std::sync::Arc;
use std::time::Duration;

use edsr_actuate::{Actuator, ArgError, BoxFuture, Limits, Registry, Settings, names};
use edsr_model::{EffectClass, EffectRequest, Outcome};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::{failed, ok, request, unknown};

/// Runs until it is told to end.
struct Gate(Arc<Notify>);

impl Actuator for Gate {
    fn uses(&self) -> &'static str {
        "test/gate"
    }

    fn class(&self, _with: &Value) -> EffectClass {
        EffectClass::Fenced
    }

    fn check(&self, _with: &Value) -> Result<(), Vec<ArgError>> {
        Ok(())
    }

    fn perform(&self, request: EffectRequest) -> BoxFuture<Outcome> {
        assert_ne!(request.with, json!("panic at once"));
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            assert_ne!(request.with, json!("panic later"));
            gate.notified().await;
            Outcome::Ok {
                output: request.with,
            }
        })
    }
}

fn registry(running_max: usize, waiting_max: usize) -> (Registry, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let registry = Registry::new(Limits {
        running_max,
        waiting_max,
    })
    .with(Gate(Arc::clone(&gate)));
    (registry, gate)
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[tokio::test]
async fn calls_beyond_the_bounds_wait_and_then_are_refused() {
    let (registry, gate) = registry(2, 1);
    let start = |n: u32| tokio::spawn(registry.perform(request("test/gate", json!(n))));
    let (one, two) = (start(1), start(2));
    settle().await;
    let three = start(3);
    settle().await;
    let (reason, _) = failed(start(4).await.unwrap());
    assert_eq!(reason, "not started: 2 calls run and 1 wait already");

    gate.notify_one();
    assert_eq!(ok(one.await.unwrap()), json!(1));
    settle().await;
    gate.notify_one();
    gate.notify_one();
    assert_eq!(ok(two.await.unwrap()), json!(2));
    gate.notify_one();
    assert_eq!(ok(three.await.unwrap()), json!(3));
}

#[tokio::test]
async fn who_waits_too_long_was_not_started_and_gives_the_place_back() {
    let (registry, _gate) = registry(1, 1);
    let _running = tokio::spawn(registry.perform(request("test/gate", json!(0))));
    settle().await;
    for _ in 0..3 {
        let mut late = request("test/gate", json!(1));
        late.timeout = Duration::from_millis(20);
        let (reason, _) = failed(registry.perform(late).await);
        assert_eq!(
            reason,
            "not started: its turn did not come within 20ms, while 1 other calls ran"
        );
    }
}

#[tokio::test]
async fn a_panic_is_an_unknown_outcome_and_frees_the_place() {
    let (registry, gate) = registry(1, 0);
    for when in ["panic at once", "panic later"] {
        let reason = unknown(registry.perform(request("test/gate", json!(when))).await);
        assert_eq!(reason, "the actuator `test/gate` panicked");
    }
    gate.notify_one();
    ok(registry.perform(request("test/gate", json!(1))).await);
}

#[tokio::test]
async fn names_decide() {
    let (registry, _) = registry(1, 1);
    assert_eq!(registry.names(), ["test/gate"]);
    assert_eq!(
        registry.class("test/gate", &json!({})),
        Some(EffectClass::Fenced)
    );
    assert_eq!(registry.class("exec/run", &json!({})), None);
    assert!(registry.check("test/gate", &json!({})).is_ok());
    assert!(registry.check("exec/run", &json!({})).is_err());
    let (reason, _) = failed(registry.perform(request("exec/run", json!({}))).await);
    assert_eq!(
        reason,
        "not started: there is no actuator `exec/run`; there are `test/gate`"
    );
}

#[tokio::test]
async fn the_standard_registry_has_all_of_the_catalog() {
    let registry = Registry::standard(
        Settings::default(),
        Arc::new(|_| Box::pin(async { Ok(()) })),
    );
    assert_eq!(registry.names(), names());
    ok(registry
        .perform(request("exec/run", json!({"argv": ["true"]})))
        .await);
    ok(registry
        .perform(request("event/emit", json!({"type": "t"})))
        .await);
    let local = json!({"url": "http://127.0.0.1/", "text": "t"});
    for uses in ["http/request", "notify/webhook"] {
        assert!(registry.check(uses, &local).is_err() == (uses == "http/request"));
        failed(registry.perform(request(uses, local.clone())).await);
    }
}
