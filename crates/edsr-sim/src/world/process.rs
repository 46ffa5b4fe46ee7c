//! The process: what is gone when it dies.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use edsr_engine::desk::{Desk, Records};
use edsr_journal::MemoryJournal;
use edsr_log::{EventLog as _, FileLog, MemDisk, ReadLimit};
use edsr_model::{AttemptId, Draft, Outcome, Record, Timestamp};

/// Who waits for an answer.
#[derive(Debug, Clone)]
pub(super) enum Ticket {
    /// The sender of a request.
    Request(usize),
    /// A call that puts an event into the loop.
    Emit(AttemptId),
}

pub(super) struct Process {
    pub(super) desk: Desk<Ticket>,
    /// What the node's clock shows beyond the true time, in microseconds.
    pub(super) ahead: i64,
    pub(super) log: FileLog<MemDisk>,
    pub(super) to_log: VecDeque<Records>,
    /// When the commit that is under way is through.
    pub(super) log_due: Option<Timestamp>,
    /// How many of the batches that wait are in it.
    pub(super) log_group: usize,
    pub(super) journal: MemoryJournal,
    pub(super) to_journal: VecDeque<Vec<Draft>>,
    pub(super) journal_due: Option<Timestamp>,
    pub(super) journal_group: usize,
    pub(super) outcomes: BTreeMap<(Timestamp, u64), (AttemptId, Outcome)>,
    pub(super) outcomes_made: u64,
    /// Requests that came while it stood still.
    pub(super) mail: VecDeque<usize>,
    /// The thread that writes the event log, or the journal, has ended.
    pub(super) log_dead: bool,
    pub(super) journal_dead: bool,
    pub(super) failed: bool,
}

impl Process {
    pub(super) fn new(
        desk: Desk<Ticket>,
        ahead: i64,
        log: FileLog<MemDisk>,
        journal: MemoryJournal,
    ) -> Self {
        Self {
            desk,
            ahead,
            log,
            to_log: VecDeque::new(),
            log_due: None,
            log_group: 0,
            journal,
            to_journal: VecDeque::new(),
            journal_due: None,
            journal_group: 0,
            outcomes: BTreeMap::new(),
            outcomes_made: 0,
            mail: VecDeque::new(),
            log_dead: false,
            journal_dead: false,
            failed: false,
        }
    }

    /// What the node's clock shows at `now`.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.as_micros() + self.ahead)
    }

    /// When the node's clock shows `time`.
    pub(super) fn when(&self, time: Timestamp) -> Timestamp {
        Timestamp::from_micros(time.as_micros() - self.ahead)
    }

    /// An outcome comes back after a while.
    pub(super) fn answer_later(
        &mut self,
        now: Timestamp,
        delay: Duration,
        attempt: AttemptId,
        outcome: Outcome,
    ) {
        self.outcomes_made += 1;
        let place = (now.after(delay), self.outcomes_made);
        self.outcomes.insert(place, (attempt, outcome));
    }

    /// Every event in the log.
    pub(super) fn records(&self) -> Vec<Record> {
        let reader = self.log.reader();
        let mut records: Vec<Record> = Vec::new();
        loop {
            let next = records
                .last()
                .map_or(reader.first(), |last| last.lsn.next());
            let page = reader.read(next, ReadLimit::default()).unwrap_or_default();
            if page.is_empty() {
                return records;
            }
            records.extend(page.into_iter().filter_map(|stored| {
                Some(Record {
                    lsn: stored.lsn,
                    at: stored.at,
                    event: serde_json::from_slice(&stored.payload).ok()?,
                })
            }));
        }
    }

    /// The event log does not go on: what waited for it is lost.
    pub(super) fn log_failed(&mut self, reason: &str) {
        self.log_dead = true;
        self.to_log.clear();
        self.log_due = None;
        self.desk.log_failed(reason);
    }

    /// The journal does not go on: what waited for it is lost.
    pub(super) fn journal_failed(&mut self, reason: &str) {
        self.journal_dead = true;
        self.to_journal.clear();
        self.journal_due = None;
        self.desk.journal_failed(reason);
    }

    /// Whether nothing is on its way anywhere.
    pub(super) fn is_quiet(&self) -> bool {
        self.to_log.is_empty()
            && self.to_journal.is_empty()
            && self.outcomes.is_empty()
            && self.mail.is_empty()
            && self.desk.answers_waiting() == 0
            && self.desk.is_settled()
    }
}
