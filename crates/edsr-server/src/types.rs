//! What travels over HTTP, for the server that writes it and for clients that read it.
//!
//! Words (states, verdicts, kinds) are plain strings here, so that a client reads answers of a newer server too.
//! Times are RFC 3339 with microseconds, UTC. Ids are as they stand in the journal.

mod records;
mod requests;
mod state;
mod story;

pub use records::{EntryRecord, EventRecord, LsnRange, Missed, RejectedEvent, TimelineEntry};
pub use requests::{
    CommandAnswer, EventsAnswer, NoteRequest, PauseRequest, Problem, ReasonRequest,
};
pub use state::{
    Answer, Decision, Detection, Evidence, Execution, ExecutionDetail, Incident, IncidentCounts,
    IncidentDetail, Pause, Plan, Reason, Step, Verification,
};
pub use story::{Explanation, Situation};

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items: newest first where the page is asked for with `before`, oldest first where with `from`.
    pub items: Vec<T>,
    /// What to pass as `before` (or `from`) to get the page that follows; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// How the node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Program version.
    pub version: String,
    /// Hash of the bundle in force.
    pub bundle: String,
    /// Ready to take events.
    pub ready: bool,
    /// Why it is not ready.
    pub problems: Vec<String>,
    /// Since when it runs.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// Last durable event; 0 before the first.
    pub lsn: u64,
    /// Last durable entry; 0 before the first.
    pub seq: u64,
    /// Whether anything is paused.
    pub paused: bool,
    /// Why the last changed bundle was refused, until a good one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_problems: Option<String>,
    /// How much there is to look at.
    pub counts: StatusCounts,
}

/// How much there is to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct StatusCounts {
    /// Detections that hold.
    pub open_detections: u64,
    /// Incidents that are not resolved.
    pub open_incidents: u64,
    /// Runs that have not ended.
    pub running_executions: u64,
    /// Decisions that wait for a person.
    pub waiting_decisions: u64,
    /// Pauses that hold.
    pub pauses: u64,
}

/// Whether the node takes events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// Why not.
    pub problems: Vec<String>,
}

/// A document of the bundle in force, as the user wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its kind, for example `Detector`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The whole document.
    pub document: Value,
}
