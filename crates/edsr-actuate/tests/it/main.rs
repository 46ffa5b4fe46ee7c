//! Actuators against real processes and real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod emit;
mod exec;
mod exec_end;
mod http;
mod http_lost;
mod registry;
mod scripted;
mod server;

use std::time::Duration;

use edsr_model::{
    AttemptId, EffectClass, EffectRequest, ExecutionId, IncidentId, Outcome, StepRole,
};
use serde_json::Value;

/// A call as an engine would make it.
pub(crate) fn request(uses: &str, with: Value) -> EffectRequest {
    EffectRequest {
        attempt: AttemptId {
            execution: ExecutionId::derive([b"e".as_slice()]),
            step: "mend".to_owned(),
            role: StepRole::Do,
            attempt: 2,
        },
        uses: uses.to_owned(),
        with,
        class: EffectClass::Plain,
        idempotency_key: "key-1".to_owned(),
        timeout: Duration::from_secs(10),
        playbook: "mend-it".to_owned(),
        target: "service/checkout".parse().unwrap(),
        incident: IncidentId::derive([b"i".as_slice()]),
        correlation: None,
        traceparent: None,
        depth: 3,
    }
}

pub(crate) fn ok(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Ok { output } => output,
        other => panic!("not ok: {other:?}"),
    }
}

pub(crate) fn failed(outcome: Outcome) -> (String, Value) {
    match outcome {
        Outcome::Failed { reason, output } => (reason, output),
        other => panic!("not failed: {other:?}"),
    }
}

pub(crate) fn unknown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unknown { reason } => reason,
        other => panic!("not unknown: {other:?}"),
    }
}
