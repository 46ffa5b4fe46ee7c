mod copies;
mod queries;

use super::*;
use crate::conformance::Subject;
use crate::sample;
use edsr_model::Seq;
use tempfile::TempDir;

fn signer() -> Signer {
    Signer::from_seed(&[42; 32])
}

fn open(path: &Path, options: SqliteOptions) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::open(path, signer(), options)
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("data/journal.db")
    }

    fn witnessed(&self) -> SqliteOptions {
        SqliteOptions {
            witness: Some(self.dir.path().join("keys/witness")),
            ..SqliteOptions::default()
        }
    }

    fn open(&self) -> Result<SqliteJournal, JournalError> {
        open(&self.journal(), self.witnessed())
    }
}

crate::journal_conformance!(sqlite, || {
    let place = Place::new();
    Subject {
        journal: Box::new(place.open().unwrap()),
        reopen: Box::new(move || Box::new(place.open().unwrap())),
    }
});

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let place = Place::new();
    let first = place.open().unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, JournalError::Locked(_)), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    place.open().unwrap();
}

#[test]
fn a_writer_that_was_passed_by_cannot_write() {
    let place = Place::new();
    let mut old = place.open().unwrap();
    // As if the lock did not hold, for example on a network file system.
    fs::remove_file(beside(&place.journal(), ".lock")).unwrap();
    let mut new = place.open().unwrap();
    new.append(&sample::drafts(1, 2)).unwrap();
    let error = old.append(&sample::drafts(1, 1)).unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::Sequence {
                expected: Seq(3),
                got: Seq(1)
            }
        ),
        "{error}"
    );
    let error = old.append(&sample::drafts(3, 1)).unwrap_err();
    assert!(matches!(error, JournalError::Failed { .. }), "{error}");
    new.append(&sample::drafts(3, 1)).unwrap();
}

#[test]
fn a_full_disk_fails_the_journal_for_good() {
    let place = Place::new();
    let options = SqliteOptions {
        bytes_max: 160 * 1024,
        ..place.witnessed()
    };
    let mut journal = open(&place.journal(), options).unwrap();
    let mut seq = 1;
    let first = loop {
        match journal.append(&sample::drafts(seq, 5)) {
            Ok(_) => seq += 5,
            Err(error) => break error,
        }
        assert!(seq < 10_000, "the limit is never reached");
    };
    assert!(seq > 5, "some entries fit");
    assert!(
        matches!(
            first,
            JournalError::Storage {
                action: "append to",
                ..
            }
        ),
        "{first}"
    );
    for _ in 0..2 {
        let error = journal.append(&sample::drafts(seq, 1)).unwrap_err();
        assert!(matches!(error, JournalError::Failed { .. }), "{error}");
        assert!(
            error.to_string().contains("full"),
            "the first cause is kept: {error}"
        );
    }
    assert_eq!(journal.head().seq, Seq(seq - 1));
    assert_eq!(
        journal.reader().read(Seq(1), 10_000).unwrap().len() as u64,
        seq - 1
    );
    drop(journal);
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(seq, 5)).unwrap();
}

#[test]
fn the_wrong_key_is_named() {
    let place = Place::new();
    place.open().unwrap();
    let other = Signer::from_seed(&[1; 32]);
    let error = SqliteJournal::open(&place.journal(), other, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, JournalError::WrongKey { .. }), "{error}");
}

