//! The core thread: the one place where the desk is asked and what it says is done.
//!
//! ```text
//! events, commands, outcomes -> [core: desk] -> event log thread -> durable
//!                                     ^-------------------------------'
//!                                     |-> journal thread -> durable -> calls (tokio)
//! ```

mod chores;

pub(crate) use chores::pause_from_file;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use edsr_actuate::Registry;
use edsr_engine::bundle::Bundle;
use edsr_engine::desk::{Command, CommandDone, CommandError, Desk, Incoming, Records, Work};
use edsr_engine::{OUTCOME_GRACE, Refusal};
use edsr_log::{Batch, LogThread, Retention, TrySendError};
use edsr_model::{Actor, AttemptId, EffectRequest, Lsn, Outcome, Seq, Timestamp};
use tokio::sync::oneshot;

use crate::api::{Happening, IngestError, Receipt};
use crate::clock::Clock;
use crate::journal_thread::JournalThread;
use crate::metrics::level;
use crate::shared::Shared;
use crate::snapshots::SnapshotStore;

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
        events: Vec<Incoming>,
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
    JournalFailed(String),
    SnapshotDone,
    Stop,
}

/// Who waits for an answer, and how many bytes are on their way until then.
#[derive(Debug)]
pub(crate) struct Ticket {
    bytes: usize,
    reply: oneshot::Sender<Result<Receipt, IngestError>>,
}

/// What the core works with.
pub(crate) struct Parts {
    pub(crate) desk: Desk<Ticket>,
    pub(crate) clock: Clock,
    pub(crate) log: LogThread,
    pub(crate) journal: JournalThread,
    pub(crate) registry: Registry,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) retention: Retention,
    pub(crate) pause_file: PathBuf,
    pub(crate) inbox: Receiver<Message>,
    pub(crate) own: Sender<Message>,
}

/// The core's own state.
pub(crate) struct Core {
    parts: Parts,
    /// Batches that the log's queue had no room for yet.
    unsent: VecDeque<Batch>,
    next_chores: Timestamp,
    next_retain: Timestamp,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = parts.clock.now();
        Self {
            parts,
            unsent: VecDeque::new(),
            next_chores: now,
            next_retain: now.after(RETAIN_EVERY),
        }
    }

    /// Runs until it is told to stop, or nobody is left to tell it anything.
    pub(crate) fn run(mut self) {
        self.pump();
        loop {
            let mut stop = match self.parts.inbox.recv_timeout(self.nap()) {
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
        let now = self.parts.clock.now();
        let due = self.parts.desk.next_wake();
        due.map_or(NAP_MAX, |due| {
            due.since(now).clamp(Duration::from_millis(1), NAP_MAX)
        })
    }

    fn look_at_the_clock(&mut self) {
        let now = self.parts.clock.now();
        self.parts.desk.tick(now);
        if now >= self.next_chores {
            self.next_chores = now.after(CHORES_EVERY);
            self.chores(now);
        }
    }

    /// Returns whether to stop.
    fn handle(&mut self, message: Message) -> bool {
        let now = self.parts.clock.now();
        let desk = &mut self.parts.desk;
        match message {
            Message::Ingest { events, reply } => {
                let bytes = events.iter().map(|incoming| incoming.stored.len()).sum();
                desk.watch(self.parts.shared.happenings.receiver_count() > 0);
                desk.ingest(now, events, Ticket { bytes, reply });
            }
            Message::Command {
                actor,
                command,
                reply,
            } => {
                let done = desk.command(now, actor, command);
                self.publish_pauses();
                // Whoever asked may be gone; the command holds all the same.
                let _ = reply.send(done);
            }
            Message::Activate {
                bundle,
                actor,
                reply,
            } => {
                let done = desk.activate(now, bundle, actor);
                self.parts.shared.in_force(desk.engine().bundle());
                let _ = reply.send(done);
            }
            Message::Outcome { attempt, outcome } => desk.outcome(now, attempt, outcome),
            Message::LogDurable(lsn) => self.log_durable(lsn),
            Message::LogFailed(reason) => {
                desk.log_failed(&reason);
                self.unsent.clear();
                self.report_failure();
            }
            Message::JournalDurable(seq) => desk.journal_durable(seq),
            Message::JournalFailed(reason) => {
                desk.journal_failed(&reason);
                self.report_failure();
            }
            Message::SnapshotDone => desk.snapshot_kept(),
            Message::Stop => return true,
        }
        false
    }

    fn report_failure(&self) {
        if let Some(reason) = self.parts.desk.failed() {
            self.parts.shared.trouble(reason.to_owned());
        }
    }

    /// Does what the desk asks for, until it asks for nothing more.
    fn pump(&mut self) {
        while let Some(work) = self.parts.desk.poll(self.parts.clock.now()) {
            match work {
                Work::Log(Records { first, records }) => {
                    self.unsent.push_back(Batch { first, records });
                    self.send_unsent();
                }
                Work::Journal(drafts) => self.parts.journal.append(drafts),
                Work::Perform(request) => self.perform(request),
                Work::Answer(ticket, taken) => self.answer(ticket, taken),
                Work::Show(record) => self.parts.shared.tell(Happening::Event(record)),
            }
        }
    }

    fn perform(&self, request: EffectRequest) {
        let attempt = request.attempt.clone();
        let patience = request.timeout.saturating_mul(2) + OUTCOME_GRACE;
        let registry = self.parts.registry.clone();
        let own = self.parts.own.clone();
        self.parts.runtime.spawn(async move {
            let performed = tokio::time::timeout(patience, registry.perform(request)).await;
            let outcome = performed.unwrap_or_else(|_| Outcome::Unknown {
                reason: "no outcome came back in time".to_owned(),
            });
            // The core is gone only when the node stops; the outcome is then unknown.
            let _ = own.send(Message::Outcome { attempt, outcome });
        });
    }

    fn answer(
        &self,
        ticket: Ticket,
        taken: Result<edsr_engine::desk::Taken, edsr_engine::desk::Refused>,
    ) {
        let shared = &self.parts.shared;
        shared
            .pending_bytes
            .fetch_sub(ticket.bytes, Ordering::AcqRel);
        let answer = match taken {
            Ok(taken) => {
                shared.metrics.events_accepted.inc_by(taken.accepted);
                shared.metrics.events_duplicate.inc_by(taken.duplicates);
                Ok(Receipt {
                    accepted: taken.accepted,
                    duplicates: taken.duplicates,
                    rejected: Vec::new(),
                    lsns: taken.lsns,
                })
            }
            Err(refused) => Err(IngestError::Unavailable(refused.0)),
        };
        // Whoever sent them may be gone; they are taken all the same.
        let _ = ticket.reply.send(answer);
    }

    fn log_durable(&mut self, lsn: Lsn) {
        self.parts.desk.log_durable(lsn);
        self.parts
            .shared
            .durable_lsn
            .store(lsn.0, Ordering::Release);
        self.parts.shared.metrics.lsn.set(level(lsn.0));
        self.send_unsent();
    }

    /// Hands batches to the log while it has room. What has to wait is bounded by the bytes that may be pending.
    fn send_unsent(&mut self) {
        while let Some(batch) = self.unsent.pop_front() {
            match self.parts.log.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch)) => return self.unsent.push_front(batch),
                // Why it stopped comes in a message of its own.
                Err(TrySendError::Stopped(_)) => return,
            }
        }
    }
}
