//! Playbooks: how to repair something.

use std::collections::BTreeMap;
use std::time::Duration;

use edsr_engine::bundle::{Breaker, Guards, Limit, PLAN_VARS, Playbook, VERIFY_VARS, Verify};
use edsr_engine::template::Template;
use edsr_model::{Autonomy, Risk, TargetRef, parse_duration};

use crate::catalog::ActuatorCatalog;
use crate::detector::{Link, names};
use crate::envelope::Envelope;
use crate::problem::Code;
use crate::read::{Ctx, Fields};
use crate::shape::{Shape, Ty, optional, required};
use crate::steps;
use crate::tree::{Kind, Node, Scalar};

/// The most limits one playbook may have.
pub(crate) const LIMITS_MAX: usize = 16;

const RISKS: &[(&str, Risk)] = &[
    ("low", Risk::Low),
    ("medium", Risk::Medium),
    ("high", Risk::High),
    ("destructive", Risk::Destructive),
];

const AUTONOMIES: &[(&str, Autonomy)] = &[
    ("observe", Autonomy::Observe),
    ("suggest", Autonomy::Suggest),
    ("approve", Autonomy::Approve),
    ("auto", Autonomy::Auto),
];

pub(crate) static SPEC: Shape = Shape {
    name: "the playbook",
    fields: &[
        required(
            "target",
            Ty::Text,
            "what policies judge and what is locked meanwhile: `kind/name`; may read ${detection...}",
        ),
        required(
            "risk",
            Ty::Word(&["low", "medium", "high", "destructive"]),
            "how much harm it can do: low, medium, high or destructive",
        ),
        optional(
            "autonomy",
            Ty::Word(&["observe", "suggest", "approve", "auto"]),
            "how far it may go by itself; observe where left out",
        ),
        optional(
            "inputs",
            Ty::Map(&Ty::Template),
            "values computed from the detection when the plan is made",
        ),
        optional("guards", Ty::Object(&GUARDS), "what holds it back"),
        required(
            "steps",
            Ty::List(&Ty::Object(&steps::STEP)),
            "what it does, in order",
        ),
        optional("verify", Ty::Object(&VERIFY), "how to tell that it helped"),
        optional(
            "otherwise",
            Ty::Either(&[Ty::Name, Ty::List(&Ty::Name)]),
            "playbooks for the same detection when this one did not help or may not run",
        ),
    ],
    one_of: &[],
};

pub(crate) static GUARDS: Shape = Shape {
    name: "guards",
    fields: &[
        optional(
            "cooldown",
            Ty::Duration,
            "pause after a run on the same target; 60s where left out",
        ),
        optional(
            "limit",
            Ty::Either(&[Ty::Text, Ty::List(&Ty::Text)]),
            "the most runs in a time, like `3 per 1h`; several may apply",
        ),
        optional(
            "breaker",
            Ty::Object(&BREAKER),
            "stops the playbook when it does not help",
        ),
        optional(
            "evidenceMaxAge",
            Ty::Duration,
            "the oldest evidence it acts on; 5m where left out",
        ),
        optional(
            "maxDepth",
            Ty::Int(0, 1000),
            "the most actions of ours that may lie behind its cause; 3 where left out",
        ),
    ],
    one_of: &[],
};

pub(crate) static BREAKER: Shape = Shape {
    name: "breaker",
    fields: &[
        optional(
            "after",
            Ty::Int(1, 1_000_000),
            "opens after this many runs in a row that were not verified; 3 where left out",
        ),
        optional(
            "reset",
            Ty::Duration,
            "lets one more run through this long after the last; 1h where left out",
        ),
    ],
    one_of: &[],
};

pub(crate) static VERIFY: Shape = Shape {
    name: "verify",
    fields: &[
        required(
            "until",
            Ty::Cel,
            "must become true, for example `detection.resolved`",
        ),
        required(
            "within",
            Ty::Duration,
            "within how long after the last step",
        ),
    ],
    one_of: &[],
};

/// What a playbook needs from the other documents.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) otherwise: Vec<Link>,
    /// Its target, where the document says which it is.
    pub(crate) target: Option<Link>,
}

/// The playbook of a document. Nothing where it is not whole.
pub(crate) fn read<'n>(
    ctx: &'n Ctx<'n>,
    envelope: &Envelope<'n>,
    catalog: &dyn ActuatorCatalog,
    links: &mut Links,
) -> Option<Playbook> {
    let spec = ctx.fields(envelope.spec?, &envelope.spec_span, &SPEC)?;
    let target = spec
        .given("target")
        .and_then(|node| target(ctx, node, links));
    let risk = spec.word("risk", RISKS);
    let autonomy = spec.word("autonomy", AUTONOMIES);
    let inputs = spec.get("inputs").map(|node| inputs(ctx, node));
    let guards = spec.object("guards", &GUARDS).map(|fields| guards(&fields));
    let (steps, ids) = match spec.given("steps") {
        Some(node) => steps::read(ctx, node, &spec, catalog),
        None => Default::default(),
    };
    let verify = verify(&spec, &ids);
    let otherwise = names(&spec, "otherwise", &mut links.otherwise);
    Some(Playbook {
        name: envelope.name.clone(),
        owner: envelope.owner.clone(),
        target: target?,
        risk: risk?,
        autonomy: autonomy.unwrap_or(Autonomy::Observe),
        inputs: inputs.unwrap_or_default(),
        guards: guards.unwrap_or_default(),
        steps,
        verify,
        otherwise,
    })
}

