//! The walk over all entries.

use edsr_model::{Digest, Seq};
use rusqlite::{Connection, Rows};

use super::anchors::Anchors;
use super::indexes::{Mentions, Subtrees};
use super::row::{COLUMNS, EntryRow};
use super::{FindingKind, VerifyOptions, VerifyReport};
use crate::merkle::{CompactRange, leaf_hash};
use crate::sqlite::end::HeadRow;
use crate::sqlite::mentions::settled;
use crate::sqlite::schema::Meta;

const MENTIONS: &str = "SELECT id, seq, 0 FROM mention WHERE seq >= ?1
     UNION ALL SELECT id, seq, 1 FROM recent WHERE seq >= ?1 ORDER BY 2, 1";

/// How far a walk has come, and all it knows of the entries before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// The tree over the hashes believed so far.
    pub(super) tree: CompactRange,
    /// Whether that is the tree that was signed, as far as is known: no place in it is unknown.
    pub(super) whole: bool,
    /// The hash the next entry must link to, where it is known.
    pub(super) prev: Option<Digest>,
    /// The time of the last entry, where its body can be believed.
    pub(super) last_at: Option<i64>,
    /// The place of the next entry.
    pub(super) next_seq: u64,
}

impl Progress {
    /// Before the first entry.
    pub(super) fn none() -> Self {
        Self {
            tree: CompactRange::new(0),
            whole: true,
            prev: Some(Digest::default()),
            last_at: None,
            next_seq: 1,
        }
    }

    /// How many places are behind.
    const fn done(&self) -> u64 {
        self.next_seq - 1
    }

    /// The first row that is still to be read. Rows before the first place are read where nothing was yet.
    fn first_row(&self) -> i64 {
        match self.done() {
            0 => i64::MIN,
            _ => i64::try_from(self.next_seq).unwrap_or(i64::MAX),
        }
    }
}

/// Walks on from where another walk stood: up to the entry `last`, or to the end and over all that must fit it.
pub(super) fn walk(
    connection: &Connection,
    meta: &Meta,
    options: &VerifyOptions,
    from: Progress,
    last: Option<u64>,
    report: &mut VerifyReport,
) -> rusqlite::Result<Progress> {
    let head = HeadRow::read(connection)?;
    let (first, done) = (from.first_row(), from.done());
    let mut statement = connection.prepare_cached(MENTIONS)?;
    let end = match &head {
        Some(head) => head.seq,
        None => last_entry(connection)?,
    };
    let mentions = Mentions::new(statement.query([first])?, settled(end));
    let mut statement = connection
        .prepare_cached("SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size")?;
    let stored = statement.query([first])?;
    let anchors = Anchors::new(stored, head.as_ref(), meta, options, done, report)?;
    report.last = done;
    let mut walk = Walk {
        anchors,
        mentions,
        subtrees: Subtrees::new(connection, done),
        report,
        head,
        at: from,
    };
    let until = last.map_or(i64::MAX, |last| i64::try_from(last).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entry WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq"
    ))?;
    walk.entries(statement.query([first, until])?)?;
    if last.is_none() {
        walk.finish()?;
    }
    Ok(walk.at)
}

fn last_entry(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT max(seq) FROM entry";
    let last: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(last.map_or(0, |last| u64::try_from(last).unwrap_or(0)))
}

struct Walk<'w> {
    report: &'w mut VerifyReport,
    anchors: Anchors<'w>,
    mentions: Mentions<'w>,
    subtrees: Subtrees<'w>,
    head: Option<HeadRow>,
    at: Progress,
}

