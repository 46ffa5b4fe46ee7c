//! Every kind of call to the disk fails, at every place, in every way.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::chance::{Chance, setting};
use crate::common::{Node, Place, Request, nap, wait_for};
use crate::ledger::{Ledger, acknowledged, batch};
use crate::repairs::{check_effects, check_runs, effects, place};
use crate::shim::{EDQUOT, EIO, ENOSPC, Plan, SHORT, Shim};

/// How many cases of the sweep are run; set it to run all of them.
const CASES: (&str, u64) = ("EDSR_DISK_CASES", 36);

/// How many of the first calls of a kind are failed, one a case.
const INDEX_MAX: u64 = 24;

/// How many requests a node is sent while its disk may fail.
const REQUESTS: u64 = 40;

/// How many more it is sent once something failed.
const REQUESTS_AFTER: u64 = 6;

/// The witness is written once a second.
const WITNESS_WAIT: Duration = Duration::from_millis(1500);

const EVENT_LOG: &str = "/data/events/";
const JOURNAL: &str = "/data/journal.db";
const SNAPSHOTS: &str = "/data/snapshots/";
const BUNDLES: &str = "/data/bundles/";
const KEYS: &str = "/keys/";
const EVERYTHING: &str = "/home/";

/// Nothing is done to the call but to note it (a delay of 1 ms).
const NOTED: i32 = -1;

/// When the disk begins to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before a node starts on what another left that was killed.
    Starting,
    /// While a node runs.
    Running,
    /// When a node is told to stop.
    Stopping,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    when: When,
    plan: Plan,
}

/// What came of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// No call of this kind was made with that number.
    NotReached,
    /// The node went on as if nothing had been, and nothing was lost.
    Borne,
    /// The node answered 503 until it was started again.
    Stood,
    /// The node did not start, and said why.
    NotStarted,
}

