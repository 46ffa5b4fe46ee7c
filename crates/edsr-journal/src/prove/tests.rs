use super::*;
use crate::sample;
use crate::{Journal as _, Signer, SqliteJournal, SqliteOptions};
use rusqlite::Connection;
use std::path::PathBuf;
use tempfile::TempDir;

struct Place {
    _dir: TempDir,
    path: PathBuf,
    journal: SqliteJournal,
}

fn key() -> PublicKey {
    Signer::from_seed(&[42; 32]).public().clone()
}

/// Checkpoints stay at 100, 200 and 300; there is a subtree of 256.
fn place(entries: usize) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let options = SqliteOptions {
        checkpoint_every: 100,
        ..SqliteOptions::default()
    };
    let mut journal = SqliteJournal::open(&path, Signer::from_seed(&[42; 32]), options).unwrap();
    journal.append(&sample::drafts(1, entries)).unwrap();
    Place {
        _dir: dir,
        path,
        journal,
    }
}

#[test]
fn an_entry_is_proven_to_someone_who_has_the_key_alone() {
    let place = place(321);
    for (seq, size) in [
        (1, None),
        (2, Some(100)),
        (100, Some(100)),
        (256, Some(300)),
        (257, None),
        (321, None),
    ] {
        let made = proof(&place.path, Seq(seq), size).unwrap();
        let text = serde_json::to_string(&made).unwrap();
        let read: InclusionProof = serde_json::from_str(&text).unwrap();
        let entry = verify_proof(&read, &key()).unwrap();
        assert_eq!(entry.draft, sample::draft(seq), "{seq} in {size:?}");
        // Laid out anew by another tool.
        let pretty: serde_json::Value = serde_json::from_str(&text).unwrap();
        let read = serde_json::from_str(&serde_json::to_string_pretty(&pretty).unwrap()).unwrap();
        assert_eq!(verify_proof(&read, &key()).unwrap(), entry);
    }
}

#[test]
fn a_bent_proof_proves_nothing() {
    let place = place(321);
    let made = proof(&place.path, Seq(200), None).unwrap();
    let other = proof(&place.path, Seq(201), None).unwrap();
    let refused = |bend: &dyn Fn(&mut InclusionProof)| {
        let mut bent = made.clone();
        bend(&mut bent);
        assert!(verify_proof(&bent, &key()).is_err(), "{bent:?}");
    };
    refused(&|bent| bent.entry = other.entry.clone());
    refused(&|bent| bent.path = other.path.clone());
    refused(&|bent| bent.index = 200);
    refused(&|bent| bent.size = 320);
    refused(&|bent| bent.entry.seq = Seq(201));
    refused(&|bent| bent.entry.seq = Seq(0));
    refused(&|bent| bent.entry.hash = Digest::default());
    refused(&|bent| bent.entry.prev = Digest::default());
    refused(&|bent| bent.path.truncate(3));
    refused(&|bent| bent.path = vec![Digest::default(); PROOF_HASHES_MAX + 1]);
    refused(&|bent| bent.checkpoint = proof(&place.path, Seq(1), Some(300)).unwrap().checkpoint);
    refused(&|bent| {
        let body = bent.entry.body.get().replace("2026", "2025");
        bent.entry.body = RawValue::from_string(body).unwrap();
    });
    let stranger = Signer::from_seed(&[1; 32]);
    assert!(verify_proof(&made, stranger.public()).is_err());
    refused(&|bent| bent.checkpoint = stranger.checkpoint(321, Digest::default()));
}

