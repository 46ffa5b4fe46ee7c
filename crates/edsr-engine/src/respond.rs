//! From a finding to an answer: detections open and resolve, plans are made and judged, and judged again when what
//! stood against them has passed.

use std::collections::BTreeSet;
use std::sync::Arc;

use edsr_model::{
    Cause, Detection, DetectionId, DetectionState, ExecutionStatus, Fact, IncidentId, Key,
    TargetRef, Timestamp, Verdict,
};
use serde_json::Value;

use crate::bundle::Detector;
use crate::decide::{detection_value, make_plan};
use crate::detect::{EventContext, Signal, Turn};
use crate::engine::Engine;
use crate::state::{OpenDetection, OpenIncident, Waiting, group_of_target};
use edsr_expr::Scope;

impl Engine {
    pub(crate) fn signal(&mut self, signal: Signal, cause: Cause) {
        match signal.turn.clone() {
            Turn::Opens {
                since,
                depth,
                context,
            } => self.open(&signal, since, depth, context, cause),
            Turn::Updates(id) => self.update(&id, signal, cause),
            Turn::Resolves(id, resolution) => self.resolve(&id, signal, resolution, cause),
        }
    }

    fn open(
        &mut self,
        signal: &Signal,
        since: Timestamp,
        depth: u32,
        context: EventContext,
        cause: Cause,
    ) {
        let bundle = Arc::clone(&self.bundle);
        let Some(detector) = bundle.detectors.iter().find(|d| d.name == signal.detector) else {
            return;
        };
        let now = self.state.now;
        let id = self.name_detection(&detector.name, &signal.key);
        let mut detection = Detection {
            id: id.clone(),
            incident: IncidentId::derive([id.as_str().as_bytes()]),
            detector: detector.name.clone(),
            owner: detector.owner.clone(),
            key: signal.key.clone(),
            severity: detector.severity,
            state: DetectionState::Open,
            since,
            opened_at: now,
            resolved_at: None,
            resolution: None,
            evidence: signal.evidence.clone(),
            depth,
            correlation: context.correlation,
            traceparent: context.traceparent,
            bundle: bundle.hash,
        };
        detection.evidence.text = summary(detector, &detection);
        let group = self.group(detector, &detection);
        detection.incident = self.join_incident(&group, &detection);
        self.state
            .detect
            .opened(&detector.name, &signal.key, id.clone(), now);
        let fact = Fact::DetectionOpened(detection.clone());
        let seq = self.emit(fact, Some(cause), Some(detection.incident.to_string()));
        self.state.detections.insert(
            id.clone(),
            OpenDetection {
                detection,
                seq,
                group,
                otherwise_asked: BTreeSet::new(),
            },
        );
        for playbook in &detector.respond {
            self.respond(&id, playbook, Cause::Entry(seq), true);
        }
        // A pulse begins to fade right away.
        if let Some(signal) = self.state.detect.reread(detector, &signal.key, now) {
            self.signal(signal, cause);
        }
    }

    fn update(&mut self, id: &DetectionId, signal: Signal, cause: Cause) {
        let Some(open) = self.state.detections.get_mut(id) else {
            return;
        };
        let text = std::mem::take(&mut open.detection.evidence.text);
        open.detection.evidence = signal.evidence;
        open.detection.evidence.text = text;
        let detection = open.detection.clone();
        let fact = Fact::DetectionUpdated {
            detection: id.clone(),
            severity: detection.severity,
            evidence: detection.evidence,
        };
        self.emit(fact, Some(cause), Some(detection.incident.to_string()));
        self.detection_changed(id);
    }

    fn resolve(&mut self, id: &DetectionId, signal: Signal, resolution: &str, cause: Cause) {
        let now = self.state.now;
        let Some(open) = self.state.detections.get_mut(id) else {
            return;
        };
        let detection = &mut open.detection;
        detection.state = DetectionState::Resolved;
        detection.resolved_at = Some(now);
        detection.resolution = Some(resolution.to_owned());
        let text = std::mem::take(&mut detection.evidence.text);
        detection.evidence = signal.evidence;
        detection.evidence.text = text;
        let fact = Fact::DetectionResolved {
            detection: id.clone(),
            resolution: resolution.to_owned(),
            evidence: detection.evidence.clone(),
        };
        let correlation = detection.incident.to_string();
        self.emit(fact, Some(cause), Some(correlation));
        self.state.waiting.retain(|(detection, _)| detection != id);
        self.state
            .proposals
            .retain(|_, proposal| proposal.plan.detection.as_ref() != Some(id));
        self.detection_changed(id);
        self.forget_if_over(id);
    }

