//! A record on disk: a header that proves itself, then the payload.
//!
//! ```text
//!  0 len u32      bytes of payload
//!  4 prev u32     `header crc` of the record before, so that no record stands in for another
//!  8 lsn u64
//! 16 at i64       microseconds
//! 24 durable u64  the last durable lsn when this record was appended
//! 32 payload crc u32
//! 36 header crc u32 over bytes 0..36, started from the log's identity
//! ```
//!
//! All numbers are little-endian, all checksums CRC32C. The header has one of its own because a length
//! must be believed before a payload can be read, and because a header alone is proof that everything up
//! to `durable` had reached the disk. The identity in the start value keeps a payload that imitates a
//! record from being taken for one.

use edsr_model::{Lsn, Timestamp};

/// Bytes before each payload.
pub(super) const FRAME_HEADER: usize = 40;

/// No format version holds a larger record; bounds what is read on the word of a header, in bytes.
pub(super) const RECORD_BYTES_CAP: usize = 64 * 1024 * 1024;

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: u32,
    pub(super) prev: u32,
    pub(super) lsn: Lsn,
    pub(super) at: Timestamp,
    pub(super) durable: Lsn,
    pub(super) payload_crc: u32,
    pub(super) crc: u32,
}

impl FrameHeader {
    /// Reads a header; `None` where the bytes are none of this log's.
    pub(super) fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER)?;
        let header = Self {
            len: u32_at(bytes, 0),
            prev: u32_at(bytes, 4),
            lsn: Lsn(u64_at(bytes, 8)),
            at: Timestamp::from_micros(u64_at(bytes, 16).cast_signed()),
            durable: Lsn(u64_at(bytes, 24)),
            payload_crc: u32_at(bytes, 32),
            crc: u32_at(bytes, 36),
        };
        let sound = crc32c::crc32c_append(seed, &bytes[..36]) == header.crc
            && header.len as usize <= RECORD_BYTES_CAP
            && header.durable < header.lsn;
        sound.then_some(header)
    }

    /// Bytes of header and payload.
    pub(super) fn frame_len(&self) -> u64 {
        FRAME_HEADER as u64 + u64::from(self.len)
    }
}

/// Appends a frame to `out` and returns its header crc, the next frame's `prev`.
pub(super) fn encode(
    out: &mut Vec<u8>,
    seed: u32,
    place: (Lsn, Timestamp),
    durable: Lsn,
    prev: u32,
    payload: &[u8],
) -> u32 {
    let start = out.len();
    // Payloads are bounded by RECORD_BYTES_CAP, far below 4 GiB.
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&prev.to_le_bytes());
    out.extend_from_slice(&place.0.0.to_le_bytes());
    out.extend_from_slice(&place.1.as_micros().to_le_bytes());
    out.extend_from_slice(&durable.0.to_le_bytes());
    out.extend_from_slice(&payload_crc(seed, payload).to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    crc
}

pub(super) fn payload_crc(seed: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, payload)
}

/// The start value of every checksum in a log.
pub(super) fn seed(identity: u64) -> u32 {
    crc32c::crc32c(&identity.to_le_bytes())
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written_and_in_its_own_log_only() {
        let mut bytes = Vec::new();
        let at = Timestamp::from_micros(-5);
        let crc = encode(&mut bytes, seed(1), (Lsn(9), at), Lsn(7), 3, b"payload");
        let header = FrameHeader::decode(&bytes, seed(1)).unwrap();
        assert_eq!(
            (header.lsn, header.at, header.durable),
            (Lsn(9), at, Lsn(7))
        );
        assert_eq!((header.prev, header.len, header.crc), (3, 7, crc));
        assert_eq!(header.payload_crc, payload_crc(seed(1), b"payload"));
        assert_eq!(header.frame_len(), bytes.len() as u64);
        assert_eq!(FrameHeader::decode(&bytes, seed(2)), None);
        assert_eq!(FrameHeader::decode(&bytes[..39], seed(1)), None);
        assert_eq!(FrameHeader::decode(&[0; 40], seed(1)), None);
    }
}
