//! What the journal adds up to: detections, incidents, decisions, executions, pauses.

use std::collections::BTreeMap;

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::TimelineEntry;

/// What a detection rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The first event that counted, then the latest ones.
    pub lsns: Vec<u64>,
    /// When the latest of them was logged.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The figures that crossed the line, by name.
    pub figures: BTreeMap<String, f64>,
    /// The finding in one sentence.
    pub text: String,
}

/// One opening of a detector for a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Detection {
    /// `det-…`.
    pub id: String,
    /// The incident it belongs to, `inc-…`.
    pub incident: String,
    /// Name of the detector.
    pub detector: String,
    /// Who owns the detector.
    pub owner: String,
    /// The key it opened for: names and values.
    pub key: BTreeMap<String, Value>,
    /// The key as text, `name=value,…` sorted by name; `-` where there is none.
    pub key_text: String,
    /// `info`, `warning`, `error` or `critical`.
    pub severity: String,
    /// `open` or `resolved`.
    pub state: String,
    /// Since when the condition held.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    /// Why it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// What it rests on now, or rested on at the end.
    pub evidence: Evidence,
    /// How many actions of ours lie behind the events it rests on.
    pub depth: u32,
    /// The correlation id its first event carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Hash of the bundle the detector came from.
    pub bundle: String,
    /// The decisions it asked for, oldest first.
    pub decisions: Vec<String>,
    /// The runs that answered it, oldest first.
    pub executions: Vec<String>,
}

/// Detections that belong together, and what was done about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// `inc-…`.
    pub id: String,
    /// The first detection's detector and key.
    pub title: String,
    /// `open`, or `resolved` once every detection is and no run is under way.
    pub state: String,
    /// The worst it ever was.
    pub severity: String,
    /// When its first detection opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    /// Its detections, oldest first.
    pub detections: Vec<String>,
    /// The decisions made for it, oldest first.
    pub decisions: Vec<String>,
    /// The runs made for it, oldest first.
    pub executions: Vec<String>,
    /// What was, or would have been, worked on.
    pub targets: Vec<String>,
    /// How many of each.
    pub counts: IncidentCounts,
}

/// How many of each an incident has had; lists that are shortened are counted whole here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct IncidentCounts {
    /// Detections.
    pub detections: u64,
    /// Detections that hold.
    pub open_detections: u64,
    /// Decisions.
    pub decisions: u64,
    /// Runs.
    pub executions: u64,
    /// Runs that have not ended.
    pub running_executions: u64,
}

/// An incident with everything the journal says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Every entry that belongs to it, oldest first.
    pub timeline: Vec<TimelineEntry>,
    /// Whether the timeline was cut because it is very long.
    pub timeline_cut: bool,
}

/// One reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The stable code, for example `guard.cooldown`.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// What it saw, by name.
    pub figures: BTreeMap<String, String>,
    /// Until when it holds, where time alone lifts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// What a person answered to a decision that asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// Agreed or not.
    pub granted: bool,
    /// Why.
    pub reason: String,
    /// Who: `person:<name>`.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// The answer to one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// `dec-…`.
    pub id: String,
    /// `deny`, `observe`, `suggest`, `approve` or `auto`.
    pub verdict: String,
    /// The playbook.
    pub playbook: String,
    /// The target; absent where it could not be resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The detection that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<String>,
    /// The incident it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Hash of the plan that was judged.
    pub plan: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How often the same plan was judged before.
    pub round: u32,
    /// Every reason, in the order they were weighed.
    pub reasons: Vec<Reason>,
    /// Whether it waits for a person now.
    pub waiting: bool,
    /// What a person answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// The decision on the same plan that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// The run it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

/// A playbook on a target with inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its hash.
    pub hash: String,
    /// The playbook.
    pub playbook: String,
    /// The target.
    pub target: String,
    /// Values for the playbook's inputs.
    pub inputs: BTreeMap<String, Value>,
    /// `low`, `medium`, `high` or `destructive`.
    pub risk: String,
    /// The detection it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<String>,
    /// The incident it belongs to.
    pub incident: String,
    /// Severity of the detection.
    pub severity: String,
    /// When the evidence it rests on was seen.
    #[schema(value_type = String, format = DateTime)]
    pub evidence_at: Timestamp,
    /// Hash of the bundle.
    pub bundle: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
}

/// One role of one step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The step's id in the playbook.
    pub id: String,
    /// `do`, `undo` or `probe`.
    pub role: String,
    /// The actuator.
    pub uses: String,
    /// `running`, `backoff`, `done`, `failed`, `in-doubt`, `undoing`, `undone`, `undo-failed`, …
    pub status: String,
    /// How many calls were intended.
    pub attempts: u32,
    /// `ok`, `failed` or `unknown`: what came of the last call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// Why the last call did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reason: Option<String>,
    /// When the first call was intended.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When the last outcome was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When the next attempt is made, while it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
}

/// Whether the world showed that a repair helped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether the proof came in time.
    pub passed: bool,
    /// What was seen.
    pub text: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// `exe-…`.
    pub id: String,
    /// Hash of the plan.
    pub plan: String,
    /// The playbook.
    pub playbook: String,
    /// The target.
    pub target: String,
    /// The detection it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<String>,
    /// The incident it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// `running`, `verifying`, `compensating`, or how it ended.
    pub status: String,
    /// Why it ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Its steps, in the order they began.
    pub steps: Vec<Step>,
    /// What verification found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
}

/// A run with its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionDetail {
    /// The run.
    #[serde(flatten)]
    pub execution: Execution,
    /// What it runs, where it is still at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_detail: Option<Plan>,
}

/// A stop of automatic dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pause {
    /// `pau-…`.
    pub id: String,
    /// `all`, `playbook:<name>` or `target:<kind>/<name>`.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who paused.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}
