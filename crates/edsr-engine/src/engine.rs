//! The engine: a plain value with a plain method. What runs live is what runs in replay and in simulation; they
//! differ only in who feeds it and what becomes of its answer.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use edsr_model::{
    Actor, BundleHash, Cause, DecisionId, DetectionId, Digest, Draft, EffectRequest, ExecutionId,
    Fact, Lsn, PauseId, Plan, Record, Seq, Timestamp,
};

use crate::bundle::{Bundle, Playbook};
use crate::detect::{DetectorCounters, Looked};
use crate::execute::Execution;
use crate::state::{self, State};

/// How long a run is remembered for recognising events that it caused.
pub const CAUSE_MEMORY: Duration = Duration::from_secs(3600);

/// The most runs that are remembered for that.
pub const CAUSES_MAX: usize = 10_000;

/// What the engine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An event, in log order. It may not be durable yet.
    Event(Record),
    /// An event, and what was seen in it already. Where another bundle is in force by now, it is looked at again.
    Looked(Record, Looked),
    /// Nothing happened until then.
    Tick(Timestamp),
    /// A fact from outside.
    Stated {
        /// When.
        at: Timestamp,
        /// By whom.
        actor: Actor,
        /// What.
        fact: Fact,
    },
}

/// What an input led to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// Facts for the journal, in order.
    pub drafts: Vec<Draft>,
    /// Calls to make once the entry that intends them is durable.
    pub calls: Vec<(Seq, EffectRequest)>,
}

/// Why a stated fact is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A bundle that the engine was not given.
    #[error("the bundle {} is not known", .0.short())]
    UnknownBundle(BundleHash),
    /// No such pause.
    #[error("there is no pause `{0}`")]
    NoSuchPause(PauseId),
    /// No plan waits for this decision.
    #[error("no plan waits for an answer to `{0}`")]
    NoSuchProposal(DecisionId),
    /// A fact that only the engine may derive.
    #[error("a fact of the kind `{0}` is derived, never stated")]
    Derived(&'static str),
}

/// The pure core: a fold over events and stated facts.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) state: State,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) bundles: BTreeMap<BundleHash, Arc<Bundle>>,
    out: Output,
    /// A run ended, so that plans which waited for it are judged again before anything else.
    pub(crate) rejudge: Option<Cause>,
}

/// A playbook together with the bundle that keeps it alive.
pub(crate) struct PlaybookRef {
    bundle: Arc<Bundle>,
    name: String,
}

impl Deref for PlaybookRef {
    type Target = Playbook;

    fn deref(&self) -> &Playbook {
        // Invariant: made only by `Engine::playbook`, which looked.
        &self.bundle.playbooks[&self.name]
    }
}

impl Engine {
    /// An engine that has seen nothing; `empty` is in force until a bundle is activated.
    #[must_use]
    pub fn new(empty: Arc<Bundle>) -> Self {
        Self {
            state: State {
                bundle: empty.hash,
                ..State::default()
            },
            bundles: [(empty.hash, Arc::clone(&empty))].into(),
            bundle: empty,
            out: Output::default(),
            rejudge: None,
        }
    }

    /// Makes a bundle known, so that it can be activated or a run can go on with it.
    pub fn learn(&mut self, bundle: Arc<Bundle>) {
        self.bundles.insert(bundle.hash, bundle);
    }

    /// Forgets the bundles that nothing rests on any more. Not during a recovery, which may need them all.
    pub fn forget_bundles(&mut self) {
        let needed = self.bundles_needed();
        self.bundles.retain(|hash, _| needed.contains(hash));
    }

