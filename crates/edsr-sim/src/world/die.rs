//! Deaths and starts.

use std::collections::BTreeMap;
use std::time::Duration;

use edsr_engine::admit::DedupeSettings;
use edsr_engine::desk::{Desk, Opening};
use edsr_engine::drive::{Past as _, Told, refold, remember};
use edsr_journal::Journal as _;
use edsr_log::{EventLog as _, Fault, LogError};
use edsr_model::Timestamp;

use super::process::Process;
use super::storage::Kept;
use super::{HEAL_AFTER, Halt, World};
use crate::invariant::{Invariant, Violation};
use crate::point::Point;
use crate::story::Crash;

/// How long after a start senders try again.
const RESEND_AFTER: Duration = Duration::from_secs(1);

impl World {
    /// Dies now, or at a place that is reached later.
    pub(super) fn crash(&mut self, crash: Crash) -> Result<(), Halt> {
        if crash.at.is_some() {
            self.armed.push(crash);
            return Ok(());
        }
        self.die(crash.power, crash.down);
        Err(Halt::Died)
    }

    /// A place is reached: whoever was to die here does.
    pub(super) fn pass(&mut self, point: Point) -> Result<(), Halt> {
        let crash = self.dies_at(point);
        self.die_as(crash)
    }

    pub(super) fn die_as(&mut self, crash: Option<Crash>) -> Result<(), Halt> {
        let Some(crash) = crash else { return Ok(()) };
        if let Some((point, _)) = crash.at {
            let how = if crash.power { "crash" } else { "kill" };
            self.watch.reached.hit(format!("{how} at {point}"));
        }
        self.die(crash.power, crash.down);
        Err(Halt::Died)
    }

    /// The death that was planned for this place, if it is time for it.
    pub(super) fn dies_at(&mut self, point: Point) -> Option<Crash> {
        let place = self.armed.iter_mut().position(|crash| {
            let Some((at, times)) = &mut crash.at else {
                return false;
            };
            if *at == point {
                *times = times.saturating_sub(1);
            }
            *at == point && *times == 0
        })?;
        Some(self.armed.remove(place))
    }

    /// The process is gone. What it was writing is written, or not, or in part.
    pub(super) fn die(&mut self, power: bool, down: Duration) {
        self.start_at = Some(self.now.after(down));
        self.resend_at = None;
        if let Some(mut process) = self.process.take() {
            self.leave_commits(&mut process);
        }
        self.storage.die(power);
        self.outside.node_died();
        self.watch.node_died();
    }

    fn leave_commits(&mut self, process: &mut Process) {
        if process.log_due.is_some() {
            match self.dice.below(3) {
                0 => {}
                1 => {
                    self.storage.fail_log(self.dice.below(4), Fault::ShortWrite);
                    // It is dead: whatever the disk says, nobody hears it.
                    let _ = process.write_log();
                }
                _ => {
                    let _ = process.write_log();
                }
            }
        }
        if process.journal_due.is_some() && self.dice.one_in(2) {
            self.watch
                .reached
                .hit("died with a journal commit under way");
            let _ = process.write_journal();
        }
    }