#[test]
fn what_cannot_be_proven_is_said() {
    let place = place(321);
    let says = |seq, size, text: &str| {
        let error = proof(&place.path, Seq(seq), size).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    says(322, None, "there is no entry 322; the journal ends at 321");
    says(0, None, "there is no entry 0");
    says(
        101,
        Some(100),
        "there is no entry 101; the journal ends at 100",
    );
    says(
        5,
        Some(150),
        "no checkpoint of 150 entries is kept; the nearest larger one has 200",
    );
    says(5, Some(310), "the nearest larger one has 321");
    says(5, Some(400), "there is no entry 400");
}

#[test]
fn growth_is_proven_and_a_fork_is_not() {
    let mut place = place(150);
    let mut seen = vec![(
        0,
        Signer::from_seed(&[42; 32]).checkpoint(0, crate::merkle::empty_root()),
    )];
    seen.push((150, place.journal.checkpoint().to_owned()));
    place.journal.append(&sample::drafts(151, 151)).unwrap();
    seen.push((301, place.journal.checkpoint().to_owned()));
    for (size, old) in &seen {
        let proof = consistency(&place.path, *size, None).unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        let proof: ConsistencyProof = serde_json::from_str(&text).unwrap();
        verify_consistency(&proof, old, &key()).unwrap();
        let mut bent = proof.clone();
        bent.path.push(Digest::default());
        assert!(verify_consistency(&bent, old, &key()).is_err());
    }
    let fork = Signer::from_seed(&[42; 32]).checkpoint(150, Digest::of(b"another history"));
    let proof = consistency(&place.path, 150, None).unwrap();
    let error = verify_consistency(&proof, &fork, &key()).unwrap_err();
    assert!(error.to_string().contains("rewritten"), "{error}");
    assert!(consistency(&place.path, 302, None).is_err());
    let to_kept = consistency(&place.path, 150, Some(200)).unwrap();
    verify_consistency(&to_kept, &seen[1].1, &key()).unwrap();
}

fn exported(place: &Place, from: u64) -> String {
    let mut bytes = Vec::new();
    let report = export(&place.path, Seq(from), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count() as u64, report.entries + 1);
    text
}

fn check(text: &str) -> Result<ExportReport, JournalError> {
    verify_export(&mut text.as_bytes(), &key())
}

#[test]
fn an_export_proves_itself_from_anywhere() {
    let place = place(40);
    for (from, first, entries) in [
        (0, 1, 40),
        (1, 1, 40),
        (2, 2, 39),
        (33, 33, 8),
        (40, 40, 1),
        (41, 41, 0),
        (99, 41, 0),
    ] {
        let report = check(&exported(&place, from)).unwrap();
        assert_eq!(
            report,
            ExportReport {
                from: Seq(first),
                to: Seq(40),
                entries
            }
        );
    }
    let empty = self::place(0);
    assert_eq!(check(&exported(&empty, 1)).unwrap().entries, 0);
}

#[test]
fn a_bent_export_is_refused() {
    let place = place(40);
    for from in [1, 20] {
        let text = exported(&place, from);
        let lines: Vec<_> = text.lines().collect();
        let join = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        for place in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(place);
            assert!(check(&join(&without)).is_err(), "without line {place}");
            let mut twice = lines.clone();
            twice.insert(place, lines[place]);
            assert!(check(&join(&twice)).is_err(), "line {place} twice");
            let bent =
                lines[place]
                    .replacen("2026", "2025", 1)
                    .replacen("\"from\":", "\"from\":1", 1);
            let mut edited = lines.clone();
            edited[place] = &bent;
            assert!(check(&join(&edited)).is_err(), "line {place} edited");
            if place + 1 < lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(place, place + 1);
                assert!(check(&join(&swapped)).is_err(), "line {place} swapped");
            }
        }
        assert!(
            check(&text[..text.len() - 1]).is_err(),
            "cut in the last line"
        );
    }
    assert!(check("").is_err());
    let long = "x".repeat(EXPORT_LINE_BYTES_MAX + 1);
    assert!(check(&format!("{long}\n")).is_err());
}

#[test]
fn a_damaged_entry_is_neither_exported_nor_proven() {
    let place = place(10);
    let connection = Connection::open(&place.path).unwrap();
    connection
        .execute("UPDATE entry SET body = body || ' ' WHERE seq = 7", [])
        .unwrap();
    let error = export(&place.path, Seq(1), &mut Vec::new()).unwrap_err();
    assert!(
        matches!(error, JournalError::Damaged { seq: Seq(7), .. }),
        "{error}"
    );
    let error = proof(&place.path, Seq(7), None).unwrap_err();
    assert!(
        matches!(error, JournalError::Damaged { seq: Seq(7), .. }),
        "{error}"
    );
    proof(&place.path, Seq(8), None).unwrap();
}
