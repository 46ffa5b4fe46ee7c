//! A world of its own: the engine and its drive, both logs in memory, scripted actuators, virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use edsr_actuate::scripted::Scripted;
use edsr_bundle::{SourceFile, load_files, testing};
use edsr_engine::bundle::Bundle;
use edsr_engine::drive::{Action, Drive, Recovery};
use edsr_engine::{Engine, Input, OUTCOME_GRACE};
use edsr_journal::{Journal as _, MemoryJournal};
use edsr_model::{
    Actor, AttemptId, Data, DecisionId, EffectRequest, Entry, Event, Fact, Lsn, Outcome, Pause,
    PauseId, PauseScope, Record, Scalar, Seq, Timestamp, Verdict,
};

use crate::story::{Story, What};

/// When every story begins.
const EPOCH: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The most inputs one story may lead to; more means that something goes round in circles.
const INPUTS_MAX: usize = 1_000_000;

/// Divides the bundle of a story from the one that `activate` puts into force.
const SECOND_BUNDLE: &str = "=====";

/// A running world.
pub struct World {
    drive: Drive,
    journal: MemoryJournal,
    entries: Vec<Entry>,
    log: Vec<Record>,
    script: Scripted,
    due: BTreeMap<(Timestamp, u64), (AttemptId, Outcome)>,
    empty: Arc<Bundle>,
    bundles: VecDeque<Arc<Bundle>>,
    known: Vec<Arc<Bundle>>,
    snapshot: Option<(Vec<u8>, Seq)>,
    last: Timestamp,
    down: bool,
    inputs: usize,
    calls: Vec<EffectRequest>,
}

impl World {
    /// A world with the documents in `bundle` in force. Policies stand after a line `--- policies`; without one,
    /// everything is permitted.
    ///
    /// # Errors
    /// The mistakes in the bundle.
    pub fn new(bundle: &str) -> Result<Self, String> {
        let bundles = bundle
            .split(SECOND_BUNDLE)
            .map(|text| compile(text).map(Arc::new))
            .collect::<Result<VecDeque<_>, _>>()?;
        let empty = Bundle::empty()
            .map(Arc::new)
            .map_err(|errors| format!("{errors:?}"))?;
        let mut world = Self {
            drive: Drive::new(Engine::new(Arc::clone(&empty)), Lsn::ZERO, Seq::ZERO),
            empty,
            journal: MemoryJournal::new(),
            entries: Vec::new(),
            log: Vec::new(),
            script: Scripted::default(),
            due: BTreeMap::new(),
            known: bundles.iter().cloned().collect(),
            bundles,
            snapshot: None,
            last: EPOCH,
            down: false,
            inputs: 0,
            calls: Vec::new(),
        };
        world.activate(EPOCH)?;
        Ok(world)
    }

    /// When the story began.
    #[must_use]
    pub const fn epoch(&self) -> Timestamp {
        EPOCH
    }

    /// The journal.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every call that was made, in order.
    #[must_use]
    pub fn calls(&self) -> &[EffectRequest] {
        &self.calls
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        self.drive.engine()
    }

    /// Runs a story to its end; with `restarts`, the process dies before each of its lines.
    ///
    /// # Errors
    /// When a line does not apply, a recovery does not fit the journal, or it never ends.
    pub fn run(&mut self, story: &Story, restarts: bool) -> Result<(), String> {
        self.script = story.script.clone();
        for (at, what) in &story.lines {
            let at = EPOCH.after(*at);
            if !self.down {
                self.pass_time(at)?;
            }
            if restarts {
                self.restart(at)?;
            }
            self.happen(at, what)?;
            if restarts && self.drive.is_settled() {
                let state = self
                    .drive
                    .engine()
                    .snapshot()
                    .map_err(|error| error.to_string())?;
                // Every other restart starts from the beginning of both logs.
                self.snapshot = match self.snapshot {
                    Some(_) => None,
                    None => Some((state, self.drive.engine().seq())),
                };
            }
        }
        Ok(())
    }

