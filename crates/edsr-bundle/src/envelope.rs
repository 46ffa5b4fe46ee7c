//! What every document has: `apiVersion`, `kind`, `metadata` and `spec`.

use std::collections::BTreeSet;
use std::ops::Range;

use edsr_expr::closest;
use edsr_model::TargetRef;
use serde_json::{Value, json};

use crate::problem::Code;
use crate::read::{Ctx, list};
use crate::shape::{Shape, Ty, optional, required};
use crate::tree::{Kind as Tree, Node};

/// The version of the format, and the only one there is.
pub const API_VERSION: &str = "edsr.dev/v1";

/// The longest name, in bytes.
pub(crate) const NAME_MAX: usize = 63;

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What is wrong when.
    Detector,
    /// How to repair it.
    Playbook,
    /// What is known about a target.
    Target,
    /// Where events come from.
    Source,
    /// The settings of the node.
    Node,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Detector,
        Self::Playbook,
        Self::Target,
        Self::Source,
        Self::Node,
    ];

    /// The word for it, as it is written in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detector => "Detector",
            Self::Playbook => "Playbook",
            Self::Target => "Target",
            Self::Source => "Source",
            Self::Node => "Node",
        }
    }

    pub(crate) fn spec(self) -> &'static Shape {
        match self {
            Self::Detector => &crate::detector::SPEC,
            Self::Playbook => &crate::playbook::SPEC,
            Self::Target => &crate::target::SPEC,
            Self::Source => &crate::source::SPEC,
            Self::Node => &crate::node::SPEC,
        }
    }
}

/// The kinds a document may have.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.as_str()).collect()
}

/// The JSON Schema of the documents of a kind, for editors.
#[must_use]
pub fn schema(kind: &str) -> Option<Value> {
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let mut schema = DOCUMENT.schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(kind.as_str());
    schema["properties"]["apiVersion"] = json!({"const": API_VERSION});
    schema["properties"]["kind"] = json!({"const": kind.as_str()});
    schema["properties"]["spec"] = kind.spec().schema();
    schema["properties"]["metadata"] = metadata(kind).schema();
    if kind == Kind::Target {
        schema["properties"]["metadata"]["properties"]["name"] = json!({
            "type": "string", "pattern": "^[^\\s/]+/\\S+$", "description": NAME_DOC,
        });
    }
    if kind == Kind::Node {
        schema["required"] = json!(["apiVersion", "kind"]);
    }
    Some(schema)
}

const NAME_DOC: &str = "its name: lower-case letters, digits and `-`; for a Target `kind/name` like `service/checkout`";

static DOCUMENT: Shape = Shape {
    name: "the document",
    fields: &[
        required("apiVersion", Ty::Text, "write `apiVersion: edsr.dev/v1`"),
        required("kind", Ty::Text, "what the document describes"),
        required("metadata", Ty::Object(&METADATA), "name and owner"),
        required("spec", Ty::Map(&Ty::Template), "what it says"),
    ],
    one_of: &[],
};

static NODE_DOCUMENT: Shape = Shape {
    name: "the document",
    fields: &[
        required("apiVersion", Ty::Text, "write `apiVersion: edsr.dev/v1`"),
        required("kind", Ty::Text, "what the document describes"),
        optional("metadata", Ty::Object(&NODE_METADATA), "name and owner"),
        optional("spec", Ty::Map(&Ty::Template), "the settings"),
    ],
    one_of: &[],
};

pub(crate) static METADATA: Shape = Shape {
    name: "metadata",
    fields: &[
        required("name", Ty::Name, NAME_DOC),
        required(
            "owner",
            Ty::Text,
            "who answers for it, for example `team-payments`",
        ),
        optional("description", Ty::Text, "what it is for, for people"),
        optional("labels", Ty::Map(&Ty::Scalar), "labels, for people"),
    ],
    one_of: &[],
};

pub(crate) static NODE_METADATA: Shape = Shape {
    name: "metadata",
    fields: &[
        optional("name", Ty::Name, "name of the node"),
        optional("owner", Ty::Text, "who answers for it"),
        optional("description", Ty::Text, "what it is for, for people"),
        optional("labels", Ty::Map(&Ty::Scalar), "labels, for people"),
    ],
    one_of: &[],
};

