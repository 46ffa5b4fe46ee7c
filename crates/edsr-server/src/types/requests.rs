//! What is asked, and the answers that are not a record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{LsnRange, RejectedEvent};

/// Stops automatic dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// `all`, `playbook:<name>` or `target:<kind>/<name>`.
    pub scope: String,
    /// Why; not empty.
    pub reason: String,
}

/// Why a person does something; not empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    /// Why; not empty.
    pub reason: String,
}

/// A remark for the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteRequest {
    /// The remark; not empty.
    pub text: String,
}

/// A command was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandAnswer {
    /// Its entry in the journal.
    pub seq: u64,
    /// The pause it made, where it made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
    /// Whether the entry is durable already. A pause holds from the moment it was given either way.
    pub durable: bool,
}

/// What became of a request with events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAnswer {
    /// Events that are now durable.
    pub accepted: u64,
    /// Events that were durable already.
    pub duplicates: u64,
    /// Events that were turned down.
    pub rejected: Vec<RejectedEvent>,
    /// The places of the accepted events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsns: Option<LsnRange>,
}

/// What went wrong, as RFC 9457 has it (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `https://edsr.dev/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What, where, and what to do instead.
    pub detail: String,
    /// A stable code to branch on.
    pub code: String,
    /// The ids an ambiguous reference may mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// Why each event of a request was turned down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<RejectedEvent>,
    /// When to try again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}
