//! A journal of a hundred thousand entries, and one attack at a time on each of them.
//!
//! Walking all of it for each attack would take days. So each attack is made on the real rows, and the walk that
//! [`verify`] makes begins shortly before it, standing where the walk over the whole journal stood there, and goes on to
//! shortly behind it. It must name what was done, and then stand where the walk over the whole journal stood there as
//! well: from there on both are the same. That they are is also shown for a sample, walked from the first entry on.

use rusqlite::params;

use super::entries::{EDITS, changes};
use super::*;
use crate::merkle::leaf_hash;
use crate::sqlite::mentions::settled;
use crate::sqlite::rows::{digest, tree_bytes};
use crate::verify::walk::{Progress, walk};

const LARGE: u64 = 100_000;
/// Every so many entries are attacked where not all are: a prime, so that every kind, every edit and every place
/// between two checkpoints has its turn.
const STEP: u64 = 37;
/// How many attacks are also looked for from the first entry on.
const SAMPLE: u64 = 40;

/// A finished journal, and where a walk over it stands after each entry.
struct Large {
    _dir: TempDir,
    path: PathBuf,
    after: Vec<Progress>,
}

fn large() -> &'static Large {
    static MADE: OnceLock<Large> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let mut journal = SqliteJournal::open(&path, signer(), SqliteOptions::default()).unwrap();
        for first in (1..=LARGE).step_by(5_000) {
            journal.append(&sample::drafts(first, 5_000)).unwrap();
        }
        drop(journal);
        let after = stands(&Connection::open(&path).unwrap());
        Large {
            _dir: dir,
            path,
            after,
        }
    })
}

/// Where a walk stands before the first entry and after each, by the stored hashes.
fn stands(connection: &Connection) -> Vec<Progress> {
    let mut after = vec![Progress::none()];
    let sql = "SELECT hash, body FROM entry ORDER BY seq";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let mut next = after[after.len() - 1].clone();
        next.prev = digest(row.get_ref(0).unwrap());
        let body = row.get_ref(1).unwrap().as_bytes().unwrap();
        let draft: Draft = serde_json::from_slice(body).unwrap();
        next.last_at = Some(draft.at.as_micros());
        next.tree.push(leaf_hash(&next.prev.unwrap().0), |_| {});
        next.next_seq += 1;
        after.push(next);
    }
    after
}

/// The signed checkpoint of the first `size` entries.
fn note(size: u64) -> String {
    signer().checkpoint(size, large().after[size as usize].tree.root())
}

fn kept(sizes: &[u64]) -> VerifyOptions {
    VerifyOptions {
        also: sizes.iter().map(|size| note(*size)).collect(),
        ..options()
    }
}

/// What is done to an entry, and what must be named.
struct Attack {
    sql: String,
    named: Vec<(FindingKind, u64)>,
}

fn edited(seq: u64, edit: &str) -> Attack {
    Attack {
        sql: format!("UPDATE entry SET {edit} WHERE seq = {seq}"),
        named: vec![(Edited, seq)],
    }
}

fn removed(seq: u64) -> Attack {
    let kind = if seq == LARGE { Truncated } else { Missing };
    Attack {
        sql: format!("DELETE FROM entry WHERE seq = {seq}"),
        named: vec![(kind, seq)],
    }
}

/// The last entry has none behind it and is swapped with the one before.
fn swapped(seq: u64) -> Attack {
    let (this, that) = (seq.min(LARGE - 1), seq.min(LARGE - 1) + 1);
    Attack {
        sql: format!(
            "UPDATE entry SET seq = -1 WHERE seq = {this};
             UPDATE entry SET seq = {this} WHERE seq = {that};
             UPDATE entry SET seq = {that} WHERE seq = -1"
        ),
        named: vec![(Reordered, this), (Reordered, that)],
    }
}

/// Cut off behind `left`, with everything that tells of it but the head.
fn cut(left: u64) -> Attack {
    Attack {
        sql: format!(
            "DELETE FROM entry WHERE seq > {left};
             DELETE FROM mention WHERE seq > {left};
             DELETE FROM recent WHERE seq > {left};
             DELETE FROM checkpoint WHERE size > {left};
             DELETE FROM subtree WHERE (position + 1) << level > {left}"
        ),
        named: vec![(Truncated, left + 1)],
    }
}

/// Puts the head in that the journal had when `size` was its last entry, and back among the recent what was so then,
/// for the entries from `first` on.
fn put_head(connection: &Connection, size: u64, first: u64) {
    let then = &large().after[size as usize];
    let sql = "UPDATE head SET seq = ?1, hash = ?2, at = ?3, tree = ?4, note = ?5";
    let (hash, at) = (then.prev.unwrap().0, then.last_at.unwrap_or(0));
    let row = params![size, hash, at, tree_bytes(&then.tree), note(size)];
    assert_eq!(connection.execute(sql, row).unwrap(), 1);
    let first = first.max(settled(size) + 1);
    let recent = format!(
        "INSERT INTO recent SELECT id, seq FROM mention WHERE seq >= {first} AND id NOT LIKE 'kind:%';
         DELETE FROM mention WHERE seq >= {first}"
    );
    connection.execute_batch(&recent).unwrap();
}

