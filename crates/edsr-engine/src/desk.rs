//! Desk: where everything that happens gets its place and its time, and where answers and results wait until what
//! they rest on is durable.
//!
//! ```text
//! events, commands, outcomes, ticks -> [admit once, number, stamp] -> records for the event log
//!                                              |                              | durable
//!                                            drive <--------------------------'
//!                                              |-> entries for the journal -> durable -> calls
//! ```
//!
//! The whole order of a node is in here and nothing of its threads, files and sockets: the live shell and the
//! simulator put the same questions to it and do what it says.

mod command;
mod intake;
mod open;
mod snapshot;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use edsr_model::{
    Actor, AttemptId, Draft, EffectRequest, Fact, Lsn, Outcome, Pause, Record, Seq, Timestamp,
};

use crate::admit::Dedupe;
use crate::drive::{Action, Drive};
use crate::engine::{Engine, Input};
use crate::template::is_bounded;
pub use command::{Command, CommandDone, CommandError, REASON_BYTES_MAX};
use intake::{Answers, Watched};
pub use intake::{Counts, Incoming, Refused, Taken};
pub use open::{Opening, RESUME_MAX};
use snapshot::Snapshots;
pub use snapshot::{Snapshot, SnapshotEvery};

/// What the shell is asked to do. `T` is whatever it needs to answer those who sent events.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time, taken apart at once"
)]
pub enum Work<T> {
    /// Append these to the event log, and say when they are durable.
    Log(Records),
    /// Append these to the journal as one unit, and say when they are durable.
    Journal(Vec<Draft>),
    /// Make this call; its intent is durable.
    Perform(EffectRequest),
    /// Tell whoever holds the ticket what became of its events.
    Answer(T, Result<Taken, Refused>),
    /// This event is durable now; only while somebody watches.
    Show(Record),
}

/// Events on their way into the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The place of the first one.
    pub first: Lsn,
    /// When each was taken, and its stored form, in order.
    pub records: Vec<(Timestamp, Bytes)>,
}

/// What to do about the pause file, the stop that works when nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseFile {
    /// Nothing.
    Leave,
    /// Read it and call [`Desk::pause`].
    Read,
    /// Its pause is in the journal, so it has done its work: remove it.
    Remove,
}

/// The order of a node.
#[derive(Debug)]
pub struct Desk<T> {
    drive: Drive,
    dedupe: Dedupe,
    /// The last event that was numbered.
    lsn: Lsn,
    /// The last instant that was given out.
    last: Timestamp,
    ready: VecDeque<Work<T>>,
    answers: Answers<T>,
    watched: Watched,
    counts: Counts,
    failed: Option<String>,
    pause_file_seen: bool,
    stopping: bool,
    snapshots: Snapshots,
}

impl<T> Desk<T> {
    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        self.drive.engine()
    }

    /// What was taken so far, for the books.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Which events are remembered, to know repetitions.
    #[must_use]
    pub const fn dedupe(&self) -> &Dedupe {
        &self.dedupe
    }

    /// Events up to here are durable.
    #[must_use]
    pub const fn durable_lsn(&self) -> Lsn {
        self.drive.durable_lsn()
    }

    /// Entries up to here are durable.
    #[must_use]
    pub const fn durable_seq(&self) -> Seq {
        self.drive.durable_seq()
    }

    /// Whether everything that was derived so far is durable in both logs.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.drive.is_settled()
    }

    /// Why nothing more is taken: a log failed, and only a restart tells what of it is durable.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// When something may happen without anything coming in.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.drive.engine().next_wake()
    }

    /// Requests that wait for their events to become durable.
    #[must_use]
    pub fn answers_waiting(&self) -> usize {
        self.answers.len()
    }

    /// Lets what is due by now happen.
    pub fn tick(&mut self, now: Timestamp) {
        let at = self.stamp(now);
        if self.next_wake().is_some_and(|due| due <= at) {
            self.drive.offer(Input::Tick(at));
        }
    }

    /// Takes the outcome of a call in.
    pub fn outcome(&mut self, now: Timestamp, attempt: AttemptId, outcome: Outcome) {
        let outcome = bounded(outcome);
        self.state(now, Actor::Node, Fact::StepOutcome { attempt, outcome });
    }

    /// Events up to `lsn` are durable.
    pub fn log_durable(&mut self, lsn: Lsn) {
        self.drive.event_durable(lsn);
        let durable = self.drive.durable_lsn();
        self.answers.release(durable, &mut self.ready);
        self.watched.release(durable, &mut self.ready);
    }

    /// The event log does not take anything any more. Whoever waits is told that nobody knows, and so is everybody
    /// who comes.
    pub fn log_failed(&mut self, reason: &str) {
        let reason = format!("the event log cannot be written: {reason}");
        self.answers.refuse(&reason, &mut self.ready);
        self.failed.get_or_insert(reason);
    }

    /// Entries up to `seq` are durable.
    pub fn journal_durable(&mut self, seq: Seq) {
        self.drive.entries_durable(seq);
    }

    /// The journal does not take anything any more: nothing that was not intended durably by now will be done.
    pub fn journal_failed(&mut self, reason: &str) {
        let reason = format!("the journal cannot be written: {reason}");
        self.failed.get_or_insert(reason);
    }

    /// What is to be done next, if anything.
    pub fn poll(&mut self, now: Timestamp) -> Option<Work<T>> {
        if let Some(work) = self.ready.pop_front() {
            return Some(work);
        }
        if self.stopping {
            return self.drive.poll_appends().map(Work::Journal);
        }
        loop {
            match self.drive.poll()? {
                Action::Append(drafts) => return Some(Work::Journal(drafts)),
                Action::Perform(request) if self.drive.engine().holds_back(&request) => {
                    self.not_made(now, request.attempt, "a pause came before it was sent");
                }
                Action::Perform(request) => return Some(Work::Perform(request)),
            }
        }
    }

    /// From here on nothing new begins: what is on its way becomes durable, and no call is made.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// What to do about the pause file, which is there or not.
    pub fn pause_file(&mut self, exists: bool) -> PauseFile {
        let seen = std::mem::replace(&mut self.pause_file_seen, exists);
        match (exists, seen) {
            (false, _) => PauseFile::Leave,
            (true, false) => PauseFile::Read,
            (true, true) if self.is_settled() => PauseFile::Remove,
            (true, true) => PauseFile::Leave,
        }
    }

    /// States a pause that was found written down.
    pub fn pause(&mut self, now: Timestamp, pause: Pause) {
        self.state(now, pause.by.clone(), Fact::Paused(pause));
    }

    /// States a fact now; returns its place in the journal.
    fn state(&mut self, now: Timestamp, actor: Actor, fact: Fact) -> Seq {
        let at = self.stamp(now);
        // Everything that is due by now gets its entry before this one.
        self.drive.offer(Input::Tick(at));
        let seq = self.drive.engine().seq().next();
        self.drive.offer(Input::Stated { at, actor, fact });
        seq
    }

    /// Tells the engine that a call was certainly not made.
    fn not_made(&mut self, now: Timestamp, attempt: AttemptId, why: &str) {
        let outcome = Outcome::Failed {
            reason: format!("not sent: {why}"),
            output: serde_json::Value::Null,
        };
        self.state(now, Actor::Node, Fact::StepOutcome { attempt, outcome });
    }

    /// An instant of its own for something that happens now: later than every one before, whatever the clock does.
    fn stamp(&mut self, now: Timestamp) -> Timestamp {
        self.last = now.max(self.last.after(Duration::from_micros(1)));
        self.last
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
