//! The kinds of detectors that look at more than one event: `count`, `ratio` and `absent`.

use std::time::Duration;

use edsr_engine::bundle::{AbsentSpec, CountSpec, RatioSpec, Threshold};
use edsr_expr::{EVENT_VARS, Expr};
use edsr_model::{Key, Scalar as Part};

use crate::problem::Code;
use crate::read::{Ctx, Fields, list};
use crate::shape::{Field, Shape, Ty, optional, required};
use crate::tree::{Kind, Node, Scalar};

/// The shortest window, and the shortest time something may be absent.
pub(crate) const WINDOW_MIN: Duration = Duration::from_millis(1);

const LINES: &[&str] = &["above", "atLeast", "below", "atMost"];

const OVER: Field = required(
    "over",
    Ty::Duration,
    "length of the window, for example `1m`",
);

macro_rules! lines {
    ($ty:expr) => {
        [
            optional("above", $ty, "wrong when greater"),
            optional("atLeast", $ty, "wrong when greater or equal"),
            optional("below", $ty, "wrong when less"),
            optional("atMost", $ty, "wrong when less or equal"),
        ]
    };
}

pub(crate) static COUNT: Shape = Shape {
    name: "count",
    fields: &{
        let [above, at_least, below, at_most] = lines!(Ty::Number);
        [
            optional(
                "of",
                Ty::Cel,
                "which events count; all of the detector's where left out",
            ),
            optional(
                "distinct",
                Ty::Cel,
                "count distinct values of this instead of events",
            ),
            OVER,
            above,
            at_least,
            below,
            at_most,
            optional(
                "clear",
                Ty::Object(&COUNT_CLEAR),
                "when it is right again; where left out, when it is no longer wrong",
            ),
        ]
    },
    one_of: &[LINES],
};

pub(crate) static RATIO: Shape = Shape {
    name: "ratio",
    fields: &{
        let [above, at_least, below, at_most] = lines!(Ty::Share);
        [
            required(
                "of",
                Ty::Cel,
                "which events are in the numerator; all of the detector's are below the line",
            ),
            OVER,
            above,
            at_least,
            below,
            at_most,
            optional(
                "minCount",
                Ty::Int(1, u64::MAX),
                "with fewer events in the window nothing is said; 1 where left out",
            ),
            optional(
                "clear",
                Ty::Object(&RATIO_CLEAR),
                "when it is right again; where left out, when it is no longer wrong",
            ),
        ]
    },
    one_of: &[LINES],
};

pub(crate) static COUNT_CLEAR: Shape = Shape {
    name: "clear",
    fields: &lines!(Ty::Number),
    one_of: &[LINES],
};

pub(crate) static RATIO_CLEAR: Shape = Shape {
    name: "clear",
    fields: &lines!(Ty::Share),
    one_of: &[LINES],
};

pub(crate) static ABSENT: Shape = Shape {
    name: "absent",
    fields: &[
        optional(
            "after",
            Ty::Cel,
            "what starts the clock; where left out, every `expect` starts it anew (a heartbeat)",
        ),
        required("expect", Ty::Cel, "what should happen"),
        required("within", Ty::Duration, "within how long"),
        optional(
            "keys",
            Ty::List(&Ty::Either(&[Ty::Scalar, Ty::Map(&Ty::Scalar)])),
            "keys that are expected without ever having been seen",
        ),
    ],
    one_of: &[],
};

pub(crate) fn count(fields: &Fields<'_>) -> Option<CountSpec> {
    let of = fields.cel("of", EVENT_VARS);
    let distinct = fields.cel("distinct", EVENT_VARS);
    let over = fields.duration("over", WINDOW_MIN);
    let open = line(fields, number);
    let clear = clear(fields, &COUNT_CLEAR, number);
    check_clear(fields, open, clear);
    Some(CountSpec {
        of,
        distinct,
        over: over?,
        open: open?,
        clear,
    })
}

