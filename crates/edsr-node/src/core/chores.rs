//! What the core does beside its work: the pause file, figures, snapshots, and the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use edsr_engine::desk::{PauseFile, Snapshot};
use edsr_log::RetainRequest;
use edsr_model::{Actor, Pause, PauseId, PauseScope, Timestamp};

use super::{Core, Message, NAP_MAX, Parts, RETAIN_EVERY};
use crate::metrics::{By, level};

/// How much of the pause file is read, in bytes.
const PAUSE_FILE_BYTES_MAX: usize = 4096;

/// How long a stop waits for what is on its way to become durable.
const WIND_DOWN_MAX: Duration = Duration::from_secs(5);

impl Core {
    pub(super) fn chores(&mut self, now: Timestamp) {
        self.look_for_pause_file();
        self.publish_figures();
        if now >= self.next_retain {
            self.next_retain = now.after(RETAIN_EVERY);
            let floor = self.parts.snapshots.floor();
            let request = RetainRequest {
                retention: self.parts.retention,
                floor,
                now,
            };
            if let Err(error) = self.parts.log.retain(request) {
                tracing::warn!(%error, "old events could not be removed");
            }
        }
        self.snapshot(now);
    }

    /// The stop that works when nothing else does: a file named `pause` in the data directory.
    fn look_for_pause_file(&mut self) {
        let exists = self.parts.pause_file.exists();
        match self.parts.desk.pause_file(exists) {
            PauseFile::Leave => {}
            PauseFile::Read => {
                let now = self.parts.clock.now();
                let pause = pause_from_file(&self.parts.pause_file, now);
                self.parts.desk.pause(now, pause);
                self.publish_pauses();
            }
            PauseFile::Remove => {
                if std::fs::remove_file(&self.parts.pause_file).is_err() {
                    tracing::warn!(
                        "the pause file cannot be removed; it holds again at the next start"
                    );
                }
            }
        }
    }

    pub(super) fn publish_pauses(&self) {
        let paused = self.parts.desk.engine().is_paused();
        self.parts.shared.paused.store(paused, Ordering::Release);
        self.parts.shared.metrics.paused.set(i64::from(paused));
    }

    fn publish_figures(&self) {
        let metrics = &self.parts.shared.metrics;
        let engine = self.parts.desk.engine();
        let dedupe = self.parts.desk.dedupe();
        self.publish_pauses();
        metrics
            .executions_open
            .set(level(engine.executions_open() as u64));
        metrics.dedupe_keys.set(level(dedupe.len() as u64));
        metrics
            .dedupe_forgotten_early
            .set(level(dedupe.forgotten_early()));
        let pending = self.parts.shared.pending_bytes.load(Ordering::Relaxed);
        metrics.pending_bytes.set(level(pending as u64));
        for (name, counters, keys) in engine.detectors() {
            let by = By::name(name);
            metrics
                .detector_events
                .get_or_create(&by)
                .set(level(counters.events));
            metrics
                .detector_errors
                .get_or_create(&by)
                .set(level(counters.errors));
            metrics
                .detector_evicted
                .get_or_create(&by)
                .set(level(counters.evicted));
            metrics
                .detector_refused
                .get_or_create(&by)
                .set(level(counters.refused));
            metrics
                .detector_keys
                .get_or_create(&by)
                .set(level(keys as u64));
        }
    }

    /// Writes the snapshot that is due, if one is.
    fn snapshot(&mut self, now: Timestamp) {
        match self.parts.desk.snapshot(now) {
            Ok(Some(snapshot)) => self.write_snapshot(snapshot),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the state cannot be written down"),
        }
    }

    fn write_snapshot(&self, snapshot: Snapshot) {
        let (store, shared, own) = (
            self.parts.snapshots.clone(),
            Arc::clone(&self.parts.shared),
            self.parts.own.clone(),
        );
        self.parts.runtime.spawn_blocking(move || {
            match store.keep(&snapshot) {
                Ok(()) => {
                    shared.metrics.snapshots.inc();
                    shared.metrics.snapshot_bytes.set(level(snapshot.state.len() as u64));
                }
                Err(error) => tracing::warn!(%error, "a snapshot could not be written; a restart takes longer"),
            }
            let _ = own.send(Message::SnapshotDone);
        });
    }

    /// Lets what is on its way become durable, for a moment, and ends. Calls under way are settled at the next start.
    pub(super) fn wind_down(mut self) {
        self.parts.shared.ready.store(false, Ordering::Release);
        self.parts.desk.stop();
        #[allow(clippy::disallowed_methods, reason = "a stop is bounded by real time")]
        let begun = std::time::Instant::now();
        while begun.elapsed() < WIND_DOWN_MAX && self.parts.desk.failed().is_none() {
            self.pump();
            if self.parts.desk.is_settled() {
                break;
            }
            // Nothing new begins; what became durable and what came of calls still counts.
            if let Ok(
                message @ (Message::LogDurable(_)
                | Message::LogFailed(_)
                | Message::JournalDurable(_)
                | Message::JournalFailed(_)
                | Message::Outcome { .. }),
            ) = self.parts.inbox.recv_timeout(NAP_MAX)
            {
                self.handle(message);
            }
        }
        self.pump();
        if let Some(snapshot) = self.parts.desk.last_snapshot()
            && let Err(error) = self.parts.snapshots.keep(&snapshot)
        {
            tracing::warn!(%error, "the last snapshot could not be written; the next start takes longer");
        }
        let Parts { log, journal, .. } = self.parts;
        if let Err(error) = log.close() {
            tracing::error!(%error, "the event log did not close cleanly");
        }
        drop(journal);
    }
}

/// The pause that the file means, whatever it says. Its id comes from the file, so that one that could not be removed
/// means the same pause again after a crash, and not a second one.
pub(crate) fn pause_from_file(path: &Path, at: Timestamp) -> Pause {
    let text = std::fs::read(path).unwrap_or_default();
    let text = &text[..text.len().min(PAUSE_FILE_BYTES_MAX)];
    let written = std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok();
    let written = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let written = written.unwrap_or_default().as_nanos().to_be_bytes();
    let value: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let field = |name: &str, default: &str| {
        let said = value.get(name).and_then(|value| value.as_str());
        let said = edsr_model::printable(said.unwrap_or_default().trim(), 1024);
        if said.is_empty() {
            default.to_owned()
        } else {
            said
        }
    };
    Pause {
        id: PauseId::derive([b"file".as_slice(), text, written.as_slice()]),
        scope: PauseScope::All,
        reason: field("reason", "the file `pause` in the data directory"),
        by: Actor::Person(field("by", "file")),
        at,
    }
}