/// The edit whose turn it is, so that each is made all over the journal.
fn turn(seq: u64) -> &'static str {
    let mut edits = EDITS.iter().cycle().skip(seq as usize % EDITS.len());
    edits.find(|edit| changes(edit, seq)).unwrap()
}

/// A copy that is attacked over and over, and put right in between.
struct Attacked {
    dir: TempDir,
    path: PathBuf,
    connection: Connection,
    meta: schema::Meta,
}

impl Attacked {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        fs::copy(&large().path, &path).unwrap();
        let connection = Connection::open(&path).unwrap();
        let meta = schema::check(&connection, &path).unwrap();
        // A walk over everything sorts what is mentioned by place. One that begins anywhere must find it there.
        let sql = "CREATE INDEX mention_by_seq ON mention (seq, id);
             CREATE INDEX recent_by_seq ON recent (seq, id)";
        connection.execute_batch(sql).unwrap();
        Self {
            dir,
            path,
            connection,
            meta,
        }
    }

    fn bench(self) -> Bench {
        let sql = "DROP INDEX mention_by_seq; DROP INDEX recent_by_seq";
        self.connection.execute_batch(sql).unwrap();
        Bench {
            _dir: self.dir,
            path: self.path,
            connection: self.connection,
        }
    }

    /// Walks from after the entry `from` up to the entry `last`, or over the end where there is none.
    fn walk(&self, from: u64, last: Option<u64>, options: &VerifyOptions) -> VerifyReport {
        let from = large().after[from as usize].clone();
        let mut report = VerifyReport::default();
        let stood = walk(
            &self.connection,
            &self.meta,
            options,
            from,
            last,
            &mut report,
        );
        let stood = stood.unwrap();
        if let Some(last) = last {
            let expected = &large().after[last as usize];
            assert_eq!(&stood, expected, "after entry {last}: {report}");
        }
        report
    }

    /// The attack is named by a walk over the two entries before `seq` and the three behind it.
    fn check(&self, seq: u64, attack: &Attack) {
        let transaction = self.connection.unchecked_transaction().unwrap();
        transaction.execute_batch(&attack.sql).unwrap();
        let last = Some(seq + 3).filter(|last| *last < LARGE);
        let report = self.walk(seq.saturating_sub(3), last, &options());
        expect(&report, &attack.named, &attack.sql);
    }

    /// The end is cut off entry by entry: the head tells of it. Then the head of that time is put in, and only whoever
    /// kept a checkpoint can tell.
    fn check_cuts(&self, step: u64) {
        let transaction = self.connection.unchecked_transaction().unwrap();
        let kept = witnessed(&note(LARGE));
        for left in (0..LARGE).rev().step_by(step as usize) {
            let attack = cut(left);
            transaction.execute_batch(&attack.sql).unwrap();
            let from = left.saturating_sub(1);
            expect(&self.walk(from, None, &options()), &attack.named, "cut");
            transaction.execute_batch("SAVEPOINT head").unwrap();
            put_head(&transaction, left, from);
            let report = self.walk(from, None, &kept);
            expect(&report, &[(RolledBack, left)], "cut, with the old head");
            transaction
                .execute_batch("ROLLBACK TO head; RELEASE head")
                .unwrap();
        }
    }
}

/// Exactly `named` was found, each once.
fn expect(report: &VerifyReport, named: &[(FindingKind, u64)], what: &str) {
    let found: BTreeSet<_> = kinds(report).into_iter().collect();
    let expected: BTreeSet<_> = named.iter().copied().collect();
    assert_eq!(found, expected, "{what}\n{report}");
    assert_eq!(report.wrong as usize, named.len(), "{what}\n{report}");
}

/// Every `step`th entry edited, removed, swapped with the next, and the journal cut off behind it, in turn.
fn attack_every(step: u64) {
    let copy = Attacked::new();
    for seq in (1..=LARGE).rev().step_by(step as usize) {
        copy.check(seq, &edited(seq, turn(seq)));
        copy.check(seq, &removed(seq));
        copy.check(seq, &swapped(seq));
    }
    copy.check_cuts(step);
}

#[test]
fn entries_all_over_a_large_journal_are_named_when_attacked() {
    attack_every(STEP);
}

#[test]
#[ignore = "minutes where the code is not optimised; `.ci/run` makes it with optimised code"]
fn every_entry_of_a_large_journal_is_named_when_attacked() {
    attack_every(1);
}

