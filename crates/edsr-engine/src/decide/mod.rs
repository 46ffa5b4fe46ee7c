//! Decide: may we act, how far, and who must agree? Every answer has reasons, also every "no".

mod guards;
mod plan;

use edsr_model::{
    Actor, Autonomy, Detection, Plan, Reason, ReasonCode, Timestamp, Verdict, format_duration,
};

pub(crate) use guards::GuardLedger;
pub use guards::{RUNS_MAX, STARTS_MAX};
pub(crate) use plan::{detection_value, make_plan};

use crate::bundle::{Bundle, Playbook};
use crate::policy::{PolicyAction, PolicyContext, Principal, Question};
use crate::state::State;

/// The most runs under way at once, of all playbooks together.
pub const EXECUTIONS_MAX: usize = 1_000;

/// What is weighed.
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) playbook: &'a Playbook,
    pub(crate) detection: Option<&'a Detection>,
    /// The person who agreed to it, if one did.
    pub(crate) person: Option<&'a Actor>,
    /// Judged for the first time, right when the detection opened.
    pub(crate) first: bool,
    pub(crate) now: Timestamp,
}

/// Weighs everything and gives the strictest answer with all reasons, in the order they were weighed.
pub(crate) fn judge(state: &State, bundle: &Bundle, case: &Case<'_>) -> (Verdict, Vec<Reason>) {
    let mut reasons = Vec::new();
    let mut verdict = Verdict::Auto;
    let mut add = |limit: Verdict, reason: Reason| {
        verdict = verdict.min(limit);
        reasons.push(reason);
    };
    if let Some(person) = case.person {
        let text = format!("`{person}` agreed to it");
        add(Verdict::Auto, Reason::new(ReasonCode::Manual, text));
    } else {
        for reason in paused(state, case.plan) {
            add(Verdict::Deny, reason);
        }
    }
    for reason in causes(state, case) {
        add(Verdict::Deny, reason);
    }
    let (limit, reason) = policies(state, bundle, case);
    add(limit, reason);
    if case.person.is_none()
        && let Some((limit, reason)) = autonomy(case.playbook)
    {
        add(limit, reason);
    }
    for reason in state.ledger.weigh(case.plan, case.playbook, case.now) {
        add(Verdict::Deny, reason);
    }
    if state.executions.len() >= EXECUTIONS_MAX {
        let text = format!("{EXECUTIONS_MAX} runs are under way, as many as may be at once");
        let reason = Reason::new(ReasonCode::GuardLimit, text).with("runs", EXECUTIONS_MAX);
        add(Verdict::Deny, reason);
    }
    (verdict, reasons)
}

/// Whether a reason does not stand against a plan for good: it is none against it, or passes with time, with the end of
/// another run, or with the end of a pause.
pub(crate) fn passes(reason: &Reason) -> bool {
    matches!(
        reason.code,
        ReasonCode::Paused
            | ReasonCode::GuardTargetBusy
            | ReasonCode::GuardCooldown
            | ReasonCode::GuardLimit
            | ReasonCode::GuardBreakerOpen
            | ReasonCode::Permitted
            | ReasonCode::PolicyNeedsApproval
            | ReasonCode::Autonomy
            | ReasonCode::Manual
    )
}

/// Whether somebody else should be told when nothing happens for this reason.
pub(crate) fn wants_otherwise(reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| {
        matches!(
            reason.code,
            ReasonCode::GuardBreakerOpen
                | ReasonCode::GuardLimit
                | ReasonCode::GuardStaleEvidence
                | ReasonCode::PolicyDenied
                | ReasonCode::PolicyError
                | ReasonCode::PlanInvalid
        )
    })
}

/// Every pause that covers a plan.
fn paused(state: &State, plan: &Plan) -> Vec<Reason> {
    let pauses = state.pauses.values();
    pauses
        .filter(|pause| covers(pause, &plan.playbook, &plan.target))
        .map(|pause| {
            let text = format!("paused by {}: {}", pause.by, pause.reason);
            Reason::new(ReasonCode::Paused, text)
                .with("pause", &pause.id)
                .with("scope", &pause.scope)
        })
        .collect()
}

/// Whether a pause covers a playbook on a target.
pub(crate) fn covers(
    pause: &edsr_model::Pause,
    playbook: &str,
    target: &edsr_model::TargetRef,
) -> bool {
    match &pause.scope {
        edsr_model::PauseScope::All => true,
        edsr_model::PauseScope::Playbook(name) => name == playbook,
        edsr_model::PauseScope::Target(paused) => paused == target,
    }
}

