//! From an event to what is done about it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::bundles::{Bundle, WRONG};
use super::events::wrong;
use super::figure::{Figure, Watch};
use super::node::Node;
use super::wire::Wire;
use super::{Task, now, pause};

const DECIDED: &str = "event, decision, intent and outcome synced, each before what follows";
const ECHO: &str = "uses: debug/echo, with: { value: 1 }";
const ONE: &str = "application/cloudevents+json";
const LINES: &str = "application/x-ndjson";
/// Runs that ended well, as the node counts them.
const SUCCEEDED: &str = "edsr_executions_ended_total{name=\"succeeded\"}";
/// How often a node under load is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// How long a run may take to end before something is wrong.
const END_MAX: Duration = Duration::from_secs(60);
/// Playbooks at once; the engine lets 1,000 runs be under way.
const AT_ONCE: u64 = 256;
/// Playbooks at once where each step is a call that takes a while.
const AT_ONCE_HTTP: u64 = 128;
/// Runs before the clock starts.
const WARM_UP: u64 = 64;

pub(super) fn decisions(task: &Task) -> Result<Vec<Figure>, String> {
    let bundle = Bundle::watching(task.detectors).and_answers(1, ECHO);
    let node = Node::start(&task.dir, &bundle)?;
    let mut flood = Flood::new(&node)?;
    flood.run(WARM_UP, AT_ONCE)?;
    let watch = Watch::start(&node)?;
    let before = flood.ended;
    while watch.elapsed() < task.time {
        flood.run(50, AT_ONCE)?;
    }
    flood.finish()?;
    let count = flood.ended - before;
    let figure = watch.stop(&node, "decide", ("decisions", count), Vec::new(), DECIDED)?;
    Ok(vec![figure])
}

pub(super) fn steps(task: &Task) -> Result<Vec<Figure>, String> {
    let node = Node::start(&task.dir, &Bundle::default().and_answers(10, ECHO))?;
    many(&node, "steps", AT_ONCE, task.time)
}

pub(super) fn steps_http(task: &Task) -> Result<Vec<Figure>, String> {
    let target = Target::open(None)?;
    let bundle = Bundle::default()
        .and_answers(10, &target.step())
        .reaching(target.port);
    let node = Node::start(&task.dir, &bundle)?;
    many(&node, "steps-http", AT_ONCE_HTTP, task.time)
}

/// Keeps so many playbooks of ten steps under way.
fn many(node: &Node, name: &str, at_once: u64, time: Duration) -> Result<Vec<Figure>, String> {
    let mut flood = Flood::new(node)?;
    flood.run(WARM_UP, at_once)?;
    flood.finish()?;
    let watch = Watch::start(node)?;
    let before = flood.ended;
    while watch.elapsed() < time {
        flood.run(16, at_once)?;
    }
    flood.finish()?;
    let count = (flood.ended - before) * 10;
    let figure = watch.stop(node, name, ("steps", count), Vec::new(), DECIDED)?;
    Ok(vec![figure])
}

pub(super) fn one_playbook(task: &Task) -> Result<Vec<Figure>, String> {
    let node = Node::start(&task.dir, &Bundle::default().and_answers(3, ECHO))?;
    let mut ends = node.wire()?;
    ends.watch("/v1/tail?kind=execution-ended")
        .map_err(|error| format!("the node cannot be watched: {error}"))?;
    let mut wire = node.wire()?;
    let mut once = |key: u64| -> Result<Duration, String> {
        let begun = now();
        wire.events(ONE, &wrong(WRONG, key))?;
        ends.until(b"execution-ended")
            .map_err(|error| format!("no run ended: {error}"))?;
        // The kind stands in the entry once, and again in its fact.
        ends.until(b"\n\n")
            .map_err(|error| format!("no run ended: {error}"))?;
        Ok(begun.elapsed())
    };
    for key in 0..WARM_UP {
        once(key)?;
    }
    let watch = Watch::start(&node)?;
    let mut samples = Vec::new();
    while watch.elapsed() < task.time {
        samples.push(once(WARM_UP + samples.len() as u64)?);
    }
    let count = samples.len() as u64;
    let figure = watch.stop(&node, "steps-one", ("playbooks", count), samples, DECIDED)?;
    Ok(vec![figure])
}

