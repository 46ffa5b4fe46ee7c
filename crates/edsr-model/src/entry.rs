//! Journal entries: one fact each. A fact that is not in the journal did not happen.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::detection::{Detection, Evidence, Severity};
use crate::effect::{AttemptId, EffectRequest, Outcome};
use crate::execution::ExecutionStatus;
use crate::id::{
    BundleHash, DecisionId, DetectionId, Digest, ExecutionId, Lsn, PauseId, PlanHash, Seq,
};
use crate::plan::{Plan, TargetRef};
use crate::time::Timestamp;

/// Who stated a fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "is", content = "name", rename_all = "lowercase")]
pub enum Actor {
    /// The engine derived it.
    Engine,
    /// The node observed it (start, outcome of a call).
    Node,
    /// A person said so, by the name they authenticated with.
    Person(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.write_str("engine"),
            Self::Node => f.write_str("node"),
            Self::Person(name) => write!(f, "person:{name}"),
        }
    }
}

/// What brought a fact about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// An event in the event log.
    Event(Lsn),
    /// An earlier entry of the journal.
    Entry(Seq),
    /// Time passed.
    Timer,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(lsn) => write!(f, "event:{lsn}"),
            Self::Entry(seq) => write!(f, "entry:{seq}"),
            Self::Timer => f.write_str("timer"),
        }
    }
}

/// What a pause covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "of", content = "name", rename_all = "lowercase")]
pub enum PauseScope {
    /// All automatic dispatch.
    All,
    /// One playbook.
    Playbook(String),
    /// One target.
    Target(TargetRef),
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Playbook(name) => write!(f, "playbook:{name}"),
            Self::Target(target) => write!(f, "target:{target}"),
        }
    }
}

/// A stop of automatic dispatch; only a person lifts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its id.
    pub id: PauseId,
    /// What it covers.
    pub scope: PauseScope,
    /// Why, in the words of whoever paused.
    pub reason: String,
    /// Who paused.
    pub by: Actor,
    /// Since when.
    pub at: Timestamp,
}

/// One fact. *Stated* facts come from outside and are an input of a replay;
/// *derived* facts are what the engine makes of them and of the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fact {
    /// Stated: the node started. Calls whose outcome was not recorded before are unknown from here on.
    NodeStarted {
        /// Program version.
        version: String,
        /// The last entry that was durable when it started: calls intended by then may have been made.
        durable: Seq,
        /// Up to when it had seen anything before; nothing is known of the time since.
        since: Timestamp,
    },
    /// Stated: a bundle came into force at this place of the event log.
    BundleActivated {
        /// The bundle in force from here on.
        bundle: BundleHash,
        /// The one before, if any.
        previous: Option<BundleHash>,
    },
    /// Stated: automatic dispatch is stopped.
    Paused(Pause),
    /// Stated: a stop is lifted.
    Resumed {
        /// Which one.
        pause: PauseId,
        /// Why.
        reason: String,
    },
    /// Stated: a person agreed to, or turned down, a plan that waits for it.
    Approval {
        /// The decision that asked.
        decision: DecisionId,
        /// Agreed or not.
        granted: bool,
        /// Why.
        reason: String,
    },
    /// Stated: what came of a call.
    StepOutcome {
        /// Which call.
        attempt: AttemptId,
        /// What came of it.
        outcome: Outcome,
    },
    /// Stated: a remark.
    Note {
        /// The remark.
        text: String,
    },
    /// Derived: a detection opened.
    DetectionOpened(Detection),
    /// Derived: an open detection got worse, or better.
    DetectionUpdated {
        /// Which one.
        detection: DetectionId,
        /// How bad it is now.
        severity: Severity,
        /// What it rests on now.
        evidence: Evidence,
    },
    /// Derived: a detection no longer holds.
    DetectionResolved {
        /// Which one.
        detection: DetectionId,
        /// `cleared` or `detector-changed`.
        resolution: String,
        /// What it rested on at the end.
        evidence: Evidence,
    },
    /// Derived: a detection asks for a playbook.
    Planned(Plan),
    /// Derived: a plan was judged.
    Decided {
        /// The answer.
        decision: Decision,
        /// The playbook, so that the answer can be read alone.
        playbook: String,
        /// The target; `None` where it could not be resolved.
        target: Option<TargetRef>,
        /// The detection that asked.
        detection: Option<DetectionId>,
    },
    /// Derived: a run began.
    ExecutionStarted {
        /// The run.
        execution: ExecutionId,
        /// What it runs.
        plan: PlanHash,
        /// Playbook, so that the entry can be read alone.
        playbook: String,
        /// Target.
        target: TargetRef,
        /// The detection it answers.
        detection: Option<DetectionId>,
        /// Seed of everything random in the run (backoff jitter).
        seed: u64,
    },
    /// Derived: a call will be made. It leaves only after this entry is durable.
    StepIntended(EffectRequest),
    /// Derived: a step waits for its next attempt.
    StepRetry {
        /// The attempt that did not succeed.
        attempt: AttemptId,
        /// When the next one is made.
        at: Timestamp,
    },
    /// Derived: the world was watched for proof.
    Verified {
        /// The run.
        execution: ExecutionId,
        /// Whether the proof came in time.
        passed: bool,
        /// What was seen, in one sentence.
        text: String,
    },
    /// Derived: a run ended.
    ExecutionEnded {
        /// The run.
        execution: ExecutionId,
        /// How.
        status: ExecutionStatus,
        /// Why, in one sentence.
        reason: String,
    },
}

