//! Detectors: what is wrong when.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use edsr_engine::bundle::{Detector, Kind, MatchSpec, PLAN_VARS};
use edsr_expr::{EVENT_VARS, Expr};
use edsr_model::{Digest, Severity};

use crate::envelope::Envelope;
use crate::problem::Code;
use crate::read::{Ctx, Fields};
use crate::shape::{Field, Shape, Ty, optional};
use crate::tree::{Kind as Tree, Node};
use crate::window;

/// Keys a detector keeps state for, where its document does not say.
pub(crate) const KEYS_MAX_DEFAULT: usize = 100_000;

/// The most that may be said.
pub(crate) const KEYS_MAX_MAX: u64 = 10_000_000;

/// The most playbooks in `respond` or `otherwise`.
pub(crate) const NAMES_MAX: usize = 32;

/// The most parts of a key.
pub(crate) const BY_MAX: usize = 16;

/// How long a `match` without `when` and `clear` stays open after the last event, where its document does not say.
pub(crate) const KEEP_FOR_DEFAULT: Duration = Duration::from_secs(300);

const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("error", Severity::Error),
    ("critical", Severity::Critical),
];

const KINDS: &[&str] = &["match", "count", "ratio", "absent"];

pub(crate) static SPEC: Shape = Shape {
    name: "the detector",
    fields: &[
        optional(
            "on",
            Ty::Cel,
            "which events concern it, in CEL over type, source, subject, id, time, data, ext; all where left out",
        ),
        optional(
            "by",
            Ty::Either(&[Ty::Cel, Ty::List(&Ty::Cel), Ty::Map(&Ty::Cel)]),
            "one state machine per value of these expressions; a list names each after its last word, a mapping names them itself",
        ),
        MATCH,
        COUNT,
        RATIO,
        ABSENT,
        optional(
            "for",
            Ty::Duration,
            "how long the condition must hold before a detection opens; 0 where left out",
        ),
        optional(
            "keepFor",
            Ty::Duration,
            "how long the condition must be gone before a detection is resolved; 0 where left out",
        ),
        optional(
            "severity",
            Ty::Word(&["info", "warning", "error", "critical"]),
            "how bad it is; warning where left out",
        ),
        optional(
            "respond",
            Ty::Either(&[Ty::Name, Ty::List(&Ty::Name)]),
            "playbooks to plan when it opens, in order",
        ),
        optional(
            "summary",
            Ty::Text,
            "the finding in one sentence; may read ${detection...}",
        ),
        optional(
            "maxKeys",
            Ty::Int(1, KEYS_MAX_MAX),
            "the most keys it keeps state for; 100000 where left out",
        ),
    ],
    one_of: &[KINDS],
};

const MATCH: Field = optional("match", Ty::Object(&MATCH_SHAPE), "single events");
const COUNT: Field = optional(
    "count",
    Ty::Object(&window::COUNT),
    "how many events, or distinct values, in a sliding window",
);
const RATIO: Field = optional(
    "ratio",
    Ty::Object(&window::RATIO),
    "which share of events in a sliding window",
);
const ABSENT: Field = optional(
    "absent",
    Ty::Object(&window::ABSENT),
    "something that should have happened and did not",
);

pub(crate) static MATCH_SHAPE: Shape = Shape {
    name: "match",
    fields: &[
        optional(
            "when",
            Ty::Cel,
            "whether the event says that something is wrong; every event does where left out",
        ),
        optional("clear", Ty::Cel, "whether the event says that it is over"),
    ],
    one_of: &[],
};

/// A reference to a playbook, to be looked up once all documents are read.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) to: String,
    pub(crate) span: Range<usize>,
}

/// The detector of a document, and the playbooks it names. Nothing where it is not whole.
pub(crate) fn read<'n>(
    ctx: &'n Ctx<'n>,
    envelope: &Envelope<'n>,
    links: &mut Vec<Link>,
) -> Option<Detector> {
    let spec = ctx.fields(envelope.spec?, &envelope.spec_span, &SPEC)?;
    let on = spec.cel("on", EVENT_VARS);
    let by = spec.get("by").map(|node| by(ctx, node));
    let hold_for = spec.duration("for", Duration::ZERO).unwrap_or_default();
    let keep_for = spec.duration("keepFor", Duration::ZERO);
    let severity = spec.word("severity", SEVERITIES).unwrap_or_default();
    let summary = spec.given("summary").and_then(|node| {
        ctx.text(node, "`summary`")?;
        Some(ctx.template(node, PLAN_VARS, &[]))
    });
    let keys_max = spec.int("maxKeys", (1, KEYS_MAX_MAX));
    let keys_max = keys_max.map_or(KEYS_MAX_DEFAULT, |keys| keys as usize);
    let respond = names(&spec, "respond", links);
    let kind = kind(&spec, by.as_deref(), keys_max)?;
    let stays = matches!(&kind, Kind::Match(m) if m.when.is_none() && m.clear.is_none());
    Some(Detector {
        name: envelope.name.clone(),
        owner: envelope.owner.clone(),
        hash: digest(&envelope.name, ctx, envelope.spec?),
        on,
        by: by.unwrap_or_default(),
        kind,
        hold_for,
        keep_for: keep_for.unwrap_or(if stays {
            KEEP_FOR_DEFAULT
        } else {
            Duration::ZERO
        }),
        severity,
        respond,
        summary,
        keys_max,
    })
}

