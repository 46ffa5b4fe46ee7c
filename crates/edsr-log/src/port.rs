//! The port: what any event log offers, and what may be believed once a call returns.

use std::time::Duration;

use bytes::Bytes;
use edsr_model::{Lsn, Timestamp};

use crate::error::LogError;

/// The largest record a log takes unless its settings say otherwise, in bytes of payload.
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// `last_at` of a log that never held a record: every other time is later.
pub const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);

/// One record as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place; counted from 1 without holes.
    pub lsn: Lsn,
    /// When the log took it; strictly later than that of the record before it.
    pub at: Timestamp,
    /// What was appended, byte for byte.
    pub payload: Bytes,
}

/// A log with one writer. A record is believed in once `commit` covered it, and from then on survives
/// a crash of the process and of the machine, if the disk honours its flush.
pub trait EventLog: Send {
    /// Takes the record after the last one. It is **not** durable until `commit` covers it; a log may
    /// commit by itself when too much is pending, which `durable` shows.
    ///
    /// # Errors
    /// [`LogError::NotLater`] and [`LogError::TooLarge`] leave the log as it was.
    /// [`LogError::Failed`] and [`LogError::Closed`] are final.
    fn append(&mut self, at: Timestamp, payload: &[u8]) -> Result<Lsn, LogError>;

    /// Makes everything appended durable with one sync and returns the last durable place.
    ///
    /// # Errors
    /// [`LogError::Failed`]: the records since the last commit are in the log after a restart or not,
    /// nobody can say which. A sync is never tried again: after a failed one the system may call the next
    /// one a success without having written anything. This and every later call reports the first cause.
    fn commit(&mut self) -> Result<Lsn, LogError>;

    /// The oldest record still held; one past the end when none is.
    fn first(&self) -> Lsn;

    /// The last record appended; [`Lsn::ZERO`] when there never was one.
    fn end(&self) -> Lsn;

    /// The last durable record.
    fn durable(&self) -> Lsn;

    /// The time of the last record appended; [`NEVER`] when there never was one.
    fn last_at(&self) -> Timestamp;

    /// Drops whole old segments that `retention` no longer asks for, oldest first; never a record at or
    /// after `floor` (what a restart still needs) and never the newest segment.
    ///
    /// # Errors
    /// [`LogError::Failed`] when the log could not note what it is about to drop. [`LogError::Disk`] when
    /// a file could not be removed: the records are gone for readers, and the file goes at the next open.
    fn retain(
        &mut self,
        retention: &Retention,
        floor: Lsn,
        now: Timestamp,
    ) -> Result<Retained, LogError>;

    /// Commits, and leaves word of a clean end, so that the next open can tell damage to the last commit
    /// from a write the crash cut short. Later appends are refused; readers stay usable.
    ///
    /// # Errors
    /// As [`EventLog::commit`].
    fn close(&mut self) -> Result<Lsn, LogError>;

    /// A reader on this log; any number of them, for any thread.
    fn reader(&self) -> Box<dyn LogReader>;
}

/// Reads durable records only, from any thread, while the writer goes on.
pub trait LogReader: Send + Sync {
    /// Records from `from` on, in order and without holes; none past the last durable one. At least one
    /// where there is one, even if it alone exceeds the limit's bytes.
    ///
    /// # Errors
    /// [`LogError::Retained`] when `from` lies before the oldest record held; [`LogError::Damaged`] or
    /// [`LogError::Disk`] when a record could not be read. No damaged record is ever returned.
    fn read(&self, from: Lsn, limit: ReadLimit) -> Result<Vec<StoredRecord>, LogError>;

    /// One record; `None` where there is no durable record (yet).
    ///
    /// # Errors
    /// As [`LogReader::read`].
    fn get(&self, lsn: Lsn) -> Result<Option<StoredRecord>, LogError>;

    /// The first record held whose time is `at` or later; one past the last durable one where none is.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, LogError>;

    /// The last durable record.
    fn durable(&self) -> Lsn;

    /// The oldest record still held; one past the end when none is.
    fn first(&self) -> Lsn;

    /// Another reader on the same log.
    fn clone_box(&self) -> Box<dyn LogReader>;
}

impl Clone for Box<dyn LogReader> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// How much one read may return; the first of both bounds counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// The most records.
    pub records: usize,
    /// The most bytes of payload, except that one record is always returned.
    pub bytes: usize,
}

impl Default for ReadLimit {
    /// 1,024 records, 1 MiB.
    fn default() -> Self {
        Self {
            records: 1024,
            bytes: 1024 * 1024,
        }
    }
}

/// What may be dropped. A bound that is `None` drops nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// A segment whose last record is older than this may go.
    pub age_max: Option<Duration>,
    /// The oldest segments may go while the log holds more bytes than this.
    pub bytes_max: Option<u64>,
}

/// What a call of `retain` dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// The oldest record held now.
    pub first: Lsn,
    /// How many records went.
    pub records: u64,
    /// How many bytes went.
    pub bytes: u64,
}
