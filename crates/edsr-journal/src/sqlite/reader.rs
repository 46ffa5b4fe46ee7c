//! Reading beside the writer, through a connection of its own.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use edsr_model::{Digest, Entry, Seq, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::end::HeadRow;
use super::query::{Entries, find};
use super::rows::{ENTRY_COLUMNS, entry};
use super::schema::open_readable;
use crate::error::JournalError;
use crate::port::{Head, JournalReader, Query, READ_MAX};

pub(super) struct SqliteReader {
    path: PathBuf,
    /// Opened when it is first needed, so that making a reader cannot fail.
    connection: Mutex<Option<Connection>>,
}

impl SqliteReader {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            connection: Mutex::new(None),
        }
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let mut place = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connection = match place.take() {
            Some(connection) => Ok(connection),
            None => open_readable(&self.path),
        };
        connection
            .and_then(|connection| run(place.insert(connection)))
            .map_err(|error| JournalError::storage("read", &self.path)(error.into()))
    }
}

impl JournalReader for SqliteReader {
    fn read(&self, from: Seq, max: usize) -> Entries {
        let from = from.0.max(1);
        let (Ok(first), max) = (i64::try_from(from), max.min(READ_MAX)) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT {ENTRY_COLUMNS} FROM entry e WHERE e.seq >= ?1 ORDER BY e.seq LIMIT ?2"
        );
        let entries: Entries = self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map(params![first, max], entry)?.collect()
        })?;
        let entries = entries?;
        check_row(Seq(from), &entries)?;
        Ok(entries)
    }

    fn get(&self, seq: Seq) -> Result<Option<Entry>, JournalError> {
        let Ok(seq) = i64::try_from(seq.0) else {
            return Ok(None);
        };
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry e WHERE e.seq = ?1");
        self.with(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([seq], entry)
                .optional()
        })?
        .transpose()
    }

    fn query(&self, query: &Query) -> Entries {
        self.with(|connection| find(connection, query))?
    }

    fn head(&self) -> Result<Head, JournalError> {
        let row = self.with(HeadRow::read)?;
        let refuse = |what: &str| JournalError::Differs {
            path: self.path.clone(),
            differs: vec![what.to_owned()],
        };
        let row = row.ok_or_else(|| refuse("the head is missing"))?;
        let hash = row.hash.ok_or_else(|| refuse("the head has no hash"))?;
        Ok(Head {
            seq: Seq(row.seq),
            hash,
            at: Timestamp::from_micros(row.at),
        })
    }

    fn clone_box(&self) -> Box<dyn JournalReader> {
        Box::new(Self::new(self.path.clone()))
    }
}

/// No holes, and each continues the one before.
fn check_row(from: Seq, entries: &[Entry]) -> Result<(), JournalError> {
    let mut seq = from;
    let mut prev: Option<Digest> = None;
    for entry in entries {
        let damaged = |reason: &str| JournalError::Damaged {
            seq,
            reason: reason.to_owned(),
        };
        if entry.draft.seq != seq {
            return Err(damaged("it is missing"));
        }
        if prev.is_some_and(|prev| prev != entry.prev) {
            return Err(damaged("it does not continue the one before"));
        }
        prev = Some(entry.hash);
        seq = seq.next();
    }
    Ok(())
}
