//! Entries made by hand, and what they add up to.

use std::time::Duration;

use edsr_model::*;
use serde_json::{Value, json};

use super::*;

/// A journal in the making.
pub(crate) struct Story {
    pub(crate) entries: Vec<Entry>,
    incident: IncidentId,
}

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

fn evidence(lsns: &[u64], text: &str) -> Evidence {
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
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            incident: IncidentId::derive([b"incident".as_slice()]),
        }
    }

    pub(crate) fn tell(&mut self, fact: Fact) -> &mut Self {
        self.tell_as(Actor::Engine, fact)
    }

    fn tell_as(&mut self, actor: Actor, fact: Fact) -> &mut Self {
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

    pub(crate) fn open(&mut self, name: &str, severity: Severity, lsns: &[u64]) -> DetectionId {
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
            bundle: Digest::of(b"bundle"),
        }));
        id
    }

    pub(crate) fn resolve(&mut self, detection: &DetectionId) -> &mut Self {
        self.tell(Fact::DetectionResolved {
            detection: detection.clone(),
            resolution: "cleared".to_owned(),
            evidence: evidence(&[90], "all requests succeed"),
        })
    }

    pub(crate) fn plan(&mut self, detection: &DetectionId, playbook: &str) -> PlanHash {
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

    pub(crate) fn decide(
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

    pub(crate) fn start(
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

    pub(crate) fn call(
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
            depth: 1,
        }));
        if let Some(outcome) = outcome {
            self.tell(Fact::StepOutcome { attempt, outcome });
        }
        self
    }

    pub(crate) fn end(&mut self, execution: &ExecutionId, status: ExecutionStatus) -> &mut Self {
        self.tell(Fact::ExecutionEnded {
            execution: execution.clone(),
            status,
            reason: "so it went".to_owned(),
        })
    }

    pub(crate) fn views(&self) -> Views {
        let mut views = Views::new();
        for entry in &self.entries {
            views.apply(entry);
        }
        views
    }
}

fn ok() -> Option<Outcome> {
    Some(Outcome::Ok {
        output: Value::Null,
    })
}

fn failed() -> Option<Outcome> {
    Some(Outcome::Failed {
        reason: "exit 1".to_owned(),
        output: Value::Null,
    })
}

fn permitted() -> Reason {
    Reason::new(ReasonCode::Permitted, "all agree")
}

#[test]
fn a_repair_from_opening_to_verification() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[1, 2]);
    let plan = story.plan(&detection, "rollback");
    let decision = story.decide(
        (&detection, plan),
        "rollback",
        0,
        Verdict::Auto,
        permitted(),
    );
    let run = story.start(&detection, plan, "rollback");
    story.call(&run, ("undo", StepRole::Do, 1), failed());
    story.tell(Fact::StepRetry {
        attempt: AttemptId {
            execution: run.clone(),
            step: "undo".to_owned(),
            role: StepRole::Do,
            attempt: 1,
        },
        at: at(100),
    });
    let waiting = story.views();
    let step = &waiting.execution(run.as_str()).unwrap().steps[0];
    assert_eq!(step.status, StepStatus::Backoff);
    assert_eq!(step.next_attempt_at, Some(at(100)));
    assert_eq!(step.last_reason.as_deref(), Some("exit 1"));

    story.call(&run, ("undo", StepRole::Do, 2), ok());
    story.resolve(&detection);
    let still = story.views();
    assert!(
        still.incidents().newest_first().all(|(_, i)| i.is_open()),
        "a run goes on"
    );
    assert_eq!(still.counts().open_incidents, 1);

    story.tell(Fact::Verified {
        execution: run.clone(),
        passed: true,
        text: "the detection was resolved".to_owned(),
    });
    story.end(&run, ExecutionStatus::Succeeded);
    let views = story.views();
    let incident = views.incidents().newest_first().next().unwrap().1;
    assert_eq!(incident.title, "errors region=eu");
    assert!(!incident.is_open());
    assert_eq!(
        (incident.counts.detections, incident.counts.executions),
        (1, 1)
    );
    assert_eq!(incident.targets.len(), 1);
    let view = views.detection(detection.as_str()).unwrap();
    assert_eq!(view.decisions, std::slice::from_ref(&decision));
    assert_eq!(view.executions, std::slice::from_ref(&run));
    assert_eq!(view.detection.resolution.as_deref(), Some("cleared"));
    let run = views.execution(run.as_str()).unwrap();
    assert_eq!((run.steps.len(), run.steps[0].attempts), (1, 2));
    assert_eq!(run.steps[0].status, StepStatus::Done);
    assert!(run.verification.as_ref().unwrap().passed);
    assert_eq!(
        views
            .decision(decision.as_str())
            .unwrap()
            .execution
            .as_ref(),
        Some(&run.id)
    );
    assert_eq!(views.counts(), Counts::default());
    for lsn in [1, 2, 90] {
        assert_eq!(
            views.detections_of(Lsn(lsn)),
            std::slice::from_ref(&detection),
            "{lsn}"
        );
    }
    let told = views.explain_event(Lsn(2), None);
    assert_eq!(
        told.situations[0].kind,
        SituationKind::Run(ExecutionStatus::Succeeded)
    );
    assert!(
        told.summary.contains("verification passed"),
        "{}",
        told.summary
    );
    for same in [
        views.explain_execution(run.id.as_str()).unwrap(),
        views.explain_decision(decision.as_str()).unwrap(),
        views.explain_incident(incident.id.as_str()).unwrap(),
        views.explain_detection(detection.as_str()).unwrap(),
    ] {
        assert_eq!(
            same.situations[0].kind.as_str(),
            "succeeded",
            "{}",
            same.subject
        );
        assert_eq!(same.situations[0].plans.len(), 1, "{}", same.subject);
    }
}

