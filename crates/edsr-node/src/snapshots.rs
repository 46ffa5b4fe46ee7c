//! Snapshots of the engine, so that a restart need not read both logs from the beginning.
//!
//! A snapshot is only a shortcut: one that is missing, damaged or of another version is passed over, and the state is
//! folded from further back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use edsr_engine::desk::Snapshot;
use edsr_model::{Digest, Lsn, Seq};

use crate::durable_file;

/// How many snapshots are kept: the newest, and some to fall back to.
pub const SNAPSHOTS_KEPT: usize = 3;

/// Names the layout of the state; a snapshot with another one is passed over.
const MAGIC: &[u8; 8] = b"edsrsn02";

/// A folder with snapshots.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    folder: PathBuf,
}

impl SnapshotStore {
    /// A store in `folder`.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a snapshot and removes the oldest ones. Both its places must be durable in their logs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, snapshot: &Snapshot) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&snapshot.lsn.0.to_be_bytes());
        bytes.extend_from_slice(&snapshot.seq.0.to_be_bytes());
        bytes.extend_from_slice(&snapshot.state);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(&digest.0);
        let name = format!("{:020}-{:020}.snapshot", snapshot.seq.0, snapshot.lsn.0);
        durable_file::write(&self.folder.join(name), &bytes)?;
        for old in self.paths()?.iter().skip(SNAPSHOTS_KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The snapshots that can be used, newest first, with those in front that lie beyond neither log.
    #[must_use]
    pub fn usable(&self, lsn: Lsn, seq: Seq) -> Vec<Snapshot> {
        let paths = self.paths().unwrap_or_default();
        let snapshots = paths.iter().filter_map(|path| {
            let snapshot = read(path);
            if snapshot.is_none() {
                tracing::warn!(path = %path.display(), "a snapshot cannot be used and is passed over");
            }
            snapshot
        });
        snapshots
            .filter(|snapshot| snapshot.lsn <= lsn && snapshot.seq <= seq)
            .collect()
    }

    /// The oldest event that a restart may need: the one after the oldest snapshot kept.
    #[must_use]
    pub fn floor(&self) -> Lsn {
        let paths = self.paths().unwrap_or_default();
        let oldest = paths
            .iter()
            .filter_map(|path| read(path))
            .map(|snapshot| snapshot.lsn);
        oldest.min().map_or(Lsn(1), Lsn::next)
    }

    /// Paths, newest first.
    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        match fs::read_dir(&self.folder) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry?.path();
                    if path.extension().is_some_and(|ending| ending == "snapshot") {
                        paths.push(path);
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        paths.sort();
        paths.reverse();
        Ok(paths)
    }
}

fn read(path: &Path) -> Option<Snapshot> {
    let bytes = fs::read(path).ok()?;
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Digest::of(body).0 != *digest {
        return None;
    }
    let rest = body.strip_prefix(MAGIC)?;
    let (lsn, rest) = rest.split_first_chunk::<8>()?;
    let (seq, state) = rest.split_first_chunk::<8>()?;
    Some(Snapshot {
        lsn: Lsn(u64::from_be_bytes(*lsn)),
        seq: Seq(u64::from_be_bytes(*seq)),
        state: state.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_snapshots_are_passed_over_and_old_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = SnapshotStore::new(folder.path().to_owned());
        assert!(store.usable(Lsn(9), Seq(9)).is_empty());
        for n in 1..=5 {
            let snapshot = Snapshot {
                lsn: Lsn(n),
                seq: Seq(n),
                state: vec![7; 10],
            };
            store.keep(&snapshot).unwrap();
        }
        let places = |found: Vec<Snapshot>| found.iter().map(|s| s.lsn.0).collect::<Vec<_>>();
        assert_eq!(places(store.usable(Lsn(9), Seq(9))), [5, 4, 3]);
        assert_eq!(
            places(store.usable(Lsn(4), Seq(9))),
            [4, 3],
            "none beyond the log"
        );
        assert_eq!(store.floor(), Lsn(4));
        let newest = &store.paths().unwrap()[0];
        let good = fs::read(newest).unwrap();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 1;
            fs::write(newest, &bytes).unwrap();
            assert_eq!(places(store.usable(Lsn(9), Seq(9))), [4, 3], "byte {place}");
        }
        fs::write(newest, &good[..10]).unwrap();
        assert_eq!(places(store.usable(Lsn(9), Seq(9))), [4, 3]);
    }
}
