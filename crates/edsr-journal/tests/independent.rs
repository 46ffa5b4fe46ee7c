//! Proofs, verified by an implementation of its own: written from RFC 9162 (sections 2.1.3.2 and 2.1.4.2) for this test, and
//! sharing nothing with the crate but the bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;

use edsr_journal::merkle::{Nodes, consistency_path, inclusion_path};
use edsr_model::Digest;
use sha2::{Digest as _, Sha256};

/// Every pair of sizes up to here is tried.
const SIZES_MAX: u64 = 130;

/// Leaves of the large tree, and how many proofs are taken from it.
const LARGE: u64 = 100_000;
const SAMPLES: u64 = 2_000;

/// The longest inclusion proof a tree of that size has.
const LARGE_PROOF_MAX: usize = 17;

type Hash = [u8; 32];

fn leaf(data: &[u8]) -> Hash {
    let hash = Sha256::new().chain_update([0]).chain_update(data);
    hash.finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let hash = Sha256::new().chain_update([1]).chain_update(left);
    hash.chain_update(right).finalize().into()
}

/// All perfect subtrees, level by level.
struct Tree(Vec<Vec<Hash>>);

impl Tree {
    fn new(size: u64) -> Self {
        let leaves = (0..size).map(|n| leaf(&n.to_be_bytes())).collect();
        let mut levels: Vec<Vec<Hash>> = vec![leaves];
        while levels.last().unwrap().len() > 1 {
            let below = levels.last().unwrap().chunks_exact(2);
            levels.push(below.map(|pair| node(&pair[0], &pair[1])).collect());
        }
        Self(levels)
    }

    /// By the recursive definition of section 2.1.1.
    fn root(&self, start: u64, end: u64) -> Hash {
        let size = end - start;
        if size.is_power_of_two() && start.is_multiple_of(size) {
            return self.0[size.trailing_zeros() as usize][(start / size) as usize];
        }
        let left = 1 << (63 - (size - 1).leading_zeros());
        node(
            &self.root(start, start + left),
            &self.root(start + left, end),
        )
    }
}

impl Nodes for Tree {
    type Error = Infallible;

    fn perfect(&self, level: u32, index: u64) -> Result<Digest, Infallible> {
        Ok(Digest(self.0[level as usize][index as usize]))
    }
}

fn included(index: u64, size: u64, leaf: Hash, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut f, mut s, mut r) = (index, size - 1, leaf);
    for p in path {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            r = node(p, &r);
            while f & 1 == 0 && f != 0 {
                (f, s) = (f >> 1, s >> 1);
            }
        } else {
            r = node(&r, p);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    s == 0 && r == *root
}

fn consistent(old: u64, new: u64, path: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    let mut path = path.to_vec();
    if old.is_power_of_two() {
        path.insert(0, *old_root);
    }
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    let (mut f, mut s) = (old - 1, new - 1);
    while f & 1 == 1 {
        (f, s) = (f >> 1, s >> 1);
    }
    let (mut fr, mut sr) = (*first, *first);
    for c in rest {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            (fr, sr) = (node(c, &fr), node(c, &sr));
            while f & 1 == 0 && f != 0 {
                (f, s) = (f >> 1, s >> 1);
            }
        } else {
            sr = node(&sr, c);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    s == 0 && fr == *old_root && sr == *new_root
}

fn bytes(path: Result<Vec<Digest>, Infallible>) -> Vec<Hash> {
    path.unwrap().into_iter().map(|digest| digest.0).collect()
}

/// A sound proof holds, and none holds for another leaf, another root, or with a hash changed or lost.
fn check_inclusion(tree: &Tree, index: u64, size: u64) -> usize {
    let path = bytes(inclusion_path(tree, index, size));
    let (leaf, root) = (tree.0[0][index as usize], tree.root(0, size));
    assert!(
        included(index, size, leaf, &path, &root),
        "{index} of {size}"
    );
    let other = node(&leaf, &root);
    assert!(!included(index, size, other, &path, &root));
    assert!(!included(index, size, leaf, &path, &other));
    assert!(!included(size, size, leaf, &path, &root));
    if let Some((_, shorter)) = path.split_last() {
        assert!(!included(index, size, leaf, shorter, &root));
        let mut bent = path.clone();
        bent[0][0] ^= 1;
        assert!(!included(index, size, leaf, &bent, &root));
    }
    path.len()
}

fn check_consistency(tree: &Tree, old: u64, new: u64) -> usize {
    let path = bytes(consistency_path(tree, old, new));
    let (first, second) = (tree.root(0, old), tree.root(0, new));
    assert!(
        consistent(old, new, &path, &first, &second),
        "{old} to {new}"
    );
    let other = node(&first, &second);
    assert!(!consistent(old, new, &path, &other, &second));
    assert!(!consistent(old, new, &path, &first, &other));
    let mut bent = path.clone();
    bent[0][0] ^= 1;
    assert!(!consistent(old, new, &bent, &first, &second));
    path.len()
}

#[test]
fn proofs_of_every_small_tree_hold_by_another_implementation() {
    let tree = Tree::new(SIZES_MAX);
    for size in 1..=SIZES_MAX {
        for index in 0..size {
            check_inclusion(&tree, index, size);
        }
        for old in 1..size {
            check_consistency(&tree, old, size);
        }
    }
}

#[test]
fn proofs_of_a_hundred_thousand_entries_hold_and_are_short() {
    let tree = Tree::new(LARGE);
    let mut longest = (0, 0);
    for n in 0..SAMPLES {
        // Multiples of two odd numbers: spread evenly, and the same every time.
        let a = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % LARGE;
        let b = n.wrapping_mul(0xd1b5_4a32_d192_ed03) % LARGE;
        let (old, new) = (a.min(b) + 1, a.max(b) + 1);
        longest.0 = longest.0.max(check_inclusion(&tree, a, new));
        if old < new {
            longest.1 = longest.1.max(check_consistency(&tree, old, new));
        }
    }
    println!(
        "longest proofs: inclusion {}, consistency {} hashes",
        longest.0, longest.1
    );
    assert!(longest.0 <= LARGE_PROOF_MAX && longest.1 <= LARGE_PROOF_MAX + 1);
}
