//! What writer and readers share: the segments, their sparse index, and how far they are durable.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use edsr_model::{Lsn, Timestamp};

use super::header::{SEGMENT_HEADER, SegmentHeader};
use super::scan::Cursor;

/// Where a record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) lsn: Lsn,
    pub(super) at: Timestamp,
    pub(super) offset: u64,
}

/// The durable part of a segment.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) first: Lsn,
    /// The last record; the one before `first` where there is none yet.
    pub(super) last: Lsn,
    pub(super) last_at: Timestamp,
    /// Header crc of the last record.
    pub(super) prev: u32,
    /// Bytes of header and records.
    pub(super) len: u64,
    /// The first record, then one for every so many bytes.
    pub(super) index: Vec<IndexEntry>,
}

impl Segment {
    pub(super) fn new(header: &SegmentHeader) -> Self {
        Self {
            first: header.first,
            last: Lsn(header.first.0 - 1),
            last_at: header.last_at,
            prev: header.prev,
            len: SEGMENT_HEADER,
            index: Vec::new(),
        }
    }

    /// Notes those of `entries` that lie far enough from the one before.
    pub(super) fn extend(&mut self, entries: &[IndexEntry], index_bytes: u64) {
        for entry in entries {
            let far = |last: &IndexEntry| entry.offset - last.offset >= index_bytes;
            if self.index.last().is_none_or(far) {
                self.index.push(*entry);
            }
        }
    }

    /// Moves the end to what was just read or written.
    pub(super) fn end_at(&mut self, cursor: &Cursor) {
        self.last = Lsn(cursor.lsn.0 - 1);
        self.last_at = cursor.last_at;
        self.prev = cursor.prev.unwrap_or(self.prev);
        self.len = cursor.offset;
    }

    /// Where to begin looking for a record that this segment holds.
    pub(super) fn entry_for(&self, lsn: Lsn) -> Option<IndexEntry> {
        let after = self.index.partition_point(|entry| entry.lsn <= lsn);
        self.index[..after].last().copied()
    }
}

/// The log as readers see it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Oldest first, without holes; the last one is being written.
    pub(super) segments: Vec<Segment>,
    pub(super) durable: Lsn,
    pub(super) first: Lsn,
}

impl State {
    /// The segment that holds `lsn`.
    pub(super) fn segment_of(&self, lsn: Lsn) -> Option<&Segment> {
        let after = self
            .segments
            .partition_point(|segment| segment.first <= lsn);
        let segment = self.segments[..after].last()?;
        (lsn <= segment.last).then_some(segment)
    }

    /// The last entry whose record is earlier than `at`.
    pub(super) fn entry_before(&self, at: Timestamp) -> Option<IndexEntry> {
        let begins_before = |segment: &Segment| segment.index.first().is_some_and(|e| e.at < at);
        let after = self.segments.partition_point(begins_before);
        let index = &self.segments[..after].last()?.index;
        index[..index.partition_point(|entry| entry.at < at)]
            .last()
            .copied()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }
}

/// A [`State`] behind a lock that is held for a moment only, never during I/O.
#[derive(Debug)]
pub(super) struct Shared(RwLock<State>);

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self(RwLock::new(state))
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
