//! What remains of un-synced changes when power is lost.

use std::collections::BTreeMap;

use crate::rng::SplitMix64;

/// The unit in which disks tear a write.
const SECTOR: usize = 512;

/// A change of a file that no sync has covered.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Cut(u64),
}

/// A change of the directory that no sync has covered.
#[derive(Debug)]
pub(super) enum DirChange {
    Create(String, u64),
    Remove(String),
}

impl DirChange {
    pub(super) fn apply(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create(name, id) => {
                names.insert(name, id);
            }
            Self::Remove(name) => {
                names.remove(&name);
            }
        }
    }
}

/// One file: what readers see, and what would survive.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) bytes: Vec<u8>,
    /// Not always `bytes` without `unsynced`: a failed sync forgets changes that readers still see.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

impl Node {
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self {
            durable: bytes.clone(),
            bytes,
            unsynced: Vec::new(),
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        apply(&mut self.bytes, &change);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// A sync that failed wrote some of it and gave up the rest for good.
    pub(super) fn fail_sync(&mut self, rng: &mut SplitMix64) {
        for change in self.unsynced.drain(..) {
            tear(&mut self.durable, &change, rng);
        }
    }

    pub(super) fn crash(&mut self, rng: &mut SplitMix64) {
        self.fail_sync(rng);
        self.bytes.clone_from(&self.durable);
    }
}

fn apply(target: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => {
            let start = usize::try_from(*offset).unwrap_or(usize::MAX);
            write(target, start, bytes);
        }
        Change::Cut(len) => target.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0),
    }
}

fn write(target: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    let end = start + bytes.len();
    if target.len() < end {
        target.resize(end, 0);
    }
    target[start..end].copy_from_slice(bytes);
}

/// Applies all, nothing or a part of a change.
fn tear(target: &mut Vec<u8>, change: &Change, rng: &mut SplitMix64) {
    let (offset, bytes) = match change {
        Change::Write { offset, bytes } => (*offset, bytes),
        Change::Cut(_) => {
            if rng.one_in(2) {
                apply(target, change);
            }
            return;
        }
    };
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    match rng.below(5) {
        0 => {}
        1 => write(target, start, bytes),
        2 => {
            let kept = rng.below(bytes.len() as u64 + 1) as usize;
            write(target, start, &bytes[..kept]);
        }
        3 => write_sectors(target, start, bytes, rng, Rest::Kept),
        _ => write_sectors(target, start, bytes, rng, Rest::Garbage),
    }
}

/// What stands where a sector of a torn write did not arrive and the file had not reached before.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    Kept,
    Garbage,
}

fn write_sectors(
    target: &mut Vec<u8>,
    start: usize,
    bytes: &[u8],
    rng: &mut SplitMix64,
    rest: Rest,
) {
    let grown_from = target.len();
    let mut done = 0;
    while done < bytes.len() {
        let at = start + done;
        let len = (SECTOR - at % SECTOR).min(bytes.len() - done);
        if rng.one_in(2) {
            write(target, at, &bytes[done..done + len]);
        } else if rest == Rest::Garbage && at >= grown_from {
            let garbage: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            write(target, at, &garbage);
        }
        done += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_old_or_new_bytes_below_the_old_length() {
        for seed in 0..200 {
            let mut rng = SplitMix64::new(seed);
            let mut node = Node::durable(vec![1; 1500]);
            node.change(Change::Write {
                offset: 100,
                bytes: vec![2; 1300],
            });
            node.crash(&mut rng);
            assert!(
                node.bytes.iter().all(|byte| [1, 2].contains(byte)),
                "{seed}"
            );
            assert_eq!(node.bytes.len(), 1500);
        }
    }

    #[test]
    fn a_failed_sync_forgets() {
        let lost = (0..200).filter(|seed| {
            let mut rng = SplitMix64::new(*seed);
            let mut node = Node::default();
            node.change(Change::Write {
                offset: 0,
                bytes: vec![7; 40],
            });
            node.fail_sync(&mut rng);
            assert_eq!(node.bytes, vec![7; 40], "readers still see it");
            node.sync();
            node.durable != node.bytes
        });
        assert!(lost.count() > 20, "and a later sync does not bring it back");
    }
}
