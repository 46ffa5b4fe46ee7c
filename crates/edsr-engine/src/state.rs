//! Everything the engine knows: a fold over the two logs, and nothing that could not be folded again.

use std::collections::{BTreeMap, BTreeSet};

use edsr_model::{
    Actor, BundleHash, DecisionId, Detection, DetectionId, Digest, ExecutionId, IncidentId, Lsn,
    Pause, PauseId, Plan, Seq, TargetRef, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::decide::GuardLedger;
use crate::detect::DetectState;
use crate::execute::Execution;
use crate::timed::{Due, Lately, Timed};

/// The state at one place of the event log and of the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// The engine's time.
    pub(crate) now: Timestamp,
    /// The last event that was applied.
    pub(crate) lsn: Lsn,
    /// The last entry that was drafted.
    pub(crate) seq: Seq,
    /// Counts things that need a name of their own.
    pub(crate) ordinal: u64,
    /// The last time the node was down: from when to when nothing is known.
    pub(crate) down: Option<(Timestamp, Timestamp)>,
    /// The bundle in force.
    pub(crate) bundle: BundleHash,
    pub(crate) detect: DetectState,
    /// Open detections, and those a run still answers.
    pub(crate) detections: BTreeMap<DetectionId, OpenDetection>,
    /// Open incidents, by what holds their detections together.
    pub(crate) incidents: BTreeMap<String, OpenIncident>,
    pub(crate) pauses: BTreeMap<PauseId, Pause>,
    pub(crate) ledger: GuardLedger,
    /// Plans that were denied for reasons that pass.
    pub(crate) waiting: Timed<(DetectionId, String), Waiting>,
    /// Plans that wait for a person.
    pub(crate) proposals: BTreeMap<DecisionId, Proposal>,
    /// Runs that have not ended.
    pub(crate) executions: Timed<ExecutionId, Execution>,
    /// Which runs lately caused what, to recognise events that our own actions caused.
    pub(crate) recent: Lately<ExecutionId, u32>,
}

/// A detection that matters still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenDetection {
    pub(crate) detection: Detection,
    /// The entry that opened it.
    pub(crate) seq: Seq,
    /// What holds its incident together.
    pub(crate) group: String,
    /// Playbooks that stand in for others were asked already.
    pub(crate) otherwise_asked: BTreeSet<String>,
}

/// An incident that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenIncident {
    pub(crate) id: IncidentId,
    pub(crate) detections: BTreeSet<DetectionId>,
}

/// A plan that will be judged again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) plan: Plan,
    /// How often it was judged.
    pub(crate) round: u32,
    /// When it is judged again at the latest.
    pub(crate) wake: Option<Timestamp>,
    /// What the last answer was, so that the same one is not written twice.
    pub(crate) codes: Vec<String>,
    /// The entry of the plan: who came first is judged first.
    pub(crate) seq: Seq,
    /// The person who agreed to it already, if one did.
    pub(crate) person: Option<Actor>,
    /// The detection opened just now; its evidence must not be old.
    pub(crate) fresh: bool,
}

/// A plan that a person may agree to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) plan: Plan,
    pub(crate) round: u32,
    /// The entry of the plan.
    pub(crate) seq: Seq,
}

/// Identifies the state, to compare two runs.
pub(crate) fn digest(state: &State) -> Result<Digest, rmp_serde::encode::Error> {
    Ok(Digest::of(&rmp_serde::to_vec(state)?))
}

/// Names whatever `target` a detection's incident is held together by.
pub(crate) fn group_of_target(target: &TargetRef) -> String {
    format!("target:{target}")
}

impl Due for Waiting {
    fn due(&self) -> Option<(Timestamp, Seq)> {
        self.wake.map(|at| (at, self.seq))
    }
}

impl Due for Execution {
    fn due(&self) -> Option<(Timestamp, Seq)> {
        self.wake.map(|at| (at, self.seq))
    }
}
