//! Made-up drafts of every kind, the same every time, for the tests of backends.

use std::collections::BTreeMap;
use std::time::Duration;

use edsr_model::{
    Actor, AttemptId, Autonomy, Cause, Decision, DecisionId, Detection, DetectionId,
    DetectionState, Digest, Draft, EffectClass, EffectRequest, Evidence, ExecutionId,
    ExecutionStatus, Fact, IncidentId, Key, Lsn, Outcome, Pause, PauseId, PauseScope, Plan, Reason,
    ReasonCode, Risk, Scalar, Seq, Severity, StepRole, TargetRef, Timestamp, Verdict,
};
use serde_json::json;

/// How many kinds of facts there are; as many drafts in a row have each of them once.
pub const KINDS: usize = 17;

/// `count` drafts that continue a journal at seq `from`.
#[must_use]
pub fn drafts(from: u64, count: usize) -> Vec<Draft> {
    (from..).take(count).map(draft).collect()
}

/// The draft of seq `n`.
#[must_use]
pub fn draft(n: u64) -> Draft {
    Draft {
        seq: Seq(n),
        at: at(n),
        lsn: Lsn(n / 2),
        actor: match n % 3 {
            0 => Actor::Engine,
            1 => Actor::Node,
            _ => Actor::Person(format!("åsa \"{}\"", n % 5)),
        },
        cause: match n % 4 {
            0 => None,
            1 => Some(Cause::Event(Lsn(n / 2))),
            2 => Some(Cause::Entry(Seq(n - 1))),
            _ => Some(Cause::Timer),
        },
        correlation: match n % 3 {
            0 => None,
            1 => Some(incident(n).to_string()),
            _ => Some(format!("order-{}", n % 7)),
        },
        bundle: (!n.is_multiple_of(5)).then(|| digest("bundle", n / 50)),
        fact: fact(n),
    }
}

/// The evidence that samples around `n` rest on.
#[must_use]
pub fn evidence(n: u64) -> Evidence {
    let mut evidence = Evidence {
        figures: BTreeMap::from([
            ("ratio".to_owned(), 0.1 + 1.0 / (n + 3) as f64),
            ("count".to_owned(), n as f64 * 1e17),
        ]),
        text: format!("{n} of 100 failed"),
        ..Evidence::default()
    };
    (0..n % 4).for_each(|step| evidence.note(Lsn(n + step), at(n + step)));
    evidence.note(Lsn(n + 9), at(n + 9));
    evidence
}

/// The detection that samples around `n` are about.
#[must_use]
pub fn detection(n: u64) -> Detection {
    Detection {
        id: DetectionId::derive([group(n).as_slice()]),
        incident: incident(n),
        detector: "checkout-errors".to_owned(),
        owner: "team-payments".to_owned(),
        key: Key::new(vec![
            (
                "data.region".to_owned(),
                Scalar::Str("eu\u{2028}1".to_owned()),
            ),
            ("data.shard".to_owned(), Scalar::Int(-(n as i64))),
            ("data.live".to_owned(), Scalar::Bool(n.is_multiple_of(2))),
        ]),
        severity: Severity::Critical,
        state: DetectionState::Open,
        since: at(n),
        opened_at: at(n + 20),
        resolved_at: None,
        resolution: None,
        evidence: evidence(n),
        depth: (n % 3) as u32,
        correlation: Some("order-17".to_owned()),
        traceparent: None,
        bundle: digest("bundle", 0),
    }
}

fn fact(n: u64) -> Fact {
    match n % KINDS as u64 {
        0 => Fact::NodeStarted {
            since: edsr_model::Timestamp::EPOCH,
            version: format!("0.{n}.0"),
            durable: Seq(n - 1),
        },
        1 => Fact::BundleActivated {
            bundle: digest("bundle", n),
            previous: (n > 1).then(|| digest("bundle", n - 1)),
        },
        2 => Fact::Paused(pause(n)),
        3 => Fact::Resumed {
            pause: pause(n).id,
            reason: "mended".to_owned(),
        },
        4 => Fact::Approval {
            decision: decision(n).id,
            granted: n.is_multiple_of(2),
            reason: String::new(),
        },
        5 => Fact::StepOutcome {
            attempt: attempt(n),
            outcome: outcome(n),
        },
        6 => Fact::Note {
            text: format!("remark {n}:\n\t\"quoted\" \\ \u{0} ☂ 🜚 '; DROP TABLE entry; --"),
        },
        7 => Fact::DetectionOpened(detection(n)),
        8 => Fact::DetectionUpdated {
            detection: detection(n).id,
            severity: Severity::Warning,
            evidence: evidence(n),
        },
        9 => Fact::DetectionResolved {
            detection: detection(n).id,
            resolution: "cleared".to_owned(),
            evidence: evidence(n),
        },
        10 => Fact::Planned(plan(n)),
        11 => Fact::Decided {
            decision: decision(n),
            playbook: "rollback-checkout".to_owned(),
            target: target(),
            detection: Some(detection(n).id),
        },
        12 => Fact::ExecutionStarted {
            execution: execution(n),
            plan: plan(n).hash,
            playbook: "rollback-checkout".to_owned(),
            target: plan(n).target,
            detection: Some(detection(n).id),
            seed: u64::MAX - n,
        },
        13 => Fact::StepIntended(request(n)),
        14 => Fact::StepRetry {
            attempt: attempt(n),
            at: at(n + 1),
        },
        15 => Fact::Verified {
            execution: execution(n),
            passed: n.is_multiple_of(2),
            text: "the detection was resolved".to_owned(),
        },
        _ => Fact::ExecutionEnded {
            execution: execution(n),
            status: ExecutionStatus::Succeeded,
            reason: "verified".to_owned(),
        },
    }
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_micros(1_767_323_045_000_007 + n as i64 * 1_000_003)
}

