//! What is looked at when a journal is opened: its end, which says whether the rest can be what it was.

use std::path::Path;

use edsr_model::{Digest, Entry, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

use super::rows::{ENTRY_COLUMNS, StoredNodes, bytes, digest, entry, tree_from};
use crate::chain::Chain;
use crate::error::JournalError;
use crate::merkle::{CompactRange, compact_range};
use crate::note::PublicKey;
use crate::port::Head;

/// The end of a journal.
pub(super) struct End {
    pub(super) chain: Chain,
    pub(super) note: String,
}

/// The single row of the table `head`.
#[derive(Debug, Clone)]
pub(crate) struct HeadRow {
    pub(crate) seq: u64,
    pub(crate) hash: Option<Digest>,
    pub(crate) at: i64,
    pub(crate) tree: Option<CompactRange>,
    pub(crate) note: String,
}

impl HeadRow {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT seq, hash, at, tree, note FROM head";
        connection
            .prepare_cached(sql)?
            .query_row([], |row| {
                let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX);
                Ok(Self {
                    seq,
                    hash: digest(row.get_ref(1)?),
                    at: row.get(2)?,
                    tree: tree_from(seq, bytes(row.get_ref(3)?)),
                    note: row.get(4)?,
                })
            })
            .optional()
    }
}

/// The end, when head, last entry, tree and checkpoint agree.
pub(super) fn load(
    connection: &Connection,
    path: &Path,
    key: &PublicKey,
) -> Result<End, JournalError> {
    let fail = |error: rusqlite::Error| JournalError::storage("read", path)(error.into());
    let refuse = |differs| JournalError::Differs {
        path: path.to_owned(),
        differs,
    };
    let head = HeadRow::read(connection).map_err(fail)?;
    let head = head.ok_or_else(|| refuse(vec!["the head is missing".to_owned()]))?;
    let last = last_entry(connection).map_err(fail)?;
    let mut differs = against_last(&head, last);
    differs.extend(against_tree(&head, connection));
    differs.extend(against_note(&head, key));
    let tree = head.tree.clone().filter(|_| differs.is_empty());
    let (Some(tree), Some(hash)) = (tree, head.hash) else {
        return Err(refuse(differs));
    };
    let seq = edsr_model::Seq(head.seq);
    let head_at = Timestamp::from_micros(head.at);
    let chain = Chain {
        head: Head {
            seq,
            hash,
            at: head_at,
        },
        tree,
    };
    Ok(End {
        chain,
        note: head.note,
    })
}

fn last_entry(connection: &Connection) -> rusqlite::Result<Option<Result<Entry, JournalError>>> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry e ORDER BY e.seq DESC LIMIT 1");
    connection.query_row(&sql, [], entry).optional()
}

fn against_last(head: &HeadRow, last: Option<Result<Entry, JournalError>>) -> Vec<String> {
    let (seq, hash, at) = match last {
        None => (0, Digest::default(), 0),
        Some(Ok(entry)) => (entry.draft.seq.0, entry.hash, entry.draft.at.as_micros()),
        Some(Err(error)) => return vec![error.to_string()],
    };
    let mut differs = Vec::new();
    if head.seq != seq {
        differs.push(format!(
            "the head names seq {}, the last entry is {seq}",
            head.seq
        ));
    } else if head.hash != Some(hash) {
        differs.push(format!(
            "the head has another hash than the last entry, {seq}"
        ));
    } else if head.at != at {
        differs.push(format!(
            "the head has another time than the last entry, {seq}"
        ));
    }
    differs
}

fn against_tree(head: &HeadRow, connection: &Connection) -> Option<String> {
    let stored = match compact_range(&StoredNodes(connection), head.seq) {
        Ok(stored) => stored,
        Err(error) => return Some(format!("the tree cannot be made: {error}")),
    };
    let same = head.tree.as_ref() == Some(&stored);
    (!same).then(|| "the tree of the head does not fit the stored hashes".to_owned())
}

fn against_note(head: &HeadRow, key: &PublicKey) -> Option<String> {
    match key.open(&head.note) {
        Err(error) => Some(error.to_string()),
        Ok(checkpoint) if checkpoint.size != head.seq => Some(format!(
            "the latest checkpoint covers {} entries, the head names seq {}",
            checkpoint.size, head.seq
        )),
        Ok(checkpoint) => {
            let same = head
                .tree
                .as_ref()
                .is_some_and(|tree| tree.root() == checkpoint.root);
            (!same).then(|| "the latest checkpoint does not fit the tree of the head".to_owned())
        }
    }
}
