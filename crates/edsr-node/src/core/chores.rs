//! What the core does beside its work: the pause file, figures, snapshots, and the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use edsr_engine::drive::Action;
use edsr_log::RetainRequest;
use edsr_model::{Actor, Fact, Lsn, Pause, PauseId, PauseScope, Timestamp};

use super::{Core, Message, NAP_MAX, Parts, RETAIN_EVERY};
use crate::metrics::{By, level};
use crate::snapshots::Snapshot;

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
    pub(super) fn look_for_pause_file(&mut self) {
        let exists = self.parts.pause_file.exists();
        if !exists {
            self.pause_file_seen = false;
            return;
        }
        if self.pause_file_seen {
            // Its entry is in the journal, so the file has done its work; lifting the pause is a person's.
            if self.parts.drive.is_settled()
                && std::fs::remove_file(&self.parts.pause_file).is_err()
            {
                tracing::warn!(
                    "the pause file cannot be removed; it holds again at the next start"
                );
            }
            return;
        }
        self.pause_file_seen = true;
        let pause = pause_from_file(&self.parts.pause_file, self.parts.clock.tick());
        self.state(pause.by.clone(), Fact::Paused(pause));
        self.publish_pauses();
    }

    pub(super) fn publish_pauses(&self) {
        let paused = self.parts.drive.engine().is_paused();
        self.parts.shared.paused.store(paused, Ordering::Release);
        self.parts.shared.metrics.paused.set(i64::from(paused));
    }

    fn publish_figures(&self) {
        let metrics = &self.parts.shared.metrics;
        let engine = self.parts.drive.engine();
        self.publish_pauses();
        metrics
            .executions_open
            .set(level(engine.executions_open() as u64));
        metrics
            .dedupe_keys
            .set(level(self.parts.dedupe.len() as u64));
        metrics
            .dedupe_forgotten_early
            .set(level(self.parts.dedupe.forgotten_early()));
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

    /// Takes a snapshot when one is due, and writes it once both logs are durable up to it.
    pub(super) fn snapshot(&mut self, now: Timestamp) {
        let engine = self.parts.drive.engine();
        let (lsn, seq, at) = self.snapshot_at;
        let every = self.parts.snapshot_every;
        let changed = engine.lsn() > lsn || engine.seq() > seq;
        let due = engine.lsn().0 - lsn.0 >= every.events || now.since(at) >= every.time;
        if self.snapshot.is_none() && !self.snapshot_busy && changed && due {
            match engine.snapshot() {
                Ok(state) => {
                    self.snapshot_at = (engine.lsn(), engine.seq(), now);
                    self.snapshot = Some(Snapshot {
                        lsn: engine.lsn(),
                        seq: engine.seq(),
                        state,
                    });
                }
                Err(error) => tracing::error!(%error, "the state cannot be written down"),
            }
        }
        self.write_snapshot();
    }

    pub(super) fn write_snapshot(&mut self) {
        let durable_lsn = Lsn(self.parts.shared.durable_lsn.load(Ordering::Acquire));
        let durable_seq = *self.parts.shared.durable_seq.borrow();
        let ready = |s: &mut Snapshot| s.lsn <= durable_lsn && s.seq <= durable_seq;
        let Some(snapshot) = self.snapshot.take_if(ready) else {
            return;
        };
        self.snapshot_busy = true;
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
        #[allow(clippy::disallowed_methods, reason = "a stop is bounded by real time")]
        let begun = std::time::Instant::now();
        while begun.elapsed() < WIND_DOWN_MAX && self.log_failed.is_none() {
            while let Some(Action::Append(drafts)) = self.parts.drive.poll_appends() {
                self.parts.journal.append(drafts);
            }
            if self.parts.drive.is_settled() {
                break;
            }
            // Nothing new begins; what became durable and what came of calls still counts.
            if let Ok(
                message @ (Message::LogDurable(_)
                | Message::LogFailed(_)
                | Message::JournalDurable(_)
                | Message::Outcome { .. }),
            ) = self.parts.inbox.recv_timeout(NAP_MAX)
            {
                self.handle(message);
            }
        }
        if self.parts.drive.is_settled()
            && let Ok(state) = self.parts.drive.engine().snapshot()
        {
            let engine = self.parts.drive.engine();
            let snapshot = Snapshot {
                lsn: engine.lsn(),
                seq: engine.seq(),
                state,
            };
            if let Err(error) = self.parts.snapshots.keep(&snapshot) {
                tracing::warn!(%error, "the last snapshot could not be written; the next start takes longer");
            }
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
        let said = edsr_source::printable(said.unwrap_or_default().trim(), 1024);
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
