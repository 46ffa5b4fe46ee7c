//! More than can be taken, and bodies without end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::chance::setting;
use crate::common::{Node, Place, Request, Stopwatch, nap, wait_within};
use crate::ledger::{Ledger, acknowledged};
use crate::shim::{Plan, Shim};

/// How long the overload lasts; set it to have it last longer.
const SECONDS: (&str, u64) = ("EDSR_OVERLOAD_SECONDS", 10);

/// How many send at once: the node reads the bodies of 64.
const SENDERS: u64 = 192;

/// How many senders the node bears: few enough to be always in turn, enough to keep it busy.
const SENDERS_BORNE: u64 = 8;

/// How much text an event carries, in bytes.
const EVENT_BYTES: usize = 4096;

/// How many events a request carries.
const BATCH: u64 = 8;

/// What a node may hold of events that are not durable yet (`docs/operations.md`).
const PENDING_BYTES_MAX: u64 = 64 * MIB;

/// What it may hold beside that: the events being read and parsed, connections, what the allocator keeps.
const SLACK_BYTES: u64 = 48 * MIB;

/// What bodies that never end may cost.
const BODIES_BYTES_MAX: u64 = 16 * MIB;

const MIB: u64 = 1024 * 1024;

/// Few keys are remembered, so that what is seen growing is what waits.
const SETTINGS: &str = "\
apiVersion: edsr.dev/v1
kind: Node
spec:
  ingest: { auth: { none: true } }
  dedupe: { maxKeys: 1000 }
";

/// A slow disk: every sync of the event log takes so long, in milliseconds.
const SYNC_MS: i32 = 100;

#[test]
fn three_times_too_much_is_turned_away_and_memory_stays_flat() {
    let seconds = setting(SECONDS.0, SECONDS.1);
    for sync_ms in [0, SYNC_MS] {
        let place = Place::new(SETTINGS);
        let mut shim = Shim::new(&place);
        let env = shim.env();
        let env: Vec<_> = (env.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let node = place.start_with(&env);
        if sync_ms > 0 {
            shim.fail(slow_sync(sync_ms));
        }
        let alone = load(&node, 1, 1, seconds.div_ceil(10));
        let borne = load(&node, 2, SENDERS_BORNE, seconds.div_ceil(3));
        let most = load(&node, 3, SENDERS, seconds);
        println!("syncs {sync_ms} ms slower");
        println!(
            "    1 sender: {alone}\n    {SENDERS_BORNE} senders: {borne}\n    {SENDERS} senders: {most}"
        );
        assert!(most.turned_away > 0, "somebody is turned away");
        let growth = most.memory_max.saturating_sub(borne.memory_max);
        assert!(
            growth <= PENDING_BYTES_MAX + SLACK_BYTES,
            "memory grew by {} MiB",
            growth / MIB
        );
        // When it is over, it is over: the next one is taken, and everything acknowledged is there.
        shim.heal();
        wait_within(Duration::from_secs(60), "an acknowledgement", || {
            let answer = request(4, 0, 1).0.send(node.address)?;
            acknowledged(&answer, 1).then_some(())
        });
        let mut ledger = Ledger::default();
        for load in [alone, borne, most] {
            ledger.add(load.ids);
        }
        node.kill();
        let node = place.start();
        ledger.check(&node);
        node.stop();
    }
}

const fn slow_sync(ms: i32) -> Plan {
    Plan {
        part: "/data/events/",
        op: "sync",
        error: -ms,
        once: false,
        index: 1,
    }
}

/// What became of a load.
struct Load {
    ids: Vec<String>,
    turned_away: u64,
    memory_max: u64,
    seconds: f64,
    latencies: Vec<Duration>,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |share: usize| self.latencies[(self.latencies.len() - 1) * share / 100];
        write!(
            f,
            "{:.0} events/s taken, {} requests turned away, p50 {:?}, p99 {:?}, memory at most {} MiB",
            self.ids.len() as f64 / self.seconds,
            self.turned_away,
            of(50),
            of(99),
            self.memory_max / MIB
        )
    }
}

/// So many senders, each with one request after the other, as fast as they are answered.
fn load(node: &Node, name: u64, senders: u64, seconds: u64) -> Load {
    let over = Arc::new(AtomicBool::new(false));
    let turned_away = Arc::new(AtomicU64::new(0));
    let watch = Stopwatch::start();
    let threads: Vec<_> = (0..senders)
        .map(|sender| {
            let (over, turned_away) = (Arc::clone(&over), Arc::clone(&turned_away));
            let (address, sender) = (node.address, name * 1000 + sender);
            std::thread::spawn(move || send(address, sender, &over, &turned_away))
        })
        .collect();
    let mut memory_max = 0;
    while watch.elapsed() < Duration::from_secs(seconds) {
        memory_max = memory_max.max(node.memory());
        nap(Duration::from_millis(20));
    }
    over.store(true, Ordering::Relaxed);
    let mut load = Load {
        ids: Vec::new(),
        turned_away: 0,
        memory_max,
        seconds: 0.0,
        latencies: Vec::new(),
    };
    for thread in threads {
        let (ids, latencies) = thread.join().unwrap();
        load.ids.extend(ids);
        load.latencies.extend(latencies);
    }
    load.latencies.sort();
    load.seconds = watch.elapsed().as_secs_f64();
    load.turned_away = turned_away.load(Ordering::Relaxed);
    assert!(!load.latencies.is_empty(), "something is taken at any load");
    load
}

