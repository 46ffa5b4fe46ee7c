//! Time passes: whatever is due happens at the instant it is due, the earliest first. And in the end, when faults
//! stop, everything has to come to rest.

use std::time::Duration;

use edsr_actuate::scripted::Scripted;
use edsr_engine::desk::Command;
use edsr_engine::drive::{Past as _, refold};
use edsr_engine::{Engine, Input};
use edsr_journal::Journal as _;
use edsr_log::EventLog as _;
use edsr_model::{Digest, Lsn, Timestamp};

use super::die::check_kept;
use super::storage::Kept;
use super::{Halt, World};
use crate::invariant::{Invariant, Violation};

/// How long a world is given to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(3600);

/// The longest a run may last once nothing goes wrong any more.
const RUN_MAX: Duration = Duration::from_secs(900);

/// What is due next; of what is due at the same instant, the first in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Start,
    Thaw,
    Outcome,
    LogCommit,
    JournalCommit,
    Wake,
    Resend,
}

impl World {
    /// Lets everything happen that is due before `to`.
    pub(super) fn pass_time(&mut self, to: Timestamp) -> Result<(), Violation> {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at < to) {
            self.now = self.now.max(at);
            self.steps += 1;
            Invariant::StoryApplies.holds(self.steps < super::STEPS_MAX, || {
                "the story never ends".to_owned()
            })?;
            let happened = self.fall_due(due);
            self.survive(happened)?;
        }
        self.now = self.now.max(to);
        Ok(())
    }

    fn next_due(&self) -> Option<(Timestamp, Due)> {
        let mut due: Vec<(Timestamp, Due)> = Vec::new();
        due.extend(self.start_at.map(|at| (at, Due::Start)));
        if let Some(process) = &self.process {
            // While it stands still nothing of it happens; then everything at once.
            let thawed = |at: Timestamp| at.max(self.frozen_until);
            if !process.mail.is_empty() {
                due.push((self.frozen_until, Due::Thaw));
            }
            let outcome = process.outcomes.keys().next();
            due.extend(outcome.map(|(at, _)| (thawed(*at), Due::Outcome)));
            due.extend(process.log_due.map(|at| (thawed(at), Due::LogCommit)));
            due.extend(
                process
                    .journal_due
                    .map(|at| (thawed(at), Due::JournalCommit)),
            );
            let wake = process.desk.next_wake().map(|at| process.when(at));
            due.extend(wake.map(|at| (thawed(at), Due::Wake)));
            due.extend(self.resend_at.map(|at| (thawed(at), Due::Resend)));
        }
        due.into_iter().min()
    }

    fn fall_due(&mut self, due: Due) -> Result<(), Halt> {
        match due {
            Due::Start => {
                if self.process.is_some() {
                    self.die(false, Duration::ZERO);
                }
                self.start()
            }
            Due::Thaw => {
                let mail = self
                    .process
                    .as_mut()
                    .map(|process| std::mem::take(&mut process.mail));
                for request in mail.into_iter().flatten() {
                    self.send(request)?;
                }
                Ok(())
            }
            Due::Outcome => self.take_outcome(),
            Due::LogCommit => {
                self.commit_log()?;
                self.pump()
            }
            Due::JournalCommit => {
                self.commit_journal()?;
                self.pump()
            }
            Due::Wake => {
                if let Some(process) = &mut self.process {
                    let now = process.time(self.now);
                    process.desk.tick(now);
                }
                self.pump()
            }
            Due::Resend => {
                self.resend_at = None;
                for request in self.outside.unknown() {
                    self.watch.reached.hit("a sender tries again");
                    self.send(request)?;
                }
                Ok(())
            }
        }
    }

    /// Faults stop: everything has to come to rest.
    ///
    /// # Errors
    /// What does not hold.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.armed.clear();
        self.journal_fails = false;
        self.storage.forget_faults();
        self.script = Scripted::default();
        self.pass_time(
            self.now
                .max(self.frozen_until)
                .after(Duration::from_secs(60)),
        )?;
        if self.process.is_none() {
            let started = self.start();
            self.survive(started)?;
        }
        self.pass_time(self.now.after(Duration::from_secs(60)))?;
        for pause in self.watch.pauses() {
            let reason = "the story is over".to_owned();
            let lifted = self.command(Command::Resume { pause, reason });
            self.survive(lifted)?;
        }
        self.pass_time(self.now.after(REST_WITHIN))?;
        self.at_rest()
    }

    /// What is on record fits together, and a start would come to the state of the node that runs.
    ///
    /// # Errors
    /// What does not hold.
    pub fn fold_again(&mut self) -> Result<(), Violation> {
        self.watch
            .journal_is_whole(self.storage.journal.reopen().tree())?;
        self.refolds_to_the_same()
    }

    fn at_rest(&self) -> Result<(), Violation> {
        let Some(process) = &self.process else {
            return Err(Invariant::QueuesDrain.broken("the node is down"));
        };
        let now = process.time(self.now);
        for (id, since) in self.watch.open_runs() {
            Invariant::RunsEnd.holds(now.since(since) <= RUN_MAX, || {
                format!("`{id}` runs since {since:?}")
            })?;
        }
        let waiting = self.outside.waiting();
        Invariant::QueuesDrain.holds(waiting == 0, || {
            format!("{waiting} requests were never answered")
        })?;
        let quiet = process.is_quiet() || !self.watch.open_runs().is_empty();
        Invariant::QueuesDrain.holds(quiet, || "something is still on its way".to_owned())?;
        self.watch.settled()
    }

    /// A start would come to the state of the node that runs: from the newest snapshot, and from the beginning.
    fn refolds_to_the_same(&mut self) -> Result<(), Violation> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        if !process.desk.is_settled() {
            return Ok(());
        }
        let now = process.time(self.now).after(Duration::from_secs(1));
        let live = state_at(process.desk.engine(), now)?;
        let (log, journal) = (process.log.reader(), process.journal.reader());
        let head = process.journal.head().seq;
        let snapshots = &self.storage.snapshots;
        for skipped in [0, snapshots.len()] {
            let past = Kept {
                log: &*log,
                journal: &*journal,
                snapshots: &snapshots[skipped..],
                kit: &self.kit,
            };
            check_kept(&past, self.outside.must_be_there())?;
            if past.first() > Lsn(1) && skipped == snapshots.len() {
                // The beginning is gone, as was asked for.
                return Ok(());
            }
            let refolded = refold(&past, &self.kit.empty, head)
                .map_err(|unfit| Invariant::RecoveryAgrees.broken(format!("{unfit}: {unfit:?}")))?;
            let fresh = refolded.recovered.output.drafts.len();
            let again = state_at(&refolded.recovered.engine, now)?;
            Invariant::RecoveryAgrees.holds(fresh == 0 && again == live, || {
                format!(
                    "folded again from {:?} the state is another, with {fresh} new entries",
                    refolded.from
                )
            })?;
        }
        Ok(())
    }
}

fn state_at(engine: &Engine, now: Timestamp) -> Result<Digest, Violation> {
    let mut engine = engine.clone();
    engine.apply(Input::Tick(now));
    engine
        .digest()
        .map_err(|error| Invariant::RecoveryAgrees.broken(error.to_string()))
}