fn target(ctx: &Ctx<'_>, node: &Node, links: &mut Links) -> Option<Template> {
    let text = ctx.text(node, "`target`")?;
    let template = ctx.template(node, PLAN_VARS, &[]);
    if let Template::Literal(serde_json::Value::String(literal)) = &template {
        if let Err(error) = literal.parse::<TargetRef>() {
            ctx.complain(&node.span, Code::Value, error.to_string());
            return None;
        }
        links.target = Some(Link {
            to: text.to_owned(),
            span: node.span.clone(),
        });
    }
    Some(template)
}

fn inputs(ctx: &Ctx<'_>, node: &Node) -> BTreeMap<String, Template> {
    let entries = ctx.map(node, "`inputs`").iter();
    entries
        .map(|entry| {
            let value = ctx.template(&entry.value, PLAN_VARS, &[]);
            (entry.key.to_string(), value)
        })
        .collect()
}

fn guards(fields: &Fields<'_>) -> Guards {
    let default = Guards::default();
    let breaker = fields.object("breaker", &BREAKER).map(|fields| {
        let default = Breaker::default();
        let after = fields.int("after", (1, 1_000_000));
        Breaker {
            after: after.map_or(default.after, |after| after as u32),
            reset: fields
                .duration("reset", Duration::ZERO)
                .unwrap_or(default.reset),
        }
    });
    let limits = fields.given("limit").map(|node| limits(fields.ctx, node));
    let depth_max = fields.int("maxDepth", (0, 1000));
    Guards {
        cooldown: fields
            .duration("cooldown", Duration::ZERO)
            .unwrap_or(default.cooldown),
        limits: limits.unwrap_or_default(),
        breaker: breaker.unwrap_or_default(),
        evidence_max_age: fields
            .duration("evidenceMaxAge", Duration::from_millis(1))
            .unwrap_or(default.evidence_max_age),
        depth_max: depth_max.map_or(default.depth_max, |depth| depth as u32),
    }
}

fn limits(ctx: &Ctx<'_>, node: &Node) -> Vec<Limit> {
    let items: Vec<&Node> = match &node.kind {
        Kind::List(items) => items.iter().map(AsRef::as_ref).collect(),
        _ => vec![node],
    };
    if items.len() > LIMITS_MAX {
        let message = format!(
            "at most {LIMITS_MAX} limits are taken, these are {}",
            items.len()
        );
        ctx.complain(&node.span, Code::Value, message);
        return Vec::new();
    }
    items
        .into_iter()
        .filter_map(|item| limit(ctx, item))
        .collect()
}

/// `3 per 1h`.
fn limit(ctx: &Ctx<'_>, node: &Node) -> Option<Limit> {
    let text = ctx.raw(node, "`limit`")?;
    let parsed = text.split_once(" per ").and_then(|(runs, per)| {
        let runs = runs.trim().parse().ok().filter(|runs| *runs > 0)?;
        let per = parse_duration(per.trim())
            .ok()
            .filter(|per| !per.is_zero())?;
        Some(Limit { runs, per })
    });
    if parsed.is_none() {
        let message = format!("`{text}` is not a limit");
        ctx.complain_help(&node.span, Code::Value, message, "write it like `3 per 1h`");
    }
    parsed
}

fn verify(spec: &Fields<'_>, steps: &[&str]) -> Option<Verify> {
    let ctx = spec.ctx;
    if spec.get("verify").is_none() {
        let message = "without `verify` no run of this playbook can end better than `unverified`";
        let help = "add `verify: { until: detection.resolved, within: 3m }`";
        ctx.complain_help(&spec.at, Code::NoVerify, message, help);
        return None;
    }
    let fields = spec.object("verify", &VERIFY)?;
    let until = fields.cel("until", VERIFY_VARS);
    if let (Some(expr), Some(node)) = (&until, fields.get("until")) {
        ctx.check_steps_in(node, expr.text(), 0, steps);
        // A bare word would be true for ever and verify nothing.
        if matches!(node.as_scalar(), Some(Scalar::Bool(true))) {
            let help = "write what must become true, for example `detection.resolved`";
            let message = "`until: true` proves nothing";
            ctx.complain_help(&node.span, Code::Value, message, help);
        }
    }
    let within = fields.duration("within", Duration::from_millis(1));
    Some(Verify {
        until: until?,
        within: within?,
    })
}
