//! Reading the settings of the node from `edsr.yaml`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::{self, AUTH, SECRET};
use crate::envelope::{Envelope, check_name};
use crate::problem::Code;
use crate::read::{Ctx, Fields};
use crate::settings::{Dedupe, Retention, Settings, Token, tidy};
use crate::shape::{Shape, Ty, optional, required};
use crate::tree::Kind;

/// The most API tokens.
pub(crate) const TOKENS_MAX: usize = 1_000;

/// The most hosts in `http.allowHosts`.
pub(crate) const HOSTS_MAX: usize = 1_000;

pub(crate) static SPEC: Shape = Shape {
    name: "the node",
    fields: &[
        optional(
            "listen",
            Ty::Text,
            "where the API listens; 127.0.0.1:7310 where left out",
        ),
        optional(
            "dataDir",
            Ty::Text,
            "where the event log and the journal are kept; .edsr/data where left out",
        ),
        optional(
            "keyFile",
            Ty::Text,
            "the key that signs the journal, outside of dataDir; .edsr/keys/journal.key where left out",
        ),
        optional(
            "tokens",
            Ty::List(&Ty::Object(&TOKEN)),
            "who may use the API",
        ),
        optional("ingest", Ty::Object(&INGEST), "the door POST /v1/events"),
        optional(
            "http",
            Ty::Object(&HTTP),
            "what playbooks may reach over HTTP",
        ),
        optional(
            "retention",
            Ty::Object(&RETENTION),
            "how long events are kept",
        ),
        optional(
            "dedupe",
            Ty::Object(&DEDUPE),
            "how repeated events are recognised",
        ),
        optional("exec", Ty::Object(&EXEC), "how commands are run"),
    ],
    one_of: &[],
};

pub(crate) static TOKEN: Shape = Shape {
    name: "the token",
    fields: &[
        required("name", Ty::Name, "who it belongs to"),
        required(
            "secret",
            Ty::Object(&SECRET),
            "where it stands: `{ env: NAME }` or `{ file: PATH }`",
        ),
    ],
    one_of: &[],
};

pub(crate) static INGEST: Shape = Shape {
    name: "ingest",
    fields: &[required(
        "auth",
        Ty::Object(&AUTH),
        "how senders prove who they are",
    )],
    one_of: &[],
};

pub(crate) static HTTP: Shape = Shape {
    name: "http",
    fields: &[optional(
        "allowHosts",
        Ty::List(&Ty::Text),
        "hosts on private addresses that playbooks may reach, like `hooks.internal:8080`",
    )],
    one_of: &[],
};

pub(crate) static RETENTION: Shape = Shape {
    name: "retention",
    fields: &[
        optional("maxAge", Ty::Duration, "age; 7d where left out"),
        optional("maxBytes", Ty::Bytes, "size on disk; 10GiB where left out"),
    ],
    one_of: &[],
};

pub(crate) static DEDUPE: Shape = Shape {
    name: "dedupe",
    fields: &[
        optional(
            "horizon",
            Ty::Duration,
            "for how long an id is remembered; 1h where left out",
        ),
        optional(
            "maxKeys",
            Ty::Int(1, 1_000_000_000),
            "the most ids that are remembered; 1000000 where left out",
        ),
    ],
    one_of: &[],
};

pub(crate) static EXEC: Shape = Shape {
    name: "exec",
    fields: &[optional(
        "workDir",
        Ty::Text,
        "where commands start; the bundle's directory where left out",
    )],
    one_of: &[],
};

/// The settings of a document; what is not said, or wrong, has its default.
pub(crate) fn read<'n>(ctx: &'n Ctx<'n>, envelope: &Envelope<'n>) -> Settings {
    let mut settings = Settings {
        name: Some(envelope.name.clone()).filter(|name| !name.is_empty()),
        ..Settings::default()
    };
    let Some(spec) = envelope.spec else {
        return settings;
    };
    let Some(spec) = ctx.fields(spec, &envelope.spec_span, &SPEC) else {
        return settings;
    };
    if let Some(path) = spec.text("dataDir") {
        settings.data_dir = path.into();
    }
    if let Some(path) = spec.text("keyFile") {
        settings.key_file = path.into();
    }
    settings.tokens = tokens(&spec);
    settings.ingest = spec
        .object("ingest", &INGEST)
        .and_then(|fields| auth::auth(&fields));
    if let Some(http) = spec.object("http", &HTTP) {
        settings.allow_hosts = hosts(&http);
    }
    retention(&spec, &mut settings.retention);
    dedupe(&spec, &mut settings.dedupe);
    if let Some(path) = spec
        .object("exec", &EXEC)
        .and_then(|exec| exec.text("workDir"))
    {
        settings.work_dir = path.into();
    }
    listen(&spec, &mut settings);
    check_key_file(&spec, &settings);
    settings
}

