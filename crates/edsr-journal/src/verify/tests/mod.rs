mod ends;
mod entries;
mod large;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::FindingKind::*;
use super::*;
use crate::sample;
use crate::{Journal as _, Signer, SqliteJournal, SqliteOptions};
use edsr_model::Draft;
use tempfile::TempDir;

const ENTRIES: u64 = 200;
const EVERY: u64 = 64;
/// Enough for a subtree of 256.
const MANY: u64 = 300;

fn signer() -> Signer {
    Signer::from_seed(&[42; 32])
}

fn attacker() -> Signer {
    Signer::from_seed(&[66; 32])
}

fn options() -> VerifyOptions {
    VerifyOptions::new(signer().public().clone())
}

fn witnessed(note: &str) -> VerifyOptions {
    VerifyOptions {
        witness: Some(note.to_owned()),
        ..options()
    }
}

/// A finished journal: its file, and the head row and checkpoint after every append.
struct Built {
    file: Vec<u8>,
    heads: Vec<String>,
    notes: Vec<String>,
}

fn build(drafts: &[Draft], signer: Signer, unit: usize) -> Built {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let made = SqliteOptions {
        checkpoint_every: EVERY,
        ..SqliteOptions::default()
    };
    let mut journal = SqliteJournal::open(&path, signer, made).unwrap();
    let head = || {
        let sql = "SELECT format('UPDATE head SET seq = %d, hash = x''%s'', at = %d, tree = x''%s'', note = ''%s''',
            seq, hex(hash), at, hex(tree), note) FROM head";
        Connection::open(&path)
            .unwrap()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    };
    let (mut heads, mut notes) = (vec![head()], vec![journal.checkpoint().to_owned()]);
    for unit in drafts.chunks(unit) {
        journal.append(unit).unwrap();
        heads.push(head());
        notes.push(journal.checkpoint().to_owned());
    }
    drop(journal);
    Built {
        file: fs::read(&path).unwrap(),
        heads,
        notes,
    }
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&sample::drafts(1, ENTRIES as usize), signer(), 1))
}

fn built_many() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| build(&sample::drafts(1, MANY as usize), signer(), 300))
}

/// A copy of a journal that is bent and verified over and over, and put right in between.
struct Bench {
    _dir: TempDir,
    path: PathBuf,
    connection: Connection,
}

impl Bench {
    fn new(built: &Built) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        fs::write(&path, &built.file).unwrap();
        let connection = Connection::open(&path).unwrap();
        Self {
            _dir: dir,
            path,
            connection,
        }
    }

    fn report(&self, sql: &str, options: &VerifyOptions) -> VerifyReport {
        let transaction = self.connection.unchecked_transaction().unwrap();
        transaction
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        verify_in(&transaction, &self.path, options).unwrap()
    }

    fn check(&self, sql: &str, expected: &[(FindingKind, u64)]) {
        self.check_with(sql, &options(), expected);
    }

    fn check_with(&self, sql: &str, options: &VerifyOptions, expected: &[(FindingKind, u64)]) {
        let report = self.report(sql, options);
        let found: BTreeSet<_> = kinds(&report).into_iter().collect();
        let expected: BTreeSet<_> = expected.iter().copied().collect();
        assert_eq!(found, expected, "{sql}\n{report}");
        assert_eq!(
            report.wrong as usize,
            expected.len(),
            "nothing is named twice: {report}"
        );
    }
}

fn kinds(report: &VerifyReport) -> Vec<(FindingKind, u64)> {
    report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.seq))
        .collect()
}

/// Every `step`th entry, from each of the first ones on: all entries, never two neighbours at once.
fn every(step: u64, last: u64) -> impl Iterator<Item = Vec<u64>> {
    (1..=step).map(move |first| (first..=last).step_by(step as usize).collect())
}

fn list(seqs: &[u64]) -> String {
    let texts: Vec<_> = seqs.iter().map(u64::to_string).collect();
    format!("({})", texts.join(", "))
}

fn all_of(kind: FindingKind, seqs: &[u64]) -> Vec<(FindingKind, u64)> {
    seqs.iter().map(|seq| (kind, *seq)).collect()
}