impl Walk<'_> {
    fn entries(&mut self, mut rows: Rows<'_>) -> rusqlite::Result<()> {
        let mut read = || rows.next()?.map(EntryRow::read).transpose();
        let mut current = read()?;
        while let Some(row) = current {
            self.report.entries += 1;
            let mut next = read()?;
            if row.seq < 1 {
                let text = format!("an entry stands at {}, before the first", row.seq);
                self.report.add(FindingKind::Unsigned, 0, text);
                current = next;
                continue;
            }
            self.gap_before(&row)?;
            let neighbour = next.take_if(|next| are_swapped(&row, next));
            if let Some(neighbour) = neighbour {
                self.report.entries += 1;
                self.swapped(&row, &neighbour)?;
                next = read()?;
            } else if let Some(place) = row.written_at() {
                self.reordered(&row, place)?;
            } else {
                self.entry(&row, next.as_ref())?;
            }
            current = next;
        }
        Ok(())
    }

    fn gap_before(&mut self, row: &EntryRow) -> rusqlite::Result<()> {
        let (first, last) = (self.at.next_seq, row.place().0 - 1);
        if last < first {
            return Ok(());
        }
        self.report
            .add(FindingKind::Missing, first, are(first, last, "missing"));
        self.mentions.skip(first, last, self.report)?;
        match row.prev {
            // What is missing is known by its hash, so everything after it can still be checked.
            Some(hash) if first == last => self.believe(hash)?,
            _ => self.at.whole = false,
        }
        self.at.prev = row.prev;
        self.at.next_seq = row.place().0;
        Ok(())
    }

    fn swapped(&mut self, row: &EntryRow, next: &EntryRow) -> rusqlite::Result<()> {
        let (seq, after) = (row.place().0, next.place().0);
        for (seq, other) in [(seq, after), (after, seq)] {
            let text = format!("it was swapped with entry {other}");
            self.report.add(FindingKind::Reordered, seq, text);
        }
        self.mentions.skip(seq, after, self.report)?;
        self.at.last_at = row.draft.as_ref().map(|draft| draft.at.as_micros());
        for hash in [next.hash, row.hash].into_iter().flatten() {
            self.believe(hash)?;
        }
        Ok(())
    }

    fn reordered(&mut self, row: &EntryRow, place: Seq) -> rusqlite::Result<()> {
        let seq = row.place().0;
        let text = format!("this entry was written at {place}");
        self.report.add(FindingKind::Reordered, seq, text);
        self.mentions.skip(seq, seq, self.report)?;
        self.at.whole = false;
        self.at.last_at = None;
        self.believe(row.hash.unwrap_or_default())?;
        self.at.prev = None;
        Ok(())
    }

    fn entry(&mut self, row: &EntryRow, next: Option<&EntryRow>) -> rusqlite::Result<()> {
        let seq = row.place().0;
        let judged = self.judge(row, next);
        let mut bent = judged.bent;
        let trusted = row.draft.as_ref().filter(|_| judged.body_holds);
        self.at.last_at = trusted.map(|draft| draft.at.as_micros());
        match trusted {
            Some(draft) => {
                bent.extend(row.bent_columns(draft));
                self.mentions.compare(seq, draft, self.report)?;
            }
            None => self.mentions.skip(seq, seq, self.report)?,
        }
        if judged.body_holds && row.draft.is_none() {
            bent.push("body");
        }
        if !bent.is_empty() {
            let text = format!("not as it was written: {}", bent.join(", "));
            self.report.add(FindingKind::Edited, seq, text);
        }
        self.believe(judged.hash)
    }

    /// Which of stored hash, content and links is to be believed, and which is not.
    fn judge(&self, row: &EntryRow, next: Option<&EntryRow>) -> Judged {
        let stored = row.hash.unwrap_or_default();
        let prev = self.at.prev.or(row.prev).unwrap_or_default();
        let content = row.hash_after(prev, row.place());
        let next = next.filter(|next| next.place() == row.place().next());
        let hint = match next {
            Some(next) => next.prev,
            None => self
                .head
                .as_ref()
                .filter(|head| head.seq == row.place().0)
                .and_then(|head| head.hash),
        };
        // A next entry that is whole in itself fixes the hash of this one.
        let pinned = next.filter(|next| next.agrees()).and_then(|next| next.prev);
        let hash = pinned.unwrap_or_else(|| match hint {
            Some(hint) if hint == content && !row.agrees() => content,
            _ => stored,
        });
        let mut bent = Vec::new();
        if row.prev != Some(prev) {
            bent.push("prev");
        }
        if content != hash && (row.prev == Some(prev) || !row.agrees()) {
            bent.push("body");
        }
        if row.hash != Some(hash) {
            bent.push("hash");
        }
        Judged {
            hash,
            body_holds: content == hash || row.agrees() && row.hash == Some(hash),
            bent,
        }
    }

    fn believe(&mut self, hash: Digest) -> rusqlite::Result<()> {
        let Self {
            at,
            subtrees,
            report,
            ..
        } = self;
        let mut kept = Ok(());
        at.tree.push(leaf_hash(&hash.0), |done| {
            if at.whole && kept.is_ok() {
                kept = subtrees.compare(done, report);
            }
        });
        kept?;
        self.at.prev = Some(hash);
        self.report.last = self.at.next_seq;
        if self.anchors.is_due(self.at.next_seq) {
            let root = self.at.whole.then(|| self.at.tree.root());
            self.anchors.reached(self.at.next_seq, root, self.report)?;
        }
        self.at.next_seq += 1;
        Ok(())
    }

    fn finish(&mut self) -> rusqlite::Result<()> {
        let end = self.report.last;
        let longest = self.anchors.finish(end, self.report)?;
        if longest > end {
            self.report.add(
                FindingKind::Truncated,
                end + 1,
                are(end + 1, longest, "cut off"),
            );
        }
        self.mentions.finish(longest, self.report)?;
        if self.at.whole {
            self.subtrees.finish(self.report)?;
        }
        self.head_row(end);
        Ok(())
    }

    fn head_row(&mut self, end: u64) {
        let Some(head) = &self.head else {
            let text = "the head with the latest checkpoint is missing";
            return self.report.add(FindingKind::CheckpointMissing, end, text);
        };
        if head.seq < end {
            let text = are(head.seq + 1, end, "not covered by the head");
            self.report.add(FindingKind::Unsigned, head.seq + 1, text);
        }
        // An empty journal has the time zero.
        if end == 0 {
            self.at.last_at = Some(0);
        }
        if head.seq != end || !self.at.whole {
            return;
        }
        let bent = [
            ("hash", head.hash != self.at.prev),
            ("at", self.at.last_at.is_some_and(|at| at != head.at)),
            ("tree", head.tree.as_ref() != Some(&self.at.tree)),
        ];
        let bent: Vec<_> = bent
            .into_iter()
            .filter_map(|(name, bent)| bent.then_some(name))
            .collect();
        if !bent.is_empty() {
            let text = format!("the head does not fit the last entry: {}", bent.join(", "));
            self.report.add(FindingKind::Head, end, text);
        }
    }
}

struct Judged {
    /// The hash the entry had when it was written, as far as can be told.
    hash: Digest,
    /// Whether the body is what that hash covers.
    body_holds: bool,
    bent: Vec<&'static str>,
}

fn are_swapped(row: &EntryRow, next: &EntryRow) -> bool {
    row.seq.checked_add(1) == Some(next.seq)
        && row.written_at() == Some(next.place())
        && next.written_at() == Some(row.place())
}

fn are(first: u64, last: u64, what: &str) -> String {
    if first == last {
        format!("entry {first} is {what}")
    } else {
        format!("entries {first} to {last} are {what}")
    }
}
