//! What a node counts, in the OpenMetrics text format.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A gauge of whole numbers.
pub(crate) type Level = Gauge<i64, AtomicI64>;

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct By {
    /// What the value is about: a detector, a verdict, a code.
    pub(crate) name: String,
}

impl By {
    pub(crate) fn name(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Every counter and level of a node. The names are stable.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) events_accepted: Counter,
    pub(crate) events_duplicate: Counter,
    pub(crate) events_rejected: Family<By, Counter>,
    pub(crate) requests_turned_away: Family<By, Counter>,
    pub(crate) dedupe_forgotten_early: Level,
    pub(crate) dedupe_keys: Level,
    pub(crate) pending_bytes: Level,
    pub(crate) lsn: Level,
    pub(crate) seq: Level,
    pub(crate) entries: Family<By, Counter>,
    pub(crate) decisions: Family<By, Counter>,
    pub(crate) executions_ended: Family<By, Counter>,
    pub(crate) executions_open: Level,
    pub(crate) detections_open: Level,
    pub(crate) paused: Level,
    pub(crate) detector_events: Family<By, Level>,
    pub(crate) detector_errors: Family<By, Level>,
    pub(crate) detector_evicted: Family<By, Level>,
    pub(crate) detector_refused: Family<By, Level>,
    pub(crate) detector_keys: Family<By, Level>,
    pub(crate) snapshots: Counter,
    pub(crate) snapshot_bytes: Level,
    pub(crate) bundle_refused: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("edsr"),
            events_accepted: Counter::default(),
            events_duplicate: Counter::default(),
            events_rejected: Family::default(),
            requests_turned_away: Family::default(),
            dedupe_forgotten_early: Level::default(),
            dedupe_keys: Level::default(),
            pending_bytes: Level::default(),
            lsn: Level::default(),
            seq: Level::default(),
            entries: Family::default(),
            decisions: Family::default(),
            executions_ended: Family::default(),
            executions_open: Level::default(),
            detections_open: Level::default(),
            paused: Level::default(),
            detector_events: Family::default(),
            detector_errors: Family::default(),
            detector_evicted: Family::default(),
            detector_refused: Family::default(),
            detector_keys: Family::default(),
            snapshots: Counter::default(),
            snapshot_bytes: Level::default(),
            bundle_refused: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "events_accepted",
            "Events taken in",
            self.events_accepted.clone(),
        );
        r.register(
            "events_duplicate",
            "Events that were taken in before",
            self.events_duplicate.clone(),
        );
        r.register(
            "events_rejected",
            "Events turned down, by code",
            self.events_rejected.clone(),
        );
        r.register(
            "requests_turned_away",
            "Requests of which nothing was kept, by why",
            self.requests_turned_away.clone(),
        );
        r.register(
            "dedupe_forgotten_early",
            "Events forgotten inside the dedupe horizon for lack of room",
            self.dedupe_forgotten_early.clone(),
        );
        r.register(
            "dedupe_keys",
            "Events remembered for recognising repetitions",
            self.dedupe_keys.clone(),
        );
        r.register(
            "pending_bytes",
            "Bytes of events taken in and not durable yet",
            self.pending_bytes.clone(),
        );
        r.register("event_log_lsn", "Last durable event", self.lsn.clone());
        r.register("journal_seq", "Last durable entry", self.seq.clone());
        r.register(
            "journal_entries",
            "Entries written, by kind",
            self.entries.clone(),
        );
        r.register("decisions", "Decisions, by verdict", self.decisions.clone());
        r.register(
            "executions_ended",
            "Runs ended, by status",
            self.executions_ended.clone(),
        );
        r.register(
            "executions_open",
            "Runs that have not ended",
            self.executions_open.clone(),
        );
        r.register(
            "detections_open",
            "Detections that hold",
            self.detections_open.clone(),
        );
        r.register("paused", "1 while anything is paused", self.paused.clone());
        r.register(
            "detector_events",
            "Events that concerned a detector",
            self.detector_events.clone(),
        );
        r.register(
            "detector_errors",
            "Events for which an expression of a detector had no value",
            self.detector_errors.clone(),
        );
        r.register(
            "detector_evicted",
            "Keys of a detector that gave way",
            self.detector_evicted.clone(),
        );
        r.register(
            "detector_refused",
            "Events a detector had no room for",
            self.detector_refused.clone(),
        );
        r.register(
            "detector_keys",
            "Live keys of a detector",
            self.detector_keys.clone(),
        );
        r.register("snapshots", "Snapshots written", self.snapshots.clone());
        r.register(
            "snapshot_bytes",
            "Size of the latest snapshot",
            self.snapshot_bytes.clone(),
        );
        r.register(
            "bundle_refused",
            "Changed bundles that were refused",
            self.bundle_refused.clone(),
        );
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A count as a level.
pub(crate) fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
