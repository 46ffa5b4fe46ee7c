//! The mark: how far the log is known to be durable, and where it begins.
//!
//! The file holds three copies, each in a block of its own. Two are *firm*: they are written one after the
//! other, each synced before the other is touched, when the log is opened, closed, or drops old segments.
//! So whatever a crash tears, one firm copy is whole. The third is *quick*: it is overwritten after every
//! commit and not synced. It costs no disk time, is complete after a crash of the process alone, and after
//! a loss of power it is what the system happened to write: an older value, or torn and ignored.
//!
//! A mark is written only after the sync that makes it true, so every whole copy is true, if perhaps old.

use edsr_model::Lsn;

use super::frame::{u32_at, u64_at};
use super::header::check_version;
use crate::disk::{DiskError, DiskFile};
use crate::error::LogError;

/// The name of the file.
pub(super) const MARK_NAME: &str = "log.mark";

const MAGIC: &[u8; 8] = b"edsrmark";
const MARK_LEN: usize = 48;
/// Apart by the largest unit that file systems and disks write as one.
const SLOT_STRIDE: u64 = 4096;
const FIRM_SLOTS: [u64; 2] = [0, SLOT_STRIDE];
const QUICK_SLOT: u64 = 2 * SLOT_STRIDE;

/// What the copies say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) identity: u64,
    /// Counts writes, to find the newest copy.
    pub(super) turn: u64,
    /// Everything up to here was durable.
    pub(super) durable: Lsn,
    /// Everything before here was dropped on purpose.
    pub(super) first: Lsn,
}

/// What the file as a whole says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MarkRead {
    /// The furthest of what the whole copies say.
    pub(super) mark: Mark,
    /// Which firm copy is not known to be on disk, and so is written before the other.
    doubtful: usize,
}

