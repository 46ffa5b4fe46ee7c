//! Opening: judge what is there without touching it, then make what is kept durable.

use std::io;

use edsr_model::Lsn;

use super::frame;
use super::header::{SEGMENT_HEADER, SegmentHeader, parse_name, segment_name};
use super::mark::{self, MARK_NAME, MarkFile, MarkRead};
use super::scan::{Cursor, Scanned, Window, claims_behind, next_frame, scan};
use super::state::Segment;
use super::{FileLogSettings, Recovery};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::error::LogError;
use crate::port::NEVER;

/// How much of an unacknowledged tail is copied at once, in bytes.
const COPY_CHUNK: usize = 256 * 1024;

/// What was found, and what has to be done about it.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) identity: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) first: Lsn,
    mark: Option<MarkRead>,
    mark_exists: bool,
    /// Everything up to here is known to have been durable.
    durable: Lsn,
    /// Segments that retention had given up.
    given_up: Vec<Lsn>,
    /// A segment whose creation was cut short.
    torn: Option<Lsn>,
    /// Where in the last segment bytes begin that nobody is known to have been told of.
    rewrite_from: u64,
    recovery: Recovery,
}

/// Reads everything and decides; changes nothing.
pub(super) fn inspect<D: Disk>(disk: &D, settings: &FileLogSettings) -> Result<Findings, LogError> {
    let names = disk.list()?;
    let mut found: Vec<Lsn> = names.iter().filter_map(|name| parse_name(name)).collect();
    found.sort_unstable();
    let mark_exists = names.iter().any(|name| name == MARK_NAME);
    let mark = match mark_exists {
        true => mark::read(&disk.open(MARK_NAME)?)?,
        false => None,
    };
    let Some(known) = mark.map(|read| read.mark) else {
        return fresh(&found, settings, mark_exists);
    };
    let kept = found.split_off(found.partition_point(|first| *first < known.first));
    let mut inspector = Inspector {
        disk,
        settings,
        identity: known.identity,
        seed: frame::seed(known.identity),
        durable: known.durable,
        first: known.first,
        segments: Vec::new(),
        rewrite_from: 0,
        recovery: Recovery::default(),
    };
    let torn = inspector.segments(&kept)?;
    inspector.recovery.removed_segments = found.len() + usize::from(torn.is_some());
    Ok(Findings {
        identity: known.identity,
        segments: inspector.segments,
        first: known.first,
        mark,
        mark_exists,
        durable: inspector.durable,
        given_up: found,
        torn,
        rewrite_from: inspector.rewrite_from,
        recovery: inspector.recovery,
    })
}

/// The mark is durable before the first segment is created, so segments without one are no new log.
fn fresh(
    found: &[Lsn],
    settings: &FileLogSettings,
    mark_exists: bool,
) -> Result<Findings, LogError> {
    if let Some(first) = found.first() {
        let expected = "a mark with a matching checksum, as every log with segments has";
        return Err(LogError::damaged(MARK_NAME, 0, *first, expected));
    }
    Ok(Findings {
        identity: settings.identity,
        segments: Vec::new(),
        first: Lsn(1),
        mark: None,
        mark_exists,
        durable: Lsn::ZERO,
        given_up: Vec::new(),
        torn: None,
        rewrite_from: 0,
        recovery: Recovery::default(),
    })
}

struct Inspector<'a, D> {
    disk: &'a D,
    settings: &'a FileLogSettings,
    identity: u64,
    seed: u32,
    /// Everything up to here is known to have been durable; grows with what is read.
    durable: Lsn,
    first: Lsn,
    segments: Vec<Segment>,
    rewrite_from: u64,
    recovery: Recovery,
}

