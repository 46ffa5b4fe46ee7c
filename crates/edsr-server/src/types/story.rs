//! Why, and why not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Decision, Detection, EventRecord, Execution, Plan, TimelineEntry};

/// What happened, what was decided about it, what was done, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What is explained: an id, or `event:<lsn>`.
    pub subject: String,
    /// The whole story in one sentence.
    pub summary: String,
    /// The event that was asked about, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventRecord>,
    /// One for each detection concerned; one without a detection where nothing was detected.
    pub situations: Vec<Situation>,
}

/// One detection and everything that follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Situation {
    /// `nothing-detected`, `nothing-planned`, `denied`, `observed`, `suggested`, `waiting`, `rejected`,
    /// `approved`, `cleared`, `running`, or how the last run ended (`succeeded`, `unverified`, …).
    pub outcome: String,
    /// The situation in one or more sentences: what happened and why it went no further.
    pub text: String,
    /// The detection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// The events it rests on that are still in the log.
    pub events: Vec<EventRecord>,
    /// What was planned.
    pub plans: Vec<Plan>,
    /// Every decision with every reason, oldest first.
    pub decisions: Vec<Decision>,
    /// Every run with its steps, oldest first.
    pub executions: Vec<Execution>,
    /// What the journal says about it, oldest first.
    pub timeline: Vec<TimelineEntry>,
}
