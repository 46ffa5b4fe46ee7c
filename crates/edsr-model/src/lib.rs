//! The nouns of edsr: events, detections, plans, decisions, journal entries, ids and time.
//!
//! Everything else in the workspace speaks in these types. They carry no behaviour beyond
//! parsing, printing and hashing, read no clock and do no I/O.

pub mod decision;
pub mod detection;
pub mod effect;
pub mod entry;
pub mod event;
pub mod execution;
pub mod id;
pub mod json;
pub mod nesting;
pub mod plan;
mod printable;
pub mod time;

pub use decision::{Decision, Reason, ReasonCode, Verdict};
pub use detection::{Detection, DetectionState, Evidence, Key, Scalar, Severity};
pub use effect::{AttemptId, EffectClass, EffectRequest, Outcome, StepRole};
pub use entry::{Actor, Cause, Draft, Entry, Fact, Pause, PauseScope};
pub use event::{Data, Event, EventError, Record};
pub use execution::{ExecutionStatus, StepStatus};
pub use id::{
    BundleHash, DecisionId, DetectionId, Digest, ExecutionId, IncidentId, Lsn, PauseId, PlanHash,
    Seq,
};
pub use plan::{Autonomy, Plan, Risk, TargetRef};
pub use printable::{printable, steers};
pub use time::{Timestamp, format_duration, parse_duration};