    /// The engine's time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.state.now
    }

    /// The last event it has seen.
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        self.state.lsn
    }

    /// The last entry it has drafted.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.state.seq
    }

    /// The bundle in force.
    #[must_use]
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The bundles that something still rests on: the one in force and those of plans that run or wait.
    #[must_use]
    pub fn bundles_needed(&self) -> Vec<BundleHash> {
        let state = &self.state;
        let mut hashes = vec![state.bundle];
        hashes.extend(state.executions.values().map(|run| run.plan.bundle));
        hashes.extend(state.waiting.values().map(|waiting| waiting.plan.bundle));
        hashes.extend(
            state
                .proposals
                .values()
                .map(|proposal| proposal.plan.bundle),
        );
        hashes.sort();
        hashes.dedup();
        hashes
    }

    /// Runs that have not ended.
    #[must_use]
    pub fn executions_open(&self) -> usize {
        self.state.executions.len()
    }

    /// Whether anything is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        !self.state.pauses.is_empty()
    }

    /// How each detector is doing, with its number of live keys.
    pub fn detectors(&self) -> impl Iterator<Item = (&str, DetectorCounters, usize)> {
        self.state.detect.counters()
    }

    /// When something may happen without any further input.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let run = self.state.executions.first_due().map(|(at, _)| at);
        let waiting = self.state.waiting.first_due().map(|(at, _)| at);
        let detection = self.state.detect.next_wake();
        run.into_iter().chain(waiting).chain(detection).min()
    }

    /// Whether a fact from outside would be taken.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    pub fn check(&self, fact: &Fact) -> Result<(), Refusal> {
        match fact {
            Fact::BundleActivated { bundle, .. } if !self.bundles.contains_key(bundle) => {
                Err(Refusal::UnknownBundle(*bundle))
            }
            Fact::Resumed { pause, .. } if !self.state.pauses.contains_key(pause) => {
                Err(Refusal::NoSuchPause(pause.clone()))
            }
            Fact::Approval { decision, .. } if !self.state.proposals.contains_key(decision) => {
                Err(Refusal::NoSuchProposal(decision.clone()))
            }
            fact if !fact.is_stated() => Err(Refusal::Derived(fact.kind())),
            _ => Ok(()),
        }
    }

    /// Takes an input in and says what follows. Total: what cannot be used changes nothing. Time never runs
    /// backwards: an input from before [`Engine::now`] counts as from now.
    pub fn apply(&mut self, input: Input) -> Output {
        match input {
            Input::Tick(at) => self.advance(at),
            Input::Event(record) => self.event(&record, None),
            Input::Looked(record, looked) => self.event(&record, Some(looked)),
            Input::Stated { at, actor, fact } => {
                if let Fact::NodeStarted { since, .. } = fact {
                    // Before time goes on: what falls due in between rests on what was known before.
                    self.advance(since);
                    self.state.down = Some((since, at));
                }
                self.advance(at);
                if self.check(&fact).is_ok() {
                    self.stated(actor, fact);
                }
            }
        }
        self.settle_waiting();
        std::mem::take(&mut self.out)
    }

    /// Judges waiting plans again for as long as runs end over it.
    pub(crate) fn settle_waiting(&mut self) {
        while let Some(cause) = self.rejudge.take() {
            self.judge_all_waiting(cause);
        }
    }

    /// Whether a pause covers a call that was intended and not made yet. A run that a person asked for goes on.
    #[must_use]
    pub fn holds_back(&self, request: &EffectRequest) -> bool {
        let run = self.state.executions.get(&request.attempt.execution);
        run.is_some_and(|run| self.is_held(run))
    }

    /// The state as bytes (MessagePack), for a snapshot. It is true at [`Engine::lsn`] and [`Engine::seq`].
    ///
    /// # Errors
    /// When it cannot be written down, which would be a mistake in the program.
    pub fn snapshot(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec_named(&self.state)
    }

    /// An engine that goes on from a snapshot. Every bundle in [`Engine::bundles_needed`] must be learnt before the
    /// next input, and [`Engine::settle_bundle`] called.
    ///
    /// # Errors
    /// When the bytes are not a snapshot of this version.
    pub fn restore(bytes: &[u8], empty: Arc<Bundle>) -> Result<Self, rmp_serde::decode::Error> {
        let mut state: State = rmp_serde::from_slice(bytes)?;
        state.detect.rebuild_timers();
        let mut engine = Self::new(empty);
        engine.state = state;
        Ok(engine)
    }

    /// Puts the bundle that was in force at the snapshot back into force.
    ///
    /// # Errors
    /// When it was not learnt.
    pub fn settle_bundle(&mut self) -> Result<(), Refusal> {
        let hash = self.state.bundle;
        let bundle = self
            .bundles
            .get(&hash)
            .ok_or(Refusal::UnknownBundle(hash))?;
        self.bundle = Arc::clone(bundle);
        Ok(())
    }

    /// Identifies the state, to compare two runs.
    ///
    /// # Errors
    /// As [`Engine::snapshot`].
    pub fn digest(&self) -> Result<Digest, rmp_serde::encode::Error> {
        state::digest(&self.state)
    }

    pub(crate) fn playbook(&self, plan: &Plan) -> Option<PlaybookRef> {
        let bundle = self.bundles.get(&plan.bundle)?;
        bundle
            .playbooks
            .contains_key(&plan.playbook)
            .then(|| PlaybookRef {
                bundle: Arc::clone(bundle),
                name: plan.playbook.clone(),
            })
    }

    pub(crate) fn bundle_of(&self, hash: BundleHash) -> Arc<Bundle> {
        Arc::clone(self.bundles.get(&hash).unwrap_or(&self.bundle))
    }

    pub(crate) fn with_execution(&mut self, id: &ExecutionId, change: impl FnOnce(&mut Execution)) {
        self.state.executions.change(id, change);
    }

    pub(crate) fn next_ordinal(&mut self) -> u64 {
        self.state.ordinal += 1;
        self.state.ordinal
    }

    pub(crate) fn call(&mut self, after: Seq, request: EffectRequest) {
        self.out.calls.push((after, request));
    }

    pub(crate) fn emit(
        &mut self,
        fact: Fact,
        cause: Option<Cause>,
        correlation: Option<String>,
    ) -> Seq {
        self.emit_by(Actor::Engine, fact, cause, correlation)
    }

    pub(crate) fn emit_by(
        &mut self,
        actor: Actor,
        fact: Fact,
        cause: Option<Cause>,
        correlation: Option<String>,
    ) -> Seq {
        self.state.seq = self.state.seq.next();
        self.out.drafts.push(Draft {
            seq: self.state.seq,
            at: self.state.now,
            lsn: self.state.lsn,
            actor,
            cause,
            correlation,
            bundle: Some(self.state.bundle),
            fact,
        });
        self.state.seq
    }

    pub(crate) fn correlation_of(&self, fact: &Fact) -> Option<String> {
        match fact {
            Fact::StepOutcome { attempt, .. } => {
                let run = self.state.executions.get(&attempt.execution)?;
                Some(run.plan.incident.to_string())
            }
            Fact::Approval { decision, .. } => {
                let proposal = self.state.proposals.get(decision)?;
                Some(proposal.plan.incident.to_string())
            }
            _ => None,
        }
    }

    pub(crate) fn detection_is_open(&self, id: &DetectionId) -> bool {
        self.state
            .detections
            .get(id)
            .is_some_and(|open| open.detection.state == edsr_model::DetectionState::Open)
    }
}
