//! What stands in the two logs.

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An event in its place in the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventRecord {
    /// Its place.
    pub lsn: u64,
    /// When the log took it.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The event: CloudEvents 1.0, JSON format.
    pub event: Value,
}

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntryRecord {
    /// Its place.
    pub seq: u64,
    /// The engine's time when it became so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The last event the engine had seen by then.
    pub lsn: u64,
    /// Who states it: `engine`, `node` or `person:<name>`.
    pub actor: String,
    /// What brought it about: `event:<lsn>`, `entry:<seq>` or `timer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What it belongs to: an incident id where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Hash of the bundle in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The kind of fact, for example `decided`.
    pub kind: String,
    /// The fact in one sentence.
    pub text: String,
    /// The fact as it was written.
    pub fact: Value,
    /// Hash of the entry before.
    pub prev: String,
    /// Hash of this entry.
    pub hash: String,
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Its place in the journal.
    pub seq: u64,
    /// When it became so.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The kind of fact.
    pub kind: String,
    /// Who states it.
    pub actor: String,
    /// The fact in one sentence.
    pub text: String,
}

/// A watcher was too slow, and this much went by unseen. Sent on `/v1/tail` as the event `missed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missed {
    /// How many events and entries, before any filter.
    pub missed: u64,
}

/// The first and the last place of what was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LsnRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// An event that was turned down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// Its place in the request, from 0.
    pub index: u64,
    /// Its id, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A stable code.
    pub code: String,
    /// One sentence.
    pub reason: String,
}
