//! Where it is kept what entries mention.
//!
//! What is mentioned has ids that are as good as drawn, so in a tree ordered by id nearly every row of an append would
//! change a page of its own. So the rows of the latest entries stand in `recent` in the order they came, which costs next
//! to nothing to write and little to search, and go into `mention`, ordered by id, so many entries at a time: they are settled. Kinds
//! are in `mention` only; the recent entries are few enough to look at each.

use rusqlite::{Connection, params};

use crate::chain::Sealed;

/// So many entries are settled at a time. A query by id looks at each row of fewer than as many entries.
pub(crate) const SETTLED_EVERY: u64 = 8192;

/// The last entry that is settled in a journal that ends at `end`; those after it are recent.
pub(crate) const fn settled(end: u64) -> u64 {
    end - end % SETTLED_EVERY
}

/// Adds what the entries after `before` mention, once the entries themselves are there.
pub(super) fn insert(connection: &Connection, before: u64, all: &[Sealed]) -> rusqlite::Result<()> {
    let (from, until) = (settled(before), settled(before + all.len() as u64));
    let mut insert = connection.prepare_cached("INSERT INTO recent (id, seq) VALUES (?1, ?2)")?;
    for Sealed {
        entry, mentions, ..
    } in all
    {
        for id in mentions {
            insert.execute(params![id, entry.draft.seq.0])?;
        }
    }
    if until > from {
        settle(connection, from, until)?;
    }
    Ok(())
}

/// Puts in order what the entries after `from` up to `until` mention, and their kinds.
fn settle(connection: &Connection, from: u64, until: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO mention (id, seq)
             SELECT id, seq FROM recent WHERE seq <= ?2
             UNION ALL SELECT 'kind:' || kind, seq FROM entry WHERE seq > ?1 AND seq <= ?2
             ORDER BY 1, 2",
        )?
        .execute([from, until])?;
    connection
        .prepare_cached("DELETE FROM recent WHERE seq <= ?1")?
        .execute([until])?;
    Ok(())
}
