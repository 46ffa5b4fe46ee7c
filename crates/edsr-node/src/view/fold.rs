//! The fold itself: one entry, one change.

use std::sync::Arc;

use edsr_model::{
    Actor, Decision, DecisionId, Detection, DetectionId, DetectionState, EffectRequest, Entry,
    Evidence, ExecutionId, ExecutionStatus, Fact, IncidentId, Lsn, Outcome, Pause, Plan, PlanHash,
    Seq, Severity, StepRole, StepStatus, TargetRef, Timestamp,
};

use super::{
    Answer, BUNDLES_MAX, BundleView, DETECTIONS_PER_EVENT_MAX, DecisionView, DetectionView,
    ExecutionView, IncidentCounts, IncidentView, LINKS_MAX, PAUSES_MAX, PlanView, STEPS_MAX,
    StartView, StepView, Verification, Views, items,
};

/// What every entry says beside its fact.
struct Place<'a> {
    seq: Seq,
    at: Timestamp,
    actor: &'a Actor,
    incident: Option<IncidentId>,
}

impl Views {
    /// Takes in the next entry. One that is in here already changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        let draft = &entry.draft;
        if draft.seq <= self.seq {
            return;
        }
        self.seq = draft.seq;
        self.lsn = self.lsn.max(draft.lsn);
        let place = Place {
            seq: draft.seq,
            at: draft.at,
            actor: &draft.actor,
            incident: (draft.correlation.as_deref()).and_then(|text| text.parse().ok()),
        };
        self.take(&place, &draft.fact);
    }

    fn take(&mut self, place: &Place<'_>, fact: &Fact) {
        match fact {
            Fact::NodeStarted { version, .. } => {
                self.started = Some(Arc::new(StartView {
                    seq: place.seq,
                    at: place.at,
                    version: version.clone(),
                }));
            }
            Fact::BundleActivated { bundle, previous } => self.activated(BundleView {
                seq: place.seq,
                at: place.at,
                bundle: *bundle,
                previous: *previous,
            }),
            Fact::Paused(pause) => self.paused(pause),
            Fact::Resumed { pause, .. } => {
                Arc::make_mut(&mut self.pauses).remove(pause);
            }
            Fact::Approval {
                decision,
                granted,
                reason,
            } => {
                if let Some(view) = self.decisions.get_mut(decision) {
                    view.answer = Some(Answer {
                        granted: *granted,
                        reason: reason.clone(),
                        by: place.actor.clone(),
                        at: place.at,
                    });
                }
            }
            Fact::Note { .. } => {}
            Fact::DetectionOpened(detection) => self.opened(place, detection),
            Fact::DetectionUpdated {
                detection,
                severity,
                evidence,
            } => self.updated(place, detection, *severity, evidence),
            Fact::DetectionResolved {
                detection,
                resolution,
                evidence,
            } => self.resolved(place, detection, resolution, evidence),
            Fact::Planned(plan) => self.planned(place, plan),
            Fact::Decided {
                decision,
                playbook,
                target,
                detection,
            } => self.decided(
                place,
                decision,
                playbook,
                target.as_ref(),
                detection.as_ref(),
            ),
            Fact::ExecutionStarted {
                execution,
                plan,
                playbook,
                target,
                detection,
                seed: _,
            } => {
                let about = (playbook.as_str(), target, detection.as_ref());
                self.started_run(place, execution, plan, about);
            }
            Fact::StepIntended(request) => self.intended(place, request),
            Fact::StepOutcome { attempt, outcome } => {
                if let Some(step) = self.step(&attempt.execution, &attempt.step, attempt.role) {
                    step.finish(outcome, place.at);
                }
            }
            Fact::StepRetry { attempt, at } => {
                if let Some(step) = self.step(&attempt.execution, &attempt.step, attempt.role) {
                    step.status = StepStatus::Backoff;
                    step.next_attempt_at = Some(*at);
                }
            }
            Fact::Verified {
                execution,
                passed,
                text,
            } => {
                if let Some(view) = self.executions.get_mut(execution) {
                    view.status = ExecutionStatus::Verifying;
                    view.verification = Some(Verification {
                        passed: *passed,
                        text: text.clone(),
                        at: place.at,
                    });
                }
            }
            Fact::ExecutionEnded {
                execution,
                status,
                reason,
            } => self.ended(place, execution, *status, reason),
        }
    }

    fn activated(&mut self, activated: BundleView) {
        let bundles = Arc::make_mut(&mut self.bundles);
        bundles.push_back(activated);
        if bundles.len() > BUNDLES_MAX {
            bundles.pop_front();
        }
    }

    fn paused(&mut self, pause: &Pause) {
        let pauses = Arc::make_mut(&mut self.pauses);
        pauses.insert(pause.id.clone(), Arc::new(pause.clone()));
        if pauses.len() > PAUSES_MAX {
            let oldest = pauses.values().min_by_key(|held| held.at);
            if let Some(id) = oldest.map(|held| held.id.clone()) {
                pauses.remove(&id);
            }
        }
    }

    fn opened(&mut self, place: &Place<'_>, detection: &Detection) {
        let view = DetectionView {
            seq: place.seq,
            detection: detection.clone(),
            plans: Vec::new(),
            decisions: Vec::new(),
            executions: Vec::new(),
        };
        self.detections.put(place.seq, detection.id.clone(), view);
        self.rests_on(place.seq, &detection.id, &detection.evidence);
        if self.incidents.get(&detection.incident).is_none() {
            let incident = new_incident(place.seq, detection);
            self.incidents
                .put(place.seq, detection.incident.clone(), incident);
        }
        if let Some(incident) = self.incidents.get_mut(&detection.incident) {
            link(&mut incident.detections, &detection.id);
            incident.counts.detections += 1;
            incident.counts.open_detections += 1;
            incident.severity = incident.severity.max(detection.severity);
            incident.resolved_at = None;
        }
    }

    fn updated(
        &mut self,
        place: &Place<'_>,
        id: &DetectionId,
        severity: Severity,
        evidence: &Evidence,
    ) {
        self.rests_on(place.seq, id, evidence);
        let incident = match self.detections.get_mut(id) {
            Some(view) => {
                view.detection.severity = severity;
                view.detection.evidence = evidence.clone();
                Some(view.detection.incident.clone())
            }
            None => place.incident.clone(),
        };
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id)) {
            incident.severity = incident.severity.max(severity);
        }
    }

    fn resolved(
        &mut self,
        place: &Place<'_>,
        id: &DetectionId,
        resolution: &str,
        evidence: &Evidence,
    ) {
        self.rests_on(place.seq, id, evidence);
        let mut incident = place.incident.clone();
        let mut asked = Vec::new();
        if let Some(view) = self.detections.get_mut(id) {
            if !items::is_open(view) {
                return;
            }
            view.detection.state = DetectionState::Resolved;
            view.detection.resolved_at = Some(place.at);
            view.detection.resolution = Some(resolution.to_owned());
            view.detection.evidence = evidence.clone();
            incident = Some(view.detection.incident.clone());
            asked.clone_from(&view.decisions);
        }
        for decision in asked {
            if let Some(view) = self.decisions.get_mut(&decision) {
                view.cleared = view.is_waiting();
            }
        }
        if let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id)) {
            let open = &mut incident.counts.open_detections;
            *open = open.saturating_sub(1);
            settle(incident, place.at);
        }
    }

    fn planned(&mut self, place: &Place<'_>, plan: &Plan) {
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

    fn decided(
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

    fn started_run(
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

    fn intended(&mut self, place: &Place<'_>, request: &EffectRequest) {
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

    fn ended(
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

    fn step(
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

    fn rests_on(&mut self, seq: Seq, detection: &DetectionId, evidence: &Evidence) {
        for lsn in &evidence.lsns {
            self.rests_on_one(seq, detection, *lsn);
        }
    }

    fn rests_on_one(&mut self, seq: Seq, detection: &DetectionId, lsn: Lsn) {
        match self.by_event.get(&lsn) {
            None => self.by_event.put(seq, lsn, vec![detection.clone()]),
            Some(known) if known.contains(detection) => {}
            Some(known) if known.len() >= DETECTIONS_PER_EVENT_MAX => {}
            Some(_) => {
                if let Some(known) = self.by_event.get_mut(&lsn) {
                    known.push(detection.clone());
                }
            }
        }
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

    fn finish(&mut self, outcome: &Outcome, at: Timestamp) {
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

fn new_incident(seq: Seq, detection: &Detection) -> IncidentView {
    IncidentView {
        seq,
        id: detection.incident.clone(),
        title: format!("{} {}", detection.detector, detection.key),
        opened_at: detection.opened_at,
        resolved_at: None,
        severity: detection.severity,
        detections: Vec::new(),
        decisions: Vec::new(),
        executions: Vec::new(),
        targets: std::collections::BTreeSet::new(),
        counts: IncidentCounts::default(),
    }
}

/// An incident is resolved once nothing of it holds and nothing runs.
fn settle(incident: &mut IncidentView, at: Timestamp) {
    let counts = &incident.counts;
    if counts.open_detections == 0 && counts.running_executions == 0 {
        incident.resolved_at.get_or_insert(at);
    }
}

fn link<T: Clone + PartialEq>(list: &mut Vec<T>, item: &T) {
    if list.len() < LINKS_MAX && !list.contains(item) {
        list.push(item.clone());
    }
}