impl<D: Disk> Inspector<'_, D> {
    /// Reads the segments in order; returns the last one where its creation was cut short.
    fn segments(&mut self, kept: &[Lsn]) -> Result<Option<Lsn>, LogError> {
        if let Some(last) = kept.last() {
            // A segment is created only when everything before it is durable.
            self.durable = self.durable.max(Lsn(last.0.saturating_sub(1)));
        }
        let mut torn = None;
        for (place, first) in kept.iter().enumerate() {
            let (name, is_last) = (segment_name(*first), place + 1 == kept.len());
            self.check_begin(*first, &name)?;
            let file = self.disk.open(&name)?;
            let Some(header) = self.header(&file, *first, &name)? else {
                self.check_torn_creation(&file, *first, &name, is_last)?;
                torn = Some(*first);
                break;
            };
            let scanned = scan(&file, &header, self.seed, self.settings.index_bytes)?;
            self.take(scanned, &name, is_last)?;
        }
        match self.segments.last() {
            Some(last) => self.check_end(last.first, last.last, last.len)?,
            None => self.check_end(self.first, Lsn(self.first.0 - 1), 0)?,
        }
        self.find_rewrite()?;
        Ok(torn)
    }

    /// A segment must begin where the one before ends, the oldest where the mark says.
    fn check_begin(&self, first: Lsn, name: &str) -> Result<(), LogError> {
        let Some(before) = self.segments.last() else {
            if first == self.first {
                return Ok(());
            }
            let expected = format!("a segment before it that begins with lsn `{}`", self.first);
            return Err(LogError::damaged(name, 0, self.first, expected));
        };
        if before.last.next() == first {
            return Ok(());
        }
        let expected = format!(
            "records up to lsn `{}`, where the segment `{name}` goes on (the file was cut, or one after it is missing)",
            first.0 - 1
        );
        let file = segment_name(before.first);
        Err(LogError::damaged(
            file,
            before.len,
            before.last.next(),
            expected,
        ))
    }

    fn header(
        &self,
        file: &D::File,
        first: Lsn,
        name: &str,
    ) -> Result<Option<SegmentHeader>, LogError> {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let len = file.read_at(0, &mut bytes)?;
        let Some(header) = SegmentHeader::decode(&bytes[..len], name)? else {
            return Ok(None);
        };
        let expected = match self.segments.last() {
            _ if header.identity != self.identity => "a segment of this log, not of another one",
            _ if header.first != first => "a segment that begins where its name says",
            Some(before) if (before.prev, before.last_at) != (header.prev, header.last_at) => {
                "a segment that follows the one before it"
            }
            _ => return Ok(Some(header)),
        };
        Err(LogError::damaged(name, 0, first, expected))
    }

    /// Without a sound header the file must be one that was being created: its header is synced before
    /// any record is written, and before an older segment may be dropped.
    fn check_torn_creation(
        &self,
        file: &D::File,
        first: Lsn,
        name: &str,
        is_last: bool,
    ) -> Result<(), LogError> {
        let file_len = file.size()?;
        let cursor = Cursor {
            offset: 0,
            lsn: first,
            last_at: NEVER,
            prev: None,
        };
        let mut window = Window::new(file, file_len);
        let records = claims_behind(&mut window, cursor, file_len, self.seed)?.is_some();
        let alone = self.segments.is_empty() && first > Lsn(1);
        if is_last && !records && !alone && self.durable < first {
            return Ok(());
        }
        let expected = "a segment header with a matching checksum";
        Err(LogError::damaged(name, 0, first, expected))
    }

    /// Keeps a segment; what the last one holds behind its last sound record is to be cut, if
    /// [`Inspector::check_end`] agrees.
    fn take(&mut self, scanned: Scanned, name: &str, is_last: bool) -> Result<(), LogError> {
        self.durable = self.durable.max(scanned.claimed);
        if let Some(fault) = scanned.fault {
            // Behind a closed segment's last record nothing was ever written, not even by a crash: a tail
            // is cut before the log goes on.
            if !is_last || scanned.segment.last < self.durable {
                return Err(damage_at(&scanned, name, fault.expected()));
            }
            self.recovery.cut_bytes = scanned.file_len - scanned.segment.len;
        }
        self.segments.push(scanned.segment);
        Ok(())
    }

    /// Nothing that is known to have been durable may be missing at the end.
    fn check_end(&self, file: Lsn, last: Lsn, len: u64) -> Result<(), LogError> {
        if last >= self.durable {
            return Ok(());
        }
        let expected = format!(
            "records up to lsn `{}`, which were durable and may have been acknowledged",
            self.durable
        );
        Err(LogError::damaged(
            segment_name(file),
            len,
            last.next(),
            expected,
        ))
    }

    /// Finds where the last segment's first record begins that is not known to have been durable.
    fn find_rewrite(&mut self) -> Result<(), LogError> {
        let Some(last) = self.segments.last() else {
            return Ok(());
        };
        let from = self.durable.next();
        self.recovery.unacknowledged = last.last.0.saturating_sub(self.durable.0);
        if from <= last.first {
            // Neither its header nor its name need be durable.
            self.rewrite_from = 0;
            return Ok(());
        }
        self.rewrite_from = last.len;
        let Some(entry) = last.entry_for(from).filter(|_| from <= last.last) else {
            return Ok(());
        };
        let file = self.disk.open(&segment_name(last.first))?;
        let mut window = Window::new(&file, last.len);
        let mut cursor = Cursor {
            offset: entry.offset,
            lsn: entry.lsn,
            last_at: NEVER,
            prev: None,
        };
        while cursor.lsn < from {
            if let Err(fault) = next_frame(&mut window, &mut cursor, self.seed)? {
                // It was sound a moment ago.
                let name = segment_name(last.first);
                let expected = fault.expected();
                return Err(LogError::damaged(name, cursor.offset, cursor.lsn, expected));
            }
        }
        self.rewrite_from = cursor.offset;
        Ok(())
    }
}

