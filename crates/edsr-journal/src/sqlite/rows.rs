//! Reading rows and subtrees.

use edsr_model::{Digest, Entry, Seq};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use crate::chain::open_entry;
use crate::error::JournalError;
use crate::merkle::{CompactRange, Nodes, leaf_hash};

/// Subtrees are kept at every eighth level, so that 256 hashes give the next one kept: little is stored, and little read.
pub(crate) const SUBTREE_LEVELS: u32 = 8;

/// Whether subtrees of this level are kept.
pub(crate) const fn is_kept(level: u32) -> bool {
    level > 0 && level.is_multiple_of(SUBTREE_LEVELS)
}

/// The tree from the stored hashes. It believes them; whether they fit the entries is for the verifier.
pub(crate) struct StoredNodes<'c>(pub(crate) &'c Connection);

/// Why a subtree cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodesError {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("hashes of entries {first} to {last} are missing")]
    Missing { first: u64, last: u64 },
}

impl Nodes for StoredNodes<'_> {
    type Error = NodesError;

    fn perfect(&self, level: u32, index: u64) -> Result<Digest, NodesError> {
        let base = level - level % SUBTREE_LEVELS;
        let count = 1_u64 << (level - base);
        let start = index << (level - base);
        let end = start + count;
        let mut range = CompactRange::new(0);
        let mut take = |row: &Row<'_>| -> rusqlite::Result<()> {
            let hash = Digest(row.get(0)?);
            let node = if base == 0 { leaf_hash(&hash.0) } else { hash };
            range.push(node, |_| {});
            Ok(())
        };
        if base == 0 {
            let sql = "SELECT hash FROM entry WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
            let mut statement = self.0.prepare_cached(sql)?;
            let mut rows = statement.query(params![start, end])?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
        } else {
            let sql = "SELECT hash FROM subtree
                 WHERE level = ?1 AND position >= ?2 AND position < ?3 ORDER BY position";
            let mut statement = self.0.prepare_cached(sql)?;
            let mut rows = statement.query(params![base, start, end])?;
            while let Some(row) = rows.next()? {
                take(row)?;
            }
        }
        if range.end() == count {
            Ok(range.root())
        } else {
            Err(NodesError::Missing {
                first: (start << base) + 1,
                last: end << base,
            })
        }
    }
}

/// The hashes of a tree that starts at 0, one behind the other.
pub(crate) fn tree_bytes(tree: &CompactRange) -> Vec<u8> {
    tree.hashes().flat_map(|hash| hash.0).collect()
}

/// The tree of `size` leaves that [`tree_bytes`] wrote.
pub(crate) fn tree_from(size: u64, bytes: &[u8]) -> Option<CompactRange> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let hashes: Vec<_> = hashes.iter().copied().map(Digest).collect();
    CompactRange::from_hashes(size, &hashes).filter(|_| rest.is_empty())
}

/// The columns [`entry`] reads.
pub(crate) const ENTRY_COLUMNS: &str = "e.seq, e.prev, e.hash, e.body";

/// The entry in a row of [`ENTRY_COLUMNS`], checked.
pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<Result<Entry, JournalError>> {
    let seq = Seq(row.get(0)?);
    let (prev, hash) = (digest(row.get_ref(1)?), digest(row.get_ref(2)?));
    let (Some(prev), Some(hash)) = (prev, hash) else {
        let reason = "a hash does not have 32 bytes".to_owned();
        return Ok(Err(JournalError::Damaged { seq, reason }));
    };
    Ok(open_entry(seq, prev, hash, bytes(row.get_ref(3)?)))
}

/// The bytes of a text or blob; none of anything else.
pub(crate) fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}

pub(crate) fn digest(value: ValueRef<'_>) -> Option<Digest> {
    bytes(value).try_into().ok().map(Digest)
}