fn digest(what: &str, n: u64) -> Digest {
    Digest::of_parts([what.as_bytes(), &n.to_be_bytes()])
}

/// Samples come in groups of 20 that are about the same things.
fn group(n: u64) -> [u8; 8] {
    (n / 20).to_be_bytes()
}

fn incident(n: u64) -> IncidentId {
    IncidentId::derive([group(n).as_slice()])
}

fn execution(n: u64) -> ExecutionId {
    ExecutionId::derive([group(n).as_slice()])
}

fn target() -> Option<TargetRef> {
    "service/checkout".parse().ok()
}

fn attempt(n: u64) -> AttemptId {
    AttemptId {
        execution: execution(n),
        step: "undo".to_owned(),
        role: StepRole::Do,
        attempt: 1 + (n % 3) as u32,
    }
}

fn outcome(n: u64) -> Outcome {
    match n % 3 {
        0 => Outcome::Ok {
            output: json!({ "exit": 0, "load": 0.30000000000000004, "big": u64::MAX }),
        },
        1 => Outcome::Failed {
            reason: "exit 1".to_owned(),
            output: json!(null),
        },
        _ => Outcome::Unknown {
            reason: "no answer in 30s".to_owned(),
        },
    }
}

fn pause(n: u64) -> Pause {
    Pause {
        id: PauseId::derive([group(n).as_slice()]),
        scope: match n % 3 {
            0 => PauseScope::All,
            1 => PauseScope::Playbook("rollback-checkout".to_owned()),
            _ => target().map_or(PauseScope::All, PauseScope::Target),
        },
        reason: "release night".to_owned(),
        by: Actor::Person("åsa".to_owned()),
        at: at(n),
    }
}

fn decision(n: u64) -> Decision {
    Decision {
        id: DecisionId::derive([group(n).as_slice()]),
        plan: plan(n).hash,
        verdict: Verdict::Approve,
        reasons: vec![
            Reason::new(ReasonCode::GuardCooldown, "too soon")
                .with("wait", "10m")
                .until(at(n + 600)),
            Reason::new(ReasonCode::PolicyNeedsApproval, "a person must agree"),
        ],
        round: (n % 4) as u32,
    }
}

fn plan(n: u64) -> Plan {
    let request = request(n);
    Plan {
        hash: digest("plan", n / 20),
        playbook: request.playbook,
        target: request.target,
        inputs: BTreeMap::from([("region".to_owned(), json!(["eu", 1, 2.5, { "deep": null }]))]),
        risk: Risk::Medium,
        detection: Some(DetectionId::derive([group(n).as_slice()])),
        incident: incident(n),
        severity: Severity::Error,
        evidence_at: at(n),
        depth: 0,
        bundle: digest(Autonomy::Auto.as_str(), n),
        made_at: at(n + 1),
    }
}

#[allow(clippy::expect_used, reason = "a constant that is a target")]
fn request(n: u64) -> EffectRequest {
    EffectRequest {
        attempt: attempt(n),
        uses: "exec/run".to_owned(),
        with: json!({ "argv": ["./deploy", "rollback"], "env": { "B": 1e-7, "A": -0.0 } }),
        class: EffectClass::Plain,
        idempotency_key: format!("{}/undo", execution(n)),
        timeout: Duration::from_micros(30_000_001),
        playbook: "rollback-checkout".to_owned(),
        target: target().expect("a target"),
        incident: incident(n),
        correlation: None,
        traceparent: None,
        depth: 1,
    }
}
