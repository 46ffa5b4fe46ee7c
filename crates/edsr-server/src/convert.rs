//! From what the node knows to what travels.

use edsr_model::{Entry, Evidence, Record, StepRole};
use edsr_node::view::{
    self, DecisionView, DetectionView, ExecutionView, IncidentView, PlanView, StepView, sentence,
};
use serde_json::Value;

use crate::types;

pub(crate) fn event(record: &Record) -> types::EventRecord {
    types::EventRecord {
        lsn: record.lsn.0,
        at: record.at,
        event: record.event.to_value(),
    }
}

pub(crate) fn entry(entry: &Entry) -> types::EntryRecord {
    let draft = &entry.draft;
    types::EntryRecord {
        seq: draft.seq.0,
        at: draft.at,
        lsn: draft.lsn.0,
        actor: draft.actor.to_string(),
        cause: text(draft.cause.as_ref()),
        correlation: draft.correlation.clone(),
        bundle: text(draft.bundle.as_ref()),
        kind: draft.fact.kind().to_owned(),
        text: sentence(entry),
        fact: serde_json::to_value(&draft.fact).unwrap_or(Value::Null),
        prev: entry.prev.to_string(),
        hash: entry.hash.to_string(),
    }
}

pub(crate) fn timeline_entry(entry: &Entry) -> types::TimelineEntry {
    types::TimelineEntry {
        seq: entry.draft.seq.0,
        at: entry.draft.at,
        kind: entry.draft.fact.kind().to_owned(),
        actor: entry.draft.actor.to_string(),
        text: sentence(entry),
    }
}

pub(crate) fn detection(view: &DetectionView) -> types::Detection {
    let found = &view.detection;
    types::Detection {
        id: found.id.to_string(),
        incident: found.incident.to_string(),
        detector: found.detector.clone(),
        owner: found.owner.clone(),
        key: (found.key.0.iter())
            .map(|(name, value)| (name.clone(), value.to_value()))
            .collect(),
        key_text: found.key.to_string(),
        severity: found.severity.to_string(),
        state: match found.state {
            edsr_model::DetectionState::Open => "open",
            edsr_model::DetectionState::Resolved => "resolved",
        }
        .to_owned(),
        since: found.since,
        opened_at: found.opened_at,
        resolved_at: found.resolved_at,
        resolution: found.resolution.clone(),
        evidence: evidence(&found.evidence),
        depth: found.depth,
        correlation: found.correlation.clone(),
        bundle: found.bundle.to_string(),
        decisions: texts(&view.decisions),
        executions: texts(&view.executions),
    }
}

pub(crate) fn incident(view: &IncidentView) -> types::Incident {
    let state = if view.is_open() { "open" } else { "resolved" };
    types::Incident {
        id: view.id.to_string(),
        title: view.title.clone(),
        state: state.to_owned(),
        severity: view.severity.to_string(),
        opened_at: view.opened_at,
        resolved_at: view.resolved_at,
        detections: texts(&view.detections),
        decisions: texts(&view.decisions),
        executions: texts(&view.executions),
        targets: texts(&view.targets),
        counts: types::IncidentCounts {
            detections: view.counts.detections,
            open_detections: view.counts.open_detections,
            decisions: view.counts.decisions,
            executions: view.counts.executions,
            running_executions: view.counts.running_executions,
        },
    }
}

pub(crate) fn decision(view: &DecisionView) -> types::Decision {
    types::Decision {
        id: view.decision.id.to_string(),
        verdict: view.decision.verdict.to_string(),
        playbook: view.playbook.clone(),
        target: text(view.target.as_ref()),
        detection: text(view.detection.as_ref()),
        incident: text(view.incident.as_ref()),
        plan: view.decision.plan.to_string(),
        at: view.at,
        round: view.decision.round,
        reasons: (view.decision.reasons.iter())
            .map(|reason| types::Reason {
                code: reason.code.to_string(),
                text: reason.text.clone(),
                figures: reason.figures.clone(),
                until: reason.until,
            })
            .collect(),
        waiting: view.is_waiting(),
        answer: (view.answer.as_ref()).map(|answer| types::Answer {
            granted: answer.granted,
            reason: answer.reason.clone(),
            by: answer.by.to_string(),
            at: answer.at,
        }),
        superseded_by: text(view.superseded_by.as_ref()),
        execution: text(view.execution.as_ref()),
    }
}

pub(crate) fn plan(view: &PlanView) -> types::Plan {
    let plan = &view.plan;
    types::Plan {
        hash: plan.hash.to_string(),
        playbook: plan.playbook.clone(),
        target: plan.target.to_string(),
        inputs: plan.inputs.clone(),
        risk: plan.risk.to_string(),
        detection: text(plan.detection.as_ref()),
        incident: plan.incident.to_string(),
        severity: plan.severity.to_string(),
        evidence_at: plan.evidence_at,
        bundle: plan.bundle.to_string(),
        made_at: plan.made_at,
    }
}

pub(crate) fn execution(view: &ExecutionView) -> types::Execution {
    types::Execution {
        id: view.id.to_string(),
        plan: view.plan.to_string(),
        playbook: view.playbook.clone(),
        target: view.target.to_string(),
        detection: text(view.detection.as_ref()),
        incident: text(view.incident.as_ref()),
        status: view.status.to_string(),
        reason: view.reason.clone(),
        started_at: view.started_at,
        ended_at: view.ended_at,
        steps: view.steps.iter().map(step).collect(),
        verification: view.verification.as_ref().map(verification),
    }
}

pub(crate) fn pause(pause: &edsr_model::Pause) -> types::Pause {
    types::Pause {
        id: pause.id.to_string(),
        scope: pause.scope.to_string(),
        reason: pause.reason.clone(),
        by: pause.by.to_string(),
        at: pause.at,
    }
}

fn step(view: &StepView) -> types::Step {
    types::Step {
        id: view.id.clone(),
        role: match view.role {
            StepRole::Do => "do",
            StepRole::Undo => "undo",
            StepRole::Probe => "probe",
        }
        .to_owned(),
        uses: view.uses.clone(),
        status: view.status.as_str().to_owned(),
        attempts: view.attempts,
        last_outcome: view.last_outcome.map(ToOwned::to_owned),
        last_reason: view.last_reason.clone(),
        started_at: view.started_at,
        ended_at: view.ended_at,
        next_attempt_at: view.next_attempt_at,
    }
}

fn verification(found: &view::Verification) -> types::Verification {
    types::Verification {
        passed: found.passed,
        text: found.text.clone(),
        at: found.at,
    }
}

fn evidence(evidence: &Evidence) -> types::Evidence {
    types::Evidence {
        lsns: evidence.lsns.iter().map(|lsn| lsn.0).collect(),
        at: evidence.at,
        figures: evidence.figures.clone(),
        text: evidence.text.clone(),
    }
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn texts<'a, T: ToString + 'a>(values: impl IntoIterator<Item = &'a T>) -> Vec<String> {
    values.into_iter().map(ToString::to_string).collect()
}