fn listen(spec: &Fields<'_>, settings: &mut Settings) {
    let ctx = spec.ctx;
    let Some(node) = spec.given("listen") else {
        return;
    };
    let Some(text) = ctx.text(node, "`listen`") else {
        return;
    };
    let Ok(listen) = text.parse::<SocketAddr>() else {
        let message = format!("`{text}` is not an address to listen on");
        let help = "write address and port, like `127.0.0.1:7310` or `[::1]:7310`";
        ctx.complain_help(&node.span, Code::Value, message, help);
        return;
    };
    settings.listen = listen;
    if !listen.ip().is_loopback() && spec.get("tokens").is_none() {
        let message = "others can reach this address, and nobody needs a token";
        let help = "add a token beside `listen`:\n\
                    \x20 tokens:\n\
                    \x20   - { name: alice, secret: { env: EDSR_TOKEN_ALICE } }";
        ctx.complain_help(&node.span, Code::Unsafe, message, help);
    }
}

fn tokens(spec: &Fields<'_>) -> Vec<Token> {
    let ctx = spec.ctx;
    let Some(node) = spec.given("tokens") else {
        return Vec::new();
    };
    let items = ctx.list(node, "`tokens`");
    if matches!(&node.kind, Kind::List(_)) && !(1..=TOKENS_MAX).contains(&items.len()) {
        let message = format!("`tokens` takes 1 to {TOKENS_MAX} tokens");
        ctx.complain(&spec.key_span("tokens"), Code::Value, message);
        return Vec::new();
    }
    let mut tokens: Vec<Token> = Vec::new();
    for item in items {
        let Some(fields) = ctx.fields(item, &item.span, &TOKEN) else {
            continue;
        };
        let secret = auth::secret(&fields);
        let Some(node) = fields.given("name") else {
            continue;
        };
        let Some(name) = ctx
            .raw(node, "`name`")
            .filter(|name| check_name(ctx, node, name))
        else {
            continue;
        };
        if tokens.iter().any(|token| token.name == name) {
            let message = format!("the token name `{name}` is used twice");
            ctx.complain(&node.span, Code::DuplicateName, message);
        }
        tokens.extend(secret.map(|secret| Token {
            name: name.to_owned(),
            secret,
        }));
    }
    tokens
}

fn hosts(http: &Fields<'_>) -> Vec<String> {
    let ctx = http.ctx;
    let Some(node) = http.given("allowHosts") else {
        return Vec::new();
    };
    let items = ctx.list(node, "`allowHosts`");
    if items.len() > HOSTS_MAX {
        let message = format!("at most {HOSTS_MAX} hosts are taken");
        ctx.complain(&http.key_span("allowHosts"), Code::Value, message);
        return Vec::new();
    }
    let mut hosts = Vec::new();
    for item in items {
        let Some(host) = ctx.text(item, "a host") else {
            continue;
        };
        if host.contains("://") || host.contains(|c: char| c.is_whitespace() || c == '@') {
            let message = format!("`{host}` is not a host");
            let help = "write a host or a host and a port, like `hooks.internal:8080`";
            ctx.complain_help(&item.span, Code::Value, message, help);
        }
        hosts.push(host.to_owned());
    }
    hosts
}

fn retention(spec: &Fields<'_>, retention: &mut Retention) {
    let Some(fields) = spec.object("retention", &RETENTION) else {
        return;
    };
    if let Some(age) = fields.duration("maxAge", Duration::from_secs(1)) {
        retention.max_age = age;
    }
    if let Some(bytes) = fields.bytes("maxBytes", (1024 * 1024, u64::MAX)) {
        retention.max_bytes = bytes;
    }
}

fn dedupe(spec: &Fields<'_>, dedupe: &mut Dedupe) {
    let Some(fields) = spec.object("dedupe", &DEDUPE) else {
        return;
    };
    if let Some(horizon) = fields.duration("horizon", Duration::ZERO) {
        dedupe.horizon = horizon;
    }
    if let Some(keys) = fields.int("maxKeys", (1, 1_000_000_000)) {
        dedupe.max_keys = keys;
    }
}

/// Whoever can write the data could forge its signature if the key lay beside it.
fn check_key_file(spec: &Fields<'_>, settings: &Settings) {
    let inside = tidy(&settings.key_file).starts_with(tidy(&settings.data_dir));
    if inside {
        let span = match spec.get("keyFile") {
            Some(node) => node.span.clone(),
            None => spec.key_span("dataDir"),
        };
        let message = "the key must not lie in `dataDir`: it signs what is kept there";
        let help = "put `keyFile` beside it, for example `.edsr/keys/journal.key`";
        spec.ctx.complain_help(&span, Code::Unsafe, message, help);
    }
}
