//! A question in Cedar's terms: principal, resource and context.

use std::str::FromStr;

use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use edsr_model::{Risk, TargetRef};

use super::{PolicyContext, Principal, Target};

pub(super) fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(kind).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

pub(super) fn principal(principal: &Principal<'_>) -> Result<Entity, String> {
    let (uid, attributes) = match principal {
        Principal::Playbook { name, owner } => (
            uid("Playbook", name)?,
            vec![("owner".to_owned(), text(owner))],
        ),
        Principal::Person(name) => (uid("Person", name)?, Vec::new()),
    };
    Entity::new_with_tags(uid, attributes, [], []).map_err(|error| error.to_string())
}

pub(super) fn resource(target: &TargetRef, facts: &Target) -> Result<Entity, String> {
    let attributes = [
        ("kind".to_owned(), text(target.kind())),
        ("name".to_owned(), text(target.name())),
        ("environment".to_owned(), text(&facts.environment)),
        ("team".to_owned(), text(&facts.team)),
    ];
    let labels = facts.labels.iter();
    Entity::new_with_tags(
        uid("Target", &target.to_string())?,
        attributes,
        [],
        labels.map(|(name, value)| (name.clone(), text(value))),
    )
    .map_err(|error| error.to_string())
}

pub(super) fn context(context: &PolicyContext<'_>) -> Result<Context, String> {
    let risk = match context.risk {
        Risk::Low => 0,
        Risk::Medium => 1,
        Risk::High => 2,
        Risk::Destructive => 3,
    };
    let long = RestrictedExpression::new_long;
    Context::from_pairs([
        ("playbook".to_owned(), text(context.playbook)),
        ("risk".to_owned(), text(context.risk.as_str())),
        ("riskLevel".to_owned(), long(risk)),
        ("severity".to_owned(), text(context.severity.as_str())),
        ("severityLevel".to_owned(), long(context.severity.level())),
        ("detector".to_owned(), text(context.detector)),
        (
            "evidenceAgeSeconds".to_owned(),
            long(context.evidence_age_seconds),
        ),
        ("depth".to_owned(), long(i64::from(context.depth))),
        (
            "unverifiedInARow".to_owned(),
            long(i64::from(context.unverified_in_a_row)),
        ),
    ])
    .map_err(|error| error.to_string())
}
