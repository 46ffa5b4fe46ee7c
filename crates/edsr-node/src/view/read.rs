//! Reading the two logs for whoever explains: bounded, and with errors that say what to do.

use std::collections::BTreeMap;

use edsr_journal::{JournalReader, Order, Query};
use edsr_log::{LogError, LogReader, ReadLimit, StoredRecord};
use edsr_model::{Entry, Event, Lsn, Record, Seq};

/// The most bytes of events one answer carries; the first event is given even if it alone has more.
pub const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many of the newest events are searched for one with a given source and id.
pub const EVENTS_SEARCHED_MAX: u64 = 20_000;

/// Reads an event out of what the event log holds of it.
pub type Decode = fn(&[u8]) -> Option<Event>;

/// Why a log was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not held any more.
    #[error("events before {first} are not held any more; ask from there on")]
    Gone {
        /// The oldest event held.
        first: Lsn,
    },
    /// Reading failed.
    #[error("{0}")]
    Failed(String),
}

/// Entries from `from` on, oldest first.
///
/// # Errors
/// When the journal cannot be read.
pub fn entries_from(
    journal: &dyn JournalReader,
    from: Seq,
    kinds: Vec<String>,
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    entries(
        journal,
        &Query {
            kinds,
            after: Some(Seq(from.0.saturating_sub(1))),
            order: Order::OldestFirst,
            limit,
            ..Query::default()
        },
    )
}

/// Entries before `before` (all without it), newest first.
///
/// # Errors
/// When the journal cannot be read.
pub fn entries_before(
    journal: &dyn JournalReader,
    before: Option<Seq>,
    kinds: Vec<String>,
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    entries(
        journal,
        &Query {
            kinds,
            before,
            order: Order::NewestFirst,
            limit,
            ..Query::default()
        },
    )
}

/// Entries that belong to `correlation`, oldest first.
///
/// # Errors
/// When the journal cannot be read.
pub fn entries_of(
    journal: &dyn JournalReader,
    correlation: &str,
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    entries(
        journal,
        &Query {
            correlation: Some(correlation.to_owned()),
            order: Order::OldestFirst,
            limit,
            ..Query::default()
        },
    )
}

/// Entries that mention any of `ids`, oldest first, each once.
///
/// # Errors
/// When the journal cannot be read.
pub fn entries_about(
    journal: &dyn JournalReader,
    ids: &[String],
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    let mut found = BTreeMap::new();
    for id in ids {
        let about = entries(
            journal,
            &Query {
                mention: Some(id.clone()),
                order: Order::OldestFirst,
                limit,
                ..Query::default()
            },
        )?;
        found.extend(about.into_iter().map(|entry| (entry.draft.seq, entry)));
    }
    Ok(found.into_values().take(limit).collect())
}

/// One event; `None` where there is none yet.
///
/// # Errors
/// When it is not held any more, or cannot be read.
pub fn event(log: &dyn LogReader, decode: Decode, lsn: Lsn) -> Result<Option<Record>, ReadError> {
    let stored = log.get(lsn).map_err(failed)?;
    stored.map(|stored| record(stored, decode)).transpose()
}

/// Events from `from` on, oldest first; places before the oldest held are passed over.
///
/// # Errors
/// When the log cannot be read.
pub fn events_from(
    log: &dyn LogReader,
    decode: Decode,
    from: Lsn,
    limit: usize,
) -> Result<Vec<Record>, ReadError> {
    let limit = ReadLimit {
        records: limit,
        bytes: EVENT_BYTES_MAX,
    };
    let stored = log.read(from.max(log.first()), limit).map_err(failed)?;
    (stored.into_iter())
        .map(|stored| record(stored, decode))
        .collect()
}

/// Events before `before` (all without it), newest first.
///
/// # Errors
/// When the log cannot be read.
pub fn events_before(
    log: &dyn LogReader,
    decode: Decode,
    before: Option<Lsn>,
    limit: usize,
) -> Result<Vec<Record>, ReadError> {
    let last = log.durable().0;
    let end = before.map_or(last, |before| before.0.saturating_sub(1).min(last));
    let mut records = Vec::new();
    let mut bytes = 0;
    for lsn in (log.first().0.max(1)..=end).rev().take(limit) {
        let Some(stored) = log.get(Lsn(lsn)).map_err(failed)? else {
            break;
        };
        bytes += stored.payload.len();
        if bytes > EVENT_BYTES_MAX && !records.is_empty() {
            break;
        }
        records.push(record(stored, decode)?);
    }
    Ok(records)
}

/// The newest event with this source and id among the newest [`EVENTS_SEARCHED_MAX`].
///
/// # Errors
/// When the log cannot be read.
pub fn find_event(
    log: &dyn LogReader,
    decode: Decode,
    source: &str,
    id: &str,
) -> Result<Option<Record>, ReadError> {
    let end = log.durable().0;
    let oldest = end.saturating_sub(EVENTS_SEARCHED_MAX.saturating_sub(1));
    let mut from = Lsn(oldest.max(1)).max(log.first());
    let mut found = None;
    while from.0 <= end {
        let page = log.read(from, ReadLimit::default()).map_err(failed)?;
        let Some(last) = page.last().map(|stored| stored.lsn) else {
            break;
        };
        for stored in page {
            // An event that cannot be decoded is not the one asked for; reading it by its place says so.
            if let Ok(record) = record(stored, decode)
                && record.event.source == source
                && record.event.id == id
            {
                found = Some(record);
            }
        }
        from = last.next();
    }
    Ok(found)
}

fn entries(journal: &dyn JournalReader, query: &Query) -> Result<Vec<Entry>, ReadError> {
    journal
        .query(query)
        .map_err(|error| ReadError::Failed(error.to_string()))
}

fn record(stored: StoredRecord, decode: Decode) -> Result<Record, ReadError> {
    let event = decode(&stored.payload)
        .ok_or_else(|| ReadError::Failed(format!("event {} is not in a known form", stored.lsn)))?;
    Ok(Record {
        lsn: stored.lsn,
        at: stored.at,
        event,
    })
}

fn failed(error: LogError) -> ReadError {
    match error {
        LogError::Retained { first } => ReadError::Gone { first },
        error => ReadError::Failed(error.to_string()),
    }
}
