//! The golden log: a recorded past that every build folds to the same entries, the same root and the same state, on
//! any number of threads, from the beginning and from snapshots, debug or release.
//!
//! Where the format of entries is changed on purpose, write it anew: `EDSR_GOLDEN=write cargo test -p edsr --test golden`.
//! The same with optimised code: `cargo test --release -p edsr --test golden`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edsr_bundle::{SourceFile, load_files, testing};
use edsr_engine::desk::Snapshot;
use edsr_journal::{Journal as _, MemoryJournal};
use edsr_log::{EventLog as _, MemoryLog};
use edsr_model::{Draft, Record, Seq};
use edsr_node::bundles::{BundleFiles, BundleStore, Compile};
use edsr_node::past::{Begin, Kept};
use edsr_node::replay::{EndState, Replayed, replay};
use edsr_node::snapshots::SnapshotStore;
use edsr_sim::{World, campaign};

/// Says that the fixture is to be written anew.
const WRITE_VARIABLE: &str = "EDSR_GOLDEN";

/// The seeds whose stories are recorded, one after the other in one world of their own each.
const SEED: u64 = 20_261_127;

/// How many snapshots a fold begins from.
const SNAPSHOTS: usize = 10;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A long story without faults of the disk: what is recorded is what a node wrote.
fn story() -> String {
    let mut text = String::from(
        "answer step=two times=2 fail broken\nanswer step=one role=do times=1 never\n\
         answer step=put times=1 unknown lost\nanswer step=call after=2s times=3 ok\n",
    );
    let mut at = 0;
    for seed in SEED..SEED + 5 {
        for line in campaign::draw(seed).lines() {
            let Some((_, what)) = line
                .split_once(' ')
                .filter(|(time, _)| time.ends_with("ms"))
            else {
                continue;
            };
            let what = match what.split_once(' ').unwrap_or((what, "")) {
                ("crash" | "kill", _) => "restart",
                ("fail" | "full" | "slow" | "retain" | "clock", _) => continue,
                _ => what,
            };
            at += 900;
            let _ = writeln!(text, "{at}ms {what}");
        }
    }
    text
}

/// A recorded past.
struct Golden {
    records: Vec<Record>,
    drafts: Vec<Draft>,
}

impl Golden {
    fn read() -> Self {
        let lines = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
        let events = lines("events.jsonl");
        let entries = lines("entries.jsonl");
        Self {
            records: events
                .lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect(),
            drafts: entries
                .lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect(),
        }
    }

    fn write(&self) {
        fs::create_dir_all(folder()).unwrap();
        let mut events = String::new();
        for record in &self.records {
            let _ = writeln!(events, "{}", serde_json::to_string(record).unwrap());
        }
        let mut entries = String::new();
        for draft in &self.drafts {
            let _ = writeln!(entries, "{}", serde_json::to_string(draft).unwrap());
        }
        fs::write(folder().join("events.jsonl"), events).unwrap();
        fs::write(folder().join("entries.jsonl"), entries).unwrap();
    }

    /// Replays it from a snapshot, or from the beginning.
    fn replay(&self, threads: usize, snapshot: Option<&Snapshot>) -> Replayed {
        let mut log = MemoryLog::new();
        for record in &self.records {
            log.append(record.at, &serde_json::to_vec(&record.event).unwrap())
                .unwrap();
        }
        log.commit().unwrap();
        let mut journal = MemoryJournal::new();
        journal.append(&self.drafts).unwrap();
        let place = tempfile::tempdir().unwrap();
        let bundles = BundleStore::new(place.path().join("bundles"), compile());
        for files in campaign::bundle_files() {
            let hash = compile()(&files).unwrap().hash;
            bundles.keep(hash, &files).unwrap();
        }
        let snapshots = SnapshotStore::new(place.path().join("snapshots"));
        if let Some(snapshot) = snapshot {
            snapshots.keep(snapshot).unwrap();
        }
        let (log, journal) = (log.reader(), journal.reader());
        let past = Kept {
            log: &*log,
            journal: &*journal,
            bundles: &bundles,
            snapshots: &snapshots,
            threads,
            begin: Begin::Newest,
        };
        replay(&past, Seq(self.drafts.len() as u64)).unwrap()
    }
}

