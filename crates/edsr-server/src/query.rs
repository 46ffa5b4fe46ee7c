//! Query strings: unknown and repeated names are refused, with a problem like any other.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::problem::{Answer, Fault};
use crate::settings::{PAGE_DEFAULT, PAGE_MAX};

/// The query string as a `T`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Fault::bad(format!("the query string is not right: {error}")))
    }
}

/// How many items are asked for.
pub(crate) fn limit(asked: Option<usize>) -> Answer<usize> {
    match asked {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Fault::bad(format!(
            "`limit` is {limit}; it must be between 1 and {PAGE_MAX}"
        ))),
    }
}

/// A word that must be one of `words`.
pub(crate) fn one_of(name: &str, asked: Option<&str>, words: &[&str]) -> Answer<()> {
    match asked {
        Some(word) if !words.contains(&word) => Err(Fault::bad(format!(
            "`{name}` must be one of `{}`",
            words.join("`, `")
        ))),
        _ => Ok(()),
    }
}

/// Refuses a list of kinds, separated by commas, with one that no entry has.
pub(crate) fn kinds(asked: Option<&str>) -> Answer<()> {
    for kind in asked.unwrap_or_default().split(',').map(str::trim) {
        if !kind.is_empty() {
            one_of("kind", Some(kind), edsr_model::Fact::KINDS)?;
        }
    }
    Ok(())
}

/// Filters of the list of detections.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DetectionsAsked {
    /// `open` or `resolved`.
    pub(crate) state: Option<String>,
    /// Name of a detector.
    pub(crate) detector: Option<String>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) before: Option<u64>,
}

/// Filters of the list of incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentsAsked {
    /// `open` or `resolved`.
    pub(crate) state: Option<String>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) before: Option<u64>,
}

/// Filters of the list of executions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExecutionsAsked {
    /// A status, or `ended` or `unended`.
    pub(crate) state: Option<String>,
    /// Name of a playbook.
    pub(crate) playbook: Option<String>,
    /// A target.
    pub(crate) target: Option<String>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) before: Option<u64>,
}

/// Filters of the list of decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DecisionsAsked {
    /// `waiting` (for a person), or a verdict.
    pub(crate) state: Option<String>,
    /// Name of a playbook.
    pub(crate) playbook: Option<String>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) before: Option<u64>,
}

/// A place in the event log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsAsked {
    /// Oldest first from this place on; without it, newest first.
    pub(crate) from: Option<u64>,
    /// `next` of the page before, newest first.
    pub(crate) before: Option<u64>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
}

/// A place in the journal.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesAsked {
    /// Oldest first from this place on; without it, newest first.
    pub(crate) from: Option<u64>,
    /// `next` of the page before, newest first.
    pub(crate) before: Option<u64>,
    /// Kinds of facts, separated by commas.
    pub(crate) kind: Option<String>,
    /// How many; 50 unless said, at most 500.
    pub(crate) limit: Option<usize>,
}

/// An event by what its source called it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainAsked {
    /// The event's `source`.
    pub(crate) source: String,
    /// The event's `id`.
    pub(crate) id: String,
}

/// What is watched.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TailAsked {
    /// Entries of these kinds, separated by commas.
    pub(crate) kind: Option<String>,
    /// Entries about this detector.
    pub(crate) detector: Option<String>,
    /// Entries about this playbook.
    pub(crate) playbook: Option<String>,
    /// Events whose type begins so.
    pub(crate) r#type: Option<String>,
    /// `events` or `entries`.
    pub(crate) only: Option<String>,
}
