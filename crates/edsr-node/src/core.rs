//! The core thread: everything that happens gets its place and its time here, one after the other.
//!
//! ```text
//! events, commands, outcomes -> [core: stamp, admit, number] -> event log thread -> durable
//!                                        |                                            |
//!                                      drive <----------------------------------------'
//!                                        |-> journal thread -> durable -> perform (tokio)
//! ```

mod ingest;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use bytes::Bytes;
use edsr_actuate::Registry;
use edsr_engine::admit::Dedupe;
use edsr_engine::bundle::Bundle;
use edsr_engine::drive::{Action, Drive};
use edsr_engine::{Input, Refusal};
use edsr_log::{Batch, LogThread, RetainRequest, Retention};
use edsr_model::{
    Actor, AttemptId, Event, Fact, Lsn, Outcome, Pause, PauseId, PauseScope, Record, Seq, Timestamp,
};
use tokio::sync::oneshot;

use crate::api::{Command, CommandDone, CommandError, Happening, IngestError, Receipt};
use crate::clock::Clock;
use crate::journal_thread::JournalThread;
use crate::metrics::{By, level};
use crate::shared::Shared;
use crate::snapshots::{Snapshot, SnapshotStore};

/// How long the core sleeps at most; timers are this late at most while nothing happens.
const NAP_MAX: Duration = Duration::from_millis(50);

/// How often the pause file is looked for, and figures are published.
const CHORES_EVERY: Duration = Duration::from_millis(200);

/// How often old segments are looked for.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// The most messages that are handled before results are passed on.
const ROUND_MAX: usize = 256;

/// What the core is told.
pub(crate) enum Message {
    /// Events of one request, with their stored form.
    Ingest {
        events: Vec<(Event, Bytes)>,
        reply: oneshot::Sender<Result<Receipt, IngestError>>,
    },
    Command {
        actor: Actor,
        command: Command,
        reply: oneshot::Sender<Result<CommandDone, CommandError>>,
    },
    Activate {
        bundle: Arc<Bundle>,
        actor: Actor,
        reply: oneshot::Sender<Result<Seq, Refusal>>,
    },
    Outcome {
        attempt: AttemptId,
        outcome: Outcome,
    },
    LogDurable(Lsn),
    LogFailed(String),
    JournalDurable(Seq),
    JournalFailed,
    SnapshotDone,
    Stop,
}

/// What the core works with.
pub(crate) struct Parts {
    pub(crate) drive: Drive,
    pub(crate) dedupe: Dedupe,
    pub(crate) clock: Clock,
    pub(crate) log: LogThread,
    pub(crate) journal: JournalThread,
    pub(crate) registry: Registry,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) snapshot_every: SnapshotEvery,
    pub(crate) retention: Retention,
    pub(crate) pause_file: PathBuf,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) own: Sender<Message>,
}

/// When a snapshot is due: after so many events or so long, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEvery {
    /// Events since the last one.
    pub events: u64,
    /// Time since the last one, if anything happened.
    pub time: Duration,
}

impl Default for SnapshotEvery {
    fn default() -> Self {
        Self {
            events: 50_000,
            time: Duration::from_secs(15),
        }
    }
}

/// The core's own state.
pub(crate) struct Core {
    parts: Parts,
    lsn: Lsn,
    /// Batches that the log's queue had no room for yet.
    unsent: VecDeque<Batch>,
    /// Events that are not durable yet.
    volatile: VecDeque<Record>,
    acks: VecDeque<Ack>,
    log_failed: Option<String>,
    next_chores: Timestamp,
    next_retain: Timestamp,
    snapshot_at: (Lsn, Seq, Timestamp),
    snapshot: Option<Snapshot>,
    snapshot_busy: bool,
    pause_file_seen: bool,
}

