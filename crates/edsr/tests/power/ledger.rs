//! Senders that stand outside, and write down what was acknowledged to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::common::{Answer, Node, Request, nap, text};

/// How many events a request may carry.
const SIZES: [u64; 6] = [1, 1, 2, 5, 20, 100];

/// Every so many events one asks for a repair.
const TROUBLE_EVERY: u64 = 61;

/// How long a sender rests after an acknowledgement, in milliseconds, so that the log stays small.
const REST_MS_MAX: u64 = 30;

/// The ids of events that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeSet<String>);

impl Ledger {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, ids: impl IntoIterator<Item = String>) {
        self.0.extend(ids);
    }

    /// Every acknowledged event stands in the log exactly once, and nothing stands there twice.
    pub(crate) fn check(&self, node: &Node) {
        let wrong = self.differences(node);
        assert!(wrong.is_empty(), "{wrong}");
    }

    /// What is lost or doubled, in words; empty where nothing is.
    pub(crate) fn differences(&self, node: &Node) -> String {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for record in node.all("events") {
            let id = text(&record, "/event/id").to_owned();
            *times.entry(id).or_default() += 1;
        }
        let mut wrong = String::new();
        for (id, times) in times.iter().filter(|(_, times)| **times > 1) {
            wrong += &format!("{id} stands there {times} times\n");
        }
        for id in self.0.iter().filter(|id| !times.contains_key(*id)) {
            wrong += &format!("{id} was acknowledged and is lost\n");
        }
        wrong
    }
}

/// Events `from..from + size` of one sender, as one request, with their ids.
pub(crate) fn batch(sender: u64, from: u64, size: u64) -> (Request, Vec<String>) {
    let mut ids = Vec::new();
    let mut events = Vec::new();
    for n in from..from + size {
        let id = format!("{sender}-{n}");
        let data = json!({"n": id, "trouble": n % TROUBLE_EVERY == 0});
        events.push(json!({
            "specversion": "1.0", "id": id, "source": "/test", "type": "tick", "data": data
        }));
        ids.push(id);
    }
    let request = Request::post("/v1/events", Value::from(events).to_string())
        .header("content-type", "application/cloudevents-batch+json");
    (request, ids)
}

/// Whether the events were acknowledged. Whoever is told to come back was not; any other answer is a bug.
pub(crate) fn acknowledged(answer: &Answer, size: usize) -> bool {
    if [429, 503].contains(&answer.status) {
        assert!(answer.head.contains("\r\nretry-after: "), "{answer:?}");
        return false;
    }
    assert_eq!(answer.status, 202, "{answer:?}");
    let taken = answer.json();
    // A repetition of what was lost with its answer is acknowledged as what it is.
    let counted = taken["accepted"].as_u64().unwrap() + taken["duplicates"].as_u64().unwrap();
    assert_eq!(counted, size as u64, "{answer:?}");
    true
}

/// Senders that post without end, each request until it is acknowledged, whatever happens to the node.
pub(crate) struct Senders {
    shared: Arc<(AtomicBool, Mutex<SocketAddr>)>,
    threads: Vec<JoinHandle<Ledger>>,
}

impl Senders {
    pub(crate) fn start(count: u64, seed: u64, address: SocketAddr) -> Self {
        let shared = Arc::new((AtomicBool::new(false), Mutex::new(address)));
        let threads = (0..count)
            .map(|sender| {
                let shared = Arc::clone(&shared);
                let chance = Chance::from(seed.wrapping_add(sender));
                std::thread::spawn(move || send(sender, chance, &shared))
            })
            .collect();
        Self { shared, threads }
    }

    pub(crate) fn now_at(&self, address: SocketAddr) {
        *self.shared.1.lock().unwrap() = address;
    }

    pub(crate) fn stop(self) -> Ledger {
        self.shared.0.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for thread in self.threads {
            all.add(thread.join().unwrap().0);
        }
        all
    }
}

fn send(sender: u64, mut chance: Chance, shared: &(AtomicBool, Mutex<SocketAddr>)) -> Ledger {
    let mut ledger = Ledger::default();
    let mut next = 0;
    loop {
        let size = SIZES[usize::try_from(chance.below(SIZES.len() as u64)).unwrap()];
        let (request, ids) = batch(sender, next, size);
        loop {
            if shared.0.load(Ordering::Relaxed) {
                return ledger;
            }
            let address = *shared.1.lock().unwrap();
            if (request.send(address)).is_some_and(|answer| acknowledged(&answer, ids.len())) {
                break;
            }
            nap(Duration::from_millis(5));
        }
        ledger.add(ids);
        next += size;
        nap(chance.millis_below(REST_MS_MAX));
    }
}
