//! Copies of the file: after a crash, of an earlier time, of another history.

use super::*;

/// Copies the files as a crash of the machine could leave them: the log cut at `wal_bytes`.
fn copy(from: &Path, to: &Path, wal_bytes: Option<usize>) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
    let wal = fs::read(beside(from, "-wal")).unwrap_or_default();
    let end = wal_bytes.unwrap_or(wal.len()).min(wal.len());
    fs::write(beside(to, "-wal"), &wal[..end]).unwrap();
    let _ = fs::remove_file(beside(to, "-shm"));
    // Power may be lost before the system wrote the known end.
    let _ = fs::remove_file(beside(to, "-end"));
}

#[test]
fn a_crash_leaves_a_prefix_of_whole_appends() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    let mut ends = vec![0];
    for unit in [1, 7, 2, 20] {
        let from = journal.head().seq.0 + 1;
        ends.push(journal.append(&sample::drafts(from, unit)).unwrap().seq.0);
    }
    let entries = journal.reader().read(Seq(1), 100).unwrap();
    let wal = fs::metadata(beside(&place.journal(), "-wal"))
        .unwrap()
        .len() as usize;
    let torn = place.dir.path().join("torn/journal.db");
    let mut seen = std::collections::BTreeSet::new();
    let cuts = (0..wal).step_by(wal / 60).chain([wal - 1, wal]);
    for cut in cuts {
        copy(&place.journal(), &torn, Some(cut));
        // Nothing but the file's name says that it is a journal before the first commit reached the disk.
        let mut journal = open(&torn, SqliteOptions::default()).unwrap();
        let head = journal.head().seq.0;
        assert!(ends.contains(&head), "{head} at {cut}");
        let found = journal.reader().read(Seq(1), 100).unwrap();
        assert_eq!(found, entries[..head as usize], "cut at {cut} of {wal}");
        journal.append(&sample::drafts(head + 1, 3)).unwrap();
        seen.insert(head);
    }
    assert_eq!(seen, ends.into_iter().collect(), "every prefix was met");
}

#[test]
fn a_copy_made_while_it_is_written_opens() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    let aside = place.dir.path().join("copy/journal.db");
    for unit in 0..5 {
        let head = journal.append(&sample::drafts(1 + unit * 4, 4)).unwrap();
        copy(&place.journal(), &aside, None);
        let copied = open(&aside, place.witnessed()).unwrap();
        assert_eq!(copied.head(), head);
    }
}

#[test]
fn an_older_copy_is_refused() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    journal.append(&sample::drafts(1, 10)).unwrap();
    let aside = place.dir.path().join("copy/journal.db");
    copy(&place.journal(), &aside, None);
    journal.append(&sample::drafts(11, 1)).unwrap();
    journal.witness().unwrap();
    drop(journal);
    copy(&aside, &place.journal(), None);
    let error = place.open().unwrap_err();
    assert!(matches!(error, JournalError::RolledBack { .. }), "{error}");
    assert!(
        error.to_string().contains("10 entries, its witness saw 11"),
        "{error}"
    );
    let renewed = SqliteOptions {
        renew_witness: true,
        ..place.witnessed()
    };
    assert_eq!(open(&place.journal(), renewed).unwrap().head().seq, Seq(10));
    place.open().unwrap();
}

#[test]
fn another_history_with_the_same_key_is_refused() {
    let place = Place::new();
    place
        .open()
        .unwrap()
        .append(&sample::drafts(1, 10))
        .unwrap();
    place.open().unwrap();
    for suffix in ["", "-wal", "-end"] {
        let _ = fs::remove_file(beside(&place.journal(), suffix));
    }
    let error = place.open().unwrap_err();
    assert!(
        matches!(error, JournalError::RolledBack { .. }),
        "an empty journal: {error}"
    );
    let mut other = open(&place.journal(), SqliteOptions::default()).unwrap();
    let mut drafts = sample::drafts(1, 20);
    drafts[4].correlation = Some("another".into());
    other.append(&drafts).unwrap();
    drop(other);
    let error = place.open().unwrap_err();
    assert!(
        error.to_string().contains("not those its witness saw"),
        "{error}"
    );
}

#[test]
fn a_lost_or_bent_witness_is_refused() {
    let place = Place::new();
    let witness = place.witnessed().witness.unwrap();
    place.open().unwrap().append(&sample::drafts(1, 3)).unwrap();
    let note = fs::read_to_string(&witness).unwrap();
    fs::write(&witness, note.replace("\n0\n", "\n1\n")).unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, JournalError::Note { .. }), "{error}");
    fs::remove_file(&witness).unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, JournalError::WitnessMissing(_)), "{error}");
    fs::write(&witness, note).unwrap();
    place.open().unwrap();
}

#[test]
fn the_witness_follows_the_head() {
    let place = Place::new();
    let witness = place.witnessed().witness.unwrap();
    let mut journal = place.open().unwrap();
    let seen = || {
        signer()
            .public()
            .open(&fs::read_to_string(&witness).unwrap())
            .unwrap()
            .size
    };
    assert_eq!(seen(), 0, "there is one before the first entry");
    journal.append(&sample::drafts(1, 3)).unwrap();
    assert_eq!(seen(), 0);
    journal.witness().unwrap();
    assert_eq!(seen(), 3);
    assert_eq!(fs::read_to_string(&witness).unwrap(), journal.checkpoint());
}

/// What a killed process leaves, with one bit of the write-ahead log flipped: nothing that was durable goes unnoticed.
#[test]
fn a_damaged_write_ahead_log_is_not_taken_for_its_end() {
    let place = Place::new();
    let mut journal = place.open().unwrap();
    for unit in 0..6 {
        journal.append(&sample::drafts(1 + unit * 4, 4)).unwrap();
    }
    let entries = journal.reader().read(Seq(1), 100).unwrap();
    let aside = place.dir.path().join("killed/journal.db");
    let wal = fs::metadata(beside(&place.journal(), "-wal"))
        .unwrap()
        .len() as usize;
    let (mut refused, mut harmless) = (0, 0);
    for at in (0..wal).step_by(wal / 90) {
        copy(&place.journal(), &aside, None);
        fs::copy(beside(&place.journal(), "-end"), beside(&aside, "-end")).unwrap();
        let mut bytes = fs::read(beside(&aside, "-wal")).unwrap();
        bytes[at] ^= 0x10;
        fs::write(beside(&aside, "-wal"), bytes).unwrap();
        match open(&aside, SqliteOptions::default()) {
            Ok(opened) => {
                let found = opened.reader().read(Seq(1), 100).unwrap();
                assert_eq!(found, entries, "bit of byte {at}");
                harmless += 1;
            }
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        JournalError::Differs { .. }
                            | JournalError::Storage { .. }
                            | JournalError::Format { .. }
                    ),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 60, "{refused} refused, {harmless} harmless");
}
