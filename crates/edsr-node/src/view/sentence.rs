//! One sentence for each entry, for timelines.

use edsr_model::{
    Decision, EffectRequest, Entry, Fact, Outcome, PauseScope, Plan, StepRole, TargetRef, Verdict,
};

/// What an entry says, in one sentence for people.
#[must_use]
pub fn sentence(entry: &Entry) -> String {
    let actor = &entry.draft.actor;
    match &entry.draft.fact {
        Fact::NodeStarted { version, .. } => format!("the node started, version {version}"),
        Fact::BundleActivated { bundle, previous } => match previous {
            Some(previous) => format!(
                "bundle {} came into force after {}",
                bundle.short(),
                previous.short()
            ),
            None => format!("bundle {} came into force", bundle.short()),
        },
        Fact::Paused(pause) => format!(
            "{} paused {}: {}",
            pause.by,
            scope(&pause.scope),
            pause.reason
        ),
        Fact::Resumed { pause, reason } => format!("{actor} lifted {pause}: {reason}"),
        Fact::Approval {
            decision,
            granted,
            reason,
        } => {
            let word = if *granted { "approved" } else { "rejected" };
            format!("{actor} {word} {decision}: {reason}")
        }
        Fact::StepOutcome { attempt, outcome } => {
            let call = call(&attempt.step, attempt.role, attempt.attempt);
            match outcome {
                Outcome::Ok { .. } => format!("{call} reported success"),
                Outcome::Failed { reason, .. } => format!("{call} failed: {reason}"),
                Outcome::Unknown { reason } => {
                    format!("whether {call} happened is unknown: {reason}")
                }
            }
        }
        Fact::Note { text } => format!("{actor} noted: {text}"),
        Fact::DetectionOpened(detection) => format!(
            "{} opened for {} ({}): {}",
            detection.detector, detection.key, detection.severity, detection.evidence.text
        ),
        Fact::DetectionUpdated {
            detection,
            severity,
            evidence,
        } => format!("{detection} is now {severity}: {}", evidence.text),
        Fact::DetectionResolved {
            detection,
            resolution,
            ..
        } => format!("{detection} was resolved ({resolution})"),
        Fact::Planned(plan) => planned(plan),
        Fact::Decided {
            decision,
            playbook,
            target,
            ..
        } => decided(decision, playbook, target.as_ref()),
        Fact::ExecutionStarted {
            execution,
            playbook,
            target,
            ..
        } => format!("{execution} began: {playbook} on {target}"),
        Fact::StepIntended(request) => intended(request),
        Fact::StepRetry { attempt, at } => format!(
            "{} is tried again at {at}",
            call(&attempt.step, attempt.role, attempt.attempt)
        ),
        Fact::Verified {
            execution,
            passed,
            text,
        } => {
            let word = if *passed { "was" } else { "was not" };
            format!("{execution} {word} verified: {text}")
        }
        Fact::ExecutionEnded {
            execution,
            status,
            reason,
        } if reason.is_empty() => format!("{execution} ended {status}"),
        Fact::ExecutionEnded {
            execution,
            status,
            reason,
        } => format!("{execution} ended {status}: {reason}"),
    }
}

/// What a verdict means for a playbook, as the second half of a sentence.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deny => "may not run",
        Verdict::Observe => "was noted and is not run",
        Verdict::Suggest => "is suggested to a person and not run",
        Verdict::Approve => "runs once a person agrees",
        Verdict::Auto => "runs",
    }
}

fn scope(scope: &PauseScope) -> String {
    match scope {
        PauseScope::All => "all automatic dispatch".to_owned(),
        PauseScope::Playbook(name) => format!("the playbook {name}"),
        PauseScope::Target(target) => format!("work on {target}"),
    }
}

fn planned(plan: &Plan) -> String {
    format!(
        "{} on {} was planned ({} risk)",
        plan.playbook, plan.target, plan.risk
    )
}

fn decided(decision: &Decision, playbook: &str, target: Option<&TargetRef>) -> String {
    let on = target.map_or_else(String::new, |target| format!(" on {target}"));
    let reasons: Vec<String> = (decision.reasons.iter())
        .map(|reason| format!("{} ({})", reason.text, reason.code))
        .collect();
    format!(
        "{playbook}{on} {}: {}",
        verdict(decision.verdict),
        reasons.join("; ")
    )
}

fn intended(request: &EffectRequest) -> String {
    let attempt = &request.attempt;
    format!(
        "{} is about to call {} on {}",
        call(&attempt.step, attempt.role, attempt.attempt),
        request.uses,
        request.target
    )
}

fn call(step: &str, role: StepRole, attempt: u32) -> String {
    let role = match role {
        StepRole::Do => "step",
        StepRole::Undo => "the undo of step",
        StepRole::Probe => "the probe of step",
    };
    if attempt > 1 {
        format!("{role} {step} (attempt {attempt})")
    } else {
        format!("{role} {step}")
    }
}
