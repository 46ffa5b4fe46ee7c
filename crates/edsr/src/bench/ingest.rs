//! Events in: how many become durable, and how long one takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::bundles::{Bundle, PLAIN};
use super::events::Events;
use super::figure::{Figure, Watch};
use super::node::Node;
use super::{Task, now, pause};

const ACKED: &str = "events synced before the answer";
const LINES: &str = "application/x-ndjson";
const ONE: &str = "application/cloudevents+json";

/// Load before the clock starts, so that files, memory and pages of the program are there.
const WARM_UP: Duration = Duration::from_millis(500);

/// How load is put on a node.
struct Load {
    connections: u64,
    in_request: usize,
}

pub(super) fn batches(task: &Task) -> Result<Vec<Figure>, String> {
    let load = Load {
        connections: 4,
        in_request: 100,
    };
    run(
        "ingest-batch",
        task,
        &Bundle::watching(task.detectors),
        &load,
    )
}

pub(super) fn connection(task: &Task) -> Result<Vec<Figure>, String> {
    let load = Load {
        connections: 1,
        in_request: 1_000,
    };
    let bundle = Bundle::watching(task.detectors);
    run("ingest-connection", task, &bundle, &load)
}

pub(super) fn singles(task: &Task) -> Result<Vec<Figure>, String> {
    let load = Load {
        connections: 16,
        in_request: 1,
    };
    let bundle = Bundle::watching(task.detectors);
    run("ingest-single", task, &bundle, &load)
}

pub(super) fn one(task: &Task) -> Result<Vec<Figure>, String> {
    let load = Load {
        connections: 1,
        in_request: 1,
    };
    run("ingest-one", task, &Bundle::watching(task.detectors), &load)
}

pub(super) fn matching(task: &Task) -> Result<Vec<Figure>, String> {
    let load = Load {
        connections: 4,
        in_request: 100,
    };
    let bundle = Bundle::watching(task.detectors).and_a_window();
    run("match", task, &bundle, &load)
}

fn run(name: &str, task: &Task, bundle: &Bundle, load: &Load) -> Result<Vec<Figure>, String> {
    let node = Node::start(&task.dir, bundle)?;
    let (measuring, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..load.connections)
            .map(|number| {
                let (node, measuring, stop, sent) = (&node, &measuring, &stop, &sent);
                scope.spawn(move || send(node, number, load.in_request, measuring, stop, sent))
            })
            .collect();
        pause(WARM_UP);
        let watch = Watch::start(&node)?;
        measuring.store(true, Ordering::Release);
        while watch.elapsed() < task.time
            && !senders.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            pause(Duration::from_millis(10));
        }
        let count = sent.load(Ordering::Acquire);
        // The samples come with the senders; what the node used up to here is read before they are asked.
        let mut figure = watch.stop(&node, name, ("events", count), Vec::new(), ACKED)?;
        stop.store(true, Ordering::Release);
        let mut samples = Vec::new();
        for sender in senders {
            let found = sender.join().map_err(|_| "a sender panicked".to_owned())?;
            samples.extend(found?);
        }
        figure.latencies(samples);
        Ok(vec![figure])
    })
}

/// Sends requests one after the other; gives how long each took.
fn send(
    node: &Node,
    number: u64,
    in_request: usize,
    measuring: &AtomicBool,
    stop: &AtomicBool,
    sent: &AtomicU64,
) -> Result<Vec<Duration>, String> {
    let mut wire = node.wire()?;
    let mut events = Events::new(PLAIN, number << 40);
    let media = if in_request == 1 { ONE } else { LINES };
    let mut samples = Vec::new();
    let mut body = Vec::new();
    while !stop.load(Ordering::Acquire) {
        if in_request == 1 {
            body.clear();
            events.write(&mut body);
        } else {
            body = events.batch(in_request);
        }
        let counts = measuring.load(Ordering::Acquire);
        let begun = now();
        wire.events(media, &body)?;
        if counts {
            samples.push(begun.elapsed());
            sent.fetch_add(in_request as u64, Ordering::AcqRel);
        }
    }
    Ok(samples)
}
