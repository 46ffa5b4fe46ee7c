//! What was derived from the entries to find them faster.

use edsr_model::Draft;
use rusqlite::{Connection, OptionalExtension as _, Rows, params};

use super::{FindingKind, VerifyReport};
use crate::mention::{kind, mentions};
use crate::merkle::Subtree;
use crate::sqlite::rows::{bytes, digest, is_kept};

/// The tables `mention` and `recent`, walked beside the entries.
pub(super) struct Mentions<'r> {
    rows: Rows<'r>,
    /// The last entry whose rows are in `mention`.
    settled: u64,
    /// The next row, once one was asked for.
    next: Option<Mention>,
    ended: bool,
}

struct Mention {
    id: Vec<u8>,
    seq: i64,
    recent: bool,
}

impl<'r> Mentions<'r> {
    pub(super) const fn new(rows: Rows<'r>, settled: u64) -> Self {
        Self {
            rows,
            settled,
            next: None,
            ended: false,
        }
    }

    /// Whether the rows of the entry are exactly those of what it says; reports the first that is not.
    pub(super) fn compare(
        &mut self,
        seq: u64,
        draft: &Draft,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<()> {
        self.strays_before(seq, report)?;
        let mut wrong: Option<String> = None;
        let settled = seq <= self.settled;
        let mut expected = mentions(draft);
        if settled {
            expected.insert(kind(draft.fact.kind()));
        }
        let mut expected = expected.iter();
        while let Some(row) = self.take_at(seq)? {
            let same = expected
                .next()
                .is_some_and(|expected| expected.as_bytes() == row.id)
                && settled != row.recent;
            if !same && wrong.is_none() {
                let id = String::from_utf8_lossy(&row.id);
                wrong = Some(format!("the index differs from the entry at `{id}`"));
            }
        }
        if let (None, Some(id)) = (&wrong, expected.next()) {
            wrong = Some(format!("the index does not name `{id}`"));
        }
        if let Some(text) = wrong {
            report.add(FindingKind::Index, seq, text);
        }
        Ok(())
    }

    /// Passes over the rows of entries about which nothing can be said.
    pub(super) fn skip(
        &mut self,
        first: u64,
        last: u64,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<()> {
        self.strays_before(first, report)?;
        while self
            .peek()?
            .is_some_and(|seq| seq >= 0 && seq as u64 <= last)
        {
            self.next = None;
        }
        Ok(())
    }

    /// After the last entry: rows of entries up to `longest` belong to what was cut off, others to nothing.
    pub(super) fn finish(
        &mut self,
        longest: u64,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<()> {
        while let Some(seq) = self.peek()? {
            self.next = None;
            if u64::try_from(seq).is_ok_and(|seq| seq > longest) {
                report.add(
                    FindingKind::Index,
                    seq as u64,
                    "the index names an entry that was never there",
                );
            }
        }
        Ok(())
    }

    fn strays_before(&mut self, seq: u64, report: &mut VerifyReport) -> rusqlite::Result<()> {
        while let Some(stray) = self.peek()?
            && u64::try_from(stray).is_ok_and(|stray| stray < seq) | (stray < 0)
        {
            self.next = None;
            report.add(
                FindingKind::Index,
                0,
                format!("the index names an entry {stray}"),
            );
        }
        Ok(())
    }

    fn peek(&mut self) -> rusqlite::Result<Option<i64>> {
        // Asking again after the end would start over.
        if self.next.is_none() && !self.ended {
            match self.rows.next()? {
                Some(row) => {
                    self.next = Some(Mention {
                        id: bytes(row.get_ref(0)?).to_vec(),
                        seq: row.get(1)?,
                        recent: row.get(2)?,
                    });
                }
                None => self.ended = true,
            }
        }
        Ok(self.next.as_ref().map(|row| row.seq))
    }

    fn take_at(&mut self, seq: u64) -> rusqlite::Result<Option<Mention>> {
        self.peek()?;
        Ok(self.next.take_if(|row| u64::try_from(row.seq) == Ok(seq)))
    }
}

/// The table `subtree`.
pub(super) struct Subtrees<'c> {
    connection: &'c Connection,
    seen: i64,
}

impl<'c> Subtrees<'c> {
    /// Those beyond the first `done` entries, which were compared before.
    pub(super) fn new(connection: &'c Connection, done: u64) -> Self {
        let levels = (0..u64::BITS).filter(|level| is_kept(*level));
        let before: u64 = levels.map(|level| done >> level).sum();
        Self {
            connection,
            seen: i64::try_from(before).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn compare(
        &mut self,
        done: Subtree,
        report: &mut VerifyReport,
    ) -> rusqlite::Result<()> {
        if !is_kept(done.level) {
            return Ok(());
        }
        let stored = self
            .connection
            .prepare_cached("SELECT hash FROM subtree WHERE level = ?1 AND position = ?2")?
            .query_row(params![done.level, done.index], |row| {
                Ok(digest(row.get_ref(0)?))
            })
            .optional()?;
        self.seen += i64::from(stored.is_some());
        if stored.flatten() != Some(done.hash) {
            let last = (done.index + 1) << done.level;
            let text = format!(
                "the kept subtree of level {} that ends here is not the one of the entries",
                done.level
            );
            report.add(FindingKind::Index, last, text);
        }
        Ok(())
    }

    pub(super) fn finish(&self, report: &mut VerifyReport) -> rusqlite::Result<()> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM subtree", [], |row| row.get(0))?;
        if count != self.seen {
            let text = format!(
                "{} subtrees are kept that no entries lead to",
                count - self.seen
            );
            report.add(FindingKind::Index, 0, text);
        }
        Ok(())
    }
}
