//! The journal cut off, continued, made anew, put back.

use super::*;

#[test]
fn a_tail_cut_off_is_found_at_any_length() {
    let bench = Bench::new(built());
    for left in (0..ENTRIES).filter(|left| *left > 180 || left % 16 < 2) {
        let cut = format!("DELETE FROM entry WHERE seq > {left}");
        bench.check(&cut, &[(Truncated, left + 1)]);
    }
}

#[test]
fn a_tail_cut_off_with_its_traces_is_found() {
    let bench = Bench::new(built());
    let witness = witnessed(&built().notes[200]);
    let kept = VerifyOptions {
        also: vec![built().notes[199].clone()],
        ..options()
    };
    for left in (0..ENTRIES).step_by(21).chain([191, 192, 193, 198, 199]) {
        let cut =
            format!("DELETE FROM entry WHERE seq > {left}; DELETE FROM recent WHERE seq > {left}");
        let headless = format!("{cut}; DELETE FROM head");
        // The checkpoints that stay in the journal tell how long it was.
        let mut expected = vec![(CheckpointMissing, left)];
        if left < 192 {
            expected.push((Truncated, left + 1));
        }
        bench.check(&headless, &expected);
        let old_head = format!("{cut}; {}", built().heads[left as usize]);
        if left < 192 {
            bench.check(&old_head, &[(Truncated, left + 1)]);
        }
        // Nothing inside tells it any more: it is exactly the journal of that time.
        let clean = format!("{old_head}; DELETE FROM checkpoint WHERE size > {left}");
        bench.check(&clean, &[]);
        bench.check_with(&clean, &witness, &[(RolledBack, left)]);
        if left < 199 {
            bench.check_with(&clean, &kept, &[(RolledBack, left)]);
        }
    }
}

#[test]
fn what_was_added_without_the_key_is_found() {
    let longer = build(&sample::drafts(1, ENTRIES as usize + 3), signer(), 203);
    let bench = Bench::new(&longer);
    let old_head = &built().heads[200];
    bench.check(old_head, &[(Unsigned, 201)]);
    let one = format!(
        "{old_head}; DELETE FROM entry WHERE seq > 201; DELETE FROM recent WHERE seq > 201"
    );
    bench.check(&one, &[(Unsigned, 201)]);
}

/// A journal that differs from entry `seq` on, whole in itself, with the genuine checkpoints put in.
fn forged(seq: u64) -> (Bench, String) {
    let mut drafts = sample::drafts(1, ENTRIES as usize);
    drafts[seq as usize - 1].correlation = Some("forged".to_owned());
    let bench = Bench::new(&build(&drafts, attacker(), 200));
    let mut sql = format!(
        "UPDATE meta SET value = '{}' WHERE name = 'key';",
        signer().public().name()
    );
    for size in [64, 128, 192] {
        let note = &built().notes[size];
        sql.push_str(&format!(
            "UPDATE checkpoint SET note = '{note}' WHERE size = {size};"
        ));
    }
    sql.push_str(&format!("UPDATE head SET note = '{}'", built().notes[200]));
    (bench, sql)
}

#[test]
fn a_chain_made_anew_without_the_key_is_found_at_the_first_checkpoint() {
    for (seq, first) in [(1, 64), (64, 64), (65, 128), (193, 200), (200, 200)] {
        let (bench, genuine_notes) = forged(seq);
        bench.check(&genuine_notes, &[(CheckpointMismatch, first)]);
        let unkept = format!("{genuine_notes}; DELETE FROM checkpoint");
        bench.check(
            &unkept,
            &[(CheckpointMismatch, 200), (CheckpointMissing, 64)],
        );
        let witness = witnessed(&built().notes[seq as usize]);
        let found = kinds(&bench.report("", &witness));
        let signatures = [64, 128, 192, 200].map(|size| (Signature, size));
        assert!(
            signatures.iter().all(|finding| found.contains(finding)),
            "{found:?}"
        );
        assert!(found.contains(&(RolledBack, seq)), "{found:?}");
    }
}

#[test]
fn an_older_copy_of_the_whole_file_is_found_by_the_witness() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    fs::write(&path, &built().file).unwrap();
    let newer = witnessed(&signer().checkpoint(201, edsr_model::Digest::default()));
    let report = verify(&path, &newer).unwrap();
    assert_eq!(kinds(&report), [(RolledBack, 200)], "{report}");
    let bent = witnessed("not a checkpoint");
    let report = verify(&path, &bent).unwrap();
    assert_eq!(kinds(&report), [(Signature, 0)], "{report}");
}
