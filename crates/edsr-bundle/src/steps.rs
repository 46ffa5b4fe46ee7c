//! The steps of a playbook, and the calls they make.

use std::collections::BTreeSet;
use std::time::Duration;

use edsr_engine::bundle::{Call, PLAYBOOK_VARS, Retry, Step};
use edsr_expr::closest;
use edsr_model::{EffectClass, format_duration, parse_duration};
use serde_json::{Map, Value};

use crate::catalog::ActuatorCatalog;
use crate::envelope::check_name;
use crate::problem::Code;
use crate::read::{Ctx, Fields, list};
use crate::shape::{Field, Shape, Ty, optional, required};
use crate::tree::{Kind, Node};

/// The most steps of a playbook.
pub(crate) const STEPS_MAX: usize = 100;

/// How long an attempt may take where the document does not say.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How long an attempt may take at most.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The most attempts.
pub(crate) const ATTEMPTS_MAX: u64 = 20;

/// The longest wait between two attempts.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(3600);

const CLASSES: &[(&str, EffectClass)] = &[
    ("plain", EffectClass::Plain),
    ("retry-safe", EffectClass::RetrySafe),
    ("fenced", EffectClass::Fenced),
];

const USES: Field = required("uses", Ty::Text, "the actuator, for example `exec/run`");
const WITH: Field = optional(
    "with",
    Ty::Map(&Ty::Template),
    "its arguments; text may hold ${...}",
);
const TIMEOUT: Field = optional(
    "timeout",
    Ty::Duration,
    "how long one attempt may take, at most 1h; 30s where left out",
);
const RETRY_FIELD: Field = optional(
    "retry",
    Ty::Object(&RETRY),
    "what to do when an attempt fails; after an unknown outcome only calls that are safe to repeat are",
);

pub(crate) static STEP: Shape = Shape {
    name: "the step",
    fields: &[
        required("id", Ty::Name, "its name in the playbook"),
        USES,
        WITH,
        optional(
            "class",
            Ty::Word(&["plain", "retry-safe", "fenced"]),
            "what help the target gives against doing it twice, where the actuator cannot know",
        ),
        TIMEOUT,
        RETRY_FIELD,
        optional(
            "undo",
            Ty::Object(&UNDO),
            "what takes it back when a later step fails",
        ),
        optional(
            "probe",
            Ty::Object(&PROBE),
            "what tells whether it happened, when its outcome is unknown: success means it did",
        ),
    ],
    one_of: &[],
};

pub(crate) static UNDO: Shape = Shape {
    name: "undo",
    fields: &[USES, WITH, TIMEOUT, RETRY_FIELD],
    one_of: &[],
};

pub(crate) static PROBE: Shape = Shape {
    name: "probe",
    fields: &[USES, WITH, TIMEOUT],
    one_of: &[],
};

pub(crate) static RETRY: Shape = Shape {
    name: "retry",
    fields: &[
        required(
            "attempts",
            Ty::Int(1, ATTEMPTS_MAX),
            "attempts in all, the first included",
        ),
        optional(
            "backoff",
            Ty::Text,
            "the wait between attempts: `1s..30s` doubles from the first to the second, `1s` stays; 1s..30s where left out",
        ),
    ],
    one_of: &[],
};

/// The steps, and the ids of all of them including those that are not whole.
pub(crate) fn read<'n>(
    ctx: &'n Ctx<'n>,
    node: &'n Node,
    spec: &Fields<'n>,
    catalog: &dyn ActuatorCatalog,
) -> (Vec<Step>, Vec<&'n str>) {
    let items = ctx.list(node, "`steps`");
    let span = spec.key_span("steps");
    if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
        ctx.complain(&span, Code::Missing, "a playbook needs at least one step");
    }
    if items.len() > STEPS_MAX {
        let message = format!(
            "a playbook has at most {STEPS_MAX} steps, this one {}",
            items.len()
        );
        ctx.complain(&span, Code::Value, message);
        return Default::default();
    }
    let mut ids: Vec<&'n str> = Vec::new();
    let mut steps = Vec::new();
    for item in items {
        let Some(fields) = ctx.fields(item, &first_key(item), &STEP) else {
            continue;
        };
        let id = fields.given("id").and_then(|node| id(ctx, node, &ids));
        steps.extend(step(&fields, id, &ids, catalog));
        ids.extend(id);
    }
    (steps, ids)
}