    fn happen(&mut self, at: Timestamp, what: &What) -> Result<(), String> {
        let person = || Actor::Person("sre".to_owned());
        match what {
            What::Event {
                kind,
                data,
                extensions,
            } => {
                let lsn = Lsn(self.log.len() as u64 + 1);
                let record = Record {
                    lsn,
                    at: self.stamp(at),
                    event: Event {
                        id: lsn.to_string(),
                        source: "/story".to_owned(),
                        kind: kind.clone(),
                        subject: None,
                        time: None,
                        datacontenttype: None,
                        dataschema: None,
                        extensions: extensions
                            .iter()
                            .filter_map(|(name, value)| {
                                Some((name.clone(), Scalar::from_value(value)?))
                            })
                            .collect(),
                        data: Data::Json(data.clone()),
                    },
                };
                self.log.push(record.clone());
                self.offer(Input::Event(record))
            }
            What::Pause { scope } => {
                let at = self.stamp(at);
                let pause = Pause {
                    id: PauseId::derive([at.as_micros().to_be_bytes().as_slice()]),
                    scope: scope_of(scope)?,
                    reason: "a story".to_owned(),
                    by: person(),
                    at,
                };
                self.state(at, person(), Fact::Paused(pause))
            }
            What::Resume => {
                for pause in self.active_pauses() {
                    let at = self.stamp(at);
                    let reason = "a story".to_owned();
                    self.state(at, person(), Fact::Resumed { pause, reason })?;
                }
                Ok(())
            }
            What::Restart => self.restart(at),
            What::Down => {
                self.down = true;
                Ok(())
            }
            What::Activate => self.activate(at),
            What::Approve(granted) => {
                let decision = self
                    .waiting_decision()
                    .ok_or("no plan waits for a person")?;
                let at = self.stamp(at);
                let fact = Fact::Approval {
                    decision,
                    granted: *granted,
                    reason: "a story".to_owned(),
                };
                self.state(at, person(), fact)
            }
            What::End => self.offer(Input::Tick(at)),
        }
    }

    /// Lets everything happen that is due before `to`, at the instant it is due.
    fn pass_time(&mut self, to: Timestamp) -> Result<(), String> {
        loop {
            let outcome = self.due.keys().next().map(|(at, _)| *at);
            let wake = self.drive.engine().next_wake();
            let next = outcome
                .into_iter()
                .chain(wake)
                .min()
                .filter(|next| *next < to);
            let Some(next) = next else { return Ok(()) };
            if outcome == Some(next)
                && let Some((_, (attempt, outcome))) = self.due.pop_first()
            {
                let at = self.stamp(next);
                self.state(at, Actor::Node, Fact::StepOutcome { attempt, outcome })?;
            } else {
                self.offer(Input::Tick(next))?;
            }
        }
    }

    fn state(&mut self, at: Timestamp, actor: Actor, fact: Fact) -> Result<(), String> {
        self.drive
            .engine()
            .check(&fact)
            .map_err(|refusal| refusal.to_string())?;
        self.offer(Input::Stated { at, actor, fact })
    }

    fn offer(&mut self, input: Input) -> Result<(), String> {
        self.inputs += 1;
        if self.inputs > INPUTS_MAX {
            return Err("the story never ends".to_owned());
        }
        self.drive.offer(input);
        self.drive.event_durable(Lsn(self.log.len() as u64));
        self.pump()
    }

    fn pump(&mut self) -> Result<(), String> {
        while let Some(action) = self.drive.poll() {
            match action {
                Action::Append(drafts) => {
                    let head = self
                        .journal
                        .append(&drafts)
                        .map_err(|error| error.to_string())?;
                    let from = Seq(self.entries.len() as u64 + 1);
                    let new = self.journal.reader().read(from, drafts.len());
                    self.entries.extend(new.map_err(|error| error.to_string())?);
                    self.drive.entries_durable(head.seq);
                }
                Action::Perform(request) => self.perform(request)?,
            }
        }
        Ok(())
    }

    fn perform(&mut self, request: EffectRequest) -> Result<(), String> {
        let intended = self
            .entries
            .iter()
            .rev()
            .any(|entry| match &entry.draft.fact {
                Fact::StepIntended(intent) => intent.attempt == request.attempt,
                _ => false,
            });
        if !intended {
            return Err(format!(
                "`{}` left without a durable intent",
                request.attempt
            ));
        }
        if self
            .calls
            .iter()
            .any(|call| call.attempt == request.attempt)
        {
            return Err(format!("`{}` was made twice", request.attempt));
        }
        self.calls.push(request.clone());
        let now = self.drive.engine().now();
        let mut answers = self.script.answer(&request);
        if answers.is_empty() {
            // As a node does: what never comes back is stated to be unknown.
            let patience = request.timeout.saturating_mul(2) + OUTCOME_GRACE;
            let reason = "no outcome came back in time".to_owned();
            answers.push((patience, Outcome::Unknown { reason }));
        }
        for (delay, outcome) in answers {
            let place = (
                now.after(delay),
                self.due.len() as u64 + self.calls.len() as u64 * 1000,
            );
            self.due.insert(place, (request.attempt.clone(), outcome));
        }
        Ok(())
    }