fn metadata(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Node => &NODE_METADATA,
        _ => &METADATA,
    }
}

/// A document whose outside is read.
pub(crate) struct Envelope<'n> {
    pub(crate) kind: Kind,
    /// Empty where it was wrong.
    pub(crate) name: String,
    pub(crate) name_span: Range<usize>,
    pub(crate) owner: String,
    pub(crate) spec: Option<&'n Node>,
    pub(crate) spec_span: Range<usize>,
}

/// Reads the outside of a document; nothing where not even its kind is known.
pub(crate) fn read<'n>(ctx: &'n Ctx<'_>, node: &'n Node) -> Option<Envelope<'n>> {
    let start = first_key(node);
    let kind = node.get("kind").and_then(|kind| kind.raw());
    let kind = Kind::ALL
        .into_iter()
        .find(|known| Some(known.as_str()) == kind);
    let shape = match kind {
        Some(Kind::Node) => &NODE_DOCUMENT,
        _ => &DOCUMENT,
    };
    let fields = ctx.fields(node, &start, shape)?;
    let version = fields.given("apiVersion");
    if let Some(version) = version.filter(|version| version.raw() != Some(API_VERSION)) {
        let message = "this `apiVersion` is not known";
        let help = format!("write `apiVersion: {API_VERSION}`");
        ctx.complain_help(&version.span, Code::Kind, message, help);
    }
    let Some(kind) = kind else {
        if let Some(wrong) = fields.given("kind") {
            complain_kind(ctx, wrong);
        }
        return None;
    };
    let mut envelope = Envelope {
        kind,
        name: String::new(),
        name_span: start,
        owner: String::new(),
        spec: fields.get("spec").filter(|spec| !spec.is_null()),
        spec_span: fields.key_span("spec"),
    };
    if let Some(metadata) = fields.object("metadata", metadata(kind)) {
        envelope.owner = metadata.text("owner").unwrap_or_default();
        metadata.text("description");
        if let Some(labels) = metadata.get("labels") {
            for entry in ctx.map(labels, "`labels`") {
                ctx.raw(&entry.value, "a label");
            }
        }
        if let Some(name) = metadata.given("name") {
            envelope.name_span = name.span.clone();
            envelope.name = self::name(ctx, kind, name).unwrap_or_default();
        }
    }
    Some(envelope)
}

fn name(ctx: &Ctx<'_>, kind: Kind, node: &Node) -> Option<String> {
    let text = ctx.raw(node, "`name`")?;
    if kind == Kind::Target {
        return match text.parse::<TargetRef>() {
            Ok(_) => Some(text.to_owned()),
            Err(error) => {
                ctx.complain(&node.span, Code::Name, error.to_string());
                None
            }
        };
    }
    check_name(ctx, node, text).then(|| text.to_owned())
}

/// Complains where `text` breaks the rule for names.
pub(crate) fn check_name(ctx: &Ctx<'_>, node: &Node, text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(|b| plain(b) || b == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain);
    if !fits {
        let message = format!("`{text}` is not a name");
        let help = format!(
            "use lower-case letters, digits and `-` between them, at most {NAME_MAX}, like `{}`",
            proposal(text)
        );
        ctx.complain_help(&node.span, Code::Name, message, help);
    }
    fits
}

/// The closest text that is a name.
fn proposal(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("-");
    name.truncate(NAME_MAX);
    match name.trim_matches('-') {
        "" => "checkout-errors".to_owned(),
        name => name.to_owned(),
    }
}

fn complain_kind(ctx: &Ctx<'_>, node: &Node) {
    let Some(text) = ctx.raw(node, "`kind`") else {
        return;
    };
    let known: BTreeSet<&str> = kinds().into_iter().collect();
    let help = match closest(text, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", list(kinds())),
    };
    let message = format!("there is no kind `{text}`");
    ctx.complain_help(&node.span, Code::Kind, message, help);
}

/// What to point at when the document as a whole lacks something.
fn first_key(node: &Node) -> Range<usize> {
    match &node.kind {
        Tree::Map(entries) => entries.first().map(|entry| entry.span.clone()),
        Tree::Scalar(..) | Tree::List(_) => None,
    }
    .unwrap_or_else(|| node.span.clone())
}
