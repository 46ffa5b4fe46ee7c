//! Starting, and starting again after a kill.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::bundles::{Bundle, PLAIN};
use super::events::Events;
use super::figure::{Figure, Watch};
use super::node::{Node, SETTLE};
use super::{Task, now, pause};

const LINES: &str = "application/x-ndjson";
const ONE: &str = "application/cloudevents+json";
/// Events in one request while the log is filled.
const FILL: usize = 1_000;
/// How often a start is measured.
const STARTS: usize = 5;

/// Fills a log, kills the node while it takes events, and starts it again.
pub(super) fn recovery(task: &Task) -> Result<Vec<Figure>, String> {
    let node = Node::start(&task.dir, &Bundle::watching(task.detectors))?;
    let acked = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut wire = node.wire()?;
        let (acked, stop) = (&acked, &stop);
        let filling = scope.spawn(move || {
            let mut events = Events::new(PLAIN, 0);
            while !stop.load(Ordering::Acquire) {
                if wire.events(LINES, &events.batch(FILL)).is_err() {
                    return; // it was killed in the middle of a request
                }
                acked.fetch_add(FILL as u64, Ordering::AcqRel);
            }
        });
        while acked.load(Ordering::Acquire) < task.events && !filling.is_finished() {
            pause(std::time::Duration::from_millis(5));
        }
        node.kill();
        stop.store(true, Ordering::Release);
        filling.join().map_err(|_| "a sender panicked".to_owned())
    })?;
    let acked = acked.load(Ordering::Acquire);
    if acked < task.events {
        return Err(format!("the node took only {acked} events"));
    }
    let node = Node::again(&task.dir)?;
    let started_in = node.started_in;
    let mut wire = node.wire()?;
    let lsn = Node::metric(&mut wire, "edsr_event_log_lsn")?;
    if lsn < acked {
        return Err(format!(
            "{acked} events were acknowledged, {lsn} are there after the kill"
        ));
    }
    let watch = Watch::start(&node)?;
    let mut figure = watch.stop(
        &node,
        "recovery",
        ("events", lsn),
        vec![started_in],
        "every acknowledged event is there after kill -9",
    )?;
    figure.took(started_in, node.used()?.cpu_seconds);
    Ok(vec![figure])
}

/// Starts nodes in empty directories and sends each one event.
pub(super) fn start(task: &Task) -> Result<Vec<Figure>, String> {
    let mut samples = Vec::new();
    let mut last = None;
    for number in 0..STARTS {
        let dir = task.dir.join(number.to_string());
        std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let begun = now();
        let node = Node::start(&dir, &Bundle::watching(task.detectors))?;
        let mut body = Vec::new();
        Events::new(PLAIN, 1).write(&mut body);
        node.wire()?.events(ONE, &body)?;
        samples.push(begun.elapsed());
        last = Some(node);
    }
    let node = last.ok_or("no node was started")?;
    pause(SETTLE);
    let watch = Watch::start(&node)?;
    let total = samples.iter().sum();
    let mut figure = watch.stop(
        &node,
        "start",
        ("starts", STARTS as u64),
        samples,
        "the first event synced before the answer",
    )?;
    figure.took(total, node.used()?.cpu_seconds);
    Ok(vec![figure])
}