#[test]
fn only_a_journal_is_opened() {
    let place = Place::new();
    place.open().unwrap();
    for sql in [
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM mention; END",
        "CREATE INDEX another ON entry (kind)",
        "ALTER TABLE entry ADD COLUMN extra TEXT",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 1",
        "DELETE FROM meta WHERE name = 'key'",
        "UPDATE meta SET value = '0' WHERE name = 'checkpoint_every'",
    ] {
        let path = place.dir.path().join("other.db");
        fs::copy(place.journal(), &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = open(&path, SqliteOptions::default()).unwrap_err();
        assert!(
            matches!(error, JournalError::Format { .. }),
            "{sql}: {error}"
        );
    }
    let path = place.dir.path().join("text.db");
    fs::write(
        &path,
        "this is not a database at all, only some text".repeat(100),
    )
    .unwrap();
    let error = open(&path, SqliteOptions::default()).unwrap_err();
    assert!(matches!(error, JournalError::Storage { .. }), "{error}");
}

#[test]
fn an_end_that_does_not_agree_is_refused_and_named() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(1, 300)).unwrap();
    let before = journal.checkpoint().to_owned();
    journal.append(&sample::drafts(301, 1)).unwrap();
    drop(journal);
    let old_note = format!("UPDATE head SET note = '{before}'");
    for (sql, named) in [
        ("DELETE FROM head", "the head is missing"),
        (
            "DELETE FROM entry WHERE seq = 301",
            "names seq 301, the last entry is 300",
        ),
        (
            "UPDATE head SET seq = 300",
            "names seq 300, the last entry is 301",
        ),
        ("UPDATE head SET hash = zeroblob(32)", "another hash"),
        ("UPDATE head SET at = at + 1", "another time"),
        (
            "UPDATE head SET tree = zeroblob(length(tree))",
            "the tree of the head",
        ),
        (
            "UPDATE entry SET body = replace(body, '{', '{ ') WHERE seq = 301",
            "entry 301 is damaged",
        ),
        (
            "UPDATE entry SET hash = zeroblob(32) WHERE seq = 290",
            "the tree of the head",
        ),
        (
            "DELETE FROM entry WHERE seq = 280",
            "hashes of entries 257 to 288 are missing",
        ),
        (
            "DELETE FROM subtree",
            "hashes of entries 1 to 256 are missing",
        ),
        (
            "UPDATE head SET note = replace(note, char(10) || '301', char(10) || '300')",
            "signature",
        ),
        (&old_note, "covers 300 entries, the head names seq 301"),
    ] {
        let path = place.dir.path().join("bent.db");
        fs::copy(place.journal(), &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = open(&path, SqliteOptions::default()).unwrap_err();
        assert!(
            matches!(error, JournalError::Differs { .. }),
            "{sql}: {error}"
        );
        let text = error.to_string();
        assert!(
            text.contains(named) && text.contains("edsr audit verify"),
            "{sql}: {error}"
        );
    }
}

#[test]
fn a_damaged_entry_is_not_given_to_anyone() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(1, 10)).unwrap();
    let connection = Connection::open(place.journal()).unwrap();
    let reader = journal.reader();
    let damaged = |error: JournalError, at: u64| {
        assert!(
            matches!(error, JournalError::Damaged { seq: Seq(seq), .. } if seq == at),
            "{error}"
        );
    };
    connection
        .execute(
            "UPDATE entry SET body = replace(body, ':', ': ') WHERE seq = 5",
            [],
        )
        .unwrap();
    damaged(reader.read(Seq(1), 10).unwrap_err(), 5);
    damaged(reader.get(Seq(5)).unwrap_err(), 5);
    damaged(reader.query(&crate::Query::default()).unwrap_err(), 5);
    assert_eq!(reader.read(Seq(6), 10).unwrap().len(), 5);
    connection
        .execute("DELETE FROM entry WHERE seq = 7", [])
        .unwrap();
    damaged(reader.read(Seq(6), 10).unwrap_err(), 7);
    damaged(reader.read(Seq(7), 10).unwrap_err(), 7);
}

#[test]
fn others_cannot_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(1, 1)).unwrap();
    let files: Vec<_> = fs::read_dir(place.dir.path().join("data"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(files.len() >= 3, "journal, log and lock: {files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
}

#[test]
fn a_reader_outlives_its_writer() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    let (used, unused) = (journal.reader(), journal.reader());
    journal.append(&sample::drafts(1, 3)).unwrap();
    assert_eq!(used.head().unwrap(), journal.head());
    drop(journal);
    assert_eq!(
        unused.read(Seq(1), 9).unwrap(),
        used.read(Seq(1), 9).unwrap()
    );
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(4, 30)).unwrap();
    for reader in [used, unused] {
        assert_eq!(reader.head().unwrap(), journal.head());
        assert_eq!(reader.read(Seq(1), 99).unwrap().len(), 33);
    }
}
