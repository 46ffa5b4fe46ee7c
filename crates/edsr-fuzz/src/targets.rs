//! The targets, by name.

mod bundle;
mod events;
mod record;
mod rules;

/// A parser under test.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folder of kept inputs.
    pub name: &'static str,
    /// Takes any bytes. Panics where something that must hold does not.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "event",
        run: events::event,
    },
    Target {
        name: "batch",
        run: events::batch,
    },
    Target {
        name: "headers",
        run: events::headers,
    },
    Target {
        name: "alertmanager",
        run: events::alertmanager,
    },
    Target {
        name: "mapping",
        run: events::mapping,
    },
    Target {
        name: "bundle",
        run: bundle::bundle,
    },
    Target {
        name: "story",
        run: bundle::story,
    },
    Target {
        name: "expression",
        run: rules::expression,
    },
    Target {
        name: "template",
        run: rules::template,
    },
    Target {
        name: "policy",
        run: rules::policy,
    },
    Target {
        name: "log",
        run: record::log,
    },
    Target {
        name: "entry",
        run: record::entry,
    },
    Target {
        name: "proof",
        run: record::proof,
    },
];

/// The target called `name`.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
