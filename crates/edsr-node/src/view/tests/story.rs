//! Entries made by hand.

use std::time::Duration;

use edsr_model::*;
use serde_json::{Value, json};

use crate::view::Views;

/// A journal in the making.
pub(super) struct Story {
    pub(super) entries: Vec<Entry>,
    incident: IncidentId,
}

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

pub(super) fn evidence(lsns: &[u64], text: &str) -> Evidence {
    let mut evidence = Evidence {
        text: text.to_owned(),
        ..Evidence::default()
    };
    for lsn in lsns {
        evidence.note(Lsn(*lsn), at(*lsn as i64));
    }
    evidence.figures.insert("ratio".to_owned(), 0.12);
    evidence
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            incident: IncidentId::derive([b"incident".as_slice()]),
        }
    }

    pub(super) fn tell(&mut self, fact: Fact) -> &mut Self {
        self.tell_as(Actor::Engine, fact)
    }

    pub(super) fn tell_as(&mut self, actor: Actor, fact: Fact) -> &mut Self {
        let seq = self.entries.len() as u64 + 1;
        self.entries.push(Entry {
            draft: Draft {
                seq: Seq(seq),
                at: at(seq as i64),
                lsn: Lsn(seq * 10),
                actor,
                cause: Some(Cause::Timer),
                correlation: Some(self.incident.to_string()),
                bundle: None,
                fact,
            },
            prev: Digest::default(),
            hash: Digest::default(),
        });
        self
    }

    pub(super) fn open(&mut self, name: &str, severity: Severity, lsns: &[u64]) -> DetectionId {
        let id = DetectionId::derive([name.as_bytes()]);
        let opened_at = at(self.entries.len() as i64 + 1);
        let incident = self.incident.clone();
        self.tell(Fact::DetectionOpened(Detection {
            id: id.clone(),
            incident,
            detector: name.to_owned(),
            owner: "team".to_owned(),
            key: Key::new(vec![("region".to_owned(), Scalar::Str("eu".to_owned()))]),
            severity,
            state: DetectionState::Open,
            since: opened_at.before(Duration::from_secs(20)),
            opened_at,
            resolved_at: None,
            resolution: None,
            evidence: evidence(lsns, "12 % of requests fail"),
            depth: 0,
            correlation: None,
            traceparent: None,
            bundle: Digest::of(b"bundle"),
        }));
        id
    }

    pub(super) fn resolve(&mut self, detection: &DetectionId) -> &mut Self {
        self.tell(Fact::DetectionResolved {
            detection: detection.clone(),
            resolution: "cleared".to_owned(),
            evidence: evidence(&[90], "all requests succeed"),
        })
    }

    pub(super) fn plan(&mut self, detection: &DetectionId, playbook: &str) -> PlanHash {
        let hash = Digest::of_parts([detection.as_str().as_bytes(), playbook.as_bytes()]);
        let incident = self.incident.clone();
        self.tell(Fact::Planned(Plan {
            hash,
            playbook: playbook.to_owned(),
            target: "service/checkout".parse().unwrap(),
            inputs: [("version".to_owned(), json!("1.2"))].into(),
            risk: Risk::Medium,
            detection: Some(detection.clone()),
            incident,
            severity: Severity::Critical,
            evidence_at: at(0),
            depth: 0,
            bundle: Digest::of(b"bundle"),
            made_at: at(1),
        }));
        hash
    }

    pub(super) fn decide(
        &mut self,
        (detection, plan): (&DetectionId, PlanHash),
        playbook: &str,
        round: u32,
        verdict: Verdict,
        reason: Reason,
    ) -> DecisionId {
        let id = DecisionId::derive([plan.0.as_slice(), &round.to_be_bytes()]);
        self.tell(Fact::Decided {
            decision: Decision {
                id: id.clone(),
                plan,
                verdict,
                reasons: vec![reason],
                round,
            },
            playbook: playbook.to_owned(),
            target: Some("service/checkout".parse().unwrap()),
            detection: Some(detection.clone()),
        });
        id
    }

    pub(super) fn start(
        &mut self,
        detection: &DetectionId,
        plan: PlanHash,
        playbook: &str,
    ) -> ExecutionId {
        let id = ExecutionId::derive([plan.0.as_slice()]);
        self.tell(Fact::ExecutionStarted {
            execution: id.clone(),
            plan,
            playbook: playbook.to_owned(),
            target: "service/checkout".parse().unwrap(),
            detection: Some(detection.clone()),
            seed: 7,
        });
        id
    }

    pub(super) fn call(
        &mut self,
        execution: &ExecutionId,
        (step, role, attempt): (&str, StepRole, u32),
        outcome: Option<Outcome>,
    ) -> &mut Self {
        let attempt = AttemptId {
            execution: execution.clone(),
            step: step.to_owned(),
            role,
            attempt,
        };
        let incident = self.incident.clone();
        self.tell(Fact::StepIntended(EffectRequest {
            attempt: attempt.clone(),
            uses: "exec/run".to_owned(),
            with: json!({"argv": ["./deploy"]}),
            class: EffectClass::Plain,
            idempotency_key: "k".to_owned(),
            timeout: Duration::from_secs(30),
            playbook: "rollback".to_owned(),
            target: "service/checkout".parse().unwrap(),
            incident,
            correlation: None,
            traceparent: None,
            depth: 1,
        }));
        if let Some(outcome) = outcome {
            self.tell(Fact::StepOutcome { attempt, outcome });
        }
        self
    }

    pub(super) fn end(&mut self, execution: &ExecutionId, status: ExecutionStatus) -> &mut Self {
        self.tell(Fact::ExecutionEnded {
            execution: execution.clone(),
            status,
            reason: "so it went".to_owned(),
        })
    }

    pub(super) fn views(&self) -> Views {
        let mut views = Views::new();
        for entry in &self.entries {
            views.apply(entry);
        }
        views
    }
}

pub(super) fn ok() -> Option<Outcome> {
    Some(Outcome::Ok {
        output: Value::Null,
    })
}

pub(super) fn failed() -> Option<Outcome> {
    Some(Outcome::Failed {
        reason: "exit 1".to_owned(),
        output: Value::Null,
    })
}

pub(super) fn permitted() -> Reason {
    Reason::new(ReasonCode::Permitted, "all agree")
}