/// What the evidence itself says against acting on it.
fn causes(state: &State, case: &Case<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let guards = &case.playbook.guards;
    if case.plan.depth >= guards.depth_max {
        let text = format!(
            "{} of our own actions lie behind this; at most {} may",
            case.plan.depth,
            guards.depth_max.saturating_sub(1)
        );
        reasons.push(
            Reason::new(ReasonCode::GuardLoop, text)
                .with("depth", case.plan.depth)
                .with("maxDepth", guards.depth_max),
        );
    }
    reasons.extend(stale(state, case));
    reasons
}

/// Evidence is stale when a plan is first judged long after it; and when the node was down for long since, so that
/// nobody knows whether what was found still holds.
fn stale(state: &State, case: &Case<'_>) -> Option<Reason> {
    let max = case.playbook.guards.evidence_max_age;
    let opened = case
        .detection
        .map_or(case.plan.evidence_at, |detection| detection.opened_at);
    let age = case.now.since(case.plan.evidence_at.max(opened));
    let seen = case.plan.evidence_at;
    let (text, age) = match state.down {
        Some((from, to)) if seen > from && seen <= to => {
            let text = "it was noticed only because the node was down and saw nothing".to_owned();
            (text, to.since(from))
        }
        Some((from, to)) if seen <= from && to.since(from) > max => {
            let blind = to.since(from);
            let text = format!(
                "nothing was seen for {} since the evidence",
                format_duration(blind)
            );
            (text, blind)
        }
        _ if case.first && age > max => {
            (format!("the evidence is {} old", format_duration(age)), age)
        }
        _ => return None,
    };
    let text = format!("{text}; at most {} is accepted", format_duration(max));
    let reason = Reason::new(ReasonCode::GuardStaleEvidence, text)
        .with("age", format_duration(age))
        .with("maxAge", format_duration(max));
    Some(reason)
}

fn autonomy(playbook: &Playbook) -> Option<(Verdict, Reason)> {
    let limit = match playbook.autonomy {
        Autonomy::Observe => Verdict::Observe,
        Autonomy::Suggest => Verdict::Suggest,
        Autonomy::Approve => Verdict::Approve,
        Autonomy::Auto => return None,
    };
    let text = format!("the playbook's autonomy is `{}`", playbook.autonomy);
    Some((
        limit,
        Reason::new(ReasonCode::Autonomy, text).with("autonomy", playbook.autonomy),
    ))
}

fn policies(state: &State, bundle: &Bundle, case: &Case<'_>) -> (Verdict, Reason) {
    let facts = bundle.target(&case.plan.target);
    let age = case.now.since(case.plan.evidence_at).as_secs();
    let mut question = Question {
        principal: match case.person {
            Some(Actor::Person(name)) => Principal::Person(name),
            _ => Principal::Playbook {
                name: &case.playbook.name,
                owner: &case.playbook.owner,
            },
        },
        action: PolicyAction::Auto,
        target: &case.plan.target,
        facts: &facts,
        context: PolicyContext {
            playbook: &case.playbook.name,
            risk: case.plan.risk,
            severity: case.plan.severity,
            detector: case.detection.map_or("", |detection| &detection.detector),
            evidence_age_seconds: i64::try_from(age).unwrap_or(i64::MAX),
            depth: case.plan.depth,
            unverified_in_a_row: state.ledger.unverified_in_a_row(case.plan),
        },
    };
    let auto = bundle.policies.judge(&question);
    if auto.permitted {
        let text = format!("permitted by {}", named(&auto.policies));
        return (
            Verdict::Auto,
            with_policies(ReasonCode::Permitted, text, &auto.policies),
        );
    }
    if !auto.errors.is_empty() {
        let text = format!("a policy failed: {}", auto.errors.join("; "));
        return (Verdict::Deny, Reason::new(ReasonCode::PolicyError, text));
    }
    question.action = PolicyAction::Propose;
    let propose = bundle.policies.judge(&question);
    if propose.permitted && case.person.is_none() {
        let text = format!(
            "policies permit proposing it ({}), not doing it",
            named(&propose.policies)
        );
        let reason = with_policies(ReasonCode::PolicyNeedsApproval, text, &propose.policies);
        return (Verdict::Approve, reason);
    }
    let text = if auto.policies.is_empty() {
        "no policy permits it".to_owned()
    } else {
        format!("forbidden by {}", named(&auto.policies))
    };
    let reason = with_policies(ReasonCode::PolicyDenied, text, &auto.policies)
        .with("target", &case.plan.target)
        .with("environment", &facts.environment)
        .with("risk", case.plan.risk);
    (Verdict::Deny, reason)
}

fn named(policies: &[String]) -> String {
    let quoted: Vec<_> = policies.iter().map(|id| format!("`{id}`")).collect();
    quoted.join(", ")
}

fn with_policies(code: ReasonCode, text: String, policies: &[String]) -> Reason {
    let reason = Reason::new(code, text);
    if policies.is_empty() {
        reason
    } else {
        reason.with("policies", policies.join(","))
    }
}
