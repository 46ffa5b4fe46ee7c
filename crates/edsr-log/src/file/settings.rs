//! The settings of a log in files, and the report of its opening.

use super::frame::RECORD_BYTES_CAP;
use crate::error::LogError;
use crate::port::RECORD_BYTES_MAX;

/// How a [`super::FileLog`] lays out its files and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLogSettings {
    /// Tells this log's records from those of any other log, and from payloads that imitate records. Used
    /// when the log is begun and read from the files ever after. Draw it at random where payloads come from
    /// strangers.
    pub identity: u64,
    /// A segment that has reached this size is followed by a new one. It may exceed it by one commit.
    pub segment_bytes: u64,
    /// The largest payload.
    pub record_bytes_max: usize,
    /// Once so many bytes are pending, the next append commits them first.
    pub pending_bytes_max: usize,
    /// The index in memory names one record for every so many bytes.
    pub index_bytes: u64,
}

impl FileLogSettings {
    /// 64 MiB segments, 2 MiB records, 8 MiB pending, an index entry every 16 KiB.
    #[must_use]
    pub const fn new(identity: u64) -> Self {
        Self {
            identity,
            segment_bytes: 64 * 1024 * 1024,
            record_bytes_max: RECORD_BYTES_MAX,
            pending_bytes_max: 8 * 1024 * 1024,
            index_bytes: 16 * 1024,
        }
    }

    pub(super) fn check(&self) -> Result<(), LogError> {
        if self.record_bytes_max <= RECORD_BYTES_CAP {
            return Ok(());
        }
        Err(LogError::Setting {
            name: "record_bytes_max",
            value: self.record_bytes_max as u64,
            expected: "at most 67108864 (64 MiB)",
        })
    }
}

/// What opening a log had to do; all zero after a clean close.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of a commit cut short that were dropped; none of them was ever acknowledged.
    pub cut_bytes: u64,
    /// Records kept although nobody is known to have been told that they are durable. They are now.
    pub unacknowledged: u64,
    /// Bytes written once more because an earlier sync may have failed on them.
    pub rewritten_bytes: u64,
    /// Segments removed: given up by retention before the crash, or one whose creation was cut short.
    pub removed_segments: usize,
}

impl Recovery {
    pub(super) fn report(&self) {
        if *self != Self::default() {
            tracing::warn!(
                cut_bytes = self.cut_bytes,
                unacknowledged = self.unacknowledged,
                rewritten_bytes = self.rewritten_bytes,
                removed_segments = self.removed_segments,
                "the event log was not closed; its end was put in order"
            );
        }
    }
}
