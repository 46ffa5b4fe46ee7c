//! Effects: what the engine asks an actuator to do, and what came of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ExecutionId, IncidentId};
use crate::plan::TargetRef;
use crate::time::human;

/// What help the target gives against doing something twice.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// None. Never sent again by itself once it may have happened.
    Plain,
    /// It honours our idempotency key, or the call converges. Sent again with the same key.
    RetrySafe,
    /// It checks a generation and refuses a stale call. Sent again.
    Fenced,
}

impl EffectClass {
    /// Whether a call with an unknown outcome may be sent again.
    #[must_use]
    pub const fn may_repeat(self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// Which of a step's calls this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepRole {
    /// The step itself.
    Do,
    /// Its compensation.
    Undo,
    /// The question whether it happened.
    Probe,
}

/// Names one call to an actuator for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The run.
    pub execution: ExecutionId,
    /// The step's id in the playbook.
    pub step: String,
    /// Which of its calls.
    pub role: StepRole,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            StepRole::Do => "do",
            StepRole::Undo => "undo",
            StepRole::Probe => "probe",
        };
        write!(
            f,
            "{}/{}/{role}/{}",
            self.execution, self.step, self.attempt
        )
    }
}

/// One call to an actuator, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRequest {
    /// Which call this is.
    pub attempt: AttemptId,
    /// The actuator: `category/verb`.
    pub uses: String,
    /// Its arguments, with every expression already evaluated. Secrets are still references.
    pub with: Value,
    /// What may be done if the outcome gets lost.
    pub class: EffectClass,
    /// The same for every attempt of one step and role, so that a target can tell a repetition.
    pub idempotency_key: String,
    /// The effect is ended by force after this long.
    #[serde(with = "human")]
    pub timeout: Duration,
    /// The playbook.
    pub playbook: String,
    /// What it works on.
    pub target: TargetRef,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// The correlation id of what it answers; whatever this call causes carries it, or the incident where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The W3C trace context of what it answers, passed on to the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// How many actions of ours lie between an outside cause and what this call causes.
    pub depth: u32,
}

impl EffectRequest {
    /// What everything this call causes is correlated by.
    #[must_use]
    pub fn correlated_by(&self) -> &str {
        self.correlation
            .as_deref()
            .unwrap_or(self.incident.as_str())
    }
}

/// What came of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Outcome {
    /// The actuator reports success. That is not yet a repair.
    Ok {
        /// What it returned: bounded and free of secrets.
        output: Value,
    },
    /// It certainly did not succeed.
    Failed {
        /// Why, in one sentence.
        reason: String,
        /// What it returned, if anything.
        output: Value,
    },
    /// It may or may not have happened.
    Unknown {
        /// Why nobody knows.
        reason: String,
    },
}

impl Outcome {
    /// `ok`, `failed` or `unknown`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ok { .. } => "ok",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
        }
    }
}