/// Reads the copies; `None` where no firm one is whole.
pub(super) fn read<F: DiskFile>(file: &F) -> Result<Option<MarkRead>, LogError> {
    let firm = [slot(file, FIRM_SLOTS[0])?, slot(file, FIRM_SLOTS[1])?];
    let quick = slot(file, QUICK_SLOT)?;
    let Some(mut mark) = firm[0].or(firm[1]) else {
        return Ok(None);
    };
    // A copy that is not whole, else the newest: the sync of either may have failed, and then the other
    // one had been synced before.
    let doubtful = match firm {
        [None, _] => 0,
        [_, None] => 1,
        [Some(one), Some(two)] => usize::from(two.turn > one.turn),
    };
    for other in firm.into_iter().chain([quick]).flatten() {
        if other.identity == mark.identity {
            mark.turn = mark.turn.max(other.turn);
            mark.durable = mark.durable.max(other.durable);
            mark.first = mark.first.max(other.first);
        }
    }
    Ok(Some(MarkRead { mark, doubtful }))
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct MarkFile<F> {
    file: F,
    mark: Mark,
    doubtful: usize,
}

impl<F: DiskFile> MarkFile<F> {
    /// For a file that was read, or `None` for a new one; nothing is written yet.
    pub(super) fn new(file: F, read: Option<MarkRead>, identity: u64) -> Self {
        let fresh = Mark {
            identity,
            turn: 0,
            durable: Lsn::ZERO,
            first: Lsn(1),
        };
        Self {
            file,
            mark: read.map_or(fresh, |read| read.mark),
            doubtful: read.map_or(0, |read| read.doubtful),
        }
    }

    /// Writes both firm copies, each durable before the other is touched; the doubtful one first.
    pub(super) fn write_firm(&mut self, durable: Lsn, first: Lsn) -> Result<(), DiskError> {
        self.mark.durable = durable;
        self.mark.first = first;
        for slot in [self.doubtful, 1 - self.doubtful] {
            self.mark.turn += 1;
            let bytes = encode(&self.mark);
            self.file.write_at(FIRM_SLOTS[slot], &bytes)?;
            if self.mark.turn <= 1 {
                // A new file gets its full size at once: what follows overwrites and needs no space.
                self.file.write_at(FIRM_SLOTS[1 - slot], &[0; MARK_LEN])?;
                self.file.write_at(QUICK_SLOT, &[0; MARK_LEN])?;
            }
            self.file.sync_data()?;
            self.doubtful = slot;
        }
        Ok(())
    }

    /// Overwrites the quick copy.
    pub(super) fn write_quick(&mut self, durable: Lsn) -> Result<(), DiskError> {
        self.mark.durable = durable;
        self.mark.turn += 1;
        self.file.write_at(QUICK_SLOT, &encode(&self.mark))
    }
}

fn slot<F: DiskFile>(file: &F, offset: u64) -> Result<Option<Mark>, LogError> {
    let mut bytes = [0; MARK_LEN];
    let len = file.read_at(offset, &mut bytes)?;
    if len < MARK_LEN || !bytes.starts_with(MAGIC) {
        return Ok(None);
    }
    if crc32c::crc32c(&bytes[..44]) != u32_at(&bytes, 44) {
        return Ok(None);
    }
    check_version(MARK_NAME, u32_at(&bytes, 8))?;
    Ok(Some(Mark {
        identity: u64_at(&bytes, 12),
        turn: u64_at(&bytes, 20),
        durable: Lsn(u64_at(&bytes, 28)),
        first: Lsn(u64_at(&bytes, 36)),
    }))
}

fn encode(mark: &Mark) -> Vec<u8> {
    let mut out = Vec::with_capacity(MARK_LEN);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&super::header::VERSION.to_le_bytes());
    for number in [mark.identity, mark.turn, mark.durable.0, mark.first.0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, Fault, MemDisk};

    fn reopened(disk: &MemDisk) -> MarkFile<crate::disk::MemFile> {
        let file = disk.open(MARK_NAME).unwrap();
        let read = read(&file).unwrap().expect("a firm copy is whole");
        MarkFile::new(file, Some(read), 7)
    }

    /// A sync that fails leaves a copy that reads well and is not on disk; the next life must not tear
    /// the other one first.
    #[test]
    fn one_firm_copy_survives_a_failed_sync_and_then_a_crash() {
        for seed in 0..200 {
            for failing in [1, 3] {
                let disk = MemDisk::new(seed);
                let mut mark = MarkFile::new(disk.create(MARK_NAME).unwrap(), None, 7);
                mark.write_firm(Lsn(1), Lsn(1)).unwrap();
                mark.write_firm(Lsn(2), Lsn(1)).unwrap();
                disk.sync_dir().unwrap();
                disk.fail_call(disk.calls() + failing, Fault::Eio);
                mark.write_firm(Lsn(3), Lsn(1)).unwrap_err();
                let mut mark = reopened(&disk);
                // The power goes while the first copy is on its way.
                disk.fail_call(disk.calls() + 1, Fault::Eio);
                mark.write_firm(Lsn(3), Lsn(1)).unwrap_err();
                disk.crash();
                let durable = reopened(&disk).mark.durable;
                assert!(
                    durable >= Lsn(2) && durable <= Lsn(3),
                    "seed {seed}: {durable}"
                );
            }
        }
    }

    #[test]
    fn a_torn_quick_copy_is_ignored_and_a_whole_one_counts() {
        for seed in 0..50 {
            let disk = MemDisk::new(seed);
            let mut mark = MarkFile::new(disk.create(MARK_NAME).unwrap(), None, 7);
            mark.write_firm(Lsn(5), Lsn(2)).unwrap();
            disk.sync_dir().unwrap();
            for durable in 6..=9 {
                mark.write_quick(Lsn(durable)).unwrap();
            }
            let seen = reopened(&disk).mark;
            assert_eq!((seen.durable, seen.first), (Lsn(9), Lsn(2)));
            disk.crash();
            let left = reopened(&disk).mark;
            assert!((5..=9).contains(&left.durable.0), "seed {seed}");
            assert_eq!(left.first, Lsn(2));
        }
    }
}