pub(crate) fn ratio(fields: &Fields<'_>) -> Option<RatioSpec> {
    let of = fields.cel("of", EVENT_VARS);
    let over = fields.duration("over", WINDOW_MIN);
    let open = line(fields, share);
    let min_count = fields.int("minCount", (1, u64::MAX)).unwrap_or(1);
    let clear = clear(fields, &RATIO_CLEAR, share);
    check_clear(fields, open, clear);
    Some(RatioSpec {
        of: of?,
        over: over?,
        open: open?,
        clear,
        min_count,
    })
}

pub(crate) fn absent(
    fields: &Fields<'_>,
    by: Option<&[(String, Expr)]>,
    keys_max: usize,
) -> Option<AbsentSpec> {
    let after = fields.cel("after", EVENT_VARS);
    let expect = fields.cel("expect", EVENT_VARS);
    let within = fields.duration("within", WINDOW_MIN);
    let keys = match fields.given("keys") {
        Some(node) => keys(fields, node, by, keys_max),
        None => Vec::new(),
    };
    Some(AbsentSpec {
        after,
        expect: expect?,
        within: within?,
        keys,
    })
}

type Figure = fn(&Ctx<'_>, &Node, &str) -> Option<f64>;

/// The line of which exactly one is there.
fn line(fields: &Fields<'_>, figure: Figure) -> Option<Threshold> {
    type Make = fn(f64) -> Threshold;
    let makes: [Make; 4] = [
        Threshold::Above,
        Threshold::AtLeast,
        Threshold::Below,
        Threshold::AtMost,
    ];
    let mut found = None;
    for (name, make) in LINES.iter().zip(makes) {
        if let Some(node) = fields.given(name) {
            let figure = figure(fields.ctx, node, &format!("`{name}`"));
            found = found.or(figure.map(make));
        }
    }
    found
}

fn clear(fields: &Fields<'_>, shape: &'static Shape, figure: Figure) -> Option<Threshold> {
    line(&fields.object("clear", shape)?, figure)
}

/// What is wrong and what is right again must never hold at once, or a detection would flap on one figure.
fn check_clear(fields: &Fields<'_>, open: Option<Threshold>, clear: Option<Threshold>) {
    let (Some(open), Some(clear)) = (open, clear) else {
        return;
    };
    let apart = open.is_low() != clear.is_low() && !overlap(open, clear);
    if !apart {
        let message = "`clear` holds for figures that are still wrong";
        let side = if open.is_low() {
            "`above` or `atLeast`"
        } else {
            "`below` or `atMost`"
        };
        let help = format!(
            "use {side} with a figure on the right side of the line at {}",
            edge(open)
        );
        let span = fields.key_span("clear");
        fields.ctx.complain_help(&span, Code::Value, message, help);
    }
}

/// Whether some figure is beyond both lines, which point in opposite directions.
fn overlap(open: Threshold, clear: Threshold) -> bool {
    let (high, low) = if open.is_low() {
        (clear, open)
    } else {
        (open, clear)
    };
    let at_both = high.holds(edge(high)) && low.holds(edge(low));
    edge(high) < edge(low) || (at_both && edge(high) <= edge(low))
}

const fn edge(line: Threshold) -> f64 {
    match line {
        Threshold::Above(at)
        | Threshold::AtLeast(at)
        | Threshold::Below(at)
        | Threshold::AtMost(at) => at,
    }
}

fn number(ctx: &Ctx<'_>, node: &Node, what: &str) -> Option<f64> {
    let number = match node.as_scalar() {
        Some(Scalar::Int(number)) => Some(number as f64),
        Some(Scalar::Float(number)) => Some(number),
        _ => None,
    };
    if let Some(number) = number.filter(|number| *number >= 0.0) {
        return Some(number);
    }
    let (message, code) = match number {
        Some(_) => (format!("{what} must not be negative"), Code::Value),
        None => (
            format!("{what} must be a number, this is {}", node.what()),
            Code::Type,
        ),
    };
    ctx.complain(&node.span, code, message);
    None
}

/// `5%` or `0.05`.
fn share(ctx: &Ctx<'_>, node: &Node, what: &str) -> Option<f64> {
    let percent = node.raw().and_then(|raw| raw.strip_suffix('%'));
    let share = match (percent, node.as_scalar()) {
        (Some(percent), _) => percent
            .trim()
            .parse::<f64>()
            .ok()
            .map(|figure| figure / 100.0),
        (None, Some(Scalar::Int(number))) => Some(number as f64),
        (None, Some(Scalar::Float(number))) => Some(number),
        _ => None,
    };
    let fits = share.filter(|share| (0.0..=1.0).contains(share));
    if fits.is_none() {
        let message = format!("{what} must be a share from 0% to 100%");
        let help = match (percent, share) {
            (None, Some(figure)) if (1.0..=100.0).contains(&figure) => {
                format!("did you mean `{figure}%`?")
            }
            _ => "write it like `5%` or `0.05`".to_owned(),
        };
        ctx.complain_help(&node.span, Code::Value, message, help);
    }
    fits
}

fn keys(
    fields: &Fields<'_>,
    node: &Node,
    by: Option<&[(String, Expr)]>,
    keys_max: usize,
) -> Vec<Key> {
    let ctx = fields.ctx;
    let Some(by) = by else {
        let message = "`keys` needs `by`, which says what the keys are keys of";
        ctx.complain(&fields.key_span("keys"), Code::Missing, message);
        return Vec::new();
    };
    // Where `by` is wrong it was reported, and nothing can be said about its keys.
    if by.is_empty() {
        return Vec::new();
    }
    let items = ctx.list(node, "`keys`");
    if items.len() > keys_max {
        let message = format!(
            "{} keys are listed, and `maxKeys` is {keys_max}",
            items.len()
        );
        ctx.complain(&fields.key_span("keys"), Code::Value, message);
        return Vec::new();
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut keys = Vec::new();
    for item in items {
        let Some(key) = key(ctx, item, by) else {
            continue;
        };
        if seen.insert(key.clone()) {
            keys.push(key);
        } else {
            let message = format!("the key `{key}` stands twice");
            ctx.complain_help(&item.span, Code::DuplicateName, message, "leave it out");
        }
    }
    keys
}

fn key(ctx: &Ctx<'_>, node: &Node, by: &[(String, Expr)]) -> Option<Key> {
    let names = || list(by.iter().map(|(name, _)| name.as_str()));
    if let ([(name, _)], Kind::Scalar(..)) = (by, &node.kind) {
        return Some(Key(vec![(name.clone(), part(ctx, node)?)]));
    }
    let Kind::Map(entries) = &node.kind else {
        let message = format!(
            "a key must be a mapping with {}, this is {}",
            names(),
            node.what()
        );
        ctx.complain(&node.span, Code::Type, message);
        return None;
    };
    let known = |name: &str| by.iter().any(|(known, _)| known == name);
    for entry in entries.iter().filter(|entry| !known(&entry.key)) {
        let message = format!("`by` has no part `{}`", entry.key);
        let help = format!("its parts are {}", names());
        ctx.complain_help(&entry.span, Code::UnknownKey, message, help);
    }
    let mut parts = Vec::new();
    for (name, _) in by {
        match node.get(name) {
            Some(value) => parts.push((name.clone(), part(ctx, value)?)),
            None => {
                ctx.complain(&node.span, Code::Missing, format!("the key needs `{name}`"));
                return None;
            }
        }
    }
    Some(Key(parts))
}

fn part(ctx: &Ctx<'_>, node: &Node) -> Option<Part> {
    match node.as_scalar() {
        Some(Scalar::Text(text)) => return Some(Part::Str(text.to_owned())),
        Some(Scalar::Bool(flag)) => return Some(Part::Bool(flag)),
        Some(Scalar::Int(number)) if i64::try_from(number).is_ok() => {
            return i64::try_from(number).ok().map(Part::Int);
        }
        _ => {}
    }
    let message = format!(
        "a part of a key must be text, a whole number or a truth value, this is {}",
        node.what()
    );
    ctx.complain(&node.span, Code::Type, message);
    None
}
