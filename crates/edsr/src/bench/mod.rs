//! What this machine carries, measured from outside on real nodes: this program again, `edsr run`, on a disk.
//!
//! ```text
//! node      a bundle         -> a running node in a directory of its own, what it used
//! wire      bytes            -> answers, by a client that costs next to nothing itself
//! events    a number         -> an event of about 460 bytes
//! bundles   how many         -> the bundle a measurement needs
//! figure    samples, use     -> one row
//! ingest, effects, restart   -> the measurements
//! ```

mod bundles;
mod effects;
mod events;
mod figure;
mod ingest;
mod node;
mod restart;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use crate::cmd::bench::BenchArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Rows, plain, remark};
use figure::Figure;

/// What a measurement is given.
#[derive(Debug, Clone)]
struct Task {
    /// Where its nodes keep their data; it may make and leave what it likes there.
    dir: PathBuf,
    /// How long it puts load on the node.
    time: Duration,
    /// How many detectors look at every event.
    detectors: u64,
    /// How many events a recovery starts from.
    events: u64,
}

/// One thing that can be measured.
struct Bench {
    name: &'static str,
    what: &'static str,
    run: fn(&Task) -> Result<Vec<Figure>, String>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "ingest-batch",
        what: "durable events, 100 in a request, over 4 connections",
        run: ingest::batches,
    },
    Bench {
        name: "ingest-connection",
        what: "durable events, 1,000 in a request, over one connection",
        run: ingest::connection,
    },
    Bench {
        name: "ingest-single",
        what: "durable events, one in a request, over 16 connections",
        run: ingest::singles,
    },
    Bench {
        name: "ingest-one",
        what: "how long one event takes to be durable, one under way at a time",
        run: ingest::one,
    },
    Bench {
        name: "match",
        what: "durable events that all count in one window that holds, 100 in a request",
        run: ingest::matching,
    },
    Bench {
        name: "decide",
        what: "events that each open a detection, are decided on and answered by a step that does nothing",
        run: effects::decisions,
    },
    Bench {
        name: "latency",
        what: "how long from sending an event to its HTTP call arriving, at 30/s and 300/s",
        run: effects::latency,
    },
    Bench {
        name: "steps",
        what: "durable steps that do nothing, 10 in a playbook, 256 playbooks at once",
        run: effects::steps,
    },
    Bench {
        name: "steps-http",
        what: "durable steps that each call HTTP on this machine, 10 in a playbook, 128 playbooks at once",
        run: effects::steps_http,
    },
    Bench {
        name: "steps-one",
        what: "how long a playbook of 3 durable steps takes, one under way at a time",
        run: effects::one_playbook,
    },
    Bench {
        name: "recovery",
        what: "how long until events are taken again after kill -9 under load",
        run: restart::recovery,
    },
    Bench {
        name: "start",
        what: "how long a first start takes until an event is acknowledged; memory when idle",
        run: restart::start,
    },
];

/// Measures what was asked for.
pub(crate) async fn run(args: BenchArgs, out: Out) -> Outcome {
    if args.list {
        return list(&out);
    }
    let wanted = wanted(&args.names)?;
    let measured = tokio::task::spawn_blocking(move || measure(&args, &wanted)).await;
    let measured = measured.map_err(|error| {
        Failure::new(
            Exit::Negative,
            format!("the measurement did not end well: {error}"),
        )
    })?;
    let figures = measured.map_err(|text| {
        Failure::new(Exit::Negative, text)
            .help("run it again; `edsr -v bench` says more, and the node's log is in its text")
    })?;
    figure::show(&figures, &out)?;
    Ok(Exit::Ok)
}

fn list(out: &Out) -> Outcome {
    if !out.is_table() {
        let all: Vec<_> = BENCHES
            .iter()
            .map(|bench| serde_json::json!({"name": bench.name, "what": bench.what}))
            .collect();
        out.document(&all)?;
        return Ok(Exit::Ok);
    }
    let mut rows = Rows::new(&["NAME", "WHAT"]);
    for bench in BENCHES {
        rows.row([plain(bench.name), plain(bench.what)]);
    }
    out.table(rows, "nothing can be measured")?;
    Ok(Exit::Ok)
}

fn wanted(names: &[String]) -> Result<Vec<&'static Bench>, Failure> {
    if names.is_empty() {
        return Ok(BENCHES.iter().collect());
    }
    let find = |name: &String| {
        let found = BENCHES.iter().find(|bench| bench.name == name);
        found.ok_or_else(|| {
            Failure::usage(format!("there is no measurement `{name}`"))
                .help("`edsr bench --list` names all of them")
        })
    };
    names.iter().map(find).collect()
}

fn measure(args: &BenchArgs, wanted: &[&'static Bench]) -> Result<Vec<Figure>, String> {
    let place = node::Place::make(args.dir.as_deref())?;
    let mut figures = Vec::new();
    for bench in wanted {
        if !args.json {
            remark(&format!("{}: {}", bench.name, bench.what));
        }
        let task = Task {
            dir: place.room(bench.name)?,
            time: Duration::from_secs(args.seconds),
            detectors: args.detectors,
            events: args.events,
        };
        let found = (bench.run)(&task).map_err(|error| format!("{}: {error}", bench.name))?;
        figures.extend(found);
        // The next one shall not wait for a disk that this one filled.
        let _ = std::fs::remove_dir_all(&task.dir);
    }
    Ok(figures)
}

/// A stopwatch.
#[allow(
    clippy::disallowed_methods,
    reason = "a measurement is at the edge; nothing of it is replayed"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Waits; there is nothing else to be told meanwhile.
#[allow(
    clippy::disallowed_methods,
    reason = "load is paced, and nothing could end it early but the process"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_is_found_by_its_name_and_no_other() {
        assert_eq!(wanted(&[]).map(|all| all.len()).unwrap(), BENCHES.len());
        let found = wanted(&["steps".to_owned(), "start".to_owned()]).unwrap();
        let names: Vec<_> = found.iter().map(|bench| bench.name).collect();
        assert_eq!(names, ["steps", "start"]);
        assert!(wanted(&["stairs".to_owned()]).is_err());
    }
}
