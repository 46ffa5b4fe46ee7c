//! What can go wrong with a log.

use edsr_model::{Lsn, Timestamp};

use crate::disk::DiskError;

/// Why a log refused. Cheap to clone, so that everybody who waits can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Time must grow from record to record.
    #[error(
        "a record at `{at}` is not later than the one before it, at `{last}`; give it a later time"
    )]
    NotLater {
        /// The time given.
        at: Timestamp,
        /// The time of the last record.
        last: Timestamp,
    },
    /// The payload exceeds the bound of this log.
    #[error(
        "a record of {bytes} bytes is larger than the {max} this log takes; split it or refer to it"
    )]
    TooLarge {
        /// Bytes of payload given.
        bytes: usize,
        /// Bytes of payload allowed.
        max: usize,
    },
    /// The record was dropped by retention (or never was: places count from 1).
    #[error("records before lsn `{first}` are not held any more; read from there on")]
    Retained {
        /// The oldest record held.
        first: Lsn,
    },
    /// A write or sync failed once; the log takes nothing more until it is opened again.
    #[error(
        "the log stopped taking records: {cause}; mend that and open it again, nothing acknowledged is lost"
    )]
    Failed {
        /// The first error.
        cause: DiskError,
    },
    /// A read, or a step of opening or removing, failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Durable data is not what was written.
    #[error(transparent)]
    Damaged(#[from] Box<Damage>),
    /// The file was written by a version this one does not know.
    #[error(
        "`{file}` has format version {version}, this program knows {known}; use the one that wrote it, or a later one"
    )]
    Format {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
        /// The version known here.
        known: u32,
    },
    /// A setting is out of its range.
    #[error("the log setting `{name}` is {value}; it must be {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A batch was numbered for another place in the log.
    #[error(
        "a batch for lsn `{got}` came where `{expected}` follows; batches must be sent in the order they are numbered"
    )]
    OutOfOrder {
        /// The place that follows.
        expected: Lsn,
        /// The place the batch was numbered for.
        got: Lsn,
    },
    /// The log was closed.
    #[error("the log is closed; open it again to append")]
    Closed,
    /// The thread that owned the log has ended.
    #[error("the log's thread has ended; what it reported last says why")]
    Stopped,
}

/// Where durable data is not what was written. Nothing was changed on disk when this is reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{file}` is damaged at byte {offset}, lsn `{lsn}`: expected {expected}; nothing was changed, restore the log from a copy"
)]
pub struct Damage {
    /// The file, relative to the log's directory.
    pub file: String,
    /// The first byte that is not as expected.
    pub offset: u64,
    /// The first record that is lost or in doubt.
    pub lsn: Lsn,
    /// What should have been there.
    pub expected: String,
}

impl LogError {
    pub(crate) fn damaged(
        file: impl Into<String>,
        offset: u64,
        lsn: Lsn,
        expected: impl Into<String>,
    ) -> Self {
        Self::Damaged(Box::new(Damage {
            file: file.into(),
            offset,
            lsn,
            expected: expected.into(),
        }))
    }
}
