//! The Merkle tree of RFC 6962 section 2.1, as pure functions over hashes.
//!
//! Generation asks for the roots of perfect subtrees through [`Nodes`], so that a backend may keep
//! some of them and need not read every leaf. Verification follows RFC 9162 sections 2.1.3.2 and 2.1.4.2.

use edsr_model::Digest;

/// The longest proof of either kind that is looked at: two hashes per level of a tree of 2^64 leaves.
pub const PROOF_HASHES_MAX: usize = 128;

/// The hash of a leaf that holds `data`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Digest {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(data);
    Digest::of(&bytes)
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Digest::of(&bytes)
}

/// The root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// The roots of the fewest perfect subtrees that cover the leaves `start..end`: at most two per level.
///
/// Starting at 0 it is all that is needed to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    start: u64,
    end: u64,
    nodes: Vec<(u32, Digest)>,
}

/// A perfect subtree that an append completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// It has `2^level` leaves.
    pub level: u32,
    /// How many of its size stand before it.
    pub index: u64,
    /// Its root.
    pub hash: Digest,
}

impl CompactRange {
    /// The empty range before the leaf `start` (counted from 0).
    #[must_use]
    pub const fn new(start: u64) -> Self {
        Self {
            start,
            end: start,
            nodes: Vec::new(),
        }
    }

    /// The range of the first `size` leaves from the hashes [`Self::hashes`] gave; `None` where their number does not fit.
    #[must_use]
    pub fn from_hashes(size: u64, hashes: &[Digest]) -> Option<Self> {
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        (size.count_ones() as usize == hashes.len()).then(|| Self {
            start: 0,
            end: size,
            nodes: levels.zip(hashes.iter().copied()).collect(),
        })
    }

    /// The roots of the subtrees, from left to right.
    pub fn hashes(&self) -> impl Iterator<Item = Digest> {
        self.nodes.iter().map(|(_, hash)| *hash)
    }

    /// One past the last leaf; the number of leaves for a range that starts at 0.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Appends a leaf (its [`leaf_hash`]) and tells every subtree that is complete with it, the leaf first.
    pub fn push(&mut self, leaf: Digest, completed: impl FnMut(Subtree)) {
        self.push_node(0, leaf, completed);
    }

    /// This range followed by `next`; `None` unless `next` starts where this one ends.
    #[must_use]
    pub fn join(mut self, next: &Self) -> Option<Self> {
        if next.start != self.end {
            return None;
        }
        for (level, hash) in &next.nodes {
            self.push_node(*level, *hash, |_| {});
        }
        Some(self)
    }

    /// The root over the range; that of the whole tree where it starts at 0.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.nodes
            .iter()
            .rev()
            .map(|(_, hash)| *hash)
            .reduce(|right, left| node_hash(left, right))
            .unwrap_or_else(empty_root)
    }

    fn push_node(&mut self, level: u32, hash: Digest, mut completed: impl FnMut(Subtree)) {
        let (mut level, mut hash) = (level, hash);
        self.end += 1 << level;
        loop {
            let index = (self.end >> level) - 1;
            completed(Subtree { level, index, hash });
            match self.nodes.last() {
                Some((left_level, left)) if *left_level == level && index % 2 == 1 => {
                    hash = node_hash(*left, hash);
                    level += 1;
                    self.nodes.pop();
                }
                _ => break,
            }
        }
        self.nodes.push((level, hash));
    }
}

/// Gives the roots of perfect subtrees.
pub trait Nodes {
    /// Why a root cannot be given.
    type Error;

    /// The root over the leaves `index * 2^level .. (index + 1) * 2^level`, all of which exist.
    ///
    /// # Errors
    /// Whatever keeps the backend from reading them.
    fn perfect(&self, level: u32, index: u64) -> Result<Digest, Self::Error>;
}

/// The compact range over the first `size` leaves.
///
/// # Errors
/// Those of `nodes`.
pub fn compact_range<N: Nodes>(nodes: &N, size: u64) -> Result<CompactRange, N::Error> {
    let mut range = CompactRange::new(0);
    for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
        let hash = nodes.perfect(level, range.end >> level)?;
        range.push_node(level, hash, |_| {});
    }
    Ok(range)
}

/// The hashes that lead from the leaf `index` (counted from 0) to the root of the first `size` leaves, lowest first.
///
/// # Errors
/// Those of `nodes`. `index` must be below `size`; the answer is empty otherwise.
pub fn inclusion_path<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while index < size && end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show that the first `old` leaves are the beginning of the first `new` ones.
///
/// # Errors
/// Those of `nodes`. The answer is empty where there is nothing to show: `old` is 0, or not below `new`.
pub fn consistency_path<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    // Where the old tree is a subtree of the new one, the verifier has its root already.
    if start > 0 {
        path.push(range_root(nodes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that `path` leads to from the leaf at `index`; `None` where its length does not fit `index` and `size`.
#[must_use]
pub fn root_of_inclusion(index: u64, size: u64, leaf: Digest, path: &[Digest]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut root = leaf;
    for step in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(*step, root);
            let shift = at.trailing_zeros().min(u64::BITS - 1);
            (at, last) = (at >> shift, last >> shift);
        } else {
            root = node_hash(root, *step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// Whether `path` shows that the tree `(old, old_root)` is the beginning of the tree `(new, new_root)`.
#[must_use]
pub fn is_consistent(
    (old, old_root): (u64, Digest),
    (new, new_root): (u64, Digest),
    path: &[Digest],
) -> bool {
    if old == 0 {
        return path.is_empty() && old_root == empty_root();
    }
    if old >= new {
        return old == new && path.is_empty() && old_root == new_root;
    }
    let mut steps = path.iter().copied();
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        steps.next()
    };
    let Some(first) = first else { return false };
    let shift = (old - 1).trailing_ones();
    let (mut at, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut old_seen, mut new_seen) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old_seen = node_hash(step, old_seen);
            new_seen = node_hash(step, new_seen);
            let shift = if at == 0 { 0 } else { at.trailing_zeros() };
            (at, last) = (at >> shift, last >> shift);
        } else {
            new_seen = node_hash(new_seen, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old_seen == old_root && new_seen == new_root
}

fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Digest, N::Error> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return nodes.perfect(level, start >> level);
    }
    let middle = start + split(length);
    let left = range_root(nodes, start, middle)?;
    Ok(node_hash(left, range_root(nodes, middle, end)?))
}

/// The largest power of two below `length`, which is at least 2.
const fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

#[cfg(test)]
#[path = "merkle_tests.rs"]
mod tests;