/// Somebody who waits until events are durable.
struct Ack {
    lsn: Lsn,
    bytes: usize,
    receipt: Receipt,
    reply: oneshot::Sender<Result<Receipt, IngestError>>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let engine = parts.drive.engine();
        let now = engine.now();
        Self {
            lsn: engine.lsn(),
            snapshot_at: (engine.lsn(), engine.seq(), now),
            parts,
            unsent: VecDeque::new(),
            volatile: VecDeque::new(),
            acks: VecDeque::new(),
            log_failed: None,
            next_chores: now,
            next_retain: now.after(RETAIN_EVERY),
            snapshot: None,
            snapshot_busy: false,
            pause_file_seen: false,
        }
    }

    /// Runs until it is told to stop, or nobody is left to tell it anything.
    pub(crate) fn run(mut self) {
        self.pump();
        loop {
            let nap = self.nap();
            let mut stop = match self.parts.inbox.recv_timeout(nap) {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            for _ in 0..ROUND_MAX {
                match self.parts.inbox.try_recv() {
                    Ok(message) => stop |= self.handle(message),
                    Err(_) => break,
                }
            }
            self.look_at_the_clock();
            self.pump();
            if stop {
                return self.wind_down();
            }
        }
    }

    fn nap(&self) -> Duration {
        let now = self.parts.drive.engine().now();
        let due = self.parts.drive.engine().next_wake();
        due.map_or(NAP_MAX, |due| {
            due.since(now).clamp(Duration::from_millis(1), NAP_MAX)
        })
    }

    fn look_at_the_clock(&mut self) {
        let now = self.parts.clock.tick();
        let engine = self.parts.drive.engine();
        if engine.next_wake().is_some_and(|due| due <= now) {
            self.parts.drive.offer(Input::Tick(now));
        }
        if now >= self.next_chores {
            self.next_chores = now.after(CHORES_EVERY);
            self.chores(now);
        }
    }

    /// Returns whether to stop.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Ingest { events, reply } => self.ingest(events, reply),
            Message::Command {
                actor,
                command,
                reply,
            } => {
                // Whoever asked may be gone; the command holds all the same.
                let _ = reply.send(self.command(actor, command));
            }
            Message::Activate {
                bundle,
                actor,
                reply,
            } => {
                let _ = reply.send(self.activate(bundle, actor));
            }
            Message::Outcome { attempt, outcome } => {
                self.state(Actor::Node, Fact::StepOutcome { attempt, outcome });
            }
            Message::LogDurable(lsn) => self.log_durable(lsn),
            Message::LogFailed(reason) => self.log_failed(reason),
            Message::JournalDurable(seq) => self.parts.drive.entries_durable(seq),
            Message::JournalFailed => {}
            Message::SnapshotDone => self.snapshot_busy = false,
            Message::Stop => return true,
        }
        false
    }

    /// States a fact now; returns its place in the journal.
    fn state(&mut self, actor: Actor, fact: Fact) -> Seq {
        let at = self.parts.clock.tick();
        // Everything that is due by now gets its entry before this one.
        self.parts.drive.offer(Input::Tick(at));
        let seq = self.parts.drive.engine().seq().next();
        self.parts.drive.offer(Input::Stated { at, actor, fact });
        seq
    }

    fn command(&mut self, actor: Actor, command: Command) -> Result<CommandDone, CommandError> {
        let at = self.parts.clock.tick();
        let mut pause = None;
        let fact = match command {
            Command::Pause { scope, reason } => {
                let said = stated_reason(reason)?;
                let micros = at.as_micros().to_be_bytes();
                let id = PauseId::derive([micros.as_slice(), actor.to_string().as_bytes()]);
                pause = Some(id.clone());
                Fact::Paused(Pause {
                    id,
                    scope,
                    reason: said,
                    by: actor.clone(),
                    at,
                })
            }
            Command::Resume { pause, reason } => Fact::Resumed {
                pause,
                reason: stated_reason(reason)?,
            },
            Command::Approve {
                decision,
                granted,
                reason,
            } => Fact::Approval {
                decision,
                granted,
                reason: stated_reason(reason)?,
            },
            Command::Note { text } => Fact::Note {
                text: stated_reason(text)?,
            },
        };
        self.parts
            .drive
            .engine()
            .check(&fact)
            .map_err(|refusal| match refusal {
                Refusal::NoSuchPause(_) => CommandError::NotFound(refusal.to_string()),
                _ => CommandError::Conflict(refusal.to_string()),
            })?;
        let seq = self.state(actor, fact);
        self.publish_pauses();
        Ok(CommandDone {
            seq,
            pause,
            durable: false,
        })
    }

    fn activate(&mut self, bundle: Arc<Bundle>, actor: Actor) -> Result<Seq, Refusal> {
        let hash = bundle.hash;
        let previous = self.parts.drive.engine().bundle().hash;
        if previous == hash {
            return Ok(self.parts.drive.engine().seq());
        }
        self.parts.drive.engine_mut().learn(bundle);
        let fact = Fact::BundleActivated {
            bundle: hash,
            previous: Some(previous),
        };
        self.parts.drive.engine().check(&fact)?;
        let seq = self.state(actor, fact);
        self.parts.drive.engine_mut().forget_bundles();
        *self
            .parts
            .shared
            .bundle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = hash;
        Ok(seq)
    }

    /// Passes results on, as far as what they rest on is durable.
    fn pump(&mut self) {
        while let Some(action) = self.parts.drive.poll() {
            match action {
                Action::Append(drafts) => self.parts.journal.append(drafts),
                Action::Perform(request) => {
                    let attempt = request.attempt.clone();
                    let registry = self.parts.registry.clone();
                    let own = self.parts.own.clone();
                    self.parts.runtime.spawn(async move {
                        let outcome = registry.perform(request).await;
                        // The core is gone only when the node stops; the outcome is then unknown.
                        let _ = own.send(Message::Outcome { attempt, outcome });
                    });
                }
            }
        }
    }

    fn chores(&mut self, now: Timestamp) {
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
        let (by, reason) = read_pause_file(&self.parts.pause_file);
        let pause = Command::Pause {
            scope: PauseScope::All,
            reason,
        };
        if let Err(error) = self.command(Actor::Person(by), pause) {
            tracing::error!(%error, "the pause file could not be honoured");
        }
    }

    fn publish_pauses(&self) {
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
    fn snapshot(&mut self, now: Timestamp) {
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

    fn write_snapshot(&mut self) {
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
    fn wind_down(mut self) {
        self.parts.shared.ready.store(false, Ordering::Release);
        for _ in 0..100 {
            if self.parts.drive.is_settled() || self.log_failed.is_some() {
                break;
            }
            if let Ok(message) = self.parts.inbox.recv_timeout(NAP_MAX) {
                // Nothing new begins; only what says that something became durable counts now.
                if matches!(message, Message::LogDurable(_) | Message::JournalDurable(_)) {
                    self.handle(message);
                }
            }
            while let Some(Action::Append(drafts)) = self.parts.drive.poll_appends() {
                self.parts.journal.append(drafts);
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

    fn log_durable(&mut self, lsn: Lsn) {
        self.parts.drive.event_durable(lsn);
        self.parts
            .shared
            .durable_lsn
            .store(lsn.0, Ordering::Release);
        self.parts.shared.metrics.lsn.set(level(lsn.0));
        while self.acks.front().is_some_and(|ack| ack.lsn <= lsn) {
            if let Some(ack) = self.acks.pop_front() {
                self.release(ack.bytes);
                let _ = ack.reply.send(Ok(ack.receipt));
            }
        }
        while self
            .volatile
            .front()
            .is_some_and(|record| record.lsn <= lsn)
        {
            if let Some(record) = self.volatile.pop_front() {
                self.parts.shared.tell(Happening::Event(record));
            }
        }
        self.send_unsent();
    }

    fn log_failed(&mut self, reason: String) {
        self.parts
            .shared
            .trouble(format!("the event log cannot be written: {reason}"));
        for ack in std::mem::take(&mut self.acks) {
            self.release(ack.bytes);
            let _ = ack
                .reply
                .send(Err(IngestError::Unavailable(reason.clone())));
        }
        self.unsent.clear();
        self.log_failed = Some(reason);
    }
}

fn stated_reason(reason: String) -> Result<String, CommandError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(CommandError::Bad("say why: the reason is empty".to_owned()));
    }
    if reason.len() > 4096 {
        return Err(CommandError::Bad(
            "the reason is longer than 4096 bytes".to_owned(),
        ));
    }
    Ok(reason.to_owned())
}

/// Who paused by file and why; the file counts whatever it says.
fn read_pause_file(path: &std::path::Path) -> (String, String) {
    let text = std::fs::read(path).unwrap_or_default();
    let value: serde_json::Value =
        serde_json::from_slice(&text[..text.len().min(4096)]).unwrap_or_default();
    let field = |name: &str, default: &str| {
        let text = value
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default();
        let text = edsr_source::printable(text.trim(), 1024);
        if text.is_empty() {
            default.to_owned()
        } else {
            text
        }
    };
    (
        field("by", "file"),
        field("reason", "the file `pause` in the data directory"),
    )
}
