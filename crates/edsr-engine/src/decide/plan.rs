//! Plans: what a playbook would do about a detection.

use std::collections::BTreeMap;

use edsr_model::{
    BundleHash, Detection, DetectionState, Digest, Plan, PlanHash, Reason, ReasonCode, TargetRef,
    Timestamp,
};
use serde_json::{Value, json};

use crate::bundle::Playbook;
use crate::template::is_bounded;
use edsr_expr::Scope;

/// A detection as expressions see it.
pub(crate) fn detection_value(detection: &Detection) -> Value {
    json!({
        "id": detection.id,
        "incident": detection.incident,
        "detector": detection.detector,
        "owner": detection.owner,
        "key": detection.key.to_value(),
        "severity": detection.severity,
        "state": detection.state,
        "resolved": detection.state == DetectionState::Resolved,
        "since": detection.since,
        "openedAt": detection.opened_at,
        "figures": detection.evidence.figures,
        "summary": detection.evidence.text,
        "correlation": detection.correlation,
        "depth": detection.depth,
    })
}

/// Makes the plan of `playbook` for `detection`, or says why there is none.
pub(crate) fn make_plan(
    playbook: &Playbook,
    detection: &Detection,
    bundle: BundleHash,
    now: Timestamp,
) -> Result<Plan, (PlanHash, Reason)> {
    let scope = Scope::new().late("detection", || detection_value(detection));
    let invalid = |text: String| {
        let hash = Digest::of_parts([playbook.name.as_bytes(), detection.id.as_str().as_bytes()]);
        (hash, Reason::new(ReasonCode::PlanInvalid, text))
    };
    let target = playbook
        .target
        .render(&scope)
        .map_err(|error| invalid(format!("the target has no value: {error}")))?;
    let target: TargetRef = match &target {
        Value::String(text) => text
            .parse()
            .map_err(|error| invalid(format!("the target is not one: {error}")))?,
        other => return Err(invalid(format!("the target is not a string: {other}"))),
    };
    let mut inputs = BTreeMap::new();
    for (name, template) in &playbook.inputs {
        let value = template
            .render(&scope)
            .map_err(|error| invalid(format!("the input `{name}` has no value: {error}")))?;
        if !is_bounded(&value) {
            return Err(invalid(format!(
                "the input `{name}` is too large or too deep"
            )));
        }
        inputs.insert(name.clone(), value);
    }
    let mut plan = Plan {
        hash: PlanHash::default(),
        playbook: playbook.name.clone(),
        target,
        inputs,
        risk: playbook.risk,
        detection: Some(detection.id.clone()),
        incident: detection.incident.clone(),
        severity: detection.severity,
        evidence_at: detection.evidence.at,
        depth: detection.depth,
        bundle,
        made_at: now,
    };
    plan.hash = hash(&plan);
    Ok(plan)
}

/// The digest that identifies a plan; its own field counts as all zeros.
fn hash(plan: &Plan) -> PlanHash {
    // Invariant: a plan has only string keys, so it always has a JSON form.
    Digest::of(&serde_json::to_vec(plan).unwrap_or_default())
}
