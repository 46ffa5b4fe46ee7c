//! Doing what the desk asks for, as the threads of a node do.

use edsr_actuate::emit;
use edsr_engine::OUTCOME_GRACE;
use edsr_engine::desk::{PauseFile, Work};
use edsr_engine::drive::APPEND_MAX;
use edsr_journal::{Journal as _, JournalError};
use edsr_log::{EventLog as _, Fault, LogError, ReadLimit, Retention};
use edsr_model::{EffectRequest, Event, Lsn, Outcome, Seq};

use super::outside::incoming;
use super::process::{Process, Ticket};
use super::{HEAL_AFTER, Halt, World};
use crate::invariant::Invariant;
use crate::point::Point;

/// What a commit of the log does to the disk at most; a crash midway lets one of these calls be the last.
const LOG_CALLS: u64 = 6;

impl World {
    /// A sender sends a request.
    pub(super) fn send(&mut self, request: usize) -> Result<(), Halt> {
        let frozen = self.now < self.frozen_until;
        let Some(process) = &mut self.process else {
            self.outside.told_unknown(request);
            return Ok(());
        };
        if frozen {
            process.mail.push_back(request);
            return Ok(());
        }
        let now = process.time(self.now);
        let events = self.outside.incoming(request);
        process.desk.ingest(now, events, Ticket::Request(request));
        self.pump()
    }

    /// Does everything that can be done now.
    pub(super) fn pump(&mut self) -> Result<(), Halt> {
        loop {
            self.steps += 1;
            Invariant::StoryApplies.holds(self.steps < super::STEPS_MAX, || {
                "the story never ends".to_owned()
            })?;
            let Some(process) = &mut self.process else {
                return Ok(());
            };
            let now = process.time(self.now);
            let Some(work) = process.desk.poll(now) else {
                if self.chores()? {
                    continue;
                }
                return Ok(self.books_balance()?);
            };
            match work {
                Work::Log(_) if process.log_dead => {}
                Work::Journal(_) if process.journal_dead => {}
                Work::Log(records) => {
                    process.to_log.push_back(records);
                    self.begin_log()?;
                }
                Work::Journal(drafts) => {
                    process.to_journal.push_back(drafts);
                    self.begin_journal()?;
                }
                Work::Perform(request) => self.perform(&request)?,
                Work::Answer(Ticket::Request(request), Ok(_)) => {
                    self.pass(Point::AnswerBefore)?;
                    self.outside.told_kept(request);
                    self.pass(Point::AnswerAfter)?;
                }
                Work::Answer(Ticket::Request(request), Err(_)) => {
                    self.watch.reached.hit("a request is refused");
                    self.outside.told_unknown(request);
                }
                Work::Answer(Ticket::Emit(attempt), taken) => {
                    let outcome = match taken {
                        Ok(_) => Outcome::Ok {
                            output: serde_json::Value::Null,
                        },
                        Err(refused) => Outcome::Failed {
                            reason: refused.to_string(),
                            output: serde_json::Value::Null,
                        },
                    };
                    process.answer_later(self.now, std::time::Duration::ZERO, attempt, outcome);
                }
                Work::Show(_) => {}
            }
        }
    }

    /// Returns whether there is more to do.
    fn chores(&mut self) -> Result<bool, Halt> {
        let Some(process) = &mut self.process else {
            return Ok(false);
        };
        if process.desk.failed().is_some() && !process.failed {
            process.failed = true;
            self.watch.reached.hit("a log fails");
            self.start_at.get_or_insert(self.now.after(HEAL_AFTER));
        }
        let now = process.time(self.now);
        match process.desk.pause_file(self.storage.has_pause_file()) {
            PauseFile::Leave => {}
            PauseFile::Read => {
                if let Some(pause) = self.storage.pause(now) {
                    process.desk.pause(now, pause.clone());
                    self.watch.pause_given(pause);
                    return Ok(true);
                }
            }
            PauseFile::Remove => self.storage.remove_pause_file(),
        }
        let snapshot = process.desk.snapshot(now);
        let snapshot = snapshot.map_err(|e| Invariant::RecoveryAgrees.broken(e.to_string()))?;
        if let Some(snapshot) = snapshot {
            self.pass(Point::SnapshotBefore)?;
            self.storage.keep(snapshot);
            self.pass(Point::SnapshotAfter)?;
            if let Some(process) = &mut self.process {
                process.desk.snapshot_kept();
            }
            self.retain()?;
        }
        Ok(false)
    }

    /// Drops old events, where that was asked for.
    fn retain(&mut self) -> Result<(), Halt> {
        let Some(bytes) = self.retain else {
            return Ok(());
        };
        let midway = self.dies_at(Point::RetainMidway);
        let call = self.dice.below(LOG_CALLS);
        let floor = self.storage.floor();
        let Some(process) = self.process.as_mut().filter(|process| !process.log_dead) else {
            return self.die_as(midway);
        };
        let reader = process.log.reader();
        // The call that was to fail may be this one; the next time is early enough then.
        let Ok(old) = reader.read(reader.first(), ReadLimit::default()) else {
            return self.die_as(midway);
        };
        for stored in old.into_iter().filter(|stored| stored.lsn < floor) {
            if let Ok(event) = serde_json::from_slice::<Event>(&stored.payload) {
                self.outside.may_go(event.id);
            }
        }
        if midway.is_some() {
            self.storage.fail_log(call, Fault::Eio);
        }
        let retention = Retention {
            age_max: None,
            bytes_max: Some(bytes),
        };
        match process
            .log
            .retain(&retention, floor, process.time(self.now))
        {
            Ok(retained) if retained.records > 0 => {
                self.watch.reached.hit("old events are dropped")
            }
            Err(error @ LogError::Failed { .. }) => process.log_failed(&error.to_string()),
            _ => {}
        }
        self.die_as(midway)
    }

