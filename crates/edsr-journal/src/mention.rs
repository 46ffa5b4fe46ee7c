//! Which ids an entry is found by.

use std::collections::BTreeSet;

use edsr_model::{
    AttemptId, Cause, Decision, Detection, Draft, Evidence, Fact, IncidentId, Lsn, Plan, PlanHash,
};

/// The name under which entries that mention an event are found.
#[must_use]
pub fn event(lsn: Lsn) -> String {
    format!("event:{lsn}")
}

/// The name under which entries of a correlation are found: the incident's id where it is one.
#[must_use]
pub fn correlation(id: &str) -> String {
    match id.parse::<IncidentId>() {
        Ok(incident) => incident.to_string(),
        Err(_) => format!("correlation:{id}"),
    }
}

/// The name under which the index has the entries of a kind.
pub(crate) fn kind(kind: &str) -> String {
    format!("kind:{kind}")
}

/// The name under which entries that mention a plan are found.
#[must_use]
pub fn plan(hash: PlanHash) -> String {
    format!("plan:{hash}")
}

/// Everything the draft mentions, each once, sorted: ids of detections, incidents, decisions, executions and
/// pauses as they are, events as `event:LSN`, entries as `entry:SEQ`, plans as `plan:HASH`, and a
/// correlation that is no incident as `correlation:TEXT`.
#[must_use]
pub fn mentions(draft: &Draft) -> BTreeSet<String> {
    let mut found = Found(BTreeSet::new());
    if let Some(cause @ (Cause::Event(_) | Cause::Entry(_))) = draft.cause {
        found.id(cause);
    }
    if let Some(id) = &draft.correlation {
        found.0.insert(correlation(id));
    }
    found.fact(&draft.fact);
    found.0
}

struct Found(BTreeSet<String>);

impl Found {
    fn id(&mut self, id: impl ToString) {
        self.0.insert(id.to_string());
    }

    // Every kind is named, so that a new one cannot be forgotten here.
    fn fact(&mut self, fact: &Fact) {
        match fact {
            Fact::NodeStarted { .. } | Fact::BundleActivated { .. } | Fact::Note { .. } => {}
            Fact::Paused(pause) => self.id(&pause.id),
            Fact::Resumed { pause, .. } => self.id(pause),
            Fact::Approval { decision, .. } => self.id(decision),
            Fact::StepOutcome { attempt, .. } | Fact::StepRetry { attempt, .. } => {
                self.attempt(attempt);
            }
            Fact::DetectionOpened(detection) => self.detection(detection),
            Fact::DetectionUpdated {
                detection,
                evidence,
                ..
            }
            | Fact::DetectionResolved {
                detection,
                evidence,
                ..
            } => {
                self.id(detection);
                self.evidence(evidence);
            }
            Fact::Planned(plan) => self.plan(plan),
            Fact::Decided {
                decision,
                detection,
                playbook: _,
                target: _,
            } => {
                self.decision(decision);
                detection.iter().for_each(|id| self.id(id));
            }
            Fact::ExecutionStarted {
                execution,
                plan: hash,
                detection,
                ..
            } => {
                self.id(execution);
                self.id(plan(*hash));
                detection.iter().for_each(|id| self.id(id));
            }
            Fact::StepIntended(request) => {
                self.attempt(&request.attempt);
                self.id(&request.incident);
            }
            Fact::Verified { execution, .. } | Fact::ExecutionEnded { execution, .. } => {
                self.id(execution);
            }
        }
    }

    fn attempt(&mut self, attempt: &AttemptId) {
        self.id(&attempt.execution);
    }

    fn detection(&mut self, detection: &Detection) {
        self.id(&detection.id);
        self.id(&detection.incident);
        self.evidence(&detection.evidence);
    }

    fn evidence(&mut self, evidence: &Evidence) {
        evidence.lsns.iter().for_each(|lsn| self.id(event(*lsn)));
    }

    fn plan(&mut self, planned: &Plan) {
        self.id(plan(planned.hash));
        self.id(&planned.incident);
        planned.detection.iter().for_each(|id| self.id(id));
    }

    fn decision(&mut self, decision: &Decision) {
        self.id(&decision.id);
        self.id(plan(decision.plan));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_kind_is_found_by_what_it_is_about() {
        let about = |kind: &str| match kind {
            "node-started" | "bundle-activated" | "note" => &[][..],
            "paused" | "resumed" => &["pau-"][..],
            "approval" => &["dec-"],
            "step-outcome" | "step-retry" | "verified" | "execution-ended" => &["exe-"],
            "detection-opened" => &["det-", "inc-", "event:"],
            "detection-updated" | "detection-resolved" => &["det-", "event:"],
            "planned" => &["det-", "inc-", "plan:"],
            "decided" => &["dec-", "det-", "plan:"],
            "execution-started" => &["exe-", "det-", "plan:"],
            "step-intended" => &["exe-", "inc-"],
            other => panic!("`{other}` has no line here"),
        };
        let mut kinds = BTreeSet::new();
        for draft in sample::drafts(1, sample::KINDS) {
            let kind = draft.fact.kind();
            let bare = Draft {
                cause: None,
                correlation: None,
                ..draft
            };
            let ids = mentions(&bare);
            for prefix in about(kind) {
                assert!(
                    ids.iter().any(|id| id.starts_with(prefix)),
                    "{kind}: {prefix} in {ids:?}"
                );
            }
            assert!(ids.is_empty() == about(kind).is_empty(), "{kind}: {ids:?}");
            kinds.insert(kind);
        }
        assert_eq!(kinds.len(), sample::KINDS, "the samples have every kind");
    }

    #[test]
    fn cause_and_correlation_are_mentions_too() {
        let mut draft = sample::drafts(1, 1).remove(0);
        let incident = IncidentId::derive([b"i".as_slice()]);
        draft.fact = Fact::Note {
            text: "exe-0123456789abcdef is only a word here".into(),
        };
        draft.cause = Some(Cause::Event(Lsn(7)));
        draft.correlation = Some(incident.to_string());
        let expected = BTreeSet::from(["event:7".to_owned(), incident.to_string()]);
        assert_eq!(mentions(&draft), expected);
        draft.cause = Some(Cause::Timer);
        draft.correlation = Some("order-17".into());
        let expected = BTreeSet::from(["correlation:order-17".to_owned()]);
        assert_eq!(mentions(&draft), expected);
    }
}