pub(super) fn latency(task: &Task) -> Result<Vec<Figure>, String> {
    let (arrived, arrivals) = channel();
    let target = Target::open(Some(arrived))?;
    let bundle = Bundle::watching(task.detectors)
        .and_answers(1, &target.step())
        .reaching(target.port);
    let node = Node::start(&task.dir, &bundle)?;
    let mut wire = node.wire()?;
    let mut key = 0;
    paced(
        &mut wire,
        &arrivals,
        &mut key,
        30,
        Duration::from_millis(500),
    )?;
    let mut figures = Vec::new();
    for (name, rate) in [("latency-30", 30), ("latency-300", 300)] {
        let watch = Watch::start(&node)?;
        let samples = paced(&mut wire, &arrivals, &mut key, rate, task.time)?;
        let count = samples.len() as u64;
        figures.push(watch.stop(&node, name, ("effects", count), samples, DECIDED)?);
    }
    Ok(figures)
}

/// Sends events at a rate, and gives for each how long it took from sending it to its call.
fn paced(
    wire: &mut Wire,
    arrivals: &Receiver<(u64, Instant)>,
    key: &mut u64,
    rate: u64,
    time: Duration,
) -> Result<Vec<Duration>, String> {
    let first = *key;
    let gap = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1);
    let mut sent = Vec::new();
    let mut next = now();
    let end = next + time;
    while next < end {
        pause(next.saturating_duration_since(now()));
        // Counted from when it should leave, so that a late sender makes nothing look fast.
        sent.push(next);
        wire.events(ONE, &wrong(WRONG, *key))?;
        *key += 1;
        next += gap;
    }
    let mut samples = Vec::new();
    while samples.len() < sent.len() {
        let (key, at) = arrivals
            .recv_timeout(END_MAX)
            .map_err(|_| "a call did not arrive".to_owned())?;
        let place = usize::try_from(key.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(begun) = sent.get(place) {
            samples.push(at.saturating_duration_since(*begun));
        }
    }
    Ok(samples)
}

/// Events that are each answered by a run, with a bound on how many are under way.
struct Flood {
    wire: Wire,
    asking: Wire,
    sent: u64,
    ended: u64,
}

impl Flood {
    fn new(node: &Node) -> Result<Self, String> {
        Ok(Self {
            wire: node.wire()?,
            asking: node.wire()?,
            sent: 0,
            ended: 0,
        })
    }

    /// Sends `count` more once no more than `at_once` are under way with them.
    fn run(&mut self, count: u64, at_once: u64) -> Result<(), String> {
        self.wait(at_once.saturating_sub(count))?;
        let mut body = Vec::new();
        for key in self.sent..self.sent + count {
            body.extend_from_slice(&wrong(WRONG, key));
            body.push(b'\n');
        }
        self.wire.events(LINES, &body)?;
        self.sent += count;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        self.wait(0)
    }

    /// Waits until at most `left` are under way.
    fn wait(&mut self, left: u64) -> Result<(), String> {
        let begun = now();
        loop {
            self.ended = Node::metric(&mut self.asking, SUCCEEDED)?;
            if self.sent - self.ended <= left {
                return Ok(());
            }
            if begun.elapsed() > END_MAX {
                return Err(format!(
                    "{} of {} runs did not end well within {END_MAX:?}",
                    self.sent - self.ended,
                    self.sent
                ));
            }
            pause(ASK_EVERY);
        }
    }
}

/// What steps call: it answers at once, and says which key called when.
struct Target {
    port: u16,
}

impl Target {
    fn open(arrived: Option<Sender<(u64, Instant)>>) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("there is no port for the calls: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        // It ends with the process: a connection that nobody uses any more costs nothing.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let arrived = arrived.clone();
                thread::spawn(move || serve(stream, arrived.as_ref()));
            }
        });
        Ok(Self { port })
    }

    fn step(&self) -> String {
        format!(
            "uses: http/request, with: {{ method: POST, url: \"http://127.0.0.1:{}/${{detection.key.k}}\", class: retry-safe }}",
            self.port
        )
    }
}

/// Answers requests without a body, one after the other, until the caller hangs up.
fn serve(mut stream: TcpStream, arrived: Option<&Sender<(u64, Instant)>>) {
    let _ = stream.set_nodelay(true);
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let end = read.windows(4).position(|at| at == b"\r\n\r\n");
        let Some(end) = end else {
            match stream.read(&mut piece) {
                Ok(got) if got > 0 => read.extend_from_slice(&piece[..got]),
                _ => return,
            }
            continue;
        };
        let at = now();
        let key = key_of(&read[..end]);
        read.drain(..end + 4);
        if let (Some(arrived), Some(key)) = (arrived, key) {
            let _ = arrived.send((key, at));
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// The key in the path of a request.
fn key_of(head: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(head).ok()?;
    let path = text.split(' ').nth(1)?;
    u64::from_str_radix(path.trim_start_matches('/'), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_in_the_path() {
        assert_eq!(key_of(b"POST /1f HTTP/1.1\r\nhost: x"), Some(31));
        assert_eq!(key_of(b"POST /nope HTTP/1.1"), None);
    }
}
