//! The log in segment files.
//!
//! ```text
//! log.mark                    where the log begins, how far it is known to be durable (`mark`)
//! 00000000000000000001.log    a segment: a header (`header`), then records (`frame`)
//! 00000000000000052113.log    the next one, named by its first lsn
//! ```
//!
//! A commit writes all pending records with one write, then syncs the segment once. A new segment is begun
//! only before a commit, so no commit lies in two. Its header is written and synced, and then the
//! directory, before the first record is written.
//!
//! # What is damage, and what is the end of a write that a crash cut short
//!
//! Opening reads every record and compares where the sound ones end with what is *known to have been
//! durable*, the furthest of:
//! - the `durable` field of any record header in the last segment, also behind damage: it was written after
//!   the commit before it had been synced;
//! - the name of the last segment: it is created when everything before it is durable;
//! - the mark: its firm copies are synced at open, close and retention, its quick copy is written after every
//!   commit without a sync.
//!
//! If sound records end before that, opening fails with [`crate::Damage`] and changes nothing. Else what
//! follows them belongs to a commit that was never acknowledged: it is cut, what is kept beyond the
//! known-durable is written again, and all is synced before the log is used. Records of such a commit that
//! arrived whole are kept, up to the first one that did not.
//!
//! Always detected: a changed, missing, swapped, repeated or foreign byte, record, block or segment before the
//! last commit; a closed segment cut short or missing; a lost mark; and damage to the last commit too, as long
//! as the mark is as new as that commit. It is after a clean close, and after any crash of the process alone.
//!
//! Not detected: damage to the *last* acknowledged commit (or several, if every trace of the later ones is
//! lost with it) when power was lost before the system wrote the quick mark by itself, some
//! seconds; it looks like a write cut short. A disk that lies about its flush looks the same, unless the
//! mark survived what the records did not. Files that were all replaced by an older copy of themselves, or all
//! removed, are a sound older, or new, log.
//!
//! Assumed of the disk: a sync that reported success kept its word, and overwriting bytes by the same bytes
//! does not harm them or their neighbours.

mod frame;
mod header;
mod mark;
mod reader;
mod recover;
mod retain;
mod scan;
mod settings;
mod state;

use std::sync::Arc;

use edsr_model::{Lsn, Timestamp};

use self::header::{SegmentHeader, segment_name};
use self::mark::MarkFile;
use self::reader::FileReader;
use self::scan::Cursor;
pub use self::settings::{FileLogSettings, Recovery};
use self::state::{IndexEntry, Segment, Shared, State};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::LogError;
use crate::port::{EventLog, LogReader, NEVER, Retained, Retention};

/// A log in segment files on a [`Disk`]. See the module for the format and for what is detected.
#[derive(Debug)]
pub struct FileLog<D: Disk> {
    disk: Arc<D>,
    settings: FileLogSettings,
    recovery: Recovery,
    identity: u64,
    seed: u32,
    shared: Arc<Shared>,
    mark: MarkFile<D::File>,
    /// The last segment; none in a log that never held a record.
    active: Option<D::File>,
    /// Frames that wait for a commit.
    pending: Vec<u8>,
    /// Index entries for `pending`; offsets count from its start.
    pending_index: Vec<IndexEntry>,
    /// What the next record must follow. The offset is that of the next write, without what is pending.
    next: Cursor,
    durable: Lsn,
    stopped: Option<LogError>,
}

impl<D: Disk> FileLog<D> {
    /// Opens the log on `disk`, or begins one where the disk holds none, and makes what it keeps durable.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when durable data is missing or changed, with nothing changed on disk;
    /// [`LogError::Disk`] when the system refuses, after which opening may be tried again;
    /// [`LogError::Format`] and [`LogError::Setting`].
    pub fn open(disk: D, settings: FileLogSettings) -> Result<Self, LogError> {
        settings.check()?;
        let found = recover::inspect(&disk, &settings)?;
        let repaired = recover::repair(&disk, &found)?;
        repaired.recovery.report();
        let next = match found.segments.last() {
            Some(last) => Cursor {
                offset: last.len,
                lsn: last.last.next(),
                last_at: last.last_at,
                prev: Some(last.prev),
            },
            None => Cursor {
                offset: 0,
                lsn: Lsn(1),
                last_at: NEVER,
                prev: Some(0),
            },
        };
        let durable = Lsn(next.lsn.0 - 1);
        let state = State {
            segments: found.segments,
            durable,
            first: found.first,
        };
        Ok(Self {
            disk: Arc::new(disk),
            settings,
            recovery: repaired.recovery,
            identity: found.identity,
            seed: frame::seed(found.identity),
            shared: Arc::new(Shared::new(state)),
            mark: repaired.mark,
            active: repaired.active,
            pending: Vec::new(),
            pending_index: Vec::new(),
            next,
            durable,
            stopped: None,
        })
    }