/// One attack in each part of the journal, at places that look drawn and are the same every time.
fn sampled() -> Vec<(u64, Attack)> {
    let part = LARGE / SAMPLE;
    let drawn = (0..SAMPLE).map(|n| n * part + 1 + n.wrapping_mul(0x9e37_79b9) % (part - 8));
    let attack = |(n, seq)| {
        let attack = match n % 3 {
            0 => edited(seq, turn(seq)),
            1 => removed(seq),
            _ => swapped(seq),
        };
        (seq, attack)
    };
    drawn.enumerate().map(attack).collect()
}

#[test]
fn a_walk_from_the_first_entry_names_the_same() {
    let copy = Attacked::new();
    let (mut sql, mut named) = (Vec::new(), Vec::new());
    for (seq, attack) in sampled() {
        copy.check(seq, &attack);
        sql.push(attack.sql);
        named.extend(attack.named);
    }
    assert_eq!(sql.len() as u64, SAMPLE);
    let bench = copy.bench();
    bench.check(&sql.join(";"), &named);
    let left = LARGE / 2;
    bench.check(&cut(left).sql, &cut(left).named);
}

#[test]
#[ignore = "forty walks from the first entry on; `.ci/run` makes them with optimised code"]
fn a_walk_from_the_first_entry_names_each_the_same() {
    let bench = Attacked::new().bench();
    for (seq, attack) in sampled() {
        bench.check(&attack.sql, &attack.named);
        bench.check(&cut(seq).sql, &cut(seq).named);
    }
}

#[test]
fn every_row_of_what_is_mentioned_has_its_place() {
    let bench = Attacked::new().bench();
    let end = settled(LARGE);
    let take = format!("SELECT id, seq FROM mention WHERE seq = {end} LIMIT 1");
    let all = [
        "DELETE FROM mention WHERE seq = 10 AND id LIKE 'kind:%'".to_owned(),
        "DELETE FROM mention WHERE id = (SELECT min(id) FROM mention WHERE seq = 20) AND seq = 20"
            .to_owned(),
        "UPDATE mention SET id = 'kind:note' WHERE seq = 30 AND id LIKE 'kind:%'".to_owned(),
        "UPDATE mention SET seq = 50 WHERE seq = 40 AND id LIKE 'kind:%'".to_owned(),
        "INSERT INTO mention VALUES ('zzz', 60)".to_owned(),
        "INSERT INTO recent SELECT id, seq FROM mention WHERE seq = 70 LIMIT 1".to_owned(),
        format!("INSERT INTO recent {take}; DELETE FROM mention WHERE (id, seq) = ({take})"),
        format!(
            "INSERT INTO mention SELECT id, seq FROM recent WHERE seq = {end} + 1; DELETE FROM recent WHERE seq = {end} + 1"
        ),
        format!("INSERT INTO mention VALUES ('kind:note', {LARGE})"),
    ];
    let named = [10, 20, 30, 40, 50, 60, 70, end, end + 1, LARGE];
    bench.check(&all.join(";"), &all_of(Index, &named));
}

/// Another history from `seq` on, whole in itself and signed with the journal's own key.
fn made_anew(seq: u64) -> Bench {
    let bench = Attacked::new().bench();
    bench.connection.execute_batch(&cut(seq - 1).sql).unwrap();
    put_head(&bench.connection, seq - 1, 1);
    let mut journal = SqliteJournal::open(&bench.path, signer(), SqliteOptions::default()).unwrap();
    let mut from = seq;
    while from <= LARGE {
        let count = 5_000.min(LARGE + 1 - from);
        let mut drafts = sample::drafts(from, count as usize);
        if from == seq {
            drafts[0].correlation = Some("forged".to_owned());
        }
        journal.append(&drafts).unwrap();
        from += count;
    }
    drop(journal);
    bench
}

/// Nothing inside tells of it. Every checkpoint that somebody kept since then does, and none from before.
fn check_made_anew(seq: u64) {
    let sizes = [1, seq - 1, seq, seq + (LARGE - seq) / 2, LARGE];
    let since: BTreeSet<_> = sizes.into_iter().filter(|size| *size >= seq).collect();
    let all: BTreeSet<_> = sizes.into_iter().collect();
    let all: Vec<_> = all.into_iter().collect();
    let named: Vec<_> = since.into_iter().map(|size| (RolledBack, size)).collect();
    made_anew(seq).check_with("", &kept(&all), &named);
}

#[test]
fn a_kept_checkpoint_finds_a_large_journal_made_anew() {
    for seq in [65_537, LARGE] {
        check_made_anew(seq);
    }
}

#[test]
#[ignore = "makes several large journals; `.ci/run` makes them with optimised code"]
fn kept_checkpoints_find_a_large_journal_made_anew_anywhere() {
    for seq in [1, 2, 256, 257, 50_000, 65_536, 99_840, LARGE - 1] {
        check_made_anew(seq);
    }
}
