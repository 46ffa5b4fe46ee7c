//! Why, and why not.

use std::fmt::Write as _;
use std::sync::Arc;

use edsr_model::{DetectionId, Event, ExecutionStatus, Lsn, Verdict};

use super::sentence::verdict;
use super::{
    DecisionView, DetectionView, ExecutionView, IncidentView, LookupError, PlanView, Views, items,
};

/// What happened, what was decided about it, what was done, and how it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What is explained: an id, or `event:<lsn>`.
    pub subject: String,
    /// The whole story in one sentence.
    pub summary: String,
    /// One for each detection concerned; one without a detection where there is none.
    pub situations: Vec<Situation>,
}

/// One detection and everything that follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// How far it went.
    pub kind: SituationKind,
    /// What happened, and why it went no further.
    pub text: String,
    /// The detection.
    pub detection: Option<Arc<DetectionView>>,
    /// What was planned, oldest first.
    pub plans: Vec<Arc<PlanView>>,
    /// Every decision, oldest first.
    pub decisions: Vec<Arc<DecisionView>>,
    /// Every run, oldest first.
    pub executions: Vec<Arc<ExecutionView>>,
}

/// How far a situation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SituationKind {
    /// No detection rests on the event.
    NothingDetected,
    /// There is a detection, and no playbook was planned for it.
    NothingPlanned,
    /// A plan may not run.
    Denied,
    /// A plan was noted only.
    Observed,
    /// A plan was put in front of a person.
    Suggested,
    /// A plan waits for a person.
    Waiting,
    /// A person turned the plan down.
    Rejected,
    /// A person agreed to the plan, or none had to; its run has not begun.
    Approved,
    /// The detection was resolved before a person answered.
    Cleared,
    /// The latest run goes on, or ended like this.
    Run(ExecutionStatus),
}

impl SituationKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingDetected => "nothing-detected",
            Self::NothingPlanned => "nothing-planned",
            Self::Denied => "denied",
            Self::Observed => "observed",
            Self::Suggested => "suggested",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
            Self::Cleared => "cleared",
            Self::Run(status) => status.as_str(),
        }
    }
}

impl Views {
    /// Why a detection opened, and what followed from it.
    ///
    /// # Errors
    /// When there is no such detection, or more than one.
    pub fn explain_detection(&self, id: &str) -> Result<Explanation, LookupError> {
        let view = self.detection(id)?;
        let subject = view.detection.id.to_string();
        Ok(explanation(subject, vec![self.situation(view)]))
    }

    /// Every detection of an incident, and what followed from them.
    ///
    /// # Errors
    /// When there is no such incident, or more than one.
    pub fn explain_incident(&self, id: &str) -> Result<Explanation, LookupError> {
        let incident: &Arc<IncidentView> = self.incident(id)?;
        let situations = self.situations(&incident.detections);
        Ok(explanation(incident.id.to_string(), situations))
    }

    /// Why a plan was decided as it was, and what became of it.
    ///
    /// # Errors
    /// When there is no such decision, or more than one.
    pub fn explain_decision(&self, id: &str) -> Result<Explanation, LookupError> {
        let view = self.decision(id)?.clone();
        let mut situation = self.around(view.detection.as_ref());
        let plan = view.decision.plan;
        situation.plans = self.plans.get(&plan).cloned().into_iter().collect();
        situation
            .decisions
            .retain(|other| other.decision.plan == plan);
        situation.executions.retain(|run| run.plan == plan);
        if situation.decisions.is_empty() {
            situation.decisions.push(Arc::clone(&view));
        }
        if situation.executions.is_empty() {
            let run = view
                .execution
                .as_ref()
                .and_then(|id| self.executions.get(id));
            situation.executions.extend(run.cloned());
        }
        Ok(explanation(
            view.decision.id.to_string(),
            vec![retold(situation)],
        ))
    }

    /// Why a run was made, what it did, and how it ended.
    ///
    /// # Errors
    /// When there is no such run, or more than one.
    pub fn explain_execution(&self, id: &str) -> Result<Explanation, LookupError> {
        let run = self.execution(id)?.clone();
        let mut situation = self.around(run.detection.as_ref());
        situation.plans = self.plans.get(&run.plan).cloned().into_iter().collect();
        situation
            .decisions
            .retain(|view| view.decision.plan == run.plan);
        if situation.decisions.is_empty() {
            let decision = situation
                .plans
                .first()
                .and_then(|plan| plan.decision.as_ref());
            situation
                .decisions
                .extend(decision.and_then(|id| self.decisions.get(id)).cloned());
        }
        situation.executions = vec![Arc::clone(&run)];
        Ok(explanation(run.id.to_string(), vec![retold(situation)]))
    }

    /// What came of an event, or why nothing did. `event` is the event itself where it is still in the log.
    #[must_use]
    pub fn explain_event(&self, lsn: Lsn, event: Option<&Event>) -> Explanation {
        let mut situations = self.situations(self.detections_of(lsn));
        if situations.is_empty() {
            situations.push(Situation {
                kind: SituationKind::NothingDetected,
                text: nothing_detected(lsn, event, self.lsn),
                detection: None,
                plans: Vec::new(),
                decisions: Vec::new(),
                executions: Vec::new(),
            });
        }
        explanation(format!("event:{lsn}"), situations)
    }

    fn situations(&self, detections: &[DetectionId]) -> Vec<Situation> {
        (detections.iter())
            .filter_map(|id| self.detections.get(id))
            .map(|view| self.situation(view))
            .collect()
    }

    fn situation(&self, view: &Arc<DetectionView>) -> Situation {
        retold(self.around(Some(&view.detection.id)))
    }

