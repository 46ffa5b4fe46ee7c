//! The fold itself: one entry, one change.

mod runs;

use std::sync::Arc;

use edsr_model::{
    Actor, Detection, DetectionId, DetectionState, Entry, Evidence, ExecutionStatus, Fact,
    IncidentId, Lsn, Pause, Seq, Severity, StepStatus, Timestamp,
};

use super::{
    Answer, BUNDLES_MAX, BundleView, DETECTIONS_PER_EVENT_MAX, DetectionView, IncidentCounts,
    IncidentView, LINKS_MAX, PAUSES_MAX, StartView, Verification, Views, items,
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
