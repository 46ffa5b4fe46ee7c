//! The two logs, as they are.

use axum::Json;
use axum::extract::{Path, State};
use edsr_model::{Lsn, Seq};
use edsr_node::view::read;

use crate::convert;
use crate::problem::{Answer, Fault};
use crate::query::{Asked, EntriesAsked, EventsAsked, limit};
use crate::router::Shared;
use crate::types::{EntryRecord, EventRecord, Page, Problem};

/// How many kinds of entries one question names.
const KINDS_MAX: usize = 32;

/// Events, newest first, or oldest first with `from`.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(EventsAsked),
    responses((status = 200, body = Page<EventRecord>), (status = "4XX", body = Problem))
)]
pub(crate) async fn events(
    State(shared): State<Shared>,
    Asked(asked): Asked<EventsAsked>,
) -> Answer<Json<Page<EventRecord>>> {
    let limit = limit(asked.limit)?;
    one_way(asked.from, asked.before)?;
    let page = move |shared: &Shared| {
        let (log, decode) = (shared.node.log(), shared.settings.decode);
        let records = match asked.from {
            Some(from) => read::events_from(log.as_ref(), decode, Lsn(from), limit)?,
            None => read::events_before(log.as_ref(), decode, asked.before.map(Lsn), limit)?,
        };
        let last = records.last().map(|record| record.lsn.0);
        let next = match asked.from {
            Some(_) => last
                .filter(|last| *last < log.durable().0)
                .map(|last| last + 1),
            None => last.filter(|last| *last > log.first().0),
        };
        Ok(Page {
            items: records.iter().map(convert::event).collect(),
            next,
        })
    };
    shared.read(page).await.map(Json)
}

/// One event.
#[utoipa::path(
    get, path = "/v1/events/{lsn}", tag = "events",
    params(("lsn" = u64, Path, description = "Its place in the event log")),
    responses((status = 200, body = EventRecord), (status = "4XX", body = Problem))
)]
pub(crate) async fn event(
    State(shared): State<Shared>,
    Path(lsn): Path<String>,
) -> Answer<Json<EventRecord>> {
    let lsn = Lsn(number(&lsn)?);
    let record = shared
        .read(move |shared| {
            let log = shared.node.log();
            Ok(read::event(log.as_ref(), shared.settings.decode, lsn)?)
        })
        .await?;
    record
        .map(|record| Json(convert::event(&record)))
        .ok_or_else(|| Fault::not_found(format!("there is no event {lsn} (yet)")))
}

/// Entries of the journal, newest first, or oldest first with `from`.
#[utoipa::path(
    get, path = "/v1/journal", tag = "journal", params(EntriesAsked),
    responses((status = 200, body = Page<EntryRecord>), (status = "4XX", body = Problem))
)]
pub(crate) async fn journal(
    State(shared): State<Shared>,
    Asked(asked): Asked<EntriesAsked>,
) -> Answer<Json<Page<EntryRecord>>> {
    let limit = limit(asked.limit)?;
    one_way(asked.from, asked.before)?;
    let kinds = kinds(asked.kind.as_deref())?;
    let page = move |shared: &Shared| {
        let journal = shared.node.journal();
        // One more than asked for tells whether there is a page after this one.
        let mut entries = match asked.from {
            Some(from) => read::entries_from(journal.as_ref(), Seq(from), kinds, limit + 1)?,
            None => {
                let before = asked.before.map(Seq);
                read::entries_before(journal.as_ref(), before, kinds, limit + 1)?
            }
        };
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|entry| entry.draft.seq.0);
        let next = last.map(|last| last + u64::from(asked.from.is_some()));
        Ok(Page {
            items: entries.iter().map(convert::entry).collect(),
            next: next.filter(|_| more),
        })
    };
    shared.read(page).await.map(Json)
}

/// One entry.
#[utoipa::path(
    get, path = "/v1/journal/{seq}", tag = "journal",
    params(("seq" = u64, Path, description = "Its place in the journal")),
    responses((status = 200, body = EntryRecord), (status = "4XX", body = Problem))
)]
pub(crate) async fn entry(
    State(shared): State<Shared>,
    Path(seq): Path<String>,
) -> Answer<Json<EntryRecord>> {
    let seq = Seq(number(&seq)?);
    let found = shared
        .read(move |shared| {
            let journal = shared.node.journal();
            Ok(read::entries_from(journal.as_ref(), seq, Vec::new(), 1)?)
        })
        .await?;
    (found.iter())
        .find(|entry| entry.draft.seq == seq)
        .map(|entry| Json(convert::entry(entry)))
        .ok_or_else(|| Fault::not_found(format!("there is no entry {seq} (yet)")))
}

/// A place in a log: digits and nothing else, so that there is one spelling of it.
pub(crate) fn number(text: &str) -> Answer<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    (text.parse().ok())
        .filter(|_| plain)
        .ok_or_else(|| Fault::not_found("a place in a log is a number from 1"))
}

fn one_way(from: Option<u64>, before: Option<u64>) -> Answer<()> {
    if from.is_some() && before.is_some() {
        return Err(Fault::bad(
            "`from` (oldest first) and `before` (newest first) exclude each other",
        ));
    }
    Ok(())
}

fn kinds(asked: Option<&str>) -> Answer<Vec<String>> {
    crate::query::kinds(asked)?;
    let kinds: Vec<String> = (asked.into_iter())
        .flat_map(|text| text.split(','))
        .map(|kind| kind.trim().to_owned())
        .filter(|kind| !kind.is_empty())
        .collect();
    if kinds.len() > KINDS_MAX {
        return Err(Fault::bad(format!(
            "`kind` names more than {KINDS_MAX} kinds"
        )));
    }
    Ok(kinds)
}