    /// Everything known around a detection, not yet told.
    fn around(&self, detection: Option<&DetectionId>) -> Situation {
        let view = detection.and_then(|id| self.detections.get(id)).cloned();
        let (plans, decisions, executions) = match &view {
            None => (Vec::new(), Vec::new(), Vec::new()),
            Some(view) => (
                all(view.plans.iter().map(|hash| self.plans.get(hash))),
                all(view.decisions.iter().map(|id| self.decisions.get(id))),
                all(view.executions.iter().map(|id| self.executions.get(id))),
            ),
        };
        Situation {
            kind: SituationKind::NothingPlanned,
            text: String::new(),
            detection: view,
            plans,
            decisions,
            executions,
        }
    }
}

fn all<'a, T: 'a>(found: impl Iterator<Item = Option<&'a Arc<T>>>) -> Vec<Arc<T>> {
    found.flatten().cloned().collect()
}

fn explanation(subject: String, situations: Vec<Situation>) -> Explanation {
    let summary = match situations.as_slice() {
        [] => "what it rests on is older than what is kept; the journal has it".to_owned(),
        [only] => only.text.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.text, rest.len()),
    };
    Explanation {
        subject,
        summary,
        situations,
    }
}

/// The same situation with its kind and text made from what is in it.
fn retold(mut situation: Situation) -> Situation {
    situation.kind = kind(&situation);
    let mut text = String::new();
    if let Some(view) = &situation.detection {
        text.push_str(&found(view));
    }
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(&followed(&situation));
    situation.text = text;
    situation
}

fn kind(situation: &Situation) -> SituationKind {
    if let Some(run) = situation.executions.last() {
        return SituationKind::Run(run.status);
    }
    // The most permissive of what holds speaks for the whole: it is what may still happen.
    let standing = (situation.decisions.iter()).filter(|view| view.superseded_by.is_none());
    let Some(view) = standing.max_by_key(|view| view.decision.verdict) else {
        return SituationKind::NothingPlanned;
    };
    match (view.decision.verdict, &view.answer) {
        (Verdict::Approve | Verdict::Suggest, Some(answer)) if !answer.granted => {
            SituationKind::Rejected
        }
        (Verdict::Approve | Verdict::Suggest, Some(_)) | (Verdict::Auto, _) => {
            SituationKind::Approved
        }
        (Verdict::Approve, None) if view.cleared => SituationKind::Cleared,
        (Verdict::Approve, None) => SituationKind::Waiting,
        (Verdict::Suggest, None) => SituationKind::Suggested,
        (Verdict::Observe, _) => SituationKind::Observed,
        (Verdict::Deny, _) => SituationKind::Denied,
    }
}

fn found(view: &DetectionView) -> String {
    let detection = &view.detection;
    let mut text = format!(
        "{} found at {} for {} ({}): {}",
        detection.detector,
        detection.opened_at,
        detection.key,
        detection.severity,
        detection.evidence.text
    );
    if let (Some(at), Some(why)) = (detection.resolved_at, &detection.resolution) {
        let _ = write!(text, "; it was resolved at {at} ({why})");
    }
    text
}

fn followed(situation: &Situation) -> String {
    if let Some(run) = situation.executions.last() {
        return ran(run);
    }
    if situation.decisions.is_empty() {
        return match &situation.detection {
            Some(view) if items::is_open(view) => {
                "it holds, and no playbook was planned for it: its detector responds with none, or an earlier answer is not repeated".to_owned()
            }
            Some(_) => "no playbook was planned for it while it held".to_owned(),
            None => "the detection it belongs to is older than what is kept".to_owned(),
        };
    }
    // An agreement is judged once more; who agreed, and why, stands in the decision before.
    (situation.decisions.iter())
        .filter(|view| view.superseded_by.is_none() || view.answer.is_some())
        .map(|view| weighed(view))
        .collect::<Vec<_>>()
        .join("; ")
}

fn ran(run: &ExecutionView) -> String {
    let mut text = format!("{} ran on {} as {}", run.playbook, run.target, run.id);
    match (&run.reason, run.ended_at) {
        (Some(reason), Some(at)) => {
            let _ = write!(text, " and ended {} at {at}", run.status);
            if !reason.is_empty() {
                let _ = write!(text, ": {reason}");
            }
        }
        _ => {
            let _ = write!(text, " and is {}", run.status);
        }
    }
    if let Some(proof) = &run.verification {
        let word = if proof.passed {
            "passed"
        } else {
            "did not pass"
        };
        let _ = write!(text, "; verification {word}: {}", proof.text);
    }
    text
}

fn weighed(view: &DecisionView) -> String {
    let on = (view.target.as_ref()).map_or_else(String::new, |target| format!(" on {target}"));
    let said = match &view.answer {
        Some(answer) if answer.granted => format!("{} approved it: {}", answer.by, answer.reason),
        Some(answer) => format!("{} rejected it: {}", answer.by, answer.reason),
        None if view.cleared => "nobody answered before the detection was resolved".to_owned(),
        None => (view.decision.reasons.iter())
            .map(|reason| match reason.until {
                Some(until) => format!("{} ({}, until {until})", reason.text, reason.code),
                None => format!("{} ({})", reason.text, reason.code),
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!(
        "{}{on} {}: {said}",
        view.playbook,
        verdict(view.decision.verdict)
    )
}

fn nothing_detected(lsn: Lsn, event: Option<&Event>, seen: Lsn) -> String {
    let what = event.map_or_else(String::new, |event| format!(" (type `{}`)", event.kind));
    let mut text = format!(
        "no detection rests on event {lsn}{what}: no detector reads it, or none reached its threshold with it"
    );
    if lsn > seen {
        text.push_str("; the journal has no entry made after it yet, so it may still be counted");
    }
    text
}