    /// The process dies: what was only in memory is gone, and replies that are still on their way find nobody.
    fn restart(&mut self, at: Timestamp) -> Result<(), String> {
        self.down = false;
        self.due.clear();
        let (mut engine, from) = match &self.snapshot {
            Some((state, seq)) => {
                let engine = Engine::restore(state, Arc::clone(&self.empty))
                    .map_err(|error| error.to_string())?;
                (engine, *seq)
            }
            None => (Engine::new(Arc::clone(&self.empty)), Seq::ZERO),
        };
        for bundle in &self.known {
            engine.learn(Arc::clone(bundle));
        }
        engine
            .settle_bundle()
            .map_err(|refusal| refusal.to_string())?;
        let tail = self
            .entries
            .iter()
            .filter(|entry| entry.draft.seq > from)
            .cloned()
            .collect();
        let mut recovery = Recovery::new(engine, tail);
        while let Some(record) = self
            .log
            .get(usize::try_from(recovery.wants().0 - 1).unwrap_or(usize::MAX))
        {
            recovery
                .event(record.clone())
                .map_err(|broken| format!("{broken}: {broken:?}"))?;
        }
        let recovered = recovery
            .finish()
            .map_err(|broken| format!("{broken}: {broken:?}"))?;
        let head = Seq(self.entries.len() as u64);
        self.drive = Drive::recovered(recovered, Lsn(self.log.len() as u64), head);
        for bundle in &self.known {
            self.drive.engine_mut().learn(Arc::clone(bundle));
        }
        let at = self.stamp(at);
        let fact = Fact::NodeStarted {
            since: self.drive.engine().now(),
            version: "story".to_owned(),
            durable: head,
        };
        self.state(at, Actor::Node, fact)
    }

    fn activate(&mut self, at: Timestamp) -> Result<(), String> {
        let bundle = self.bundles.pop_front().ok_or("there is no other bundle")?;
        let previous = Some(self.drive.engine().bundle().hash);
        let hash = bundle.hash;
        self.drive.engine_mut().learn(bundle);
        let at = self.stamp(at);
        let fact = Fact::BundleActivated {
            bundle: hash,
            previous,
        };
        self.state(at, Actor::Node, fact)
    }

    /// The next instant that is not before `at`, later than every one before.
    fn stamp(&mut self, at: Timestamp) -> Timestamp {
        let now = self.drive.engine().now().max(self.last);
        self.last = at.max(now.after(Duration::from_micros(1)));
        self.last
    }

    fn active_pauses(&self) -> Vec<PauseId> {
        let mut active = Vec::new();
        for entry in &self.entries {
            match &entry.draft.fact {
                Fact::Paused(pause) => active.push(pause.id.clone()),
                Fact::Resumed { pause, .. } => active.retain(|known| known != pause),
                _ => {}
            }
        }
        active
    }

    /// The latest plan that waits for a person and was not answered.
    fn waiting_decision(&self) -> Option<DecisionId> {
        let mut waiting: Vec<DecisionId> = Vec::new();
        for entry in &self.entries {
            match &entry.draft.fact {
                Fact::Decided { decision, .. }
                    if matches!(decision.verdict, Verdict::Approve | Verdict::Suggest) =>
                {
                    waiting.push(decision.id.clone());
                }
                Fact::Approval { decision, .. } => waiting.retain(|known| known != decision),
                _ => {}
            }
        }
        waiting.pop()
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

fn compile(text: &str) -> Result<Bundle, String> {
    let (documents, policies) = text
        .split_once("--- policies")
        .unwrap_or((text, "permit (principal, action, resource);"));
    let files = vec![
        SourceFile::new("bundle.yaml", documents),
        SourceFile::new("policies/story.cedar", policies),
    ];
    load_files(files, &testing::Catalog)
        .map(|compiled| compiled.bundle)
        .map_err(|report| report.to_string())
}