    /// Reads the log on `disk` as the next opening would find it, and changes nothing.
    ///
    /// # Errors
    /// As [`FileLog::open`].
    pub fn look(disk: D, settings: &FileLogSettings) -> Result<Box<dyn LogReader>, LogError> {
        settings.check()?;
        let found = recover::inspect(&disk, settings)?;
        let last = found.segments.last().map(|last| last.last);
        let state = State {
            durable: last.unwrap_or(Lsn(found.first.0 - 1)),
            segments: found.segments,
            first: found.first,
        };
        let shared = Arc::new(Shared::new(state));
        let seed = frame::seed(found.identity);
        Ok(Box::new(FileReader::new(Arc::new(disk), shared, seed)))
    }

    /// What opening had to do.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    fn running(&self) -> Result<(), LogError> {
        self.stopped.clone().map_or(Ok(()), Err)
    }

    /// Notes the first error and stops the log for good.
    fn stop(&mut self, cause: DiskError) -> LogError {
        tracing::error!(%cause, "the event log stopped");
        let error = LogError::Failed { cause };
        self.stopped = Some(error.clone());
        error
    }

    fn write_pending(&mut self) -> Result<(), DiskError> {
        let full = self.next.offset >= self.settings.segment_bytes;
        let active = match self.active.take() {
            Some(active) if !full => active,
            _ => self.begin_segment()?,
        };
        let active = self.active.insert(active);
        active.write_at(self.next.offset, &self.pending)?;
        active.sync_data()?;
        let durable = Lsn(self.next.lsn.0 - 1);
        self.mark.write_quick(durable)?;
        self.durable = durable;
        self.publish();
        Ok(())
    }

    /// Everything before is durable here; see the module on what rests on that.
    fn begin_segment(&mut self) -> Result<D::File, DiskError> {
        let header = {
            let state = self.shared.read();
            let before = state.segments.last();
            SegmentHeader {
                identity: self.identity,
                first: self.durable.next(),
                prev: before.map_or(0, |segment| segment.prev),
                last_at: before.map_or(NEVER, |segment| segment.last_at),
            }
        };
        let bytes = header.encode();
        let file = self.disk.create(&segment_name(header.first))?;
        file.write_at(0, &bytes)?;
        file.sync_data()?;
        self.disk.sync_dir()?;
        self.next.offset = bytes.len() as u64;
        self.shared.write().segments.push(Segment::new(&header));
        Ok(file)
    }

    /// Shows readers what has become durable.
    fn publish(&mut self) {
        let base = self.next.offset;
        self.next.offset += self.pending.len() as u64;
        for entry in &mut self.pending_index {
            entry.offset += base;
        }
        let mut state = self.shared.write();
        if let Some(segment) = state.segments.last_mut() {
            segment.extend(&self.pending_index, self.settings.index_bytes);
            segment.end_at(&self.next);
        }
        state.durable = self.durable;
        self.pending.clear();
        self.pending_index.clear();
    }
}

impl<D: Disk> EventLog for FileLog<D> {
    fn append(&mut self, at: Timestamp, payload: &[u8]) -> Result<Lsn, LogError> {
        self.running()?;
        if payload.len() > self.settings.record_bytes_max {
            return Err(LogError::TooLarge {
                bytes: payload.len(),
                max: self.settings.record_bytes_max,
            });
        }
        if at <= self.next.last_at {
            return Err(LogError::NotLater {
                at,
                last: self.next.last_at,
            });
        }
        if self.pending.len() >= self.settings.pending_bytes_max {
            self.commit()?;
        }
        let lsn = self.next.lsn;
        let offset = self.pending.len() as u64;
        let far = |last: &IndexEntry| offset - last.offset >= self.settings.index_bytes;
        if self.pending_index.last().is_none_or(far) {
            self.pending_index.push(IndexEntry { lsn, at, offset });
        }
        let prev = self.next.prev.unwrap_or_default();
        let place = (lsn, at);
        let crc = frame::encode(
            &mut self.pending,
            self.seed,
            place,
            self.durable,
            prev,
            payload,
        );
        self.next.lsn = lsn.next();
        self.next.last_at = at;
        self.next.prev = Some(crc);
        Ok(lsn)
    }

    fn commit(&mut self) -> Result<Lsn, LogError> {
        self.running()?;
        if !self.pending.is_empty() {
            self.write_pending().map_err(|cause| self.stop(cause))?;
        }
        Ok(self.durable)
    }

    fn first(&self) -> Lsn {
        self.shared.read().first
    }

    fn end(&self) -> Lsn {
        Lsn(self.next.lsn.0 - 1)
    }

    fn durable(&self) -> Lsn {
        self.durable
    }

    fn last_at(&self) -> Timestamp {
        self.next.last_at
    }

    fn retain(
        &mut self,
        retention: &Retention,
        floor: Lsn,
        now: Timestamp,
    ) -> Result<Retained, LogError> {
        self.running()?;
        self.drop_segments(retention, floor, now)
    }

    fn close(&mut self) -> Result<Lsn, LogError> {
        self.commit()?;
        let first = self.first();
        self.mark
            .write_firm(self.durable, first)
            .map_err(|cause| self.stop(cause))?;
        self.stopped = Some(LogError::Closed);
        Ok(self.durable)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(FileReader::new(
            Arc::clone(&self.disk),
            Arc::clone(&self.shared),
            self.seed,
        ))
    }
}
