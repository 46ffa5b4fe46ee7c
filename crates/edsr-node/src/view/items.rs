//! What the views are made of.

use std::collections::BTreeSet;

use edsr_model::{
    Actor, BundleHash, Decision, DecisionId, Detection, DetectionId, DetectionState, EffectClass,
    ExecutionId, ExecutionStatus, IncidentId, Plan, PlanHash, Seq, Severity, StepRole, StepStatus,
    TargetRef, Timestamp, Verdict,
};

/// A detection as it is now, with what followed from it.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionView {
    /// The entry that opened it.
    pub seq: Seq,
    /// The detection with its latest severity, state and evidence.
    pub detection: Detection,
    /// The plans it asked for, oldest first.
    pub plans: Vec<PlanHash>,
    /// The decisions on them, oldest first.
    pub decisions: Vec<DecisionId>,
    /// The runs that answered it, oldest first.
    pub executions: Vec<ExecutionId>,
}

/// Detections that belong together, and what was done about them.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentView {
    /// The entry that opened it.
    pub seq: Seq,
    /// Its id.
    pub id: IncidentId,
    /// The first detection's detector and key.
    pub title: String,
    /// When its first detection opened.
    pub opened_at: Timestamp,
    /// When the last open detection was resolved and the last run ended; `None` while it is open.
    pub resolved_at: Option<Timestamp>,
    /// The worst it ever was.
    pub severity: Severity,
    /// Its detections, oldest first.
    pub detections: Vec<DetectionId>,
    /// The decisions, oldest first.
    pub decisions: Vec<DecisionId>,
    /// The runs, oldest first.
    pub executions: Vec<ExecutionId>,
    /// What was planned for.
    pub targets: BTreeSet<TargetRef>,
    /// How many of each there were; the lists above are bounded, these are not.
    pub counts: IncidentCounts,
}

impl IncidentView {
    /// Whether something still holds or runs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }
}

/// How many of each an incident has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// A decision and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionView {
    /// The entry that recorded it.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// The decision.
    pub decision: Decision,
    /// The playbook.
    pub playbook: String,
    /// The target, where it could be resolved.
    pub target: Option<TargetRef>,
    /// The detection that asked.
    pub detection: Option<DetectionId>,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// What a person answered.
    pub answer: Option<Answer>,
    /// The decision of a later round on the same plan.
    pub superseded_by: Option<DecisionId>,
    /// The run it led to.
    pub execution: Option<ExecutionId>,
    /// Whether the detection that asked was resolved before anybody answered.
    pub cleared: bool,
}

impl DecisionView {
    /// Whether it waits for a person.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.decision.verdict, Verdict::Approve | Verdict::Suggest)
            && self.answer.is_none()
            && self.superseded_by.is_none()
            && self.execution.is_none()
            && !self.cleared
    }
}

/// What a person answered to a decision that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Agreed or not.
    pub granted: bool,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// A plan and the decisions on it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanView {
    /// The entry that recorded it.
    pub seq: Seq,
    /// The plan.
    pub plan: Plan,
    /// The latest decision on it.
    pub decision: Option<DecisionId>,
}

/// One run of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionView {
    /// The entry that started it.
    pub seq: Seq,
    /// Its id.
    pub id: ExecutionId,
    /// What it runs.
    pub plan: PlanHash,
    /// The playbook.
    pub playbook: String,
    /// The target.
    pub target: TargetRef,
    /// The detection it answers.
    pub detection: Option<DetectionId>,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Why it ended so.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its steps by role, in the order they began.
    pub steps: Vec<StepView>,
    /// What verification found.
    pub verification: Option<Verification>,
}

/// One role of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The step's id in the playbook.
    pub id: String,
    /// Which of its calls.
    pub role: StepRole,
    /// The actuator.
    pub uses: String,
    /// What may be done if an outcome gets lost.
    pub class: EffectClass,
    /// Where it stands.
    pub status: StepStatus,
    /// How many calls were intended.
    pub attempts: u32,
    /// `ok`, `failed` or `unknown`: what came of the last call.
    pub last_outcome: Option<&'static str>,
    /// Why the last call did not succeed.
    pub last_reason: Option<String>,
    /// When the first call was intended.
    pub started_at: Timestamp,
    /// When the last outcome was recorded.
    pub ended_at: Option<Timestamp>,
    /// When the next attempt is made, while it waits for one.
    pub next_attempt_at: Option<Timestamp>,
}

/// Whether the world showed that a repair helped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Whether the proof came in time.
    pub passed: bool,
    /// What was seen.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A bundle that came into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleView {
    /// The entry that says so.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// The bundle.
    pub bundle: BundleHash,
    /// The one before.
    pub previous: Option<BundleHash>,
}

/// A start of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartView {
    /// The entry that says so.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// Program version.
    pub version: String,
}

/// How much there is that wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
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

pub(super) fn is_open(view: &DetectionView) -> bool {
    view.detection.state == DetectionState::Open
}
