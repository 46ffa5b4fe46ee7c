//! What entries add up to.

use edsr_model::*;

use super::story::*;
use crate::view::*;

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
        since: edsr_model::Timestamp::EPOCH,
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
