//! The process ends, at any moment.

use std::time::Duration;

use rustix::process::Signal;

use crate::chance::{Chance, setting};
use crate::common::{Node, Place, Request, Stopwatch, WAIT, nap, wait_within};
use crate::ledger::Senders;
use crate::repairs::{check_effects, check_runs, effects, ended, place};

/// How often the node is killed; set it to have it killed more often.
const KILLS: (&str, u64) = ("EDSR_KILLS", 200);

/// After so many kills everything is checked and begun anew, so that no log grows without end.
const ROUND_KILLS: u64 = 50;

/// How many send at once.
const SENDERS: u64 = 4;

/// The longest a node lives, in milliseconds, counted from when it listens.
const LIFE_MS_MAX: u64 = 250;

/// The longest a node is let start before it is killed, in milliseconds.
const START_MS_MAX: u64 = 400;

/// The longest a node is let stop before it is killed, in milliseconds: its last snapshot is written meanwhile.
const STOP_MS_MAX: u64 = 40;

/// The longest a node stands still, in milliseconds.
const STILL_MS_MAX: u64 = 300;

/// After an edit the directory has to be quiet for so long before the bundle is read.
const QUIET: Duration = Duration::from_millis(280);

/// The journal is verified after every so many lives.
const AUDIT_EVERY: u64 = 10;

#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    let mut chance = Chance::new("kills");
    let kills = setting(KILLS.0, KILLS.1);
    let mut told = Told::default();
    while told.kills < kills {
        let until = kills.min(told.kills + ROUND_KILLS);
        round(&mut chance, until, &mut told);
    }
    told.print();
}

/// A node that is killed between the fork and the exec of a program leaves a child with its locks, for a moment.
#[test]
fn a_lock_that_is_given_back_in_a_moment_is_waited_for_and_one_that_is_kept_is_not() {
    for name in ["events/log.lock", "journal.db.lock"] {
        let place = place();
        place.start().stop();
        let held = std::fs::File::open(place.data_dir().join(name)).unwrap();
        held.try_lock().unwrap();
        let refusal = place.try_start(&[]).err().unwrap();
        assert_eq!(refusal.code, Some(4), "{name}: {refusal:?}");
        let giver = std::thread::spawn(move || {
            nap(Duration::from_millis(STILL_MS_MAX));
            drop(held);
        });
        place.start().stop();
        giver.join().unwrap();
    }
}

/// Without a witness of late, whoever can write the data could put back what the journal was at the last quiet second.
#[test]
fn the_witness_keeps_up_while_entries_keep_coming() {
    let place = place();
    let node = place.start();
    let witness = || std::fs::read_to_string(place.path("home/keys/journal.witness")).unwrap();
    let mut seen = witness();
    for _ in 0..2 {
        seen = wait_within(WAIT, "a newer witness", || {
            let note = Request::post("/v1/notes", r#"{"text": "and on"}"#).json();
            node.send(&note).is(200);
            Some(witness()).filter(|now| *now != seen)
        });
    }
    node.kill();
    place.verify_audit();
}

/// What there is to tell of a campaign.
#[derive(Default)]
struct Told {
    kills: u64,
    stops: u64,
    acknowledged: usize,
    starts: Vec<Duration>,
}

impl Told {
    fn print(&mut self) {
        self.starts.sort();
        let starts = &self.starts;
        println!(
            "{} kills, {} clean stops, {} acknowledged events, 0 lost, 0 doubled; start min {:?} median {:?} max {:?} of {}",
            self.kills,
            self.stops,
            self.acknowledged,
            starts[0],
            starts[starts.len() / 2],
            starts[starts.len() - 1],
            starts.len()
        );
    }
}

fn round(chance: &mut Chance, until: u64, told: &mut Told) {
    let place = place();
    let mut node = start(&place, told);
    let senders = Senders::start(SENDERS, chance.below(u64::MAX), node.address);
    let mut lives = 0;
    while told.kills < until {
        lives += 1;
        end(&place, node, chance, told);
        if lives % AUDIT_EVERY == 0 {
            place.verify_audit();
        }
        node = start(&place, told);
        senders.now_at(node.address);
    }
    let ledger = senders.stop();
    assert!(ledger.len() as u64 > lives, "{}", ledger.len());
    ledger.check(&node);
    let ends = check_runs(&node);
    println!(
        "{} kills: {} acknowledged, {ends:?}",
        told.kills,
        ledger.len()
    );
    assert!(ends.contains_key("succeeded"), "{ends:?}");
    let done = effects(&place);
    check_effects(&node, &done);
    // Once more in peace: what a clean end leaves is what the kills left.
    let executions = ended(&node);
    node.stop();
    place.verify_audit();
    let node = start(&place, told);
    assert_eq!(ended(&node), executions);
    assert_eq!(effects(&place), done);
    node.stop();
    told.acknowledged += ledger.len();
}

fn start(place: &Place, told: &mut Told) -> Node {
    let watch = Stopwatch::start();
    let node = place.start();
    told.starts.push(watch.elapsed());
    node
}

/// Ends the node in one of many ways.
fn end(place: &Place, node: Node, chance: &mut Chance, told: &mut Told) {
    match chance.below(10) {
        0 => {
            nap(chance.millis_below(LIFE_MS_MAX));
            node.stop();
            told.stops += 1;
            return;
        }
        // While its last snapshot is written.
        1 | 2 => {
            nap(chance.millis_below(LIFE_MS_MAX));
            node.signal(Signal::TERM);
            nap(chance.millis_below(STOP_MS_MAX));
            node.kill();
        }
        // After it stood still, as a machine does that has no memory left.
        3 => {
            nap(chance.millis_below(LIFE_MS_MAX));
            node.signal(Signal::STOP);
            nap(chance.millis_below(STILL_MS_MAX));
            node.signal(Signal::CONT);
            nap(chance.millis_below(LIFE_MS_MAX));
            node.kill();
        }
        // While another bundle comes into force.
        4 => {
            edit(place, chance.below(2));
            nap(QUIET + chance.millis_below(LIFE_MS_MAX));
            node.kill();
        }
        // In its first milliseconds, or at any moment of its recovery; more than once, so that one recovery meets
        // what another left half done.
        5..=7 => {
            nap(chance.millis_below(LIFE_MS_MAX));
            node.kill();
            told.kills += 1;
            for _ in 0..=chance.below(2) {
                let begun = place.spawn("127.0.0.1:0", &[]);
                nap(chance.millis_below(START_MS_MAX));
                drop(begun);
                told.kills += 1;
            }
            return;
        }
        _ => {
            nap(chance.millis_below(LIFE_MS_MAX));
            node.kill();
        }
    }
    told.kills += 1;
}

/// Another bundle that detects and repairs the same.
fn edit(place: &Place, which: u64) {
    let detector = format!(
        "apiVersion: edsr.dev/v1
kind: Detector
metadata: {{ name: never, owner: team }}
spec:
  on: type == \"never-{which}\"
  match: {{}}
"
    );
    place.write("never.yaml", &detector);
}