fn send(
    address: SocketAddr,
    sender: u64,
    over: &AtomicBool,
    turned_away: &AtomicU64,
) -> (Vec<String>, Vec<Duration>) {
    let (mut taken, mut latencies) = (Vec::new(), Vec::new());
    let mut next = 0;
    while !over.load(Ordering::Relaxed) {
        let (request, ids) = request(sender, next, BATCH);
        let watch = Stopwatch::start();
        // A connection that came to nothing says nothing.
        let Some(answer) = request.send(address) else {
            continue;
        };
        if acknowledged(&answer, ids.len()) {
            latencies.push(watch.elapsed());
            taken.extend(ids);
            next += BATCH;
        } else {
            assert_eq!(answer.status, 429, "{answer:?}");
            turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
    (taken, latencies)
}

fn request(sender: u64, from: u64, size: u64) -> (Request, Vec<String>) {
    let ids: Vec<_> = (from..from + size)
        .map(|n| format!("{sender}-{n}"))
        .collect();
    let text = "x".repeat(EVENT_BYTES);
    let events = ids.iter().map(|id| {
        json!({
            "specversion": "1.0", "id": id, "source": "/test", "type": "load", "data": {"text": text}
        })
    });
    let body = Value::from(events.collect::<Vec<_>>()).to_string();
    let request = Request::post("/v1/events", body)
        .header("content-type", "application/cloudevents-batch+json");
    (request, ids)
}

/// How many send bodies that do not end.
const ENDLESS: usize = 60;

#[test]
fn bodies_that_are_slow_or_never_end_are_cut_off_and_cost_little() {
    let place = Place::new(SETTINGS);
    let node = place.start();
    for n in 0..100 {
        node.send(&request(1, n, 1).0).is(202);
    }
    let before = node.memory();

    let started: Vec<_> = (0..ENDLESS)
        .map(|n| Endless::start(node.address, n))
        .collect();
    let mut memory_max = before;
    let watch = Stopwatch::start();
    while started.iter().any(|one| !one.thread.is_finished()) {
        memory_max = memory_max.max(node.memory());
        assert!(
            watch.elapsed() < Duration::from_secs(60),
            "bodies are cut off"
        );
        nap(Duration::from_millis(20));
    }
    let mut statuses = std::collections::BTreeMap::new();
    for one in started {
        let (kind, status) = one.thread.join().unwrap();
        *statuses.entry((kind, status)).or_insert(0) += 1;
    }
    println!(
        "memory {} -> {} MiB, {statuses:?}",
        before / MIB,
        memory_max / MIB
    );
    for (kind, status) in statuses.keys() {
        // Of those that stream, who is alone reaches the limit of a body; the others find no room.
        let wanted: &[u16] = if *kind == "stream" {
            &[413, 429]
        } else {
            &[408]
        };
        assert!(wanted.contains(status), "each is told why: {statuses:?}");
    }
    let growth = memory_max - before;
    assert!(growth <= BODIES_BYTES_MAX, "{} MiB", growth / MIB);
    node.send(&request(2, 0, 1).0).is(202);
    node.stop();
}

/// A sender whose body does not end.
struct Endless {
    thread: std::thread::JoinHandle<(&'static str, u16)>,
}

impl Endless {
    fn start(address: SocketAddr, n: usize) -> Self {
        let thread = std::thread::spawn(move || match n % 3 {
            // Announces a body and sends nothing.
            0 => (
                "never sent",
                endless(address, "content-length: 1000", b"", 0),
            ),
            // A byte now and then.
            1 => (
                "slow",
                endless(address, "content-length: 100000", b" ", 300),
            ),
            // As much as is taken, without a length.
            _ => {
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
                (
                    "stream",
                    endless(address, "transfer-encoding: chunked", &chunk, 0),
                )
            }
        });
        Self { thread }
    }
}

/// Sends `piece` again and again until there is an answer, and returns its status; 0 for none.
fn endless(address: SocketAddr, framing: &str, piece: &[u8], every_ms: u64) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut reading = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        let got = reading.read(&mut bytes).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..got]).into_owned();
        text.split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0)
    });
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/cloudevents-batch+json\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    while !answer.is_finished() {
        // Whoever was answered is not read any more.
        if stream.write_all(piece).is_err() {
            break;
        }
        nap(Duration::from_millis(every_ms.max(1)));
    }
    answer.join().unwrap()
}