#[test]
fn what_was_written_is_found_right() {
    let bench = Bench::new(built());
    let report = bench.report("", &witnessed(&built().notes[200]));
    assert!(report.is_ok(), "{report}");
    assert_eq!(
        (report.entries, report.last, report.checkpoints),
        (200, 200, 3 + 2)
    );
    assert!(report.to_string().ends_with("nothing is wrong"), "{report}");
    for kept in 0..=200 {
        let also = VerifyOptions {
            also: vec![built().notes[kept].clone()],
            ..options()
        };
        if kept % 23 == 0 {
            bench.check_with("", &also, &[]);
        }
    }
    Bench::new(built_many()).check("", &[]);
    Bench::new(&build(&[], signer(), 1)).check("", &[]);
}

#[test]
fn the_live_journal_and_copies_of_it_can_be_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.db");
    let mut journal = SqliteJournal::open(&path, signer(), SqliteOptions::default()).unwrap();
    journal.append(&sample::drafts(1, 20)).unwrap();
    let report = verify(&path, &witnessed(journal.checkpoint())).unwrap();
    assert!(report.is_ok() && report.entries == 20, "{report}");
    journal.append(&sample::drafts(21, 1)).unwrap();
    drop(journal);
    let copies = dir.path().join("read only?");
    fs::create_dir(&copies).unwrap();
    let copy = copies.join("copy #1.db");
    fs::copy(&path, &copy).unwrap();
    let report = verify(&copy, &options()).unwrap();
    assert!(report.is_ok() && report.entries == 21, "{report}");
    assert_eq!(
        fs::read_dir(&copies).unwrap().count(),
        1,
        "nothing is put beside a copy"
    );
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&path).unwrap());
    assert!(verify(&dir.path().join("none.db"), &options()).is_err());
}

#[test]
fn every_stored_checkpoint_is_compared() {
    let bench = Bench::new(built());
    let bent_root = "UPDATE checkpoint SET note = replace(note, char(10) || '128', char(10) || '129') WHERE size = 128";
    bench.check(bent_root, &[(Signature, 128)]);
    bench.check(
        "DELETE FROM checkpoint WHERE size = 128",
        &[(CheckpointMissing, 128)],
    );
    bench.check(
        "DELETE FROM checkpoint WHERE size = 192",
        &[(CheckpointMissing, 192)],
    );
    bench.check("DELETE FROM checkpoint", &[(CheckpointMissing, 64)]);
    bench.check(
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 64) WHERE size = 128",
        &[(CheckpointMismatch, 128)],
    );
    let elsewhere = attacker().checkpoint(128, edsr_model::Digest::default());
    let sql = format!("UPDATE checkpoint SET note = '{elsewhere}' WHERE size = 128");
    bench.check(&sql, &[(Signature, 128)]);
    let sql = format!(
        "INSERT INTO checkpoint VALUES (201, '{}')",
        signer().checkpoint(201, edsr_model::Digest::default())
    );
    bench.check(&sql, &[(Truncated, 201)]);
    let other = VerifyOptions::new(attacker().public().clone());
    let found = kinds(&bench.report("", &other));
    assert_eq!(
        found.len(),
        5,
        "the name of the key, the head and three more: {found:?}"
    );
    assert!(
        found.iter().all(|(kind, _)| *kind == Signature),
        "{found:?}"
    );
}

#[test]
fn every_column_of_the_head_is_compared() {
    let bench = Bench::new(built());
    bench.check("UPDATE head SET hash = zeroblob(32)", &[(Head, 200)]);
    bench.check("UPDATE head SET hash = x'00'", &[(Head, 200)]);
    bench.check("UPDATE head SET at = at + 1", &[(Head, 200)]);
    bench.check(
        "UPDATE head SET tree = zeroblob(length(tree))",
        &[(Head, 200)],
    );
    bench.check("UPDATE head SET tree = x''", &[(Head, 200)]);
    bench.check("UPDATE head SET note = ''", &[(Signature, 200)]);
    bench.check("UPDATE head SET seq = 199", &[(Head, 199), (Unsigned, 200)]);
    bench.check(
        "UPDATE head SET seq = 201",
        &[(Head, 201), (Truncated, 201)],
    );
    let old = format!("UPDATE head SET note = '{}'", built().notes[199]);
    bench.check(&old, &[(Head, 200)]);
}

