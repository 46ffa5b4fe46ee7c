//! Explanations and sentences.

use edsr_model::*;

use super::story::*;
use crate::view::*;

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
        Some((Verdict::Suggest, cooldown.clone())),
        None,
        false,
        "suggested",
        "suggested",
    );
    check(
        Some((Verdict::Suggest, cooldown)),
        Some(false),
        false,
        "rejected",
        "person:ann rejected it",
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
fn an_agreement_that_came_to_nothing_is_told_with_what_stopped_it() {
    let mut story = Story::new();
    let detection = story.open("errors", Severity::Error, &[5]);
    let plan = story.plan(&detection, "rollback");
    let asks = Reason::new(ReasonCode::PolicyNeedsApproval, "prod needs a person");
    let subject = (&detection, plan);
    let decision = story.decide(subject, "rollback", 0, Verdict::Approve, asks);
    story.tell_as(
        Actor::Person("ann".to_owned()),
        Fact::Approval {
            decision,
            granted: true,
            reason: "go on".to_owned(),
        },
    );
    let paused = Reason::new(ReasonCode::Paused, "all is paused");
    story.decide(subject, "rollback", 1, Verdict::Deny, paused);
    let told = story.views().explain_event(Lsn(5), None);
    assert_eq!(told.situations[0].kind, SituationKind::Denied);
    for part in ["person:ann approved it: go on", "all is paused (paused)"] {
        assert!(told.summary.contains(part), "{}", told.summary);
    }
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
