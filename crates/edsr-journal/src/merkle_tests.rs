use super::*;
use std::convert::Infallible;

const SIZES_MAX: u64 = 70;

/// Reads every leaf each time, by the recursive definition of RFC 6962 section 2.1.
struct Leaves(Vec<Digest>);

impl Nodes for Leaves {
    type Error = Infallible;

    fn perfect(&self, level: u32, index: u64) -> Result<Digest, Infallible> {
        let start = (index << level) as usize;
        Ok(naive_root(&self.0[start..start + (1 << level)]))
    }
}

fn naive_split(length: usize) -> usize {
    (1..length).filter(|k| k.is_power_of_two()).max().unwrap()
}

fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(naive_root(left), naive_root(right))
        }
    }
}

fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if index < k {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - k, right), naive_root(left))
    };
    path.push(sibling);
    path
}

fn naive_subproof(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if whole {
            vec![]
        } else {
            vec![naive_root(leaves)]
        };
    }
    let k = naive_split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if old <= k {
        (naive_subproof(old, left, whole), naive_root(right))
    } else {
        (naive_subproof(old - k, right, false), naive_root(left))
    };
    path.push(sibling);
    path
}

fn leaves(count: u64) -> Leaves {
    Leaves((0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect())
}

fn digest(hex: &str) -> Digest {
    hex.parse().unwrap()
}

/// The leaves and roots that Certificate Transparency implementations are tested with.
const KNOWN: [(&str, &str); 8] = [
    (
        "",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    ),
    (
        "00",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    ),
    (
        "10",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn known_leaves() -> Leaves {
    Leaves(
        KNOWN
            .iter()
            .map(|(leaf, _)| leaf_hash(&hex::decode(leaf).unwrap()))
            .collect(),
    )
}

#[test]
fn roots_are_those_known_from_certificate_transparency() {
    assert_eq!(
        empty_root(),
        digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    let mut range = CompactRange::new(0);
    for (leaf, (_, root)) in known_leaves().0.into_iter().zip(KNOWN) {
        range.push(leaf, |_| {});
        assert_eq!(range.root(), digest(root), "{} leaves", range.end());
    }
}

#[test]
fn paths_are_those_known_from_certificate_transparency() {
    let known = known_leaves();
    let path = inclusion_path(&known, 5, 8).unwrap();
    let expected = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path, expected.map(digest));
    let path = consistency_path(&known, 6, 8).unwrap();
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(path, expected.map(digest));
}

#[test]
fn the_compact_range_is_the_tree_at_every_size() {
    let all = leaves(SIZES_MAX);
    let mut range = CompactRange::new(0);
    for size in 0..=SIZES_MAX {
        let naive = naive_root(&all.0[..size as usize]);
        assert_eq!(range.root(), naive, "{size}");
        assert_eq!(compact_range(&all, size).unwrap(), range, "{size}");
        let hashes: Vec<_> = range.hashes().collect();
        assert_eq!(CompactRange::from_hashes(size, &hashes).unwrap(), range);
        assert!(CompactRange::from_hashes(size + 1, &hashes).is_none_or(|other| other != range));
        if size < SIZES_MAX {
            range.push(all.0[size as usize], |done| {
                let start = (done.index << done.level) as usize;
                assert_eq!(
                    done.hash,
                    naive_root(&all.0[start..start + (1 << done.level)])
                );
            });
        }
    }
}

#[test]
fn two_neighbouring_ranges_join_to_the_whole() {
    let all = leaves(SIZES_MAX);
    for start in 0..=SIZES_MAX {
        let mut tail = CompactRange::new(start);
        all.0[start as usize..]
            .iter()
            .for_each(|leaf| tail.push(*leaf, |_| {}));
        let whole = compact_range(&all, start).unwrap().join(&tail).unwrap();
        assert_eq!(whole, compact_range(&all, SIZES_MAX).unwrap(), "{start}");
        assert!(CompactRange::new(start + 1).join(&tail).is_none());
    }
}

#[test]
fn inclusion_holds_for_every_leaf_and_nothing_else() {
    let all = leaves(SIZES_MAX);
    for size in 1..=SIZES_MAX {
        let tree = &all.0[..size as usize];
        let root = naive_root(tree);
        for index in 0..size {
            let leaf = tree[index as usize];
            let path = inclusion_path(&all, index, size).unwrap();
            assert_eq!(path, naive_path(index as usize, tree), "{index} of {size}");
            assert_eq!(root_of_inclusion(index, size, leaf, &path), Some(root));
            let other = leaf_hash(b"another leaf");
            assert_ne!(root_of_inclusion(index, size, other, &path), Some(root));
            for wrong in [index + 1, index ^ 1, size - 1 - index]
                .into_iter()
                .filter(|wrong| *wrong != index)
            {
                assert_ne!(root_of_inclusion(wrong, size, leaf, &path), Some(root));
            }
            let longer = [path.as_slice(), &[root]].concat();
            assert_eq!(root_of_inclusion(index, size, leaf, &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(root_of_inclusion(index, size, leaf, shorter), None);
            }
        }
        assert_eq!(root_of_inclusion(size, size, tree[0], &[]), None);
    }
}

#[test]
fn consistency_holds_for_every_pair_of_sizes_and_nothing_else() {
    let all = leaves(SIZES_MAX);
    let roots: Vec<_> = (0..=SIZES_MAX as usize)
        .map(|size| naive_root(&all.0[..size]))
        .collect();
    for new in 1..=SIZES_MAX {
        let tree = &all.0[..new as usize];
        for old in 0..=new {
            let (old_root, new_root) = (roots[old as usize], roots[new as usize]);
            let path = consistency_path(&all, old, new).unwrap();
            if old > 0 {
                assert_eq!(
                    path,
                    naive_subproof(old as usize, tree, true),
                    "{old} to {new}"
                );
            }
            assert!(
                is_consistent((old, old_root), (new, new_root), &path),
                "{old} to {new}"
            );
            let other = leaf_hash(b"another root");
            assert!(!is_consistent((old, other), (new, new_root), &path));
            assert!(old == 0 || !is_consistent((old, old_root), (new, other), &path));
            let longer = [path.as_slice(), &[other]].concat();
            assert!(!is_consistent((old, old_root), (new, new_root), &longer));
            for place in 0..path.len() {
                let mut bent = path.clone();
                bent[place] = other;
                assert!(!is_consistent((old, old_root), (new, new_root), &bent));
                let cut = &path[..place];
                assert!(!is_consistent((old, old_root), (new, new_root), cut));
            }
        }
        assert!(!is_consistent(
            (new, roots[new as usize]),
            (new - 1, roots[new as usize - 1]),
            &[]
        ));
    }
}

#[test]
fn the_largest_sizes_do_not_overflow() {
    let leaf = leaf_hash(b"x");
    for path_len in [0, 1, 63, 64, 65, PROOF_HASHES_MAX] {
        let path = vec![leaf; path_len];
        for index in [0, 1, u64::MAX - 2, u64::MAX - 1, u64::MAX] {
            let found = root_of_inclusion(index, u64::MAX, leaf, &path);
            assert!(found.is_none() || path_len > 0, "{index} {path_len}");
            assert!(!is_consistent((index, leaf), (u64::MAX, leaf), &path) || index == u64::MAX);
        }
    }
}
