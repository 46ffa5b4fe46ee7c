//! How requests prove who sent them, and where secrets stand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::problem::Code;
use crate::read::{Ctx, Fields};
use crate::shape::{Shape, Ty, optional, required};
use crate::tree::{Kind, Node};

/// The most secrets that count at one door; two are enough to change one without a gap.
pub(crate) const SECRETS_MAX: usize = 2;

/// How far the time of a signed request may be off, where the document does not say.
pub(crate) const TOLERANCE_DEFAULT: Duration = Duration::from_secs(300);

/// Where a secret stands. The secret itself is never part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable of the node.
    Env(String),
    /// In a file on the node.
    File(PathBuf),
}

/// How a sender proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all; somebody said so explicitly.
    None,
    /// By `authorization: Bearer …`.
    Bearer(SecretRef),
    /// By a signature after <https://www.standardwebhooks.com>.
    StandardWebhooks {
        /// Any of these may have signed.
        secrets: Vec<SecretRef>,
        /// How far the time of a request may be off.
        tolerance: Duration,
    },
    /// By the signature GitHub sends.
    GitHub {
        /// Any of these may have signed.
        secrets: Vec<SecretRef>,
    },
}

pub(crate) static AUTH: Shape = Shape {
    name: "auth",
    fields: &[
        optional("none", Ty::True, "anybody may send: `none: true`"),
        optional("bearer", Ty::Object(&BEARER), "a bearer token"),
        optional(
            "standardWebhooks",
            Ty::Object(&STANDARD),
            "signatures after standardwebhooks.com",
        ),
        optional(
            "github",
            Ty::Object(&GITHUB),
            "signatures as GitHub sends them",
        ),
    ],
    one_of: &[&["none", "bearer", "standardWebhooks", "github"]],
};

pub(crate) static BEARER: Shape = Shape {
    name: "bearer",
    fields: &[required(
        "secret",
        Ty::Object(&SECRET),
        "where the token stands",
    )],
    one_of: &[],
};

pub(crate) static STANDARD: Shape = Shape {
    name: "standardWebhooks",
    fields: &[
        required(
            "secrets",
            Ty::List(&Ty::Object(&SECRET)),
            "where the keys stand; any of them may have signed",
        ),
        optional(
            "tolerance",
            Ty::Duration,
            "how far the time of a request may be off; 5m where left out",
        ),
    ],
    one_of: &[],
};

pub(crate) static GITHUB: Shape = Shape {
    name: "github",
    fields: &[required(
        "secrets",
        Ty::List(&Ty::Object(&SECRET)),
        "where the keys stand; any of them may have signed",
    )],
    one_of: &[],
};

pub(crate) static SECRET: Shape = Shape {
    name: "the secret",
    fields: &[
        optional(
            "env",
            Ty::Text,
            "name of the environment variable it stands in",
        ),
        optional("file", Ty::Text, "path of the file it stands in"),
    ],
    one_of: &[&["env", "file"]],
};

/// Reads `auth` of a mapping.
pub(crate) fn auth(parent: &Fields<'_>) -> Option<Auth> {
    let fields = parent.object("auth", &AUTH)?;
    for name in ["bearer", "standardWebhooks", "github"] {
        if let Some(node) = fields.given(name).filter(|node| is_written_out(node)) {
            complain_written_out(fields.ctx, node);
            return None;
        }
    }
    let none = fields.get("none").and_then(|node| none(fields.ctx, node));
    let bearer = fields
        .object("bearer", &BEARER)
        .map(|fields| secret(&fields).map(Auth::Bearer));
    let standard = fields.object("standardWebhooks", &STANDARD).map(|fields| {
        let tolerance = fields.duration("tolerance", Duration::from_secs(1));
        Some(Auth::StandardWebhooks {
            secrets: secrets(&fields)?,
            tolerance: tolerance.unwrap_or(TOLERANCE_DEFAULT),
        })
    });
    let github = fields.object("github", &GITHUB).map(|fields| {
        Some(Auth::GitHub {
            secrets: secrets(&fields)?,
        })
    });
    none.or(bearer.flatten())
        .or(standard.flatten())
        .or(github.flatten())
}

fn none(ctx: &Ctx<'_>, node: &Node) -> Option<Auth> {
    if ctx.bool(node, "`none`")? {
        return Some(Auth::None);
    }
    ctx.complain_help(
        &node.span,
        Code::Value,
        "`none` can only be `true`",
        "leave it out and say how senders prove who they are",
    );
    None
}

fn secrets(fields: &Fields<'_>) -> Option<Vec<SecretRef>> {
    let ctx = fields.ctx;
    let node = fields.given("secrets")?;
    if is_written_out(node) {
        complain_written_out(ctx, node);
        return None;
    }
    let items = ctx.list(node, "`secrets`");
    if matches!(&node.kind, Kind::List(_)) && !(1..=SECRETS_MAX).contains(&items.len()) {
        let message = format!("`secrets` takes 1 to {SECRETS_MAX} secrets");
        ctx.complain(&fields.key_span("secrets"), Code::Value, message);
    }
    let secrets = items.iter().map(|item| secret_at(ctx, item));
    secrets.collect::<Vec<_>>().into_iter().collect()
}

/// Reads `secret` of a mapping.
pub(crate) fn secret(fields: &Fields<'_>) -> Option<SecretRef> {
    secret_at(fields.ctx, fields.given("secret")?)
}

fn secret_at(ctx: &Ctx<'_>, node: &Node) -> Option<SecretRef> {
    if is_written_out(node) {
        complain_written_out(ctx, node);
        return None;
    }
    let fields = ctx.fields(node, &node.span, &SECRET)?;
    let env = fields.given("env").and_then(|node| env(ctx, node));
    let file = fields.text("file").map(|path| SecretRef::File(path.into()));
    env.or(file)
}

fn is_written_out(node: &Node) -> bool {
    matches!(node.kind, Kind::Scalar(..)) && !node.is_null()
}

fn complain_written_out(ctx: &Ctx<'_>, node: &Node) {
    let message = "a secret must not be written out";
    let help = "say where it stands: `{ env: NAME }` or `{ file: PATH }`";
    ctx.complain_help(&node.span, Code::Secret, message, help);
}

fn env(ctx: &Ctx<'_>, node: &Node) -> Option<SecretRef> {
    let name = ctx.text(node, "`env`")?;
    let fits = !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !fits {
        // Whoever puts a secret here by mistake shall not find it in a log.
        let message = "this is not the name of an environment variable";
        let help = "write its name, like `WEBHOOK_KEY`, and set it where the node runs";
        ctx.complain_help(&node.span, Code::Secret, message, help);
        return None;
    }
    Some(SecretRef::Env(name.to_owned()))
}

impl SecretRef {
    /// Makes the path of a file absolute.
    pub(crate) fn resolve(&mut self, dir: &Path) {
        if let Self::File(path) = self {
            *path = dir.join(&path);
        }
    }
}

impl Auth {
    /// Makes the paths of files absolute.
    pub(crate) fn resolve(&mut self, dir: &Path) {
        match self {
            Self::None => {}
            Self::Bearer(secret) => secret.resolve(dir),
            Self::StandardWebhooks { secrets, .. } | Self::GitHub { secrets } => {
                secrets.iter_mut().for_each(|secret| secret.resolve(dir));
            }
        }
    }
}
