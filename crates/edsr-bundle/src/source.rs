//! Sources: where events come from, and how a foreign body becomes events.

use std::collections::BTreeMap;

use edsr_model::event::is_attribute_name;

use crate::auth::{self, AUTH, Auth};
use crate::envelope::Envelope;
use crate::problem::Code;
use crate::read::{Ctx, Fields};
use crate::shape::{Shape, Ty, optional, required};

/// The largest event a source lets in, in bytes, where its document does not say.
pub(crate) const EVENT_BYTES_DEFAULT: u64 = 1024 * 1024;

/// The largest request body, in bytes, where the document does not say.
pub(crate) const BATCH_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;

/// The most that may be said for either.
pub(crate) const LIMIT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Variables of `map.each`.
pub(crate) const EACH_VARS: &[&str] = &["body", "headers", "source"];

/// Variables of every other expression in `map`.
pub(crate) const MAP_VARS: &[&str] = &["body", "headers", "item", "source"];

/// A door for events, at `POST /v1/hooks/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its name.
    pub name: String,
    /// Who owns it.
    pub owner: String,
    /// What arrives there.
    pub kind: SourceKind,
    /// How senders prove who they are.
    pub auth: Auth,
    /// How much is taken.
    pub limits: SourceLimits,
}

/// What arrives at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// What Prometheus Alertmanager sends to a webhook.
    Alertmanager,
    /// CloudEvents, as they are.
    CloudEvents,
    /// Any JSON, mapped to events.
    Webhook(Box<WebhookMap>),
}

/// How JSON becomes events: CEL that was compiled once already, as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebhookMap {
    /// A list; each item becomes an event. The body itself is the only item where it is left out.
    pub each: Option<String>,
    /// The type of the event.
    pub kind: String,
    /// Its subject.
    pub subject: Option<String>,
    /// Its time.
    pub time: Option<String>,
    /// Its id; derived from its content where left out.
    pub id: Option<String>,
    /// Its source.
    pub source: Option<String>,
    /// Its data; the item where left out.
    pub data: Option<String>,
    /// Extension attributes by name.
    pub extensions: BTreeMap<String, String>,
}

/// How much a source takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// The largest event, in bytes.
    pub event_bytes: u64,
    /// The largest request body, in bytes.
    pub batch_bytes: u64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            event_bytes: EVENT_BYTES_DEFAULT,
            batch_bytes: BATCH_BYTES_DEFAULT,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Alertmanager,
    Webhook,
    CloudEvents,
}

const TYPES: &[(&str, Type)] = &[
    ("alertmanager", Type::Alertmanager),
    ("webhook", Type::Webhook),
    ("cloudevents", Type::CloudEvents),
];

pub(crate) static SPEC: Shape = Shape {
    name: "the source",
    fields: &[
        required(
            "type",
            Ty::Word(&["alertmanager", "webhook", "cloudevents"]),
            "what arrives: alertmanager, webhook or cloudevents",
        ),
        required(
            "auth",
            Ty::Object(&AUTH),
            "how senders prove who they are; write `auth: { none: true }` to let anybody send",
        ),
        optional(
            "map",
            Ty::Object(&MAP),
            "how JSON becomes events, for `type: webhook`",
        ),
        optional("limits", Ty::Object(&LIMITS), "how much is taken"),
    ],
    one_of: &[],
};

pub(crate) static MAP: Shape = Shape {
    name: "map",
    fields: &[
        optional(
            "each",
            Ty::Cel,
            "a list, each item of which becomes an event; the whole body where left out",
        ),
        required(
            "type",
            Ty::Cel,
            "the type of the event, in CEL over body, headers, item, source",
        ),
        optional("subject", Ty::Cel, "its subject"),
        optional("time", Ty::Cel, "its time, RFC 3339"),
        optional(
            "id",
            Ty::Cel,
            "its id; derived from its content where left out",
        ),
        optional("source", Ty::Cel, "its source"),
        optional("data", Ty::Cel, "its data; the item where left out"),
        optional("extensions", Ty::Map(&Ty::Cel), "extension attributes"),
    ],
    one_of: &[],
};

