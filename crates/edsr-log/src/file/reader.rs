//! Reading durable records while the writer goes on.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use edsr_model::{Lsn, Timestamp};

use super::header::segment_name;
use super::scan::{Cursor, Window, next_frame};
use super::state::{IndexEntry, Shared};
use crate::disk::Disk;
use crate::error::LogError;
use crate::port::{LogReader, NEVER, ReadLimit, StoredRecord};

/// How much is read at once, in bytes: enough for the way from an index entry to a record and some more.
const CHUNK: usize = 64 * 1024;

/// A reader on the files of a log. It opens a segment for each call and keeps none open.
pub(super) struct FileReader<D> {
    disk: Arc<D>,
    shared: Arc<Shared>,
    seed: u32,
}

/// Whether a walk over records goes on.
enum Walk {
    On,
    Stop,
}

/// Where a walk begins and how far a segment may be read.
struct Start {
    segment: Lsn,
    last: Lsn,
    len: u64,
    entry: IndexEntry,
}

impl<D: Disk> FileReader<D> {
    pub(super) fn new(disk: Arc<D>, shared: Arc<Shared>, seed: u32) -> Self {
        Self { disk, shared, seed }
    }

    /// Shows `visit` each record from `from` on, once, until it stops or the durable records end.
    fn walk(
        &self,
        mut from: Lsn,
        mut visit: impl FnMut(Lsn, Timestamp, &[u8]) -> Walk,
    ) -> Result<(), LogError> {
        while let Some(start) = self.start(from)? {
            match self.walk_segment(&start, from, &mut visit) {
                Ok(Walk::Stop) => return Ok(()),
                Ok(Walk::On) => from = start.last.next(),
                // Retention may take a file away between the look at the index and the look at the file.
                Err(LogError::Disk(error)) if error.kind == io::ErrorKind::NotFound => {
                    self.start(from)?;
                    return Err(error.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn start(&self, from: Lsn) -> Result<Option<Start>, LogError> {
        let state = self.shared.read();
        if from < state.first {
            return Err(LogError::Retained { first: state.first });
        }
        let Some(segment) = state.segment_of(from) else {
            return Ok(None);
        };
        Ok(segment.entry_for(from).map(|entry| Start {
            segment: segment.first,
            last: segment.last,
            len: segment.len,
            entry,
        }))
    }

    fn walk_segment(
        &self,
        start: &Start,
        from: Lsn,
        visit: &mut impl FnMut(Lsn, Timestamp, &[u8]) -> Walk,
    ) -> Result<Walk, LogError> {
        let name = segment_name(start.segment);
        let file = self.disk.open(&name)?;
        let mut window = Window::with_chunk(&file, start.len, CHUNK);
        let mut cursor = Cursor {
            offset: start.entry.offset,
            lsn: start.entry.lsn,
            last_at: NEVER,
            prev: None,
        };
        while cursor.lsn <= start.last {
            match next_frame(&mut window, &mut cursor, self.seed)? {
                // On the way from the index entry; or shown already, when the segment grew meanwhile.
                Ok((header, _)) if header.lsn < from => {}
                Ok((header, payload)) => {
                    if let Walk::Stop = visit(header.lsn, header.at, payload) {
                        return Ok(Walk::Stop);
                    }
                }
                Err(fault) => {
                    let expected = fault.expected();
                    return Err(LogError::damaged(name, cursor.offset, cursor.lsn, expected));
                }
            }
        }
        Ok(Walk::On)
    }

    fn find(&self, at: Timestamp) -> Result<Lsn, LogError> {
        let from = {
            let state = self.shared.read();
            match state.entry_before(at) {
                Some(entry) => entry.lsn,
                None => return Ok(state.first),
            }
        };
        let mut found = from;
        self.walk(from, |lsn, record_at, _| {
            found = lsn;
            if record_at >= at {
                return Walk::Stop;
            }
            found = lsn.next();
            Walk::On
        })?;
        Ok(found)
    }
}

impl<D: Disk> LogReader for FileReader<D> {
    fn read(&self, from: Lsn, limit: ReadLimit) -> Result<Vec<StoredRecord>, LogError> {
        let mut taken: Vec<StoredRecord> = Vec::new();
        let mut bytes = 0_usize;
        if limit.records == 0 {
            self.start(from)?;
            return Ok(taken);
        }
        self.walk(from, |lsn, at, payload| {
            bytes = bytes.saturating_add(payload.len());
            if !taken.is_empty() && bytes > limit.bytes {
                return Walk::Stop;
            }
            // A copy of its own: a record that is kept must not keep its neighbours.
            let payload = Bytes::copy_from_slice(payload);
            taken.push(StoredRecord { lsn, at, payload });
            if taken.len() >= limit.records {
                return Walk::Stop;
            }
            Walk::On
        })?;
        Ok(taken)
    }

    fn get(&self, lsn: Lsn) -> Result<Option<StoredRecord>, LogError> {
        if lsn == Lsn::ZERO {
            return Ok(None);
        }
        let one = ReadLimit {
            records: 1,
            bytes: 0,
        };
        Ok(self.read(lsn, one)?.pop())
    }

    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, LogError> {
        loop {
            match self.find(at) {
                // Retention moved the beginning during the search; it moves it forward only.
                Err(LogError::Retained { .. }) => {}
                found => return found,
            }
        }
    }

    fn durable(&self) -> Lsn {
        self.shared.read().durable
    }

    fn first(&self) -> Lsn {
        self.shared.read().first
    }

    fn clone_box(&self) -> Box<dyn LogReader> {
        Box::new(Self::new(
            Arc::clone(&self.disk),
            Arc::clone(&self.shared),
            self.seed,
        ))
    }
}