#[test]
fn every_index_row_is_compared() {
    let bench = Bench::new(built());
    let mut seqs: Vec<u64> = bench
        .connection
        .prepare("SELECT DISTINCT seq FROM recent ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(seqs.len() > 150, "most samples mention something");
    for (first, last) in [("min", "max"), ("max", "min")] {
        let _ = last;
        let sql = format!(
            "DELETE FROM recent WHERE seq < 90 AND id = (SELECT {first}(id) FROM recent m WHERE m.seq = recent.seq)"
        );
        let expected: Vec<_> = seqs
            .iter()
            .filter(|seq| **seq < 90)
            .map(|seq| (Index, *seq))
            .collect();
        bench.check(&sql, &expected);
    }
    seqs.retain(|seq| seq % 3 == 0);
    let sql = "UPDATE recent SET id = id || 'x' WHERE seq % 3 = 0";
    bench.check(sql, &all_of(Index, &seqs));
    bench.check(
        "INSERT INTO recent VALUES ('event:1', 200)",
        &[(Index, 200)],
    );
    bench.check("INSERT INTO recent VALUES ('zzz', 1)", &[(Index, 1)]);
    bench.check(
        "INSERT INTO recent VALUES ('event:1', 201)",
        &[(Index, 201)],
    );
    bench.check("INSERT INTO recent VALUES ('event:1', 0)", &[(Index, 0)]);
    bench.check("INSERT INTO recent VALUES ('event:1', -5)", &[(Index, 0)]);
    let many = Bench::new(built_many());
    many.check("UPDATE subtree SET hash = zeroblob(32)", &[(Index, 256)]);
    many.check("DELETE FROM subtree", &[(Index, 256)]);
    many.check(
        "INSERT INTO subtree VALUES (8, 1, zeroblob(32))",
        &[(Index, 0)],
    );
    many.check("UPDATE subtree SET level = 16", &[(Index, 256), (Index, 0)]);
}

#[test]
fn a_report_lists_so_much_and_counts_everything() {
    let bench = Bench::new(built());
    let report = bench.report("UPDATE entry SET body = body || ' '", &options());
    assert_eq!(
        (report.findings.len(), report.wrong),
        (FINDINGS_MAX, ENTRIES)
    );
    let kept = vec!["not a checkpoint".to_owned(); ALSO_MAX];
    let many = VerifyOptions {
        also: kept.clone(),
        ..options()
    };
    assert_eq!(bench.report("", &many).wrong, ALSO_MAX as u64);
    let too_many = VerifyOptions {
        also: [kept, vec![String::new()]].concat(),
        ..options()
    };
    let error = verify_in(&bench.connection, &bench.path, &too_many).unwrap_err();
    assert!(
        matches!(error, JournalError::TooManyCheckpoints { .. }),
        "{error}"
    );
}

/// Everything a journal says, in order.
fn dump(path: &Path) -> rusqlite::Result<Vec<Vec<rusqlite::types::Value>>> {
    let connection = schema::open_readable(path)?;
    let mut all = Vec::new();
    for table in [
        "meta",
        "entry",
        "mention",
        "recent",
        "subtree",
        "checkpoint",
        "head",
    ] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = statement.column_count();
        let rows =
            statement.query_map([], |row| (0..columns).map(|place| row.get(place)).collect())?;
        all.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(all)
}

#[test]
fn a_flipped_bit_anywhere_is_found_or_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let file = &built().file;
    fs::write(&path, file).unwrap();
    let whole = dump(&path).unwrap();
    let mut found = 0;
    // A fixed walk over the file: a step prime to its length meets other offsets within pages each time.
    for flip in 0..80_usize {
        let place = flip * 7919 % file.len();
        let mut bent = file.clone();
        bent[place] ^= 1 << (flip % 8);
        fs::write(&path, &bent).unwrap();
        match verify(&path, &options()) {
            Ok(report) if report.is_ok() => {
                let same = dump(&path).is_ok_and(|dump| dump == whole);
                assert!(
                    same,
                    "bit {} of byte {place} changes what is read",
                    flip % 8
                );
            }
            _ => found += 1,
        }
    }
    assert!(found > 25, "{found}");
}
