//! Single entries edited, deleted, moved.

use super::*;

/// One for each way each column can be changed.
pub(super) const EDITS: [&str; 10] = [
    "kind = 'x' || kind",
    "correlation = CASE WHEN correlation IS NULL THEN 'x' END",
    "body = replace(body, '\"seq\":', '\"seq\": ')",
    "body = replace(body, '2026', '2025')",
    "body = '{}'",
    "body = ''",
    "prev = zeroblob(32)",
    "prev = x''",
    "hash = zeroblob(32)",
    "hash = x'00'",
];

/// Whether the edit makes a difference: the first entry's `prev` is zeros already.
pub(super) fn changes(edit: &str, seq: u64) -> bool {
    seq > 1 || edit != "prev = zeroblob(32)"
}

#[test]
fn every_edited_column_of_every_entry_is_named() {
    let bench = Bench::new(built());
    for edit in EDITS {
        for seqs in every(3, ENTRIES) {
            let seqs: Vec<_> = seqs.into_iter().filter(|seq| changes(edit, *seq)).collect();
            let sql = format!("UPDATE entry SET {edit} WHERE seq IN {}", list(&seqs));
            bench.check(&sql, &all_of(Edited, &seqs));
        }
    }
}

#[test]
fn edits_of_neighbours_are_named() {
    let bench = Bench::new(built());
    for edits in [
        ["body = body || ' '", "body = body || ' '"],
        ["body = body || ' '", "hash = zeroblob(32)"],
        ["hash = zeroblob(32)", "body = body || ' '"],
        ["prev = x'01'", "body = body || ' '"],
        ["hash = zeroblob(32), body = body || ' '", "kind = ''"],
    ] {
        for seq in [1, 63, 64, 100, 199] {
            let [first, second] = edits;
            let sql = format!(
                "UPDATE entry SET {first} WHERE seq = {seq}; UPDATE entry SET {second} WHERE seq = {}",
                seq + 1
            );
            bench.check(&sql, &[(Edited, seq), (Edited, seq + 1)]);
        }
    }
}

#[test]
fn an_entry_replaced_with_a_fitting_hash_is_named() {
    let bench = Bench::new(built());
    for seq in [1_u64, 2, 64, 150, 199] {
        let (prev, body): (Vec<u8>, String) = bench
            .connection
            .query_row(
                "SELECT prev, body FROM entry WHERE seq = ?1",
                [seq],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let body = body.replacen("2026", "2025", 1);
        let prev = edsr_model::Digest(prev.try_into().unwrap());
        let hash = crate::chain::entry_hash(prev, edsr_model::Seq(seq), body.as_bytes());
        let sql = format!(
            "UPDATE entry SET body = replace(body, '2026', '2025'), hash = x'{hash}' WHERE seq = {seq}"
        );
        let report = bench.report(&sql, &options());
        assert_eq!(kinds(&report), [(Edited, seq)], "{report}");
    }
}

#[test]
fn every_deleted_entry_is_named() {
    let bench = Bench::new(built());
    for seqs in every(3, ENTRIES) {
        let mut expected = all_of(Missing, &seqs);
        if seqs.contains(&ENTRIES) {
            expected.retain(|(_, seq)| *seq != ENTRIES);
            expected.push((Truncated, ENTRIES));
        }
        let sql = format!("DELETE FROM entry WHERE seq IN {}", list(&seqs));
        bench.check(&sql, &expected);
        let sql = format!("{sql}; DELETE FROM recent WHERE seq IN {}", list(&seqs));
        bench.check(&sql, &expected);
    }
    let gap = "DELETE FROM entry WHERE seq BETWEEN 50 AND 59";
    bench.check(gap, &[(Missing, 50), (CheckpointMismatch, 64)]);
    let gap = "DELETE FROM entry WHERE seq < 3";
    bench.check(gap, &[(Missing, 1), (CheckpointMismatch, 64)]);
    bench.check("DELETE FROM entry", &[(Truncated, 1)]);
}

#[test]
fn every_swap_with_the_next_is_named() {
    let bench = Bench::new(built());
    for seqs in every(5, ENTRIES - 1) {
        let after: Vec<_> = seqs.iter().map(|seq| seq + 1).collect();
        let (these, those) = (list(&seqs), list(&after));
        let sql = format!(
            "UPDATE entry SET seq = -seq WHERE seq IN {these};
             UPDATE entry SET seq = seq - 1 WHERE seq IN {those};
             UPDATE entry SET seq = 1 - seq WHERE seq < 0;"
        );
        let both = [all_of(Reordered, &seqs), all_of(Reordered, &after)].concat();
        bench.check(&sql, &both);
    }
}

#[test]
fn an_entry_moved_elsewhere_is_named() {
    let bench = Bench::new(built());
    bench.check(
        "UPDATE entry SET seq = -1 WHERE seq = 20; UPDATE entry SET seq = 20 WHERE seq = 30;
         UPDATE entry SET seq = 30 WHERE seq = -1",
        &[(Reordered, 20), (Reordered, 30), (CheckpointMismatch, 64)],
    );
    bench.check(
        "UPDATE entry SET seq = 201 WHERE seq = 20",
        &[(Missing, 20), (Reordered, 201), (Unsigned, 201)],
    );
    bench.check(
        "UPDATE entry SET seq = 0 WHERE seq = 20",
        &[(Missing, 20), (Unsigned, 0)],
    );
}