fn compile() -> Compile {
    Arc::new(|files: &BundleFiles| {
        let files = files.iter().cloned();
        let files = files
            .map(|(path, text)| SourceFile::new(path, text))
            .collect();
        load_files(files, &testing::Catalog)
            .map(|compiled| compiled.bundle)
            .map_err(|report| report.to_string())
    })
}

/// What every replay must come to, as text.
fn summary(replayed: &Replayed) -> String {
    let EndState::Same { state, unwritten } = &replayed.end_state else {
        panic!("{:?}", replayed.end_state);
    };
    let (lsn, seq) = replayed.end;
    format!(
        "events {lsn}\nentries {seq}\nroot {}\nstate {state}\nunwritten {unwritten}\n",
        replayed.root
    )
}

#[test]
fn a_recorded_past_folds_to_the_same_on_any_number_of_threads_and_from_any_snapshot() {
    let mut world = World::with_kit(campaign::kit().unwrap()).unwrap();
    world.keep_snapshots();
    campaign::live(&mut world, &story()).unwrap();
    if std::env::var(WRITE_VARIABLE).is_ok_and(|said| said == "write") {
        let golden = Golden {
            records: world.records(),
            drafts: world
                .entries()
                .iter()
                .map(|entry| entry.draft.clone())
                .collect(),
        };
        golden.write();
        fs::write(
            folder().join("expected.txt"),
            summary(&golden.replay(1, None)),
        )
        .unwrap();
    }
    let golden = Golden::read();
    let expected = fs::read_to_string(folder().join("expected.txt")).unwrap();
    for threads in [1, 2, 8] {
        let replayed = golden.replay(threads, None);
        assert_eq!(summary(&replayed), expected, "{threads} threads");
        assert_eq!(replayed.entries, golden.drafts.len() as u64);
    }
    // The story, told again by this build, is the one that was recorded.
    assert_eq!(world.records(), golden.records);
    let told: Vec<_> = world.entries().iter().map(|entry| &entry.draft).collect();
    assert_eq!(told, golden.drafts.iter().collect::<Vec<_>>());

    let snapshots = world.snapshots();
    assert!(snapshots.len() >= SNAPSHOTS, "{}", snapshots.len());
    let step = snapshots.len() / SNAPSHOTS;
    for snapshot in snapshots.iter().step_by(step) {
        for threads in [1, 8] {
            let replayed = golden.replay(threads, Some(snapshot));
            assert_eq!(replayed.from, Some((snapshot.lsn, snapshot.seq)));
            assert_eq!(summary(&replayed), expected, "from entry {}", snapshot.seq);
        }
    }
}

#[test]
fn the_first_entry_that_does_not_follow_is_pointed_at() {
    let mut golden = Golden::read();
    let place = golden
        .drafts
        .iter()
        .position(|draft| draft.fact.kind() == "decided")
        .unwrap();
    // Somebody with the key made the chain anew over a decision that was another one.
    let text = serde_json::to_string(&golden.drafts[place]).unwrap();
    let forged = ["auto", "deny", "observe", "suggest", "approve"]
        .iter()
        .find_map(|verdict| {
            let verdict = format!("\"verdict\":\"{verdict}\"");
            text.contains(&verdict)
                .then(|| text.replace(&verdict, "\"verdict\":\"observe\""))
                .filter(|forged| *forged != text)
        })
        .unwrap();
    golden.drafts[place] = serde_json::from_str(&forged).unwrap();
    let EndState::Differs(difference) = golden.replay(2, None).end_state else {
        panic!("nobody noticed");
    };
    assert_eq!(difference.seq, golden.drafts[place].seq);
    let fields: Vec<_> = difference
        .fields()
        .into_iter()
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(fields, ["fact.decision.verdict"]);
}
