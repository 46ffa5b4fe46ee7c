//! The known end: a small file beside the journal that says how far it was durable.
//!
//! SQLite takes the first frame of its write-ahead log that does not add up for the end of it, which is right for a
//! write that a crash cut short and wrong for one that was durable and got damaged since: the journal would silently
//! end earlier. The known end tells the two apart. It is written after each append, without a sync, so it is as new as
//! the journal after any crash of the process, and never ahead of it after a loss of power.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use edsr_model::{Digest, Seq};

use crate::files::beside;
use crate::port::Head;

/// Behind the name of the journal file.
const SUFFIX: &str = "-end";

/// Place, hash, and the beginning of a digest of both.
const BYTES: usize = 8 + 32 + 8;

#[derive(Debug)]
pub(super) struct KnownEnd(File);

impl KnownEnd {
    /// Opens the file beside `journal`, which is made where there is none.
    pub(super) fn open(journal: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(beside(journal, SUFFIX))
            .map(Self)
    }

    /// Everything up to `head` is durable.
    pub(super) fn write(&self, head: &Head) -> io::Result<()> {
        self.0.write_all_at(&encode(head.seq, head.hash), 0)
    }
}

/// What the file beside `journal` says; nothing where there is none, or what it says does not add up.
pub(crate) fn read(journal: &Path) -> Option<(Seq, Digest)> {
    let bytes = std::fs::read(beside(journal, SUFFIX)).ok()?;
    let bytes: [u8; BYTES] = bytes.try_into().ok()?;
    let seq = Seq(u64::from_be_bytes(*bytes.first_chunk::<8>()?));
    let hash = Digest(*bytes[8..].first_chunk::<32>()?);
    (encode(seq, hash) == bytes).then_some((seq, hash))
}

/// What speaks against a journal that ends at `head`, if anything does.
pub(super) fn differs(journal: &Path, head: &Head) -> Option<String> {
    let (seq, hash) = read(journal)?;
    if seq > head.seq {
        return Some(format!(
            "it ends at entry {}, and {seq} were durable: its write-ahead log `{}` is damaged or was cut",
            head.seq,
            beside(journal, "-wal").display()
        ));
    }
    (seq == head.seq && hash != head.hash)
        .then(|| format!("entry {seq} is not the one that was written"))
}

fn encode(seq: Seq, hash: Digest) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&seq.0.to_be_bytes());
    bytes[8..40].copy_from_slice(&hash.0);
    let check = Digest::of(&bytes[..40]);
    bytes[40..].copy_from_slice(&check.0[..8]);
    bytes
}
