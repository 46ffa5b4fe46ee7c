//! Plans, decisions, runs and their steps.

use edsr_model::{
    Decision, DecisionId, DetectionId, EffectRequest, ExecutionId, ExecutionStatus, IncidentId,
    Outcome, Plan, PlanHash, StepRole, StepStatus, TargetRef, Timestamp,
};

use super::{Place, link, settle};
use crate::view::{DecisionView, ExecutionView, LINKS_MAX, PlanView, STEPS_MAX, StepView, Views};

impl Views {
    pub(super) fn planned(&mut self, place: &Place<'_>, plan: &Plan) {
        let view = PlanView {
            seq: place.seq,
            plan: plan.clone(),
            decision: self
                .plans
                .get(&plan.hash)
                .and_then(|old| old.decision.clone()),
        };
        self.plans.put(place.seq, plan.hash, view);
        let detection = plan.detection.as_ref();
        if let Some(view) = detection.and_then(|id| self.detections.get_mut(id)) {
            link(&mut view.plans, &plan.hash);
        }
        if let Some(incident) = self.incidents.get_mut(&plan.incident)
            && incident.targets.len() < LINKS_MAX
        {
            incident.targets.insert(plan.target.clone());
        }
    }

    pub(super) fn decided(
        &mut self,
        place: &Place<'_>,
        decision: &Decision,
        playbook: &str,
        target: Option<&TargetRef>,
        detection: Option<&DetectionId>,
    ) {
        let incident = self.incident_of(place, detection, &decision.plan);
        let view = DecisionView {
            seq: place.seq,
            at: place.at,
            decision: decision.clone(),
            playbook: playbook.to_owned(),
            target: target.cloned(),
            detection: detection.cloned(),
            incident: incident.clone(),
            answer: None,
            superseded_by: None,
            execution: None,
            cleared: false,
        };
        self.decisions.put(place.seq, decision.id.clone(), view);
        let before = (self.plans.get_mut(&decision.plan))
            .and_then(|plan| plan.decision.replace(decision.id.clone()))
            .filter(|before| *before != decision.id);
        if let Some(view) = before.and_then(|before| self.decisions.get_mut(&before)) {
            view.superseded_by = Some(decision.id.clone());
        }
        if let Some(view) = detection.and_then(|id| self.detections.get_mut(id)) {
            link(&mut view.decisions, &decision.id);
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id)) {
            link(&mut incident.decisions, &decision.id);
            incident.counts.decisions += 1;
        }
    }

    pub(super) fn started_run(
        &mut self,
        place: &Place<'_>,
        id: &ExecutionId,
        plan: &PlanHash,
        (playbook, target, detection): (&str, &TargetRef, Option<&DetectionId>),
    ) {
        let incident = self.incident_of(place, detection, plan);
        let view = ExecutionView {
            seq: place.seq,
            id: id.clone(),
            plan: *plan,
            playbook: playbook.to_owned(),
            target: target.clone(),
            detection: detection.cloned(),
            incident: incident.clone(),
            status: ExecutionStatus::Running,
            reason: None,
            started_at: place.at,
            ended_at: None,
            steps: Vec::new(),
            verification: None,
        };
        self.executions.put(place.seq, id.clone(), view);
        let decision: Option<DecisionId> =
            (self.plans.get(plan)).and_then(|plan| plan.decision.clone());
        if let Some(view) = decision.and_then(|decision| self.decisions.get_mut(&decision)) {
            view.execution = Some(id.clone());
        }
        if let Some(view) = detection.and_then(|id| self.detections.get_mut(id)) {
            link(&mut view.executions, id);
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id)) {
            link(&mut incident.executions, id);
            incident.counts.executions += 1;
            incident.counts.running_executions += 1;
            incident.resolved_at = None;
        }
    }

    pub(super) fn intended(&mut self, place: &Place<'_>, request: &EffectRequest) {
        let attempt = &request.attempt;
        let Some(view) = self.executions.get_mut(&attempt.execution) else {
            return;
        };
        if attempt.role == StepRole::Undo {
            view.status = ExecutionStatus::Compensating;
        }
        let room = view.steps.len() < STEPS_MAX;
        let known = (view.steps.iter_mut())
            .find(|step| step.id == attempt.step && step.role == attempt.role);
        match known {
            Some(step) => step.begin(attempt.attempt),
            None if room => {
                view.steps.push(StepView::new(place.at, request));
            }
            None => {}
        }
    }

    pub(super) fn ended(
        &mut self,
        place: &Place<'_>,
        id: &ExecutionId,
        status: ExecutionStatus,
        reason: &str,
    ) {
        let mut incident = place.incident.clone();
        if let Some(view) = self.executions.get_mut(id) {
            if view.status.is_ended() {
                return;
            }
            view.status = status;
            view.reason = Some(reason.to_owned());
            view.ended_at = Some(place.at);
            incident.clone_from(&view.incident);
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id)) {
            let running = &mut incident.counts.running_executions;
            *running = running.saturating_sub(1);
            settle(incident, place.at);
        }
    }

    pub(super) fn step(
        &mut self,
        execution: &ExecutionId,
        step: &str,
        role: StepRole,
    ) -> Option<&mut StepView> {
        (self.executions.get_mut(execution)?.steps.iter_mut())
            .find(|known| known.id == step && known.role == role)
    }

    fn incident_of(
        &self,
        place: &Place<'_>,
        detection: Option<&DetectionId>,
        plan: &PlanHash,
    ) -> Option<IncidentId> {
        let by_detection = detection.and_then(|id| self.detections.get(id));
        by_detection
            .map(|view| view.detection.incident.clone())
            .or_else(|| self.plans.get(plan).map(|view| view.plan.incident.clone()))
            .or_else(|| place.incident.clone())
    }
}

impl StepView {
    fn new(at: Timestamp, request: &EffectRequest) -> Self {
        let mut step = Self {
            id: request.attempt.step.clone(),
            role: request.attempt.role,
            uses: request.uses.clone(),
            class: request.class,
            status: StepStatus::Waiting,
            attempts: 0,
            last_outcome: None,
            last_reason: None,
            started_at: at,
            ended_at: None,
            next_attempt_at: None,
        };
        step.begin(request.attempt.attempt);
        step
    }

    fn begin(&mut self, attempt: u32) {
        self.attempts = self.attempts.max(attempt);
        self.next_attempt_at = None;
        self.ended_at = None;
        self.status = match self.role {
            StepRole::Do => StepStatus::Running,
            StepRole::Undo => StepStatus::Undoing,
            StepRole::Probe => StepStatus::Probing,
        };
    }

    pub(super) fn finish(&mut self, outcome: &Outcome, at: Timestamp) {
        self.ended_at = Some(at);
        self.last_outcome = Some(outcome.as_str());
        self.last_reason = match outcome {
            Outcome::Ok { .. } => None,
            Outcome::Failed { reason, .. } | Outcome::Unknown { reason } => Some(reason.clone()),
        };
        self.status = match (self.role, outcome) {
            (_, Outcome::Unknown { .. }) => StepStatus::InDoubt,
            (StepRole::Undo, Outcome::Ok { .. }) => StepStatus::Undone,
            (StepRole::Undo, Outcome::Failed { .. }) => StepStatus::UndoFailed,
            (StepRole::Do | StepRole::Probe, Outcome::Ok { .. }) => StepStatus::Done,
            (StepRole::Do | StepRole::Probe, Outcome::Failed { .. }) => StepStatus::Failed,
        };
    }
}