    /// Begins a commit of the event log, unless one is under way: whatever waits goes into it.
    fn begin_log(&mut self) -> Result<(), Halt> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        if process.log_due.is_some() || process.to_log.is_empty() {
            return Ok(());
        }
        process.log_group = process.to_log.len();
        process.log_due = Some(self.now.after(self.log_takes));
        if self.log_takes.is_zero() {
            return self.commit_log();
        }
        Ok(())
    }

    /// The commit that is under way comes to its end.
    pub(super) fn commit_log(&mut self) -> Result<(), Halt> {
        self.pass(Point::LogBefore)?;
        let midway = self.dies_at(Point::LogMidway);
        let call = self.dice.below(LOG_CALLS);
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        process.log_due = None;
        if process.log_group > 1 {
            self.watch.reached.hit("one sync for several requests");
        }
        if midway.is_some() {
            self.storage.fail_log(call, Fault::ShortWrite);
        }
        match process.write_log() {
            _ if midway.is_some() => return self.die_as(midway),
            Ok(durable) => {
                self.pass(Point::LogAfter)?;
                if let Some(process) = &mut self.process {
                    process.desk.log_durable(durable);
                }
            }
            Err(error) => {
                process.log_failed(&error.to_string());
            }
        }
        self.begin_log()
    }

    fn begin_journal(&mut self) -> Result<(), Halt> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        if process.journal_due.is_some() || process.to_journal.is_empty() {
            return Ok(());
        }
        let mut drafts = 0;
        let group = process.to_journal.iter().take_while(|batch| {
            let room = drafts < APPEND_MAX;
            drafts += batch.len();
            room
        });
        process.journal_group = group.count();
        process.journal_due = Some(self.now.after(self.journal_takes));
        if self.journal_takes.is_zero() {
            return self.commit_journal();
        }
        Ok(())
    }

    pub(super) fn commit_journal(&mut self) -> Result<(), Halt> {
        self.pass(Point::JournalBefore)?;
        let fails = std::mem::take(&mut self.journal_fails);
        let written = fails && self.dice.one_in(2);
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        process.journal_due = None;
        if fails && !written {
            self.watch.reached.hit("journal fails");
            process.journal_failed("input/output error");
            return Ok(());
        }
        let log = process.desk.durable_lsn();
        let head = process.write_journal();
        let head = head.map_err(|error| Invariant::JournalIsWhole.broken(error.to_string()))?;
        let entries = self.storage_entries()?;
        self.watch.durable(entries, log)?;
        if written {
            // It is in the journal, and the node does not know.
            self.watch.reached.hit("journal fails after writing");
            if let Some(process) = &mut self.process {
                process.journal_failed("input/output error");
            }
            return Ok(());
        }
        self.pass(Point::JournalAfter)?;
        if let Some(process) = &mut self.process {
            process.desk.journal_durable(head);
        }
        self.begin_journal()
    }

    /// Makes a call: it takes effect now, and its outcome comes back when the script says so.
    fn perform(&mut self, request: &EffectRequest) -> Result<(), Halt> {
        self.pass(Point::CallBefore)?;
        self.watch.called(request)?;
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let attempt = request.attempt.clone();
        if request.uses == emit::USES {
            match emit::event_of(request) {
                Ok(event) => {
                    let at = process.time(self.now);
                    let ticket = Ticket::Emit(attempt);
                    process.desk.ingest(at, vec![incoming(event)], ticket);
                }
                Err(outcome) => {
                    process.answer_later(self.now, std::time::Duration::ZERO, attempt, outcome);
                }
            }
            return self.pass(Point::CallAfter);
        }
        let patience = request.timeout.saturating_mul(2) + OUTCOME_GRACE;
        let mut answers = self.script.answer(request);
        if answers.first().is_none_or(|(delay, _)| *delay > patience) {
            // As a node does: what never comes back is stated to be unknown.
            self.watch.reached.hit("no outcome comes back");
            let reason = "no outcome came back in time".to_owned();
            answers = vec![(patience, Outcome::Unknown { reason })];
        }
        for (delay, outcome) in answers {
            process.answer_later(self.now, delay, attempt.clone(), outcome);
        }
        self.pass(Point::CallAfter)
    }

    pub(super) fn take_outcome(&mut self) -> Result<(), Halt> {
        self.pass(Point::OutcomeBefore)?;
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let now = process.time(self.now);
        if let Some((_, (attempt, outcome))) = process.outcomes.pop_first() {
            process.desk.outcome(now, attempt, outcome);
        }
        self.pass(Point::OutcomeAfter)?;
        self.pump()
    }

    /// Entries that were appended since the last look.
    pub(super) fn storage_entries(&self) -> Result<Vec<edsr_model::Entry>, Halt> {
        let from = Seq(self.watch.entries.len() as u64 + 1);
        let reader = self.storage.journal.reader();
        let entries = reader.read(from, usize::MAX);
        Ok(entries.map_err(|error| Invariant::JournalIsWhole.broken(error.to_string()))?)
    }
}

impl Process {
    /// Writes the group that is under way, with one sync.
    pub(super) fn write_log(&mut self) -> Result<Lsn, LogError> {
        for batch in self.to_log.drain(..self.log_group) {
            for (at, payload) in &batch.records {
                self.log.append(*at, payload)?;
            }
        }
        self.log.commit()
    }

    /// Writes the group that is under way, as one unit.
    pub(super) fn write_journal(&mut self) -> Result<Seq, JournalError> {
        let drafts: Vec<_> = self
            .to_journal
            .drain(..self.journal_group)
            .flatten()
            .collect();
        self.journal.append(&drafts).map(|head| head.seq)
    }
}