pub(crate) static LIMITS: Shape = Shape {
    name: "limits",
    fields: &[
        optional(
            "eventBytes",
            Ty::Bytes,
            "the largest event; 1MiB where left out",
        ),
        optional(
            "batchBytes",
            Ty::Bytes,
            "the largest request; 8MiB where left out",
        ),
    ],
    one_of: &[],
};

/// The source of a document. Nothing where it is not whole.
pub(crate) fn read<'n>(ctx: &'n Ctx<'n>, envelope: &Envelope<'n>) -> Option<SourceSpec> {
    let spec = ctx.fields(envelope.spec?, &envelope.spec_span, &SPEC)?;
    let kind = spec.word("type", TYPES);
    let auth = auth::auth(&spec);
    let map = spec.object("map", &MAP).map(|fields| map(&fields));
    let limits = spec.object("limits", &LIMITS).map(|fields| limits(&fields));
    let has_map = spec.get("map").is_some();
    match kind {
        Some(Type::Webhook) if !has_map => {
            let message = "a `webhook` source needs `map`";
            let help = "say how the body becomes events: `map: { type: '\"deploy.finished\"' }`";
            ctx.complain_help(&spec.key_span("type"), Code::Missing, message, help);
        }
        Some(Type::Alertmanager | Type::CloudEvents) if has_map => {
            let message = "`map` is only for `type: webhook`";
            ctx.complain_help(&spec.key_span("map"), Code::Choice, message, "leave it out");
        }
        _ => {}
    }
    Some(SourceSpec {
        name: envelope.name.clone(),
        owner: envelope.owner.clone(),
        kind: match kind? {
            Type::Alertmanager => SourceKind::Alertmanager,
            Type::CloudEvents => SourceKind::CloudEvents,
            Type::Webhook => SourceKind::Webhook(Box::new(map?)),
        },
        auth: auth?,
        limits: limits.unwrap_or_default(),
    })
}

fn map(fields: &Fields<'_>) -> WebhookMap {
    let cel = |name: &str, variables: &[&str]| {
        fields
            .cel(name, variables)
            .map(|expr| expr.text().to_owned())
    };
    WebhookMap {
        each: cel("each", EACH_VARS),
        kind: cel("type", MAP_VARS).unwrap_or_default(),
        subject: cel("subject", MAP_VARS),
        time: cel("time", MAP_VARS),
        id: cel("id", MAP_VARS),
        source: cel("source", MAP_VARS),
        data: cel("data", MAP_VARS),
        extensions: extensions(fields),
    }
}

fn extensions(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let ctx = fields.ctx;
    let entries = match fields.get("extensions") {
        Some(node) => ctx.map(node, "`extensions`"),
        None => &[],
    };
    let mut extensions = BTreeMap::new();
    for entry in entries {
        if !is_attribute_name(&entry.key) {
            let message = format!("`{}` is not an attribute name", entry.key);
            let help = "use lower-case letters and digits only";
            ctx.complain_help(&entry.span, Code::Name, message, help);
        }
        if let Some(expr) = ctx.cel(&entry.value, "an extension", MAP_VARS) {
            extensions.insert(entry.key.to_string(), expr.text().to_owned());
        }
    }
    extensions
}

fn limits(fields: &Fields<'_>) -> SourceLimits {
    let event_bytes = fields.bytes("eventBytes", (1, LIMIT_BYTES_MAX));
    let batch_bytes = fields.bytes("batchBytes", (1, LIMIT_BYTES_MAX));
    let limits = SourceLimits {
        event_bytes: event_bytes.unwrap_or(EVENT_BYTES_DEFAULT),
        batch_bytes: batch_bytes.unwrap_or(BATCH_BYTES_DEFAULT),
    };
    if limits.event_bytes > limits.batch_bytes {
        let message = "`eventBytes` is more than a whole request may have (`batchBytes`)";
        let span = fields.key_span("eventBytes");
        fields.ctx.complain(&span, Code::Value, message);
    }
    limits
}