#[test]
fn a_failed_run_is_undone_step_by_step() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[1]);
    let plan = story.plan(&detection, "rollback");
    let run = story.start(&detection, plan, "rollback");
    story.call(&run, ("a", StepRole::Do, 1), ok());
    story.call(&run, ("b", StepRole::Do, 1), failed());
    story.call(&run, ("a", StepRole::Undo, 1), None);
    assert_eq!(
        story.views().execution(run.as_str()).unwrap().status,
        ExecutionStatus::Compensating
    );
    story.call(&run, ("a", StepRole::Undo, 2), failed());
    story.call(
        &run,
        ("b", StepRole::Probe, 1),
        Some(Outcome::Unknown {
            reason: "no answer".to_owned(),
        }),
    );
    story.end(&run, ExecutionStatus::PartlyCompensated);
    story.end(&run, ExecutionStatus::Succeeded);
    let views = story.views();
    let run = views.execution(run.as_str()).unwrap();
    assert_eq!(
        run.status,
        ExecutionStatus::PartlyCompensated,
        "an end is final"
    );
    let steps: Vec<_> = (run.steps.iter())
        .map(|step| (step.id.as_str(), step.role, step.status))
        .collect();
    assert_eq!(
        steps,
        [
            ("a", StepRole::Do, StepStatus::Done),
            ("b", StepRole::Do, StepStatus::Failed),
            ("a", StepRole::Undo, StepStatus::UndoFailed),
            ("b", StepRole::Probe, StepStatus::InDoubt),
        ]
    );
}

#[test]
fn why_nothing_was_done() {
    let check = |verdict: Option<(Verdict, Reason)>,
                 answer: Option<bool>,
                 resolve: bool,
                 expected: &str,
                 says: &str| {
        let mut story = Story::new();
        let detection = story.open("errors", Severity::Error, &[5]);
        if let Some((verdict, reason)) = verdict {
            let plan = story.plan(&detection, "rollback");
            let decision = story.decide((&detection, plan), "rollback", 0, verdict, reason);
            if let Some(granted) = answer {
                story.tell_as(
                    Actor::Person("ann".to_owned()),
                    Fact::Approval {
                        decision,
                        granted,
                        reason: "looked at it".to_owned(),
                    },
                );
            }
        }
        if resolve {
            story.resolve(&detection);
        }
        let told = story.views().explain_event(Lsn(5), None);
        assert_eq!(told.situations[0].kind.as_str(), expected);
        assert!(told.summary.contains(says), "{} lacks {says}", told.summary);
    };
    let reason = |code, text: &str| Reason::new(code, text).until(at(600));
    let cooldown = reason(ReasonCode::GuardCooldown, "ran 2m ago");
    let asks = reason(ReasonCode::PolicyNeedsApproval, "prod needs a person");
    check(
        None,
        None,
        false,
        "nothing-planned",
        "no playbook was planned",
    );
    check(None, None, true, "nothing-planned", "while it held");
    check(
        Some((Verdict::Deny, cooldown.clone())),
        None,
        false,
        "denied",
        "ran 2m ago (guard.cooldown, until",
    );
    check(
        Some((Verdict::Observe, cooldown.clone())),
        None,
        false,
        "observed",
        "noted",
    );
    check(
        Some((Verdict::Suggest, cooldown)),
        None,
        false,
        "suggested",
        "suggested",
    );
    check(
        Some((Verdict::Approve, asks.clone())),
        None,
        false,
        "waiting",
        "once a person agrees",
    );
    check(
        Some((Verdict::Approve, asks.clone())),
        None,
        true,
        "cleared",
        "nobody answered",
    );
    check(
        Some((Verdict::Approve, asks.clone())),
        Some(false),
        false,
        "rejected",
        "person:ann rejected it",
    );
    check(
        Some((Verdict::Approve, asks)),
        Some(true),
        false,
        "approved",
        "person:ann approved it",
    );
    check(
        Some((Verdict::Auto, permitted())),
        None,
        false,
        "approved",
        "runs",
    );

    let views = Story::new().views();
    let told = views.explain_event(Lsn(9), None);
    assert_eq!(told.situations[0].kind, SituationKind::NothingDetected);
    assert!(told.summary.contains("no detection rests on event 9"));
    assert!(
        told.summary.contains("may still be counted"),
        "the journal ends before it"
    );
}

