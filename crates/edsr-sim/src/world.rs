//! A world of its own: the desk of a node with its real event log on a simulated disk, a journal in memory, scripted
//! actuators, senders that keep a ledger, and virtual time. One thread, and nothing left to chance but the dice.
//!
//! ```text
//! story -> senders, people -> [node: desk] -> log on a disk, journal ---> what survives
//!    \-> faults, deaths          |    ^
//!                              calls  '-- outcomes
//!                                v
//!                             targets            watch: does what is on record fit what was done?
//! ```

mod die;
mod outside;
mod pass;
mod process;
mod pump;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use edsr_actuate::scripted::Scripted;
use edsr_engine::Engine;
use edsr_engine::bundle::Bundle;
use edsr_engine::desk::{Command, Snapshot, SnapshotEvery};
use edsr_log::rng::SplitMix64;
use edsr_model::{Digest, EffectRequest, Entry, PauseScope, Record, Timestamp};

use crate::invariant::{Invariant, Violation};
use crate::kit::Kit;
use crate::reach::Reached;
use crate::story::{Crash, Story, What};
use crate::watch::{Watch, person};
use outside::Outside;
use process::Process;
use storage::Storage;

/// When every story begins.
const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The most things that may happen in one story; more means that something goes round in circles.
const STEPS_MAX: usize = 1_000_000;

/// How long after a log failed somebody starts the node again.
const HEAL_AFTER: Duration = Duration::from_secs(10);

/// Why a step ends early.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The node died in the middle of it.
    Died,
    /// Something does not hold.
    Broken(Violation),
}

impl From<Violation> for Halt {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

/// A running world.
pub struct World {
    kit: Kit,
    /// The bundle the node is set up with.
    configured: Arc<Bundle>,
    /// How many of the kit's bundles were activated.
    activated: usize,
    now: Timestamp,
    /// What the system's clock shows beyond the true time, in microseconds.
    clock_off: i64,
    frozen_until: Timestamp,
    start_at: Option<Timestamp>,
    resend_at: Option<Timestamp>,
    process: Option<Process>,
    storage: Storage,
    outside: Outside,
    script: Scripted,
    armed: Vec<Crash>,
    log_takes: Duration,
    journal_takes: Duration,
    journal_fails: bool,
    /// How much the event log keeps, if not everything.
    retain: Option<u64>,
    snapshot_every: SnapshotEvery,
    /// Lines that do not apply are passed over, as in a campaign that drew them blindly.
    lenient: bool,
    dice: SplitMix64,
    watch: Watch,
    steps: usize,
}

impl World {
    /// A world with the documents in `bundle` in force. Policies stand after a line `--- policies`; without one,
    /// everything is permitted.
    ///
    /// # Errors
    /// The mistakes in the bundle.
    pub fn new(bundle: &str) -> Result<Self, String> {
        let kit = Kit::compile(bundle)?;
        Self::with_kit(kit).map_err(|violation| violation.to_string())
    }

    /// A world with the first of the kit's bundles in force.
    ///
    /// # Errors
    /// When not even a first start works.
    pub fn with_kit(kit: Kit) -> Result<Self, Violation> {
        let never = SnapshotEvery {
            events: u64::MAX,
            time: Duration::MAX,
        };
        let mut world = Self {
            configured: Arc::clone(&kit.bundles[0]),
            activated: 1,
            storage: Storage::new(0),
            now: EPOCH,
            clock_off: 0,
            frozen_until: EPOCH,
            start_at: None,
            resend_at: None,
            process: None,
            outside: Outside::default(),
            script: Scripted::default(),
            armed: Vec::new(),
            log_takes: Duration::ZERO,
            journal_takes: Duration::ZERO,
            journal_fails: false,
            retain: None,
            snapshot_every: never,
            lenient: false,
            dice: SplitMix64::new(0),
            watch: Watch::default(),
            steps: 0,
            kit,
        };
        for bundle in &world.kit.bundles {
            world.watch.know(bundle);
        }
        let begun = world.start();
        world.survive(begun)?;
        Ok(world)
    }

