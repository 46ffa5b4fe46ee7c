//! `edsr audit`: on a journal as a node leaves it.

use std::fs;
use std::path::Path;

use edsr_journal::{Journal as _, Signer, SqliteJournal, SqliteOptions};
use edsr_model::{Actor, Draft, Fact, Lsn, Seq, Timestamp};
use serde_json::{Value, json};

use crate::stub::run;

/// A journal with a few entries, its public key and its witness, as a node leaves them.
fn journal(dir: &Path) -> [String; 2] {
    let key = dir.join("keys/journal.key");
    fs::create_dir_all(dir.join("keys")).unwrap();
    fs::create_dir_all(dir.join("data")).unwrap();
    let signer = Signer::load_or_create(&key).unwrap();
    let options = SqliteOptions {
        witness: Some(dir.join("keys/journal.witness")),
        ..SqliteOptions::default()
    };
    let mut journal = SqliteJournal::open(&dir.join("data/journal.db"), signer, options).unwrap();
    let drafts: Vec<Draft> = (1..=5).map(note).collect();
    journal.append(&drafts).unwrap();
    journal.witness().unwrap();
    let text = |path: &str| dir.join(path).to_str().unwrap().to_owned();
    [text("data"), text("keys/journal.key.pub")]
}

fn note(seq: u64) -> Draft {
    Draft {
        seq: Seq(seq),
        at: Timestamp::from_secs(i64::try_from(seq).unwrap()),
        lsn: Lsn(0),
        actor: Actor::Person("ana".into()),
        cause: None,
        correlation: None,
        bundle: None,
        fact: Fact::Note {
            text: format!("remark number {seq}"),
        },
    }
}

#[test]
fn a_journal_is_verified_offline() {
    let dir = tempfile::tempdir().unwrap();
    let [data, key] = journal(dir.path());
    let args = ["audit", "verify", &data];
    let ran = run(&args);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("ok: 5 entries"), "{ran:?}");
    assert!(ran.out.contains("witness `"), "{ran:?}");

    // One letter of one remark, where it is stored.
    let file = dir.path().join("data/journal.db");
    let mut bytes = fs::read(&file).unwrap();
    let remark = b"remark number 3";
    let place = bytes
        .windows(remark.len())
        .position(|part| part == remark)
        .unwrap();
    bytes[place] = b'R';
    fs::write(&file, bytes).unwrap();
    let ran = run(&args);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.out.contains("edited 3: "), "{ran:?}");
    let ran = run(&[&args[..], &["-o", "json"]].concat());
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &value["ok"]), (7, &json!(false)));

    assert_eq!(
        run(&[
            "audit",
            "verify",
            "--data-dir",
            "/nonexistent",
            "--key",
            &key
        ])
        .code,
        3
    );
    assert_eq!(
        run(&[
            "audit",
            "verify",
            "--data-dir",
            &data,
            "--key",
            "/nonexistent"
        ])
        .code,
        3
    );
}

#[test]
fn what_the_journal_says_can_be_shown_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let [data, key] = journal(dir.path());
    let place = ["--data-dir", &data, "--key", &key];
    let save = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };

    let proof = run(&[&["audit", "proof", "3"][..], &place].concat());
    assert_eq!(proof.code, 0, "{proof:?}");
    let check = |text: &str| run(&["audit", "check-proof", &save("proof", text), "--key", &key]);
    let ran = check(&proof.out);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.starts_with("proven: entry 3 (note, by person:ana"),
        "{ran:?}"
    );
    assert_eq!(check(&proof.out.replace("number 3", "number 4")).code, 7);
    assert_eq!(check("{}").code, 2);
    assert_eq!(
        run(&[&["audit", "proof", "6"][..], &place].concat()).code,
        3
    );

    let export = run(&["audit", "export", "--data-dir", &data, "--from", "2"]);
    assert_eq!(
        (export.code, export.out.lines().count()),
        (0, 5),
        "{export:?}"
    );
    let check = |text: &str| {
        run(&[
            "audit",
            "check-export",
            &save("export", text),
            "--key",
            &key,
        ])
    };
    let ran = check(&export.out);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("ok: 4 entries from 2 on"), "{ran:?}");
    assert_eq!(check(&export.out.replace("number 3", "number 9")).code, 7);
    let first = export.out.lines().next().unwrap();
    assert_eq!(check(first).code, 7, "the end is missing");
}
