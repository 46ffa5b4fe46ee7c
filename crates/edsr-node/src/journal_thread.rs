//! The thread that owns the journal: it appends what it is given, in order, and says when it is durable.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use edsr_journal::Journal;
use edsr_model::{Draft, Entry, ExecutionStatus, Fact, Seq};

use crate::api::Happening;
use crate::core::Message;
use crate::metrics::{By, level};
use crate::shared::Shared;

/// How often the latest checkpoint is written where the journal's writer cannot change it.
const WITNESS_EVERY: Duration = Duration::from_secs(1);

/// A thread that owns the journal. Dropping it finishes what was queued and waits for the thread.
pub(crate) struct JournalThread {
    queue: Option<Sender<Vec<Draft>>>,
    thread: Option<JoinHandle<()>>,
}

impl JournalThread {
    pub(crate) fn spawn(
        journal: Box<dyn Journal>,
        shared: Arc<Shared>,
        core: Sender<Message>,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = channel();
        let worker = Worker {
            journal,
            shared,
            core,
            witnessed: Seq::ZERO,
            witnessed_at: stopwatch(),
        };
        let thread = Builder::new()
            .name("journal".to_owned())
            .spawn(move || worker.run(&waiting))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Queues entries. What becomes of them is told to the core.
    pub(crate) fn append(&self, drafts: Vec<Draft>) {
        if let Some(queue) = &self.queue {
            // The thread ends only after a failure, which it has told.
            let _ = queue.send(drafts);
        }
    }
}

impl Drop for JournalThread {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "how often a file is written is a matter of real time, and nothing is decided by it"
)]
fn stopwatch() -> Instant {
    Instant::now()
}

struct Worker {
    journal: Box<dyn Journal>,
    shared: Arc<Shared>,
    core: Sender<Message>,
    witnessed: Seq,
    /// When it was last looked whether there is something to witness.
    witnessed_at: Instant,
}

impl Worker {
    fn run(mut self, waiting: &Receiver<Vec<Draft>>) {
        loop {
            match waiting.recv_timeout(WITNESS_EVERY) {
                Ok(drafts) => {
                    if !self.append(drafts, waiting) {
                        return;
                    }
                    // Also while entries never stop coming for as long as that.
                    if self.witnessed_at.elapsed() >= WITNESS_EVERY {
                        self.witness();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.witness(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.witness();
    }

    /// Appends what was given and whatever else waits, as one unit with one sync.
    fn append(&mut self, mut drafts: Vec<Draft>, waiting: &Receiver<Vec<Draft>>) -> bool {
        while drafts.len() < edsr_engine::drive::APPEND_MAX
            && let Ok(more) = waiting.try_recv()
        {
            drafts.extend(more);
        }
        match self.journal.append_and_show(&drafts) {
            Ok(entries) => {
                let head = self.journal.head();
                self.publish(entries);
                let _ = self.shared.durable_seq.send_replace(head.seq);
                self.shared.metrics.seq.set(level(head.seq.0));
                self.core.send(Message::JournalDurable(head.seq)).is_ok()
            }
            Err(error) => {
                let _ = self.core.send(Message::JournalFailed(error.to_string()));
                false
            }
        }
    }

    /// Shows new entries to the views and to whoever watches.
    fn publish(&self, entries: Vec<Entry>) {
        {
            let mut views = self
                .shared
                .views
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let views = Arc::make_mut(&mut views);
            for entry in &entries {
                views.apply(entry);
            }
        }
        for entry in entries {
            self.count(&entry);
            self.shared.tell(Happening::Entry(entry));
        }
    }

    fn count(&self, entry: &Entry) {
        let metrics = &self.shared.metrics;
        let fact = &entry.draft.fact;
        metrics.entries.get_or_create(&By::name(fact.kind())).inc();
        match fact {
            Fact::Decided { decision, .. } => {
                let verdict = By::name(decision.verdict.as_str());
                metrics.decisions.get_or_create(&verdict).inc();
            }
            Fact::ExecutionEnded {
                execution,
                status,
                reason,
            } => {
                if *status == ExecutionStatus::InDoubt {
                    tracing::warn!(%execution, reason, "a run is in doubt; a person has to look");
                }
                let status = By::name(status.as_str());
                metrics.executions_ended.get_or_create(&status).inc();
            }
            Fact::DetectionOpened(_) => {
                metrics.detections_open.inc();
            }
            Fact::DetectionResolved { .. } => {
                metrics.detections_open.dec();
            }
            _ => {}
        }
    }

    fn witness(&mut self) {
        self.witnessed_at = stopwatch();
        let head = self.journal.head().seq;
        if head == self.witnessed {
            return;
        }
        match self.journal.witness() {
            Ok(()) => self.witnessed = head,
            Err(error) => {
                tracing::warn!(%error, "the checkpoint could not be written beside the key")
            }
        }
    }
}
