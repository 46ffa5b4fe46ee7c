//! Reads a segment record by record, and looks for records behind damage.

use edsr_model::{Lsn, Timestamp};

use super::frame::{FRAME_HEADER, FrameHeader, payload_crc};
use super::header::{SEGMENT_HEADER, SegmentHeader};
use super::state::{IndexEntry, Segment};
use crate::disk::{DiskError, DiskFile};

/// How much is read at once where one record does not need more, in bytes.
const CHUNK: usize = 256 * 1024;

/// A part of a file in memory that follows the reader.
pub(super) struct Window<'a, F> {
    file: &'a F,
    end: u64,
    start: u64,
    chunk: usize,
    bytes: Vec<u8>,
}

impl<'a, F: DiskFile> Window<'a, F> {
    /// Over the bytes before `end`.
    pub(super) fn new(file: &'a F, end: u64) -> Self {
        Self::with_chunk(file, end, CHUNK)
    }

    /// As [`Window::new`], reading `chunk` bytes at once.
    pub(super) fn with_chunk(file: &'a F, end: u64, chunk: usize) -> Self {
        Self {
            file,
            end,
            start: 0,
            chunk,
            bytes: Vec::new(),
        }
    }

    /// `len` bytes from `offset`, or fewer where they end before that.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> Result<&[u8], DiskError> {
        let len =
            usize::try_from(self.end.saturating_sub(offset)).map_or(len, |left| left.min(len));
        let held = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len as u64 > held {
            self.fill(offset, len)?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let held = self.bytes.get(from..).unwrap_or_default();
        Ok(&held[..len.min(held.len())])
    }

    fn fill(&mut self, offset: u64, len: usize) -> Result<(), DiskError> {
        let left = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        self.bytes.resize(len.max(self.chunk).min(left), 0);
        self.start = offset;
        let got = self.file.read_at(offset, &mut self.bytes)?;
        self.bytes.truncate(got);
        Ok(())
    }
}

/// What is known before the next record: where it must be and what it must follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) offset: u64,
    /// The place the next record must have.
    pub(super) lsn: Lsn,
    /// The time it must be later than.
    pub(super) last_at: Timestamp,
    /// The header crc of the one before, where it is known.
    pub(super) prev: Option<u32>,
}

/// Why the bytes at a cursor are not the record that must stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameFault {
    Header,
    Order,
    Payload,
}

impl FrameFault {
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Header => "a record header with a matching checksum",
            Self::Order => "the record that follows the one before it",
            Self::Payload => "a payload with a matching checksum",
        }
    }
}

/// Reads the record at the cursor and moves the cursor behind it; the inner error says what is wrong.
pub(super) fn next_frame<'w, F: DiskFile>(
    window: &'w mut Window<'_, F>,
    cursor: &mut Cursor,
    seed: u32,
) -> Result<Result<(FrameHeader, &'w [u8]), FrameFault>, DiskError> {
    let header = window.get(cursor.offset, FRAME_HEADER)?;
    let Some(header) = FrameHeader::decode(header, seed) else {
        return Ok(Err(FrameFault::Header));
    };
    let follows = header.lsn == cursor.lsn
        && header.at > cursor.last_at
        && cursor.prev.is_none_or(|prev| prev == header.prev);
    if !follows {
        return Ok(Err(FrameFault::Order));
    }
    let payload = window.get(cursor.offset + FRAME_HEADER as u64, header.len as usize)?;
    let whole = payload.len() == header.len as usize;
    if !whole || payload_crc(seed, payload) != header.payload_crc {
        return Ok(Err(FrameFault::Payload));
    }
    *cursor = Cursor {
        offset: cursor.offset + header.frame_len(),
        lsn: header.lsn.next(),
        last_at: header.at,
        prev: Some(header.crc),
    };
    Ok(Ok((header, payload)))
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) segment: Segment,
    /// The furthest place that any record in the file says was durable.
    pub(super) claimed: Lsn,
    /// What stands where the next record would, if anything does.
    pub(super) fault: Option<FrameFault>,
    pub(super) file_len: u64,
}

/// Reads and verifies a whole segment; behind a fault it looks for what later records claim.
pub(super) fn scan<F: DiskFile>(
    file: &F,
    header: &SegmentHeader,
    seed: u32,
    index_bytes: u64,
) -> Result<Scanned, DiskError> {
    let file_len = file.size()?;
    let mut window = Window::new(file, file_len);
    let mut segment = Segment::new(header);
    let mut claimed = Lsn::ZERO;
    let mut cursor = Cursor {
        offset: SEGMENT_HEADER,
        lsn: header.first,
        last_at: header.last_at,
        prev: Some(header.prev),
    };
    let mut fault = None;
    while cursor.offset < file_len {
        let offset = cursor.offset;
        match next_frame(&mut window, &mut cursor, seed)? {
            Ok((frame, _)) => {
                claimed = claimed.max(frame.durable);
                let entry = IndexEntry {
                    lsn: frame.lsn,
                    at: frame.at,
                    offset,
                };
                segment.extend(&[entry], index_bytes);
                segment.end_at(&cursor);
            }
            Err(found) => {
                fault = Some(found);
                let behind = claims_behind(&mut window, cursor, file_len, seed)?;
                claimed = claimed.max(behind.unwrap_or_default());
                break;
            }
        }
    }
    Ok(Scanned {
        segment,
        claimed,
        fault,
        file_len,
    })
}

/// The furthest place that a record header at or behind the cursor says was durable; `None` where there
/// is no header.
///
/// Any byte may begin a record, because a damaged length hides where the next one begins. Only headers are
/// judged, so the time taken grows with the bytes and not with what they pretend to be.
pub(super) fn claims_behind<F: DiskFile>(
    window: &mut Window<'_, F>,
    cursor: Cursor,
    file_len: u64,
    seed: u32,
) -> Result<Option<Lsn>, DiskError> {
    let mut claimed = None;
    // No place further on than this has room in the file.
    let lsn_max = cursor.lsn.0 + (file_len - cursor.offset) / FRAME_HEADER as u64;
    let mut offset = cursor.offset;
    while offset + FRAME_HEADER as u64 <= file_len {
        let header = FrameHeader::decode(window.get(offset, FRAME_HEADER)?, seed);
        let plausible = header.filter(|header| header.lsn >= cursor.lsn && header.lsn.0 <= lsn_max);
        if let Some(header) = plausible {
            claimed = claimed.max(Some(header.durable));
        }
        offset += 1;
    }
    Ok(claimed)
}
