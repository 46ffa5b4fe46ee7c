//! What stands after the process was killed, at any moment: what was acknowledged, once; what was begun, never twice.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should end"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::node::event;
use common::{Node, OPEN_NODE, Place, nap, text, wait_for, wait_within};
use serde_json::{Value, json};

/// How often the node ends.
const ENDS: usize = 18;

/// Every so often it ends in peace, which leaves a snapshot for the crashes that follow to start from.
const PEACE_EVERY: usize = 6;

/// The longest a node lives, in milliseconds, counted from when it listens.
const LIFE_MS_MAX: u64 = 400;

/// Set it to repeat a run: the delays follow from it.
const SEED_VARIABLE: &str = "CRASH_SEED";

/// Every third event asks for a repair, which is a line in a file and leaves the engine a moment to die in.
const REPAIRS: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: trouble, owner: team }
spec:
  on: type == "tick" && data.trouble
  by: [data.n]
  match: {}
  keepFor: 50ms
  respond: [repair]
---
apiVersion: edsr.dev/v1
kind: Playbook
metadata: { name: repair, owner: team }
spec:
  target: thing/${detection.key.n}
  risk: low
  autonomy: auto
  guards: { cooldown: 0s, breaker: { after: 1000000 } }
  steps:
    - { id: first, uses: exec/run, with: { argv: [/bin/sh, append.sh] }, timeout: 10s }
    - { id: second, uses: exec/run, with: { argv: [/bin/sh, append.sh] }, timeout: 10s }
  verify: { until: detection.resolved, within: 5s }
"#;

const APPEND: &str = "\
echo \"$EDSR_EXECUTION $EDSR_STEP $EDSR_ATTEMPT\" >>effects
sleep 0.02
";

#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    let seed = std::env::var(SEED_VARIABLE).map_or(20_261_121, |text| text.parse().unwrap());
    println!("{SEED_VARIABLE}={seed}");
    let mut delays = Delays(seed);
    let place = Place::new(OPEN_NODE);
    place.write("repairs.yaml", REPAIRS);
    std::fs::write(place.ops().join("append.sh"), APPEND).unwrap();

    let mut node = place.start();
    let client = Client::start(node.address);
    for end in 1..=ENDS {
        nap(delays.next());
        if end % PEACE_EVERY == 0 {
            node.stop();
        } else {
            node.kill();
        }
        place.verify_audit();
        node = place.start();
        client.now_at(node.address);
    }
    let acknowledged = client.stop();
    assert!(acknowledged.len() > ENDS, "{}", acknowledged.len());

    check_events(&node, &acknowledged);
    check_runs(&node);
    let told = std::fs::read_to_string(place.ops().join("effects")).unwrap();
    check_effects(&node, &told);
    // Once more in peace: what a clean end leaves is what the crashes left.
    let executions = ended(&node);
    node.stop();
    place.verify_audit();
    let node = place.start();
    assert_eq!(ended(&node), executions);
    assert_eq!(
        std::fs::read_to_string(place.ops().join("effects")).unwrap(),
        told
    );
    node.stop();
}

/// Every acknowledged event stands in the log exactly once, and nothing stands there twice.
fn check_events(node: &Node, acknowledged: &BTreeSet<String>) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for record in node.all("events") {
        let id = text(&record, "/event/id").to_owned();
        *times.entry(id).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|id| !times.contains_key(*id))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Every run ends, in a state that says what is known; most of them well.
fn check_runs(node: &Node) {
    wait_within(Duration::from_secs(60), "the end of every run", || {
        let counts = node.status()["counts"].clone();
        (counts["running_executions"] == 0 && counts["open_detections"] == 0).then_some(())
    });
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (_, status) in ended(node) {
        *ends.entry(status).or_default() += 1;
    }
    println!("{ends:?}");
    let known = ["succeeded", "unverified", "in-doubt"];
    assert!(
        ends.keys().all(|end| known.contains(&end.as_str())),
        "{ends:?}"
    );
    assert!(
        ends.get("succeeded").is_some_and(|count| *count > 0),
        "{ends:?}"
    );
}