fn id<'n>(ctx: &Ctx<'_>, node: &'n Node, ids: &[&str]) -> Option<&'n str> {
    let id = ctx.raw(node, "`id`")?;
    if !check_name(ctx, node, id) {
        return None;
    }
    if ids.contains(&id) {
        let message = format!("the step id `{id}` is used twice");
        ctx.complain_help(
            &node.span,
            Code::DuplicateName,
            message,
            "ids tell steps apart; change one",
        );
        return None;
    }
    Some(id)
}

fn step(
    fields: &Fields<'_>,
    id: Option<&str>,
    before: &[&str],
    catalog: &dyn ActuatorCatalog,
) -> Option<Step> {
    let class = class(fields, catalog);
    let retry = retry(fields);
    let done = call(fields, before, catalog);
    // An undo and a probe may read what the step itself returned.
    let with_self: Vec<&str> = before.iter().copied().chain(id).collect();
    let undo = fields.object("undo", &UNDO).map(|fields| {
        let retry = self::retry(&fields);
        call(&fields, &with_self, catalog).map(|call| Call { retry, ..call })
    });
    let probe = fields
        .object("probe", &PROBE)
        .map(|fields| call(&fields, &with_self, catalog));
    let done = done?;
    Some(Step {
        id: id?.to_owned(),
        call: Call {
            class: class.unwrap_or(done.class),
            retry,
            ..done
        },
        undo: undo.flatten(),
        probe: probe.flatten(),
    })
}

fn call(fields: &Fields<'_>, steps: &[&str], catalog: &dyn ActuatorCatalog) -> Option<Call> {
    let ctx = fields.ctx;
    let uses = uses(fields, catalog);
    let timeout = fields.duration("timeout", Duration::from_millis(1));
    if let (Some(timeout), Some(node)) = (timeout, fields.get("timeout"))
        && timeout > TIMEOUT_MAX
    {
        let message = format!("`timeout` is at most {}", format_duration(TIMEOUT_MAX));
        ctx.complain(&node.span, Code::Value, message);
    }
    let with = fields.get("with").filter(|node| !node.is_null());
    if let Some(node) = with {
        ctx.map(node, "`with`");
    }
    let value = with.map_or_else(|| Value::Object(Map::new()), |node| ctx.json(node));
    let template = match with {
        Some(node) => ctx.template(node, PLAYBOOK_VARS, steps),
        None => edsr_engine::template::Template::Map(Vec::new()),
    };
    let uses = uses?;
    if value.is_object() {
        check_arguments(fields, with, catalog.check(&uses, &value));
    }
    Some(Call {
        class: catalog.class(&uses, &value),
        uses,
        with: template,
        timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
        retry: Retry::default(),
    })
}

fn uses(fields: &Fields<'_>, catalog: &dyn ActuatorCatalog) -> Option<String> {
    let node = fields.given("uses")?;
    let uses = fields.ctx.text(node, "`uses`")?;
    let names = catalog.names();
    if names.iter().any(|name| name == uses) {
        return Some(uses.to_owned());
    }
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let help = match closest(uses, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", list(known)),
    };
    let message = format!("there is no actuator `{uses}`");
    fields
        .ctx
        .complain_help(&node.span, Code::Actuator, message, help);
    None
}

