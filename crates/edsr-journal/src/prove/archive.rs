//! Reading a journal file for proofs.

use std::path::Path;

use edsr_model::{Digest, Seq};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::value::RawValue;

use super::SealedEntry;
use crate::chain::open_entry;
use crate::error::JournalError;
use crate::sqlite::end::HeadRow;
use crate::sqlite::rows::{NodesError, bytes, digest};
use crate::sqlite::schema;

/// A journal file opened to be proven from.
pub(super) struct Archive<'p> {
    path: &'p Path,
    connection: Connection,
}

/// A journal that stands still while it is read.
pub(super) struct Snapshot<'a> {
    path: &'a Path,
    pub(super) connection: &'a Connection,
    _transaction: rusqlite::Transaction<'a>,
}

impl<'p> Archive<'p> {
    pub(super) fn open(path: &'p Path) -> Result<Self, JournalError> {
        let connection = schema::open_readable(path)
            .map_err(|error| JournalError::storage("read", path)(error.into()))?;
        schema::check(&connection, path)?;
        Ok(Self { path, connection })
    }

    pub(super) fn snapshot(&self) -> Result<Snapshot<'_>, JournalError> {
        let transaction = self.connection.unchecked_transaction();
        let transaction =
            transaction.map_err(|error| JournalError::storage("read", self.path)(error.into()))?;
        Ok(Snapshot {
            path: self.path,
            connection: &self.connection,
            _transaction: transaction,
        })
    }
}

impl Snapshot<'_> {
    fn fail(&self, error: rusqlite::Error) -> JournalError {
        JournalError::storage("read", self.path)(error.into())
    }

    pub(super) fn nodes<T>(&self, result: Result<T, NodesError>) -> Result<T, JournalError> {
        result.map_err(|error| match error {
            NodesError::Sql(error) => self.fail(error),
            NodesError::Missing { .. } => JournalError::Differs {
                path: self.path.to_owned(),
                differs: vec![error.to_string()],
            },
        })
    }

    /// The signed checkpoint of that size; of all entries where none is asked for.
    pub(super) fn checkpoint(&self, size: Option<u64>) -> Result<(u64, String), JournalError> {
        let head = HeadRow::read(self.connection).map_err(|error| self.fail(error))?;
        let head = head.ok_or_else(|| JournalError::Differs {
            path: self.path.to_owned(),
            differs: vec!["the head is missing".to_owned()],
        })?;
        match size {
            Some(size) if size > head.seq => Err(JournalError::NoEntry {
                seq: Seq(size),
                head: Seq(head.seq),
            }),
            Some(size) if size < head.seq => {
                let sql =
                    "SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size LIMIT 1";
                let kept: Option<(u64, String)> = self
                    .connection
                    .query_row(sql, params![size], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
                    .map_err(|error| self.fail(error))?;
                let nearest = kept.as_ref().map_or(head.seq, |(kept, _)| *kept);
                kept.filter(|(kept, _)| *kept == size)
                    .ok_or(JournalError::NoCheckpoint { size, nearest })
            }
            _ => Ok((head.seq, head.note)),
        }
    }

    pub(super) fn entry(&self, seq: Seq) -> Result<Option<SealedEntry>, JournalError> {
        type Columns = (Option<Digest>, Option<Digest>, Vec<u8>);
        let columns: Option<Columns> = self
            .connection
            .prepare_cached("SELECT prev, hash, body FROM entry WHERE seq = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([seq.0], |row| {
                        let body = bytes(row.get_ref(2)?).to_vec();
                        Ok((digest(row.get_ref(0)?), digest(row.get_ref(1)?), body))
                    })
                    .optional()
            })
            .map_err(|error| self.fail(error))?;
        let Some((prev, hash, body)) = columns else {
            return Ok(None);
        };
        let damaged = |reason: &str| JournalError::Damaged {
            seq,
            reason: reason.to_owned(),
        };
        let (Some(prev), Some(hash)) = (prev, hash) else {
            return Err(damaged("a hash does not have 32 bytes"));
        };
        open_entry(seq, prev, hash, &body)?;
        let body = String::from_utf8(body)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok());
        let body = body.ok_or_else(|| damaged("its body is not JSON"))?;
        Ok(Some(SealedEntry {
            seq,
            prev,
            hash,
            body,
        }))
    }
}