fn damage_at(scanned: &Scanned, name: &str, expected: &str) -> LogError {
    let segment = &scanned.segment;
    LogError::damaged(name, segment.len, segment.last.next(), expected)
}

/// What repairing leaves open for writing.
pub(super) struct Repaired<F> {
    pub(super) mark: MarkFile<F>,
    pub(super) active: Option<F>,
    pub(super) recovery: Recovery,
}

/// Makes what [`inspect`] kept durable, in an order that a crash may interrupt anywhere.
pub(super) fn repair<D: Disk>(disk: &D, found: &Findings) -> Result<Repaired<D::File>, LogError> {
    let mark = if found.mark_exists {
        disk.open(MARK_NAME)?
    } else {
        disk.create(MARK_NAME)?
    };
    let mut mark = MarkFile::new(mark, found.mark, found.identity);
    if !found.given_up.is_empty() {
        // The mark that gave them up may itself be one whose sync failed, and must not be outlived by
        // what it explains.
        mark.write_firm(found.durable, found.first)?;
    }
    for first in found.given_up.iter().chain(&found.torn) {
        disk.remove(&segment_name(*first))?;
    }
    let mut recovery = found.recovery.clone();
    let mut active = None;
    let mut end = Lsn::ZERO;
    if let Some(last) = found.segments.last() {
        let file = disk.open(&segment_name(last.first))?;
        if file.size()? > last.len {
            file.truncate(last.len)?;
        }
        // An earlier sync may have failed: the system then shows bytes that are not on disk, and calls
        // them clean. Only writing them again makes the next sync mean something.
        rewrite(&file, found.rewrite_from, last.len)?;
        file.sync_data()?;
        recovery.rewritten_bytes = last.len - found.rewrite_from;
        end = last.last;
        active = Some(file);
    }
    disk.sync_dir()?;
    mark.write_firm(end, found.first)?;
    Ok(Repaired {
        mark,
        active,
        recovery,
    })
}

fn rewrite<F: DiskFile>(file: &F, from: u64, end: u64) -> Result<(), DiskError> {
    let mut offset = from;
    let mut chunk = vec![0; COPY_CHUNK];
    while offset < end {
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let want = left.min(COPY_CHUNK);
        let got = file.read_at(offset, &mut chunk[..want])?;
        if got == 0 {
            let error = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(DiskError::new("read", "the last segment", &error));
        }
        file.write_at(offset, &chunk[..got])?;
        offset += got as u64;
    }
    Ok(())
}
