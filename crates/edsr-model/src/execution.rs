//! Executions: how one run of a plan, and each of its steps, may go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a run stands. Every run ends in exactly one of the ended states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutionStatus {
    /// Steps are being done.
    Running,
    /// Steps are done; the world is watched for proof that it helped.
    Verifying,
    /// A step failed; what was done is being undone.
    Compensating,
    /// Ended: verified.
    Succeeded,
    /// Ended: all steps done, but nothing proved that it helped.
    Unverified,
    /// Ended: a step failed and nothing had to be undone.
    Failed,
    /// Ended: a step failed and everything was undone.
    Compensated,
    /// Ended: a step failed and not everything could be undone.
    PartlyCompensated,
    /// Ended: nobody knows whether a step happened.
    InDoubt,
    /// Ended: stopped before it was through.
    Cancelled,
}

impl ExecutionStatus {
    /// Whether the run is over.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Verifying | Self::Compensating)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Compensating => "compensating",
            Self::Succeeded => "succeeded",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::Compensated => "compensated",
            Self::PartlyCompensated => "partly-compensated",
            Self::InDoubt => "in-doubt",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// Not begun.
    Waiting,
    /// A call is intended or under way.
    Running,
    /// Between two attempts.
    Backoff,
    /// The outcome is unknown; the probe is asked.
    Probing,
    /// Done.
    Done,
    /// Given up.
    Failed,
    /// Nobody knows whether it happened.
    InDoubt,
    /// Its undo is intended or under way.
    Undoing,
    /// Undone.
    Undone,
    /// Its undo failed.
    UndoFailed,
}

impl StepStatus {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Probing => "probing",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::InDoubt => "in-doubt",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo-failed",
        }
    }
}
