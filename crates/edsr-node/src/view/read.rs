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

#[cfg(test)]
mod tests {
    use edsr_log::{EventLog, MemoryLog};
    use edsr_model::Timestamp;

    use super::*;

    const KIB: usize = 1024;

    fn decode(bytes: &[u8]) -> Option<Event> {
        serde_json::from_slice(bytes).ok()
    }

    /// A log of events with these ids, each of about `bytes` bytes.
    fn log(ids: impl Iterator<Item = u64>, bytes: usize) -> MemoryLog {
        let mut log = MemoryLog::new();
        for (n, id) in ids.enumerate() {
            let event = serde_json::json!({
                "specversion": "1.0", "id": id.to_string(), "source": "/s", "type": "t", "data": "x".repeat(bytes)
            });
            let at = Timestamp::from_secs(n as i64);
            log.append(at, event.to_string().as_bytes()).unwrap();
        }
        log.commit().unwrap();
        log
    }

    #[test]
    fn an_answer_with_events_is_bounded_in_bytes_and_never_empty() {
        let large = log(1..=10, 1000 * KIB).reader();
        let up = events_from(large.as_ref(), decode, Lsn(1), 10).unwrap();
        let down = events_before(large.as_ref(), decode, None, 10).unwrap();
        assert_eq!((up.len(), down.len()), (4, 4));
        assert_eq!((up[0].lsn, down[0].lsn), (Lsn(1), Lsn(10)));
        let next = events_before(large.as_ref(), decode, Some(Lsn(7)), 1).unwrap();
        assert_eq!(next[0].lsn, Lsn(6));
        assert!(
            events_before(large.as_ref(), decode, Some(Lsn(1)), 5)
                .unwrap()
                .is_empty()
        );
        assert!(
            events_from(large.as_ref(), decode, Lsn(11), 5)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_newest_of_a_name_is_found_and_no_older_than_is_searched() {
        let count = EVENTS_SEARCHED_MAX + 10;
        let log = log((1..=count).map(|n| n % (count - 5)), 1).reader();
        let find = |id: u64| find_event(log.as_ref(), decode, "/s", &id.to_string()).unwrap();
        assert_eq!(find(3).unwrap().lsn, Lsn(count - 2), "the later of two");
        assert_eq!(
            find(11).unwrap().lsn,
            Lsn(11),
            "the oldest that is searched"
        );
        assert_eq!(find(10), None, "one older");
        assert_eq!(find_event(log.as_ref(), decode, "/other", "11"), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let log = log(1..=1, 1).reader();
        let refuse: Decode = |_| None;
        let unknown = event(log.as_ref(), refuse, Lsn(1)).unwrap_err();
        assert_eq!(unknown.to_string(), "event 1 is not in a known form");
        assert_eq!(event(log.as_ref(), decode, Lsn(2)), Ok(None));
        let first = Lsn(7);
        assert_eq!(
            failed(LogError::Retained { first }),
            ReadError::Gone { first }
        );
    }
}