#[test]
fn a_later_round_takes_the_place_of_an_earlier_one() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[5]);
    let plan = story.plan(&detection, "rollback");
    let asks = Reason::new(ReasonCode::PolicyNeedsApproval, "ask");
    let first = story.decide((&detection, plan), "rollback", 0, Verdict::Approve, asks);
    assert_eq!(story.views().counts().waiting_decisions, 1);
    let second = story.decide(
        (&detection, plan),
        "rollback",
        1,
        Verdict::Auto,
        permitted(),
    );
    let run = story.start(&detection, plan, "rollback");
    let views = story.views();
    assert_eq!(views.counts().waiting_decisions, 0);
    assert_eq!(
        views.decision(first.as_str()).unwrap().superseded_by,
        Some(second.clone())
    );
    assert_eq!(
        views.decision(second.as_str()).unwrap().execution,
        Some(run)
    );
    assert_eq!(views.decision(first.as_str()).unwrap().execution, None);
}

#[test]
fn an_incident_takes_the_worst_severity_and_opens_again() {
    let mut story = Story::new();
    let one = story.open("errors", Severity::Warning, &[1]);
    let two = story.open("latency", Severity::Info, &[1, 3]);
    story.tell(Fact::DetectionUpdated {
        detection: two.clone(),
        severity: Severity::Critical,
        evidence: evidence(&[4], "worse"),
    });
    story.resolve(&one).resolve(&one);
    let open = story.views();
    let incident = open.incidents().newest_first().next().unwrap().1;
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(
        incident.counts.open_detections, 1,
        "resolved twice counts once"
    );
    assert!(incident.is_open());
    assert_eq!(open.detections_of(Lsn(1)), [one, two.clone()]);
    story.resolve(&two);
    assert!(
        !story
            .views()
            .incidents()
            .newest_first()
            .next()
            .unwrap()
            .1
            .is_open()
    );
    story.open("again", Severity::Info, &[7]);
    assert!(
        story
            .views()
            .incidents()
            .newest_first()
            .next()
            .unwrap()
            .1
            .is_open()
    );
}

#[test]
fn pauses_hold_until_resumed_and_bundles_follow_each_other() {
    let mut story = Story::new();
    let pause = Pause {
        id: PauseId::derive([b"p".as_slice()]),
        scope: PauseScope::All,
        reason: "game day".to_owned(),
        by: Actor::Person("ann".to_owned()),
        at: at(0),
    };
    story.tell(Fact::NodeStarted {
        version: "1.0".to_owned(),
        durable: Seq::ZERO,
    });
    for n in 0..=BUNDLES_MAX {
        story.tell(Fact::BundleActivated {
            bundle: Digest::of(&n.to_be_bytes()),
            previous: None,
        });
    }
    story.tell(Fact::Paused(pause.clone()));
    let views = story.views();
    assert_eq!(views.pause(pause.id.as_str()).unwrap().reason, "game day");
    assert_eq!(views.bundles().len(), BUNDLES_MAX);
    assert_eq!(views.bundle(), Some(Digest::of(&BUNDLES_MAX.to_be_bytes())));
    assert_eq!(views.started().unwrap().version, "1.0");
    story.tell(Fact::Resumed {
        pause: pause.id.clone(),
        reason: "over".to_owned(),
    });
    assert!(story.views().pauses().is_empty());
}