/// Puts each complaint of the actuator where the argument stands, or the closest thing around it.
fn check_arguments(fields: &Fields<'_>, with: Option<&Node>, complaints: Vec<(String, String)>) {
    for (path, message) in complaints {
        let at = with.and_then(|node| find(node, "", &path));
        let span =
            at.unwrap_or_else(|| fields.key_span(if with.is_some() { "with" } else { "uses" }));
        let message = if path.is_empty() {
            format!("`with` {message}")
        } else {
            format!("`{path}` {message}")
        };
        fields.ctx.complain(&span, Code::Actuator, message);
    }
}

/// The place of the innermost value on the way to `path`, written as actuators write it: `env.TOKEN`, `argv[2]`.
fn find(node: &Node, here: &str, path: &str) -> Option<std::ops::Range<usize>> {
    let leads = |to: &str| {
        path.strip_prefix(to)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    match &node.kind {
        Kind::List(items) => items.iter().enumerate().find_map(|(place, item)| {
            let to = format!("{here}[{place}]");
            leads(&to).then(|| find(item, &to, path).unwrap_or_else(|| item.span.clone()))
        }),
        Kind::Map(entries) => entries.iter().find_map(|entry| {
            let dot = if here.is_empty() { "" } else { "." };
            let to = format!("{here}{dot}{}", entry.key);
            leads(&to).then(|| {
                find(&entry.value, &to, path).unwrap_or_else(|| match &entry.value.kind {
                    Kind::Scalar(..) if to != path => entry.value.span.clone(),
                    _ => entry.span.clone(),
                })
            })
        }),
        Kind::Scalar(..) => None,
    }
}

fn class(fields: &Fields<'_>, catalog: &dyn ActuatorCatalog) -> Option<EffectClass> {
    let class = fields.word("class", CLASSES)?;
    let uses = fields.get("uses")?.raw()?;
    if !catalog.names().iter().any(|name| name == uses) {
        return None;
    }
    if !catalog.class_is_declared(uses) {
        let message = format!("the class of `{uses}` is fixed");
        fields.ctx.complain_help(
            &fields.key_span("class"),
            Code::Value,
            message,
            "leave `class` out",
        );
        return None;
    }
    Some(class)
}

fn retry(fields: &Fields<'_>) -> Retry {
    let default = Retry::default();
    let Some(retry) = fields.object("retry", &RETRY) else {
        return default;
    };
    let attempts = retry.int("attempts", (1, ATTEMPTS_MAX));
    let backoff = retry
        .given("backoff")
        .and_then(|node| backoff(fields.ctx, node));
    let (min, max) = backoff.unwrap_or((default.min, default.max));
    Retry {
        attempts: attempts.map_or(default.attempts, |attempts| attempts as u32),
        min,
        max,
    }
}

/// `1s..30s` or `1s`.
fn backoff(ctx: &Ctx<'_>, node: &Node) -> Option<(Duration, Duration)> {
    let text = ctx.raw(node, "`backoff`")?;
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    match (parse_duration(min), parse_duration(max)) {
        (Ok(min), Ok(max)) if min <= max && max <= BACKOFF_MAX => Some((min, max)),
        (Ok(min), Ok(max)) => {
            let message = if min > max {
                "`backoff` begins with the shorter wait".to_owned()
            } else {
                format!("`backoff` is at most {}", format_duration(BACKOFF_MAX))
            };
            ctx.complain(&node.span, Code::Value, message);
            None
        }
        _ => {
            let message = format!("`{text}` is not a backoff");
            let help = "write it like `1s..30s`, or `1s` for the same wait every time";
            ctx.complain_help(&node.span, Code::Value, message, help);
            None
        }
    }
}

fn first_key(node: &Node) -> std::ops::Range<usize> {
    match &node.kind {
        Kind::Map(entries) => entries.first().map(|entry| entry.span.clone()),
        Kind::Scalar(..) | Kind::List(_) => None,
    }
    .unwrap_or_else(|| node.span.clone())
}