#[test]
fn an_event_log_that_cannot_be_written_is_not_acknowledged_and_not_written_again() {
    for (op, error) in [("write", EIO), ("sync", EIO), ("write", ENOSPC)] {
        for once in [true, false] {
            let came = check(When::Running, EVENT_LOG, op, error, once, 3);
            assert_eq!(came, Came::Stood, "{op} {error} {once}");
        }
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_node_and_starts_nothing() {
    for (op, error) in [("write", EIO), ("sync", EIO), ("write", ENOSPC)] {
        for once in [true, false] {
            let came = check(When::Running, JOURNAL, op, error, once, 3);
            assert_eq!(came, Came::Stood, "{op} {error} {once}");
        }
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_costs_a_longer_start_only() {
    for (op, error) in [
        ("create", ENOSPC),
        ("write", EIO),
        ("sync", EIO),
        ("rename", EIO),
    ] {
        let came = check(When::Stopping, SNAPSHOTS, op, error, false, 1);
        assert_eq!(came, Came::Borne, "{op} {error}");
    }
}

#[test]
fn a_write_that_takes_a_half_is_no_error() {
    for part in [EVENT_LOG, JOURNAL] {
        let came = check(When::Running, part, "write", SHORT, false, 1);
        assert_eq!(came, Came::Borne, "{part}");
    }
}

#[test]
fn a_full_disk_needs_room_and_a_restart_and_nothing_else() {
    for error in [ENOSPC, EDQUOT] {
        let came = check(When::Running, EVERYTHING, "any", error, false, 5);
        assert_eq!(came, Came::Stood, "{error}");
        let came = check(When::Starting, EVERYTHING, "write", error, false, 1);
        assert!(
            [Came::NotStarted, Came::Stood].contains(&came),
            "{error}: {came:?}"
        );
    }
}

/// A node on a sound disk is watched while it starts, runs and stops; then each of the calls it made is failed: with
/// every error, that call only or all from there on. This is a sample of these cases.
#[test]
fn every_call_to_the_disk_fails_in_every_way() {
    let mut chance = Chance::new("disk");
    let mut all = every_case();
    let count = all.len();
    let wanted = usize::try_from(setting(CASES.0, CASES.1)).unwrap();
    let mut came: BTreeMap<Came, usize> = BTreeMap::new();
    for _ in 0..wanted.min(count) {
        let place = chance.below(all.len() as u64);
        let case = all.swap_remove(usize::try_from(place).unwrap());
        *came.entry(run(case)).or_default() += 1;
    }
    println!("{} of {count} cases: {came:?}", wanted.min(count));
    assert!(came.contains_key(&Came::Stood), "{came:?}");
    let reached: usize = came.values().sum::<usize>() - came.get(&Came::NotReached).unwrap_or(&0);
    assert!(
        reached * 2 > wanted.min(count),
        "most are reached: {came:?}"
    );
}

fn every_case() -> Vec<Case> {
    let mut all = Vec::new();
    for when in [When::Starting, When::Running, When::Stopping] {
        let calls = calls(when);
        for part in [EVENT_LOG, JOURNAL, SNAPSHOTS, BUNDLES, KEYS] {
            for op in ["write", "sync", "truncate", "rename", "create"] {
                let fits = |(kind, path): &&(String, String)| kind == op && path.contains(part);
                let made = calls.iter().filter(fits).count() as u64;
                if made > 0 {
                    println!("{when:?}: {made} x {op} in {part}");
                }
                for index in 1..=made.min(INDEX_MAX) {
                    all.extend(cases(when, part, op, index));
                }
            }
        }
    }
    all
}

/// Every way in which one call fails.
fn cases(
    when: When,
    part: &'static str,
    op: &'static str,
    index: u64,
) -> impl Iterator<Item = Case> {
    let errors = [EIO, ENOSPC, EDQUOT, SHORT].into_iter();
    let errors = errors.filter(move |error| *error != SHORT || op == "write");
    errors.flat_map(move |error| {
        [true, false].map(|once| {
            let plan = Plan {
                part,
                op,
                error,
                once,
                index,
            };
            Case { when, plan }
        })
    })
}

/// The calls that a node makes on a sound disk.
fn calls(when: When) -> Vec<(String, String)> {
    let plan = Plan {
        part: EVERYTHING,
        op: "any",
        error: NOTED,
        once: false,
        index: 1,
    };
    let (came, calls) = story(Case { when, plan });
    assert_eq!(came, Came::Borne, "{when:?}");
    calls
}

#[track_caller]
fn check(
    when: When,
    part: &'static str,
    op: &'static str,
    error: i32,
    once: bool,
    index: u64,
) -> Came {
    let plan = Plan {
        part,
        op,
        error,
        once,
        index,
    };
    run(Case { when, plan })
}

/// One story: a node works, its disk fails, it works again on a sound disk; whatever happens, what was acknowledged is
/// there, nothing was done that is not on record, and every run ends.
fn run(case: Case) -> Came {
    println!("{case:?}");
    let (came, _) = story(case);
    println!("    {came:?}");
    came
}

/// The story, and the calls to which something was done.
fn story(case: Case) -> (Came, Vec<(String, String)>) {
    let place = place();
    let mut shim = Shim::new(&place);
    let env = shim.env();
    let env: Vec<_> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut work = Work::default();
    let node = place.start_with(&env);
    for _ in 0..5 {
        assert!(work.send(&node), "a sound disk");
    }
    let came = match case.when {
        When::Starting => {
            node.kill();
            shim.fail(case.plan);
            match place.try_start(&env) {
                Ok(node) => work.under_faults(&place, node, &shim, case),
                Err(refusal) => {
                    assert!(shim.hit(), "{refusal:?}");
                    assert_eq!(refusal.code, Some(7), "{refusal:?}");
                    assert!(refusal.told.contains("cannot be"), "{refusal:?}");
                    assert!(refusal.told.contains("help: "), "{refusal:?}");
                    println!("    {}", refusal.told.trim_end());
                    Came::NotStarted
                }
            }
        }
        When::Running => {
            shim.fail(case.plan);
            work.under_faults(&place, node, &shim, case)
        }
        When::Stopping => {
            shim.fail(case.plan);
            node.signal(Signal::TERM);
            node.wait_end();
            if shim.hit() {
                Came::Borne
            } else {
                Came::NotReached
            }
        }
    };
    shim.heal();
    let calls = shim.hits();
    work.check_afterwards(&place, &env);
    (came, calls)
}

/// What is sent, and what was acknowledged.
#[derive(Default)]
struct Work {
    ledger: Ledger,
    next: u64,
}

impl Work {
    /// Sends one request; whether it was acknowledged.
    fn send(&mut self, node: &Node) -> bool {
        let size = 1 + self.next % 3;
        let (request, ids) = batch(1, self.next, size);
        self.next += size;
        let answer = request.send(node.address);
        let answer = answer.unwrap_or_else(|| panic!("no answer; {}", node.log()));
        let taken = acknowledged(&answer, ids.len());
        if taken {
            self.ledger.add(ids);
        }
        taken
    }

    /// Sends until something fails or it is clear that nothing will; then holds the node to what it promises.
    fn under_faults(&mut self, place: &Place, node: Node, shim: &Shim, case: Case) -> Came {
        let mut stood = false;
        for _ in 0..REQUESTS {
            if !self.send(&node) {
                stood = true;
                break;
            }
            // A failed append or sync of the event log may not be followed by any acknowledgement.
            if shim.hit() && case.plan.part == EVENT_LOG && is_fatal(&case.plan) {
                stood = true;
                break;
            }
            // Time for the journal to fail too.
            nap(Duration::from_millis(10));
        }
        if !stood {
            if case.plan.part == KEYS {
                nap(WITNESS_WAIT);
                assert!(self.send(&node), "a witness is not what a node lives on");
            }
            let came = if shim.hit() {
                Came::Borne
            } else {
                Came::NotReached
            };
            node.kill();
            return came;
        }
        self.stands(place, &node);
        // A disk that works again changes nothing: what it did to what was not synced is not known.
        shim.heal();
        self.stands(place, &node);
        if case.plan.index.is_multiple_of(2) {
            node.kill();
        } else {
            node.signal(Signal::TERM);
            node.wait_end();
        }
        Came::Stood
    }

    /// Nothing is acknowledged, questions are answered, a pause holds.
    fn stands(&mut self, place: &Place, node: &Node) {
        for _ in 0..REQUESTS_AFTER {
            assert!(!self.send(node), "acknowledged after a failure");
        }
        node.send(&Request::get("/readyz")).is(503);
        let problems = node.status()["problems"].clone();
        assert_ne!(problems, Value::Array(Vec::new()), "it says why");
        if node.status()["paused"] == Value::Bool(true) {
            return;
        }
        std::fs::write(place.data_dir().join("pause"), "{}").unwrap();
        wait_for("the pause", || {
            (node.status()["paused"] == Value::Bool(true)).then_some(())
        });
        // Calls that had left before come to their end; after that nothing leaves.
        nap(Duration::from_millis(150));
        let done = effects(place);
        nap(Duration::from_millis(150));
        assert_eq!(effects(place), done, "a pause holds");
    }

    /// A sound disk: everything acknowledged is there, the journal is whole, runs end once nothing is paused.
    fn check_afterwards(&mut self, place: &Place, env: &[(&str, &str)]) {
        place.verify_audit();
        let node = place.start_with(env);
        assert!(self.send(&node), "a sound disk");
        self.ledger.check(&node);
        if node.status()["paused"] == Value::Bool(true) {
            node.cli_ok(&["resume", "--all", "--reason", "the disk works again"]);
        }
        check_runs(&node);
        check_effects(&node, &effects(place));
        node.stop();
        place.verify_audit();
    }
}

/// Whether the event log stops for good where this call fails. Cutting, and the files beside the segments, are not
/// always needed.
fn is_fatal(plan: &Plan) -> bool {
    plan.error > 0 && ["write", "sync"].contains(&plan.op)
}
