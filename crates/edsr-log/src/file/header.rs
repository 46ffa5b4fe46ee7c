//! The head of a segment file, and its name.
//!
//! ```text
//!  0 magic 8 bytes
//!  8 version u32
//! 12 prev u32       header crc of the last record of the segment before
//! 16 identity u64   the log it belongs to
//! 24 first lsn u64
//! 32 last at i64    time of the record before the first
//! 40 crc u32        over bytes 0..40
//! ```

use edsr_model::{Lsn, Timestamp};

use super::frame::{u32_at, u64_at};
use crate::error::LogError;

/// Bytes before the first record of a segment.
pub(super) const SEGMENT_HEADER: u64 = 44;

/// The version of the files written here.
pub(super) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"edsr-log";
const SUFFIX: &str = ".log";
/// Enough for any `u64`, so that names sort as numbers.
const NAME_DIGITS: usize = 20;

/// What a segment says about itself and about the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) identity: u64,
    pub(super) first: Lsn,
    pub(super) prev: u32,
    pub(super) last_at: Timestamp,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.prev.to_le_bytes());
        out.extend_from_slice(&self.identity.to_le_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last_at.as_micros().to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads a header; `None` where the bytes are not one.
    pub(super) fn decode(bytes: &[u8], file: &str) -> Result<Option<Self>, LogError> {
        let Some(bytes) = bytes.get(..SEGMENT_HEADER as usize) else {
            return Ok(None);
        };
        if !bytes.starts_with(MAGIC) || crc32c::crc32c(&bytes[..40]) != u32_at(bytes, 40) {
            return Ok(None);
        }
        check_version(file, u32_at(bytes, 8))?;
        Ok(Some(Self {
            prev: u32_at(bytes, 12),
            identity: u64_at(bytes, 16),
            first: Lsn(u64_at(bytes, 24)),
            last_at: Timestamp::from_micros(u64_at(bytes, 32).cast_signed()),
        }))
    }
}

/// The name of the segment that begins with `first`.
pub(super) fn segment_name(first: Lsn) -> String {
    format!("{:0NAME_DIGITS$}{SUFFIX}", first.0)
}

/// The first place of the segment with this name; `None` where the name is not one of a segment.
pub(super) fn parse_name(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Lsn)).flatten()
}

pub(super) fn check_version(file: &str, version: u32) -> Result<(), LogError> {
    if version == VERSION {
        return Ok(());
    }
    Err(LogError::Format {
        file: file.to_owned(),
        version,
        known: VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_and_read_back() {
        assert!(segment_name(Lsn(9)) < segment_name(Lsn(10)));
        for lsn in [1, 42, u64::MAX] {
            assert_eq!(parse_name(&segment_name(Lsn(lsn))), Some(Lsn(lsn)));
        }
        for other in ["log.mark", "1.log", "+0000000000000000001.log", ".log"] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let header = SegmentHeader {
            identity: 1,
            first: Lsn(5),
            prev: 6,
            last_at: Timestamp::from_secs(7),
        };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes, "f").unwrap(), Some(header));
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes, "f").unwrap(), None, "damage");
        let crc = crc32c::crc32c(&bytes[..40]).to_le_bytes();
        bytes[40..].copy_from_slice(&crc);
        let error = SegmentHeader::decode(&bytes, "f").unwrap_err();
        assert!(matches!(error, LogError::Format { version: 2, .. }));
    }
}
