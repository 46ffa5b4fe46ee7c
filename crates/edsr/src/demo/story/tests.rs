use super::*;
use edsr_model::{AttemptId, BundleHash, PlanHash, Reason, ReasonCode, Severity};
use serde_json::json;

fn entry(seq: u64, fact: &Fact) -> EntryRecord {
    serde_json::from_value(json!({
        "seq": seq,
        "at": Timestamp::from_secs(100 + i64::try_from(seq).unwrap()),
        "lsn": 7,
        "actor": "engine",
        "kind": fact.kind(),
        "text": "",
        "fact": fact,
        "prev": "",
        "hash": "",
    }))
    .unwrap()
}

fn detection() -> Detection {
    Detection {
        id: DetectionId::derive([b"d".as_slice()]),
        incident: edsr_model::IncidentId::derive([b"i".as_slice()]),
        detector: "checkout-errors".into(),
        owner: "team".into(),
        key: edsr_model::Key(vec![(
            "service".into(),
            edsr_model::Scalar::Str("checkout".into()),
        )]),
        severity: Severity::Critical,
        state: DetectionState::Open,
        since: Timestamp::EPOCH,
        opened_at: Timestamp::EPOCH,
        resolved_at: None,
        resolution: None,
        evidence: edsr_model::Evidence {
            text: "12% failed".into(),
            ..Default::default()
        },
        depth: 0,
        correlation: None,
        traceparent: None,
        bundle: BundleHash::default(),
    }
}

fn decided(playbook: &str, verdict: Verdict, code: ReasonCode) -> Fact {
    Fact::Decided {
        decision: Decision {
            id: edsr_model::DecisionId::derive([playbook.as_bytes()]),
            plan: PlanHash::default(),
            verdict,
            reasons: vec![Reason::new(code, "because")],
            round: 0,
        },
        playbook: playbook.into(),
        target: Some("service/checkout".parse().unwrap()),
        detection: Some(detection().id),
    }
}

/// The whole of one repair, as the journal has it, with the lines it is told in.
fn repair() -> Vec<(Fact, Option<&'static str>)> {
    let execution = ExecutionId::derive([b"x".as_slice()]);
    let attempt = |role| AttemptId {
        execution: execution.clone(),
        step: "roll-back".into(),
        role,
        attempt: 1,
    };
    let done = json!({"json": {
        "service": "checkout", "version": "v1", "pid": 2, "version_before": "v2", "pid_before": 1, "took_ms": 230,
    }});
    vec![
        (
            Fact::DetectionOpened(detection()),
            Some("checkout-errors opened (critical, service=checkout): 12% failed"),
        ),
        (
            decided("rollback", Verdict::Auto, ReasonCode::Permitted),
            Some("rollback on service/checkout: auto, because (permitted)"),
        ),
        (
            decided("wipe", Verdict::Deny, ReasonCode::PolicyDenied),
            Some("wipe on service/checkout: deny, because (policy.denied)"),
        ),
        (
            Fact::ExecutionStarted {
                execution: execution.clone(),
                plan: PlanHash::default(),
                playbook: "rollback".into(),
                target: "service/checkout".parse().unwrap(),
                detection: Some(detection().id),
                seed: 1,
            },
            None,
        ),
        (
            Fact::StepOutcome {
                attempt: attempt(StepRole::Do),
                outcome: Outcome::Ok { output: done },
            },
            Some("checkout: v2 (pid 1) -> v1 (pid 2), in 230 ms"),
        ),
        (
            Fact::DetectionResolved {
                detection: detection().id,
                resolution: "cleared".into(),
                evidence: Default::default(),
            },
            Some("checkout-errors is resolved"),
        ),
        (
            Fact::Verified {
                execution: execution.clone(),
                passed: true,
                text: "it helped".into(),
            },
            Some("there is proof: it helped"),
        ),
        (
            Fact::ExecutionEnded {
                execution,
                status: ExecutionStatus::Succeeded,
                reason: "verified".into(),
            },
            Some("rollback succeeded (exe-X)"),
        ),
    ]
}

#[test]
fn a_repair_is_told_and_timed() {
    let mut story = Story::default();
    assert!(story.is_quiet());
    let facts = repair();
    let last = facts.len() - 1;
    for (place, (fact, expected)) in facts.iter().enumerate() {
        let over = story
            .finding("checkout-errors")
            .is_some_and(Finding::is_over);
        assert!(!over, "before {}", fact.kind());
        let line = story.note(&entry(place as u64, fact));
        match (line, expected) {
            (Some(line), Some(text)) => {
                let execution = ExecutionId::derive([b"x".as_slice()]).to_string();
                assert_eq!(line.text.replace(&execution, "exe-X"), *text);
            }
            (None, None) => {}
            (line, expected) => panic!("{line:?} {expected:?}"),
        }
    }
    let found = story.finding("checkout-errors").unwrap();
    let at = |place: usize| Timestamp::from_secs(100 + i64::try_from(place).unwrap());
    assert!(found.is_repaired());
    assert_eq!(found.opened_at, at(0));
    assert_eq!(
        found.decided_at,
        Some(at(1)),
        "a refusal is not what was decided to do"
    );
    assert_eq!(found.acted_at, Some(at(4)));
    assert_eq!(found.ended_at, Some(at(last)));
    let wipe = edsr_model::DecisionId::derive([b"wipe".as_slice()]);
    assert_eq!(story.refused, Some(wipe.to_string()));
    assert!(!story.is_quiet() && story.finding("orders-stuck").is_none());
}

#[test]
fn a_repair_that_did_not_help_is_over_and_no_repair() {
    let mut story = Story::default();
    for (place, (mut fact, _)) in repair().into_iter().enumerate() {
        if let Fact::ExecutionEnded { status, .. } = &mut fact {
            *status = ExecutionStatus::Unverified;
        }
        story.note(&entry(place as u64, &fact));
    }
    let found = story.finding("checkout-errors").unwrap();
    assert!(found.is_over() && !found.is_repaired());
}

#[test]
fn commands_are_shown_without_their_places() {
    for (argv, shown) in [
        (
            json!([
                "/x/edsr", "shop", "ctl", "--state", "/tmp/s", "restart", "worker"
            ]),
            "shop ctl restart worker",
        ),
        (json!(["/bin/true", "a"]), "/bin/true a"),
        (json!(null), ""),
    ] {
        assert_eq!(command(&json!({ "argv": argv })), shown);
    }
}

#[test]
fn what_is_unknown_is_asked() {
    let failed = Outcome::Failed {
        reason: "exit code 1".into(),
        output: Value::Null,
    };
    let unknown = Outcome::Unknown {
        reason: "the engine was stopped".into(),
    };
    for (role, outcome, part) in [
        (StepRole::Probe, &failed, "did not happen"),
        (
            StepRole::Probe,
            &Outcome::Ok {
                output: Value::Null,
            },
            "did happen",
        ),
        (StepRole::Do, &failed, "failed: exit code 1"),
        (
            StepRole::Do,
            &unknown,
            "is not known: the engine was stopped",
        ),
        (StepRole::Do, &Outcome::Ok { output: json!({}) }, "is done"),
    ] {
        let (_, _, text) = came(role, "a", outcome);
        assert!(text.contains(part), "{text}");
    }
}