    /// Runs that answer a detection look again: it may be the proof.
    fn detection_changed(&mut self, id: &DetectionId) {
        let runs = self.state.executions.values();
        let mut verifying: Vec<_> = runs
            .filter(|run| run.plan.detection.as_ref() == Some(id))
            .filter(|run| run.status == ExecutionStatus::Verifying)
            .map(|run| (run.seq, run.id.clone()))
            .collect();
        verifying.sort();
        for (_, run) in verifying {
            self.check_verification(&run);
        }
    }

    /// Forgets a detection that is over and that no run answers any more; and with the last one, its incident.
    pub(crate) fn forget_if_over(&mut self, id: &DetectionId) {
        let answered = self
            .state
            .executions
            .values()
            .any(|run| run.plan.detection.as_ref() == Some(id));
        if answered || self.detection_is_open(id) {
            return;
        }
        let Some(open) = self.state.detections.remove(id) else {
            return;
        };
        if let Some(incident) = self.state.incidents.get_mut(&open.group) {
            incident.detections.remove(id);
            if incident.detections.is_empty() {
                self.state.incidents.remove(&open.group);
            }
        }
    }

    fn name_detection(&mut self, detector: &str, key: &Key) -> DetectionId {
        let ordinal = self.next_ordinal().to_be_bytes();
        let at = self.state.now.as_micros().to_be_bytes();
        let key = key.to_string();
        DetectionId::derive([
            detector.as_bytes(),
            key.as_bytes(),
            at.as_slice(),
            ordinal.as_slice(),
        ])
    }

    /// What holds an incident together: the target of the first playbook, else a correlation id, else the key.
    fn group(&self, detector: &Detector, detection: &Detection) -> String {
        let scope = Scope::new().late("detection", || detection_value(detection));
        let target = detector
            .respond
            .first()
            .and_then(|name| self.bundle.playbooks.get(name))
            .and_then(|playbook| playbook.target.render(&scope).ok())
            .and_then(|value| value.as_str()?.parse::<TargetRef>().ok());
        match (target, &detection.correlation) {
            (Some(target), _) => group_of_target(&target),
            (None, Some(correlation)) => format!("correlation:{correlation}"),
            (None, None) => format!("detector:{}:{}", detection.detector, detection.key),
        }
    }

    fn join_incident(&mut self, group: &str, detection: &Detection) -> IncidentId {
        let incident = self
            .state
            .incidents
            .entry(group.to_owned())
            .or_insert_with(|| OpenIncident {
                id: detection.incident.clone(),
                detections: BTreeSet::new(),
            });
        incident.detections.insert(detection.id.clone());
        incident.id.clone()
    }

    /// Makes the plan of a playbook for a detection and judges it.
    pub(crate) fn respond(&mut self, id: &DetectionId, playbook: &str, cause: Cause, fresh: bool) {
        let bundle = Arc::clone(&self.bundle);
        let Some(playbook) = bundle.playbooks.get(playbook) else {
            return;
        };
        let Some(open) = self.state.detections.get(id) else {
            return;
        };
        let detection = open.detection.clone();
        match make_plan(playbook, &detection, bundle.hash, self.state.now) {
            Ok(plan) => {
                let correlation = Some(plan.incident.to_string());
                let seq = self.emit(Fact::Planned(plan.clone()), Some(cause), correlation);
                let waiting = Waiting {
                    plan,
                    round: 0,
                    wake: None,
                    codes: Vec::new(),
                    seq,
                    person: None,
                    fresh,
                };
                self.decide(waiting, Cause::Entry(seq));
            }
            Err((hash, reason)) => {
                let reasons = vec![reason];
                self.write_decision(
                    hash,
                    0,
                    Verdict::Deny,
                    reasons,
                    None,
                    &playbook.name,
                    Some(&detection),
                    cause,
                );
                self.ask_otherwise(id, &playbook.otherwise, cause);
            }
        }
    }

    /// Asks the playbooks that stand in when another one may not run or did not help, each once per detection.
    pub(crate) fn ask_otherwise(&mut self, id: &DetectionId, playbooks: &[String], cause: Cause) {
        for playbook in playbooks {
            let Some(open) = self.state.detections.get_mut(id) else {
                return;
            };
            if open.otherwise_asked.insert(playbook.clone()) {
                self.respond(id, playbook, cause, false);
            }
        }
    }
}

/// The finding in one sentence: the detector's own words, else a plain one with the figures.
fn summary(detector: &Detector, detection: &Detection) -> String {
    let scope = Scope::new().late("detection", || detection_value(detection));
    let own = detector
        .summary
        .as_ref()
        .and_then(|summary| summary.render(&scope).ok());
    if let Some(Value::String(text)) = own {
        return text;
    }
    let figures: Vec<_> = detection
        .evidence
        .figures
        .iter()
        .map(|(name, value)| format!("{name} {value:.3}"))
        .collect();
    let figures = if figures.is_empty() {
        String::new()
    } else {
        format!(": {}", figures.join(", "))
    };
    format!("{} for {}{figures}", detector.name, detection.key)
}