impl Fact {
    /// Every kind there is, as [`Fact::kind`] gives them.
    pub const KINDS: &[&str] = &[
        "node-started",
        "bundle-activated",
        "paused",
        "resumed",
        "approval",
        "step-outcome",
        "note",
        "detection-opened",
        "detection-updated",
        "detection-resolved",
        "planned",
        "decided",
        "execution-started",
        "step-intended",
        "step-retry",
        "verified",
        "execution-ended",
    ];

    /// Whether the fact comes from outside, so that a replay must be told it.
    #[must_use]
    pub const fn is_stated(&self) -> bool {
        matches!(
            self,
            Self::NodeStarted { .. }
                | Self::BundleActivated { .. }
                | Self::Paused(_)
                | Self::Resumed { .. }
                | Self::Approval { .. }
                | Self::StepOutcome { .. }
                | Self::Note { .. }
        )
    }

    /// The kind, as it stands in the journal.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NodeStarted { .. } => "node-started",
            Self::BundleActivated { .. } => "bundle-activated",
            Self::Paused(_) => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Approval { .. } => "approval",
            Self::StepOutcome { .. } => "step-outcome",
            Self::Note { .. } => "note",
            Self::DetectionOpened(_) => "detection-opened",
            Self::DetectionUpdated { .. } => "detection-updated",
            Self::DetectionResolved { .. } => "detection-resolved",
            Self::Planned(_) => "planned",
            Self::Decided { .. } => "decided",
            Self::ExecutionStarted { .. } => "execution-started",
            Self::StepIntended(_) => "step-intended",
            Self::StepRetry { .. } => "step-retry",
            Self::Verified { .. } => "verified",
            Self::ExecutionEnded { .. } => "execution-ended",
        }
    }
}

/// A fact on its way into the journal, with its place already assigned by the one writer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The place it will have.
    pub seq: Seq,
    /// The engine's time when it became so.
    pub at: Timestamp,
    /// The last event the engine had seen by then; that event must be durable first.
    pub lsn: Lsn,
    /// Who states it.
    pub actor: Actor,
    /// What brought it about.
    pub cause: Option<Cause>,
    /// What it belongs to: an incident id where there is one.
    pub correlation: Option<String>,
    /// The bundle in force.
    pub bundle: Option<BundleHash>,
    /// The fact.
    pub fact: Fact,
}

/// A fact in the journal. `hash` covers everything else including `prev`, so the entries form a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What was written.
    #[serde(flatten)]
    pub draft: Draft,
    /// Hash of the entry before; all zeros for the first.
    pub prev: Digest,
    /// Hash of this entry.
    pub hash: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_tag() {
        let facts = [
            Fact::Note { text: "x".into() },
            Fact::NodeStarted {
                version: "1".into(),
                durable: Seq(7),
                since: Timestamp::EPOCH,
            },
            Fact::ExecutionEnded {
                execution: ExecutionId::derive([b"x".as_slice()]),
                status: ExecutionStatus::InDoubt,
                reason: String::new(),
            },
        ];
        for fact in facts {
            let value = serde_json::to_value(&fact).unwrap();
            assert_eq!(value["kind"], fact.kind());
            assert!(Fact::KINDS.contains(&fact.kind()));
            assert_eq!(serde_json::from_value::<Fact>(value).unwrap(), fact);
        }
    }
}