    /// Takes snapshots, and passes over lines that do not apply.
    pub fn be_lenient(&mut self) {
        self.lenient = true;
        self.snapshot_every = SnapshotEvery {
            events: 6,
            time: Duration::from_secs(20),
        };
    }

    /// When the story began.
    #[must_use]
    pub const fn epoch(&self) -> Timestamp {
        EPOCH
    }

    /// The journal.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.watch.entries
    }

    /// Every call that was made, in order.
    #[must_use]
    pub fn calls(&self) -> &[EffectRequest] {
        &self.watch.calls
    }

    /// What the world came across.
    #[must_use]
    pub fn reached(&self) -> &Reached {
        &self.watch.reached
    }

    /// Every event in the log, in order; none while the node is down.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.process
            .as_ref()
            .map(Process::records)
            .unwrap_or_default()
    }

    /// Every snapshot that was taken, oldest first, where [`World::keep_snapshots`] was asked for.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        self.storage.every_snapshot()
    }

    /// Keeps every snapshot, also those that a node would have removed.
    pub fn keep_snapshots(&mut self) {
        self.storage.keep_every_snapshot();
    }

    /// The engine, while the node lives.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.process.as_ref().map(|process| process.desk.engine())
    }

    /// Identifies everything that came out: both logs and what was done.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts = vec![self.storage.journal.reopen().tree().root().0.to_vec()];
        parts.extend(self.outside.kept().map(|id| id.as_bytes().to_vec()));
        parts.extend(
            self.calls()
                .iter()
                .map(|call| call.attempt.to_string().into_bytes()),
        );
        Digest::of_parts(parts.iter().map(Vec::as_slice))
    }

    /// Runs a story to its end; with `restarts`, the process dies before each of its lines.
    ///
    /// # Errors
    /// What does not hold.
    pub fn run(&mut self, story: &Story, restarts: bool) -> Result<(), Violation> {
        self.script = story.script.clone();
        self.dice = SplitMix64::new(story.dice);
        self.storage.reseed(story.dice);
        for (at, what) in &story.lines {
            self.pass_time(EPOCH.after(*at))?;
            if restarts {
                self.die(false, Duration::ZERO);
                let started = self.start();
                self.survive(started)?;
            }
            let happened = self.happen(what);
            self.survive(happened)?;
            if restarts && let Some(process) = &self.process {
                // Every other restart starts from the beginning of both logs.
                let snapshot = process.desk.last_snapshot();
                self.storage.alternate(snapshot);
            }
        }
        Ok(())
    }

    fn happen(&mut self, what: &What) -> Result<(), Halt> {
        match what {
            What::Events(told) => {
                let request = self.outside.request(told);
                self.send(request)
            }
            What::Again(back) => match self.outside.earlier(*back) {
                Some(request) => {
                    self.watch.reached.hit("a request comes again");
                    self.send(request)
                }
                None => self.does_not_apply("there is no such request"),
            },
            What::Pause { scope } => {
                let scope = scope_of(scope).map_err(|why| Invariant::StoryApplies.broken(why))?;
                let reason = "a story".to_owned();
                self.command(Command::Pause { scope, reason })
            }
            What::PauseFile => {
                self.watch.reached.hit("pause by file");
                self.storage.write_pause_file();
                self.pump()
            }
            What::Resume => {
                for pause in self.watch.pauses() {
                    let reason = "a story".to_owned();
                    self.command(Command::Resume { pause, reason })?;
                }
                Ok(())
            }
            What::Restart => {
                self.die(false, Duration::ZERO);
                self.start()
            }
            What::Down => {
                self.die(false, Duration::ZERO);
                self.start_at = None;
                Ok(())
            }
            What::Crash(crash) => self.crash(*crash),
            What::FailLog { call, fault } => {
                self.watch.reached.hit(format!("log fails: {fault:?}"));
                self.storage.fail_log(*call, *fault);
                Ok(())
            }
            What::FailJournal => {
                self.journal_fails = true;
                Ok(())
            }
            What::Full(bytes) => {
                self.storage.fill(*bytes);
                Ok(())
            }
            What::Retain(bytes) => {
                self.retain = Some(*bytes);
                Ok(())
            }
            What::Slow { log, journal } => {
                (self.log_takes, self.journal_takes) = (*log, *journal);
                Ok(())
            }
            What::Freeze(span) => {
                self.watch.reached.hit("freeze");
                self.frozen_until = self.frozen_until.max(self.now.after(*span));
                Ok(())
            }
            What::Clock(micros) => {
                self.watch.reached.hit("clock step");
                self.clock_off += micros;
                Ok(())
            }
            What::Activate => self.activate(),
            What::Approve(granted) => self.approve(*granted),
            What::End => {
                if let Some(process) = &mut self.process {
                    let now = process.time(self.now);
                    process.desk.tick(now);
                }
                self.pump()
            }
        }
    }

    fn does_not_apply(&self, why: &str) -> Result<(), Halt> {
        Ok(Invariant::StoryApplies.holds(self.lenient, || why.to_owned())?)
    }

    fn approve(&mut self, granted: bool) -> Result<(), Halt> {
        let Some(decision) = self.watch.waiting_decision() else {
            return self.does_not_apply("no plan waits for a person");
        };
        let reason = "a story".to_owned();
        self.command(Command::Approve {
            decision,
            granted,
            reason,
        })
    }

    fn activate(&mut self) -> Result<(), Halt> {
        let count = self.kit.bundles.len();
        if !self.lenient && self.activated >= count {
            return self.does_not_apply("there is no other bundle");
        }
        self.configured = Arc::clone(&self.kit.bundles[self.activated % count]);
        self.activated += 1;
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        let now = process.time(self.now);
        let bundle = Arc::clone(&self.configured);
        let done = process.desk.activate(now, bundle, edsr_model::Actor::Node);
        done.map_err(|refusal| Invariant::StoryApplies.broken(refusal.to_string()))?;
        self.pass(crate::point::Point::ActivateAfter)?;
        self.pump()
    }

    /// A person says something to the node.
    fn command(&mut self, command: Command) -> Result<(), Halt> {
        let now = self.now;
        let Some(process) = self.process.as_mut().filter(|_| now >= self.frozen_until) else {
            return self.does_not_apply("the node hears nothing now");
        };
        let at = process.time(now);
        match process.desk.command(at, person(), command.clone()) {
            Ok(done) => self.watch.commanded(&command, done),
            Err(error) => self.does_not_apply(&error.to_string())?,
        }
        self.pass(crate::point::Point::CommandAfter)?;
        self.pump()
    }

    /// Catches the death of the node; whatever else went wrong goes on.
    fn survive(&mut self, happened: Result<(), Halt>) -> Result<(), Violation> {
        let mut happened = happened;
        loop {
            match happened {
                Ok(()) => return Ok(()),
                Err(Halt::Broken(violation)) => return Err(violation),
                Err(Halt::Died) => {
                    if self.start_at.is_none_or(|at| at > self.now) {
                        return Ok(());
                    }
                    happened = self.start();
                }
            }
        }
    }
}

fn scope_of(text: &str) -> Result<PauseScope, String> {
    match text.split_once(':') {
        None if text == "all" => Ok(PauseScope::All),
        Some(("playbook", name)) => Ok(PauseScope::Playbook(name.to_owned())),
        Some(("target", target)) => target
            .parse()
            .map(PauseScope::Target)
            .map_err(|error| format!("{error}")),
        _ => Err(format!("`{text}` is no scope")),
    }
}