    /// Starts the node from what survived.
    pub(super) fn start(&mut self) -> Result<(), Halt> {
        self.start_at = None;
        let log = match self.storage.open_log() {
            Ok(log) => log,
            Err(LogError::Disk(_)) => {
                // The system refuses; somebody tries again.
                self.watch.reached.hit("a start finds a disk that fails");
                self.start_at = Some(self.now.after(HEAL_AFTER));
                return Ok(());
            }
            Err(error) => return Err(Invariant::LogOpens.broken(error.to_string()).into()),
        };
        // What was to fail was a commit, and it opened.
        self.storage.forget_faults();
        let found = log.recovery();
        if found.cut_bytes > 0 {
            self.watch.reached.hit("a torn tail is cut");
        }
        if found.unacknowledged > 0 {
            self.watch.reached.hit("events nobody was told of are kept");
        }
        let journal = self.storage.journal.reopen();
        let head = journal.head();
        let entries = self.storage_entries()?;
        self.watch.durable(entries, log.durable())?;
        self.watch.node_died();
        let (log_reader, journal_reader) = (log.reader(), journal.reader());
        let past = Kept {
            log: &*log_reader,
            journal: &*journal_reader,
            snapshots: &self.storage.snapshots,
            kit: &self.kit,
        };
        let refolded = refold(&past, &self.kit.empty, head.seq)
            .map_err(|unfit| Invariant::RecoveryAgrees.broken(format!("{unfit}: {unfit:?}")))?;
        self.watch.reached.hit(match refolded.from {
            Some(_) => "start from a snapshot",
            None => "start from the beginning",
        });
        if !refolded.recovered.output.drafts.is_empty() {
            self.watch.reached.hit("a start derives what was lost");
        }
        let recorded = head
            .at
            .max(log.last_at())
            .max(refolded.recovered.engine.now());
        let wall = Timestamp::from_micros(self.now.as_micros() + self.clock_off);
        let now = wall.max(recorded.after(Duration::from_micros(1)));
        let dedupe = remember(&past, DedupeSettings::default(), now)
            .map_err(|error| Invariant::LogOpens.broken(error))?;
        check_kept(&past, self.outside.must_be_there())?;
        self.pass(Point::Recovering)?;
        let pause = self.storage.pause(now);
        if let Some(pause) = &pause {
            self.watch.pause_found(pause);
        }
        let desk = Desk::open(Opening {
            recovered: refolded.recovered,
            dedupe,
            durable: log.durable(),
            head: head.seq,
            recorded,
            now,
            pause,
            version: "story".to_owned(),
            snapshot_every: self.snapshot_every,
        });
        let ahead = now.as_micros() - self.now.as_micros();
        let mut process = Process::new(desk, ahead, log, journal);
        let bundle = std::sync::Arc::clone(&self.configured);
        process
            .desk
            .activate(now, bundle, edsr_model::Actor::Node)
            .map_err(|refusal| Invariant::StoryApplies.broken(refusal.to_string()))?;
        self.process = Some(process);
        self.resend_at = Some(self.now.after(RESEND_AFTER));
        self.pump()
    }

    /// Every event went one way, and one way only.
    pub(super) fn books_balance(&self) -> Result<(), Violation> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        let counts = process.desk.counts();
        Invariant::BooksBalance.holds(counts.balance(), || format!("{counts:?}"))
    }
}

/// Everything that was acknowledged is there, and everything that is there is there once.
pub(super) fn check_kept<'k>(
    past: &Kept<'_>,
    kept: impl Iterator<Item = &'k String>,
) -> Result<(), Violation> {
    let mut found: BTreeMap<(String, String), Timestamp> = BTreeMap::new();
    let mut next = past.first();
    let mut last = None;
    loop {
        let page = past.records(next, None);
        let page = page.map_err(|error| Invariant::LogOpens.broken(error))?;
        if page.is_empty() {
            break;
        }
        for Told { record, .. } in page {
            next = record.lsn.next();
            Invariant::TimeGoesForward.holds(last < Some(record.at), || {
                format!("event {} is not later than the one before", record.lsn)
            })?;
            last = Some(record.at);
            let key = (record.event.source, record.event.id);
            let before = found.insert(key.clone(), record.at);
            // Beyond the horizon, by the node's own clock, a repetition is a new event.
            let horizon = DedupeSettings::default().horizon;
            let known = before.is_some_and(|before| record.at.since(before) <= horizon);
            Invariant::KeptOnce.holds(!known, || format!("{key:?} is in the log twice"))?;
        }
    }
    for id in kept {
        let key = ("/story".to_owned(), id.clone());
        Invariant::AcknowledgedIsKept.holds(found.contains_key(&key), || {
            format!("event `{id}` was acknowledged and is gone")
        })?;
    }
    Ok(())
}
