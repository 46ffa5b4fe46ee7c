//! Queries to ask, and what they must give.

use edsr_model::{Draft, Seq};

use crate::mention::mentions;
use crate::port::{Order, Query};
use crate::sample;

pub(super) fn some_queries() -> Vec<Query> {
    let base = Query {
        limit: 1000,
        ..Query::default()
    };
    let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let execution = mentions(&sample::draft(12))
        .into_iter()
        .find(|id| id.starts_with("exe-"));
    let oldest = Query {
        order: Order::OldestFirst,
        ..base.clone()
    };
    vec![
        base.clone(),
        oldest.clone(),
        Query {
            kinds: kinds(&["note"]),
            ..base.clone()
        },
        Query {
            kinds: kinds(&["note", "decided", "no-such-kind"]),
            ..oldest.clone()
        },
        Query {
            kinds: kinds(&["no-such-kind"]),
            ..base.clone()
        },
        Query {
            correlation: Some("order-3".into()),
            ..base.clone()
        },
        Query {
            correlation: Some("order".into()),
            ..base.clone()
        },
        Query {
            correlation: Some("' OR 1=1 --".into()),
            ..base.clone()
        },
        Query {
            correlation: Some(sample::detection(40).incident.to_string()),
            ..base.clone()
        },
        Query {
            mention: Some("correlation:order-3".into()),
            ..oldest.clone()
        },
        Query {
            after: Some(Seq(100)),
            ..base.clone()
        },
        Query {
            after: Some(Seq(u64::MAX)),
            ..base.clone()
        },
        Query {
            before: Some(Seq(5)),
            ..oldest.clone()
        },
        Query {
            before: Some(Seq(0)),
            ..base.clone()
        },
        Query {
            before: Some(Seq(u64::MAX)),
            limit: 3,
            ..base.clone()
        },
        Query {
            after: Some(Seq(10)),
            before: Some(Seq(20)),
            limit: 4,
            ..oldest.clone()
        },
        Query {
            mention: execution.clone(),
            kinds: kinds(&["step-intended"]),
            ..oldest.clone()
        },
        Query {
            mention: execution,
            after: Some(Seq(12)),
            limit: 2,
            ..base.clone()
        },
        Query {
            mention: Some("event:20".into()),
            correlation: Some("order-3".into()),
            ..base
        },
    ]
}

/// What the query must give, by looking at every draft.
pub(super) fn naive(drafts: &[Draft], query: &Query) -> Vec<Draft> {
    let mut found = Vec::new();
    for draft in drafts {
        let wrong = [
            !query.kinds.is_empty() && !query.kinds.contains(&draft.fact.kind().to_owned()),
            query.correlation.is_some() && query.correlation != draft.correlation,
            query.after.is_some_and(|after| after >= draft.seq),
            query.before.is_some_and(|before| before <= draft.seq),
            query
                .mention
                .as_ref()
                .is_some_and(|id| !mentions(draft).contains(id)),
        ];
        if !wrong.contains(&true) {
            found.push(draft.clone());
        }
    }
    if query.order == Order::NewestFirst {
        found.reverse();
    }
    found.truncate(query.limit);
    found
}