fn kind(spec: &Fields<'_>, by: Option<&[(String, Expr)]>, keys_max: usize) -> Option<Kind> {
    let found = spec.object("match", &MATCH_SHAPE).map(|fields| {
        Kind::Match(MatchSpec {
            when: fields.cel("when", EVENT_VARS),
            clear: fields.cel("clear", EVENT_VARS),
        })
    });
    let count = spec
        .object("count", &window::COUNT)
        .map(|f| window::count(&f));
    let ratio = spec
        .object("ratio", &window::RATIO)
        .map(|f| window::ratio(&f));
    let absent = spec
        .object("absent", &window::ABSENT)
        .map(|f| window::absent(&f, by, keys_max));
    found
        .or_else(|| count?.map(Kind::Count))
        .or_else(|| ratio?.map(Kind::Ratio))
        .or_else(|| absent?.map(Kind::Absent))
}

/// Digest of what the detector means: comments and layout do not count.
fn digest(name: &str, ctx: &Ctx<'_>, spec: &Node) -> Digest {
    let spec = ctx.json(spec).to_string();
    Digest::of_parts([name.as_bytes(), spec.as_bytes()])
}

/// What the user calls a part of the key, and where.
type PartName<'n> = (&'n str, &'n Range<usize>);

/// The parts of the key: a list of expressions, or a mapping that names them.
fn by(ctx: &Ctx<'_>, node: &Node) -> Vec<(String, Expr)> {
    let named: Vec<(Option<PartName<'_>>, &Rc<Node>)> = match &node.kind {
        Tree::Map(entries) => entries
            .iter()
            .map(|entry| (Some((&*entry.key, &entry.span)), &entry.value))
            .collect(),
        Tree::List(items) => items.iter().map(|item| (None, item)).collect(),
        Tree::Scalar(..) => return part(ctx, None, node).into_iter().collect(),
    };
    if named.len() > BY_MAX {
        let message = format!("a key has at most {BY_MAX} parts, this one {}", named.len());
        ctx.complain(&node.span, Code::Value, message);
        return Vec::new();
    }
    let mut parts: Vec<(String, Expr)> = Vec::new();
    for (name, value) in named {
        let Some((name, expr)) = part(ctx, name, value) else {
            continue;
        };
        if parts.iter().any(|(known, _)| *known == name) {
            let message = format!("the key part `{name}` stands twice in `by`");
            let help = "leave it out, or name the parts: `by: { one: data.a.id, two: data.b.id }`";
            ctx.complain_help(&value.span, Code::DuplicateName, message, help);
            continue;
        }
        parts.push((name, expr));
    }
    parts
}

fn part(ctx: &Ctx<'_>, name: Option<(&str, &Range<usize>)>, node: &Node) -> Option<(String, Expr)> {
    let expr = ctx.cel(node, "a part of `by`", EVENT_VARS)?;
    if let Some((name, span)) = name {
        if is_word(name) {
            return Some((name.to_owned(), expr));
        }
        let message = format!("`{name}` cannot name a part of a key");
        let help = "use letters, digits and `_`, so that expressions can read it";
        ctx.complain_help(span, Code::Name, message, help);
        return None;
    }
    let text = expr.text().trim();
    match last_word(text) {
        Some(name) => Some((name.to_owned(), expr)),
        None => {
            let message = format!("`{text}` is not a plain path, so the key part has no name");
            let help = format!("name it: `by: {{ name: {text} }}`");
            ctx.complain_help(&node.span, Code::Value, message, help);
            None
        }
    }
}

/// `region` of `data.region`; nothing where the expression is more than a path.
fn last_word(text: &str) -> Option<&str> {
    let words = || text.split('.');
    words().all(is_word).then(|| words().next_back()).flatten()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Names of playbooks, as one or as a list.
pub(crate) fn names(fields: &Fields<'_>, key: &str, links: &mut Vec<Link>) -> Vec<String> {
    let ctx = fields.ctx;
    let Some(node) = fields.given(key) else {
        return Vec::new();
    };
    let items = match &node.kind {
        Tree::List(items) => items.iter().map(AsRef::as_ref).collect(),
        _ => vec![node],
    };
    if items.len() > NAMES_MAX {
        let message = format!(
            "`{key}` takes at most {NAMES_MAX} playbooks, these are {}",
            items.len()
        );
        ctx.complain(&fields.key_span(key), Code::Value, message);
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    for item in items {
        let Some(name) = ctx.text(item, &format!("`{key}`")) else {
            continue;
        };
        if names.iter().any(|known| known == name) {
            let message = format!("`{name}` stands twice in `{key}`");
            ctx.complain_help(&item.span, Code::DuplicateName, message, "leave it out");
            continue;
        }
        names.push(name.to_owned());
        links.push(Link {
            to: name.to_owned(),
            span: item.span.clone(),
        });
    }
    names
}
