//! The core thread: everything that happens gets its place and its time here, one after the other.
//!
//! ```text
//! events, commands, outcomes -> [core: stamp, admit, number] -> event log thread -> durable
//!                                        |                                            |
//!                                      drive <----------------------------------------'
//!                                        |-> journal thread -> durable -> perform (tokio)
//! ```

mod chores;
mod commands;
mod ingest;

pub(crate) use chores::pause_from_file;

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
use edsr_engine::template::is_bounded;
use edsr_engine::{Input, OUTCOME_GRACE, Refusal};
use edsr_log::{Batch, LogThread, Retention};
use edsr_model::{Actor, AttemptId, Event, Fact, Lsn, Outcome, Record, Seq, Timestamp};
use tokio::sync::oneshot;

use crate::api::{Command, CommandDone, CommandError, Happening, IngestError, Receipt};
use crate::clock::Clock;
use crate::journal_thread::JournalThread;
use crate::metrics::level;
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
    /// The pause file was there at the start, and is honoured already.
    pub(crate) pause_file_seen: bool,
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
        let pause_file_seen = parts.pause_file_seen;
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
            pause_file_seen,
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
                let outcome = bounded(outcome);
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

    /// Tells the engine that a call was certainly not made.
    fn not_made(&mut self, attempt: AttemptId, why: &str) {
        let outcome = Outcome::Failed {
            reason: format!("not sent: {why}"),
            output: serde_json::Value::Null,
        };
        self.state(Actor::Node, Fact::StepOutcome { attempt, outcome });
    }

    /// Passes results on, as far as what they rest on is durable.
    fn pump(&mut self) {
        while let Some(action) = self.parts.drive.poll() {
            match action {
                Action::Append(drafts) => self.parts.journal.append(drafts),
                Action::Perform(request) if self.parts.drive.engine().holds_back(&request) => {
                    self.not_made(request.attempt, "a pause came before it was sent");
                }
                Action::Perform(request) => {
                    let attempt = request.attempt.clone();
                    let patience = request.timeout.saturating_mul(2) + OUTCOME_GRACE;
                    let registry = self.parts.registry.clone();
                    let own = self.parts.own.clone();
                    self.parts.runtime.spawn(async move {
                        let performed =
                            tokio::time::timeout(patience, registry.perform(request)).await;
                        let outcome = performed.unwrap_or_else(|_| Outcome::Unknown {
                            reason: "no outcome came back in time".to_owned(),
                        });
                        // The core is gone only when the node stops; the outcome is then unknown.
                        let _ = own.send(Message::Outcome { attempt, outcome });
                    });
                }
            }
        }
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

/// An outcome that can be written down: what a target returned is left out where it is too large or too deep.
fn bounded(outcome: Outcome) -> Outcome {
    let keep = |output: serde_json::Value| {
        if is_bounded(&output) {
            output
        } else {
            serde_json::json!({"leftOut": "the output was too large or too deep to be kept"})
        }
    };
    match outcome {
        Outcome::Ok { output } => Outcome::Ok {
            output: keep(output),
        },
        Outcome::Failed { reason, output } => Outcome::Failed {
            reason,
            output: keep(output),
        },
        unknown @ Outcome::Unknown { .. } => unknown,
    }
}
