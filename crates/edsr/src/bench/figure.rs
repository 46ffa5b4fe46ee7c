//! What came out of a measurement, and the table of it.

use std::time::Duration;

use serde::Serialize;

use super::node::{Node, Used, load};
use super::now;
use crate::exit::Stop;
use crate::output::{Out, Rows, plain};

/// One row.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// The measurement.
    pub(super) name: String,
    /// What is counted.
    pub(super) unit: &'static str,
    /// How many.
    pub(super) count: u64,
    /// In how long.
    pub(super) seconds: f64,
    /// Rate.
    pub(super) per_second: f64,
    /// Half were faster, in milliseconds.
    pub(super) p50_ms: Option<f64>,
    /// All but one in a hundred were faster, in milliseconds.
    pub(super) p99_ms: Option<f64>,
    /// What the node used, all threads.
    pub(super) cpu_seconds: f64,
    /// Rate per second of one busy core of the node.
    pub(super) per_cpu_second: f64,
    /// What its data grew by on the disk.
    pub(super) disk_bytes: u64,
    /// Its memory at the end.
    pub(super) memory_bytes: u64,
    /// Load average of the machine at the end.
    pub(super) load: f64,
    /// What was durable, and when.
    pub(super) durable: &'static str,
}

/// A measurement under way.
pub(super) struct Watch {
    begun: std::time::Instant,
    before: Used,
}

impl Watch {
    /// From here on.
    pub(super) fn start(node: &Node) -> Result<Self, String> {
        Ok(Self {
            before: node.used()?,
            begun: now(),
        })
    }

    /// How long it has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Up to here.
    pub(super) fn stop(
        self,
        node: &Node,
        name: &str,
        (unit, count): (&'static str, u64),
        samples: Vec<Duration>,
        durable: &'static str,
    ) -> Result<Figure, String> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let used = node.used()?;
        let cpu_seconds = used.cpu_seconds - self.before.cpu_seconds;
        let mut figure = Figure {
            name: name.to_owned(),
            unit,
            count,
            seconds,
            per_second: rate(count, seconds),
            p50_ms: None,
            p99_ms: None,
            cpu_seconds,
            per_cpu_second: rate(count, cpu_seconds),
            disk_bytes: used.disk_bytes.saturating_sub(self.before.disk_bytes),
            memory_bytes: used.memory_bytes,
            load: load(),
            durable,
        };
        figure.latencies(samples);
        Ok(figure)
    }
}

impl Figure {
    /// How long all of it took, where that began before the node could be watched.
    pub(super) fn took(&mut self, time: Duration, cpu_seconds: f64) {
        self.seconds = time.as_secs_f64();
        self.per_second = rate(self.count, self.seconds);
        self.cpu_seconds = cpu_seconds;
        self.per_cpu_second = rate(self.count, cpu_seconds);
    }

    /// How long single ones took.
    pub(super) fn latencies(&mut self, mut samples: Vec<Duration>) {
        samples.sort_unstable();
        self.p50_ms = share(&samples, 50);
        self.p99_ms = share(&samples, 99);
    }
}

/// Prints them.
pub(super) fn show(figures: &[Figure], out: &Out) -> Result<(), Stop> {
    if !out.is_table() {
        return out.document(&figures);
    }
    let mut rows = Rows::new(&[
        "NAME", "RATE", "P50", "P99", "CPU", "PER CPU", "DISK", "MEMORY", "LOAD", "DURABLE",
    ]);
    for figure in figures {
        rows.row([
            plain(&figure.name),
            plain(format!("{} {}/s", short(figure.per_second), figure.unit)),
            plain(figure.p50_ms.map(millis).unwrap_or_default()),
            plain(figure.p99_ms.map(millis).unwrap_or_default()),
            plain(format!("{:.2} s", figure.cpu_seconds)),
            plain(format!("{}/s", short(figure.per_cpu_second))),
            plain(bytes(figure.disk_bytes)),
            plain(bytes(figure.memory_bytes)),
            plain(format!("{:.1}", figure.load)),
            plain(figure.durable),
        ]);
    }
    out.table(rows, "nothing was measured")?;
    out.line("")?;
    out.line("CPU is what the node used; PER CPU is the rate per second of one busy core.")
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a rate for people; counts stay far below 2^53"
)]
fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// The sample below which so many in a hundred lie, in milliseconds.
fn share(sorted: &[Duration], percent: usize) -> Option<f64> {
    let place = (sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?);
    Some(sorted[place].as_secs_f64() * 1e3)
}

fn short(value: f64) -> String {
    match value {
        ..1e3 => format!("{value:.1}"),
        1e3..1e6 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}

fn millis(value: f64) -> String {
    format!("{value:.2} ms")
}

#[allow(clippy::cast_precision_loss, reason = "a size for people")]
fn bytes(value: u64) -> String {
    match value {
        0..1_048_576 => format!("{} KiB", value / 1024),
        _ => format!("{:.1} MiB", value as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_taken_from_the_right_place() {
        let samples: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(share(&samples, 50), Some(51.0));
        assert_eq!(share(&samples, 99), Some(100.0));
        assert_eq!(share(&samples[..1], 99), Some(1.0));
        assert_eq!(share(&[], 50), None);
        assert_eq!(
            (short(999.0), short(1_500.0)),
            ("999.0".into(), "1.5k".into())
        );
        assert_eq!(rate(1, 0.0), 0.0);
    }
}