#[test]
fn references_may_be_short_and_must_be_clear() {
    let mut story = Story::new();
    let ids: Vec<_> = (0..40)
        .map(|n| story.open(&format!("d{n}"), Severity::Info, &[n]))
        .collect();
    let views = story.views();
    let first = &ids[0];
    assert_eq!(
        &views.detection(&first.as_str()[..12]).unwrap().detection.id,
        first
    );
    // Forty ids share sixteen first digits, so some beginning is shared.
    let shared = (ids.iter().map(|id| &id.as_str()[..5]))
        .find(|start| {
            ids.iter()
                .filter(|id| id.as_str().starts_with(start))
                .count()
                > 1
        })
        .unwrap();
    match views.detection(shared) {
        Err(LookupError::Many {
            count, candidates, ..
        }) => {
            assert_eq!(
                count,
                ids.iter()
                    .filter(|id| id.as_str().starts_with(shared))
                    .count()
            );
            assert_eq!(candidates.len(), count.min(CANDIDATES_MAX));
            assert!(candidates.is_sorted());
        }
        other => panic!("{other:?}"),
    }
    for malformed in [
        "",
        "det",
        "det-",
        "det-xyz",
        "exe-0000",
        "%2f",
        "det-0000000000000000/",
    ] {
        assert!(
            matches!(
                views.detection(malformed),
                Err(LookupError::Malformed { .. })
            ),
            "{malformed}"
        );
    }
    let long = format!("det-{}", "0".repeat(10_000));
    match views.detection(&long) {
        Err(error @ LookupError::None { .. }) => assert!(error.to_string().len() < 200),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_kept_is_bounded_and_late_facts_about_the_rest_do_no_harm() {
    let mut story = Story::new();
    let first = story.open("d0", Severity::Info, &[1]);
    for n in 1..=(LINKS_MAX as u64 + 5) {
        story.open(&format!("d{n}"), Severity::Info, &[1, n]);
    }
    let unknown = ExecutionId::derive([b"?".as_slice()]);
    story.resolve(&first);
    story.end(&unknown, ExecutionStatus::Failed);
    story.call(&unknown, ("a", StepRole::Do, 1), ok());
    let mut views = Views::with_max(10, 20);
    for entry in &story.entries {
        views.apply(entry);
    }
    let incident = views.incidents().newest_first().next().unwrap().1;
    assert_eq!(views.detections().len(), 10);
    assert_eq!(incident.detections.len(), LINKS_MAX);
    let opened = LINKS_MAX as u64 + 6;
    assert_eq!(incident.counts.detections, opened);
    assert_eq!(
        incident.counts.open_detections,
        opened - 1,
        "one kept no longer was resolved"
    );
    assert!(views.detection(first.as_str()).is_err());
    let all = story.views();
    assert_eq!(all.detections_of(Lsn(1)).len(), DETECTIONS_PER_EVENT_MAX);
    let again = story.entries.last().unwrap();
    let mut twice = all.clone();
    twice.apply(again);
    assert_eq!(twice.seq(), all.seq());
}

#[test]
fn steps_of_one_run_are_bounded() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[1]);
    let plan = story.plan(&detection, "rollback");
    let run = story.start(&detection, plan, "rollback");
    for n in 0..STEPS_MAX + 3 {
        story.call(&run, (&format!("s{n}"), StepRole::Do, 1), ok());
    }
    assert_eq!(
        story.views().execution(run.as_str()).unwrap().steps.len(),
        STEPS_MAX
    );
}

#[test]
fn every_kind_of_fact_has_a_sentence() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[1]);
    let plan = story.plan(&detection, "rollback");
    let decision = story.decide(
        (&detection, plan),
        "rollback",
        0,
        Verdict::Auto,
        permitted(),
    );
    let run = story.start(&detection, plan, "rollback");
    story.call(&run, ("undo", StepRole::Undo, 2), failed());
    story.end(&run, ExecutionStatus::Unverified);
    story.tell_as(
        Actor::Person("ann".to_owned()),
        Fact::Approval {
            decision: decision.clone(),
            granted: false,
            reason: "no".to_owned(),
        },
    );
    let sentences: Vec<String> = story.entries.iter().map(sentence).collect();
    assert_eq!(
        sentences,
        [
            "errors opened for region=eu (error): 12 % of requests fail".to_owned(),
            "rollback on service/checkout was planned (medium risk)".to_owned(),
            "rollback on service/checkout runs: all agree (permitted)".to_owned(),
            format!("{run} began: rollback on service/checkout"),
            "the undo of step undo (attempt 2) is about to call exec/run on service/checkout"
                .to_owned(),
            "the undo of step undo (attempt 2) failed: exit 1".to_owned(),
            format!("{run} ended unverified: so it went"),
            format!("person:ann rejected {decision}: no"),
        ]
    );
}