/// A step was dispatched once at most, and every effect stands in the journal as an intent.
fn check_effects(node: &Node, told: &str) {
    let mut seen = BTreeSet::new();
    for line in told.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [execution, step, attempt] = words[..] else {
            panic!("{line}");
        };
        assert_eq!(attempt, "1", "{line}");
        assert!(
            seen.insert((execution.to_owned(), step.to_owned())),
            "twice: {line}"
        );
    }
    for (id, status) in ended(node) {
        let whole = ["first", "second"].map(str::to_owned).into_iter();
        let whole = whole.filter(|step| seen.contains(&(id.clone(), step.clone())));
        assert!(
            status != "succeeded" || whole.count() == 2,
            "{id} did not do all it says"
        );
    }
    let journal = node.journal();
    let intended: BTreeSet<_> = journal
        .iter()
        .filter(|entry| text(entry, "/kind") == "step-intended")
        .map(|entry| entry["fact"].to_string())
        .collect();
    for (execution, step) in &seen {
        let found = intended
            .iter()
            .any(|fact| fact.contains(execution) && fact.contains(step));
        assert!(found, "no intent of {step} in {execution}");
    }
}

/// How every run ended, by id.
fn ended(node: &Node) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut page = node.get("/v1/executions?limit=500");
    loop {
        for item in page["items"].as_array().unwrap() {
            found.insert(
                text(item, "/id").to_owned(),
                text(item, "/status").to_owned(),
            );
        }
        match page["next"].as_u64() {
            Some(next) => page = node.get(&format!("/v1/executions?limit=500&before={next}")),
            None => return found,
        }
    }
}

/// Posts events one after the other, each until it is acknowledged, whatever happens to the node.
struct Client {
    shared: Arc<(AtomicBool, Mutex<SocketAddr>)>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Client {
    fn start(address: SocketAddr) -> Self {
        let shared = Arc::new((AtomicBool::new(false), Mutex::new(address)));
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut acknowledged = BTreeSet::new();
            for n in 0.. {
                let id = format!("tick-{n}");
                let request = event(&id, "tick", &json!({"n": n, "trouble": n % 3 == 0}));
                loop {
                    if own.0.load(Ordering::Relaxed) {
                        return acknowledged;
                    }
                    let address = *own.1.lock().unwrap();
                    if let Some(answer) = request.send(address) {
                        // A repetition of what was lost with its answer is acknowledged as what it is.
                        let taken = answer.is(202).json();
                        let (new, known) = (&taken["accepted"], &taken["duplicates"]);
                        assert_eq!(new.as_u64().unwrap() + known.as_u64().unwrap(), 1);
                        acknowledged.insert(id);
                        break;
                    }
                    nap(Duration::from_millis(2));
                }
            }
            acknowledged
        });
        Self { shared, thread }
    }

    fn now_at(&self, address: SocketAddr) {
        *self.shared.1.lock().unwrap() = address;
    }

    fn stop(self) -> BTreeSet<String> {
        self.shared.0.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Delays that follow from a seed (xorshift).
struct Delays(u64);

impl Delays {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(self.0 % LIFE_MS_MAX)
    }
}

const WINDOWS: &str = r#"
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: four, owner: team }
spec:
  on: type == "bump"
  count: { over: 1m, atLeast: 4 }
---
apiVersion: edsr.dev/v1
kind: Detector
metadata: { name: silent, owner: team }
spec:
  on: type == "begun" || type == "done"
  by: [data.job]
  absent: { after: type == "begun", expect: type == "done", within: 10s }
"#;

#[test]
fn windows_and_clocks_span_a_crash() {
    let place = Place::new(OPEN_NODE);
    place.write("detectors.yaml", WINDOWS);
    let node = place.start();
    node.events("bump", &[("b1", json!({})), ("b2", json!({}))]);
    let jobs = ["kept", "late", "never"].map(|job| (job, json!({"job": job})));
    node.events("begun", &jobs);
    node.events("done", &[("kept-done", json!({"job": "kept"}))]);
    assert_eq!(node.list("detections"), Vec::<Value>::new());
    node.kill();

    let node = place.start();
    node.events("bump", &[("b3", json!({}))]);
    assert_eq!(node.list("detections?detector=four").len(), 0);
    node.events("bump", &[("b4", json!({})), ("b5", json!({}))]);
    node.events("done", &[("late-done", json!({"job": "late"}))]);
    let four = node.wait_item("detections", "/detector", "four");
    // Armed before the crash, and what would have disarmed it never came.
    let silent = node.wait_item("detections", "/detector", "silent");
    assert_eq!(text(&silent, "/key_text"), "job=never");
    node.kill();

    let node = place.start();
    node.events("bump", &[("b6", json!({}))]);
    let open = wait_for("both detections, once", || {
        Some(node.list("detections")).filter(|found| found.len() >= 2)
    });
    assert_eq!(open.len(), 2, "{open:?}");
    for found in [four, silent] {
        assert!(
            open.iter().any(|item| item["id"] == found["id"]),
            "{open:?}"
        );
    }
    node.stop();
    place.verify_audit();
}
