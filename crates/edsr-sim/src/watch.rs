//! Watching a world from outside: what the journal says, what was really done, and whether one follows the other.

mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edsr_engine::bundle::{Bundle, Playbook};
use edsr_engine::desk::{Command, CommandDone};
use edsr_journal::chain::entry_hash;
use edsr_journal::merkle::{CompactRange, leaf_hash};
use edsr_model::{
    Actor, AttemptId, BundleHash, DecisionId, DetectionId, Digest, EffectClass, EffectRequest,
    Entry, ExecutionId, ExecutionStatus, Fact, Lsn, Outcome, Pause, PauseId, PauseScope, Plan,
    PlanHash, Seq, StepRole, TargetRef, Timestamp, Verdict,
};

use crate::invariant::{Invariant, Violation};
use crate::reach::Reached;
use word::Word;

/// A run as the journal tells it.
#[derive(Debug, Clone)]
struct Run {
    plan: PlanHash,
    playbook: String,
    target: TargetRef,
    verified: bool,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) reached: Reached,
    /// Every call that was made, in order.
    pub(crate) calls: Vec<EffectRequest>,
    bundles: BTreeMap<BundleHash, Arc<Bundle>>,
    intents: BTreeMap<AttemptId, Seq>,
    outcomes: BTreeMap<AttemptId, Outcome>,
    made: BTreeSet<AttemptId>,
    plans: BTreeMap<PlanHash, Plan>,
    decisions: BTreeMap<DecisionId, PlanHash>,
    permitted: BTreeSet<PlanHash>,
    by_person: BTreeSet<PlanHash>,
    runs: BTreeMap<ExecutionId, Run>,
    resolved: BTreeSet<DetectionId>,
    busy: BTreeMap<TargetRef, ExecutionId>,
    starts: BTreeMap<String, Vec<Timestamp>>,
    ended: BTreeMap<(String, TargetRef), Timestamp>,
    /// The pauses that hold, in the order they were given.
    pauses: Vec<Pause>,
    /// The pause that a file meant when the node started, until its entry is there.
    found_at_start: Option<PauseId>,
    word: Word,
}

impl Watch {
    pub(crate) fn know(&mut self, bundle: &Arc<Bundle>) {
        self.bundles.insert(bundle.hash, Arc::clone(bundle));
    }

    /// Entries became durable while the event log was durable up to `log`.
    pub(crate) fn durable(&mut self, entries: Vec<Entry>, log: Lsn) -> Result<(), Violation> {
        for entry in entries {
            let draft = &entry.draft;
            let late = draft.lsn > log;
            Invariant::EntryAfterDurableEvidence.holds(!late, || {
                format!(
                    "entry {} rests on event {}; {log} is durable",
                    draft.seq, draft.lsn
                )
            })?;
            if let Some(last) = self.entries.last().map(|last| &last.draft) {
                let forward = last.at <= draft.at && last.lsn <= draft.lsn;
                Invariant::TimeGoesForward.holds(forward, || {
                    format!(
                        "entry {} is of {:?} at event {}, {} of {:?} at {}",
                        last.seq, last.at, last.lsn, draft.seq, draft.at, draft.lsn
                    )
                })?;
            }
            self.word.kept(&entry)?;
            self.fact(&entry)?;
            self.entries.push(entry);
        }
        Ok(())
    }

    fn fact(&mut self, entry: &Entry) -> Result<(), Violation> {
        let at = entry.draft.at;
        self.reached
            .hit(format!("fact {}", entry.draft.fact.kind()));
        match &entry.draft.fact {
            // Pauses hold from when they are given, not from when they are durable: see `commanded`. But one that was
            // found at a start comes before whatever fell due while the node was down.
            Fact::Paused(pause) if self.found_at_start.as_ref() == Some(&pause.id) => {
                self.found_at_start = None;
            }
            Fact::NodeStarted { .. } => {
                Invariant::PausedDispatchesNothing.holds(self.found_at_start.is_none(), || {
                    "a node took up what was due before the pause that it found".to_owned()
                })?;
            }
            Fact::Planned(plan) => {
                self.plans.insert(plan.hash, plan.clone());
            }
            Fact::Decided { decision, .. } => {
                self.reached.hit(format!("verdict {}", decision.verdict));
                for reason in &decision.reasons {
                    self.reached.hit(format!("reason {}", reason.code));
                }
                self.decisions.insert(decision.id.clone(), decision.plan);
                if decision.verdict == Verdict::Auto {
                    self.permitted.insert(decision.plan);
                }
            }
            Fact::Approval {
                decision, granted, ..
            } => {
                if let Some(plan) = self.decisions.get(decision).filter(|_| *granted) {
                    self.by_person.insert(*plan);
                }
            }
            Fact::ExecutionStarted {
                execution,
                plan,
                playbook,
                target,
                ..
            } => {
                let run = Run {
                    plan: *plan,
                    playbook: playbook.clone(),
                    target: target.clone(),
                    verified: false,
                };
                self.started(execution, run, at)?;
            }
            Fact::StepIntended(request) => {
                self.intents
                    .insert(request.attempt.clone(), entry.draft.seq);
                self.intended(request)?;
            }
            Fact::StepOutcome { attempt, outcome } => {
                self.reached.hit(format!("outcome {}", outcome.as_str()));
                if self.outcomes.contains_key(attempt) {
                    self.reached.hit("a second outcome of one call");
                } else {
                    self.outcomes.insert(attempt.clone(), outcome.clone());
                }
            }
            Fact::DetectionResolved { detection, .. } => {
                self.resolved.insert(detection.clone());
            }
            Fact::Verified {
                execution, passed, ..
            } => self.verified(execution, *passed)?,
            Fact::ExecutionEnded {
                execution, status, ..
            } => self.ended(execution, *status, at)?,
            _ => {}
        }
        Ok(())
    }

    fn started(&mut self, id: &ExecutionId, run: Run, at: Timestamp) -> Result<(), Violation> {
        Invariant::DecidedBeforeDone.holds(self.permitted.contains(&run.plan), || {
            format!("`{id}` began, and nothing on record permits its plan")
        })?;
        if let Some(other) = self.busy.insert(run.target.clone(), id.clone()) {
            let text = format!("`{id}` and `{other}` work on `{}`", run.target);
            return Err(Invariant::OneRunPerTarget.broken(text));
        }
        let starts = self.starts.entry(run.playbook.clone()).or_default();
        starts.push(at);
        if let Some(playbook) = playbook(&self.bundles, &self.plans, &run.plan) {
            for limit in &playbook.guards.limits {
                let from = at.before(limit.per);
                let inside = starts.iter().filter(|start| **start > from).count();
                Invariant::LimitsHold.holds(inside <= limit.runs.max(1) as usize, || {
                    format!(
                        "`{id}` is run {inside} of `{}` where {} per {:?} may be",
                        run.playbook, limit.runs, limit.per
                    )
                })?;
            }
            let key = (run.playbook.clone(), run.target.clone());
            if let Some(ended) = self.ended.get(&key) {
                let until = ended.after(playbook.guards.cooldown);
                Invariant::LimitsHold.holds(at >= until, || {
                    format!("`{id}` began inside the cooldown of `{}`", run.playbook)
                })?;
            }
        }
        self.runs.insert(id.clone(), run);
        Ok(())
    }

    /// A plain call that may have happened must not be intended again.
    fn intended(&self, request: &EffectRequest) -> Result<(), Violation> {
        let attempt = &request.attempt;
        // Not by what the engine would say of the class: that is under test.
        let plain = matches!(request.class, EffectClass::Plain);
        if !plain || attempt.role == StepRole::Probe || attempt.attempt == 1 {
            return Ok(());
        }
        let before = AttemptId {
            attempt: attempt.attempt - 1,
            ..attempt.clone()
        };
        let known = match self.outcomes.get(&before) {
            Some(Outcome::Failed { .. }) => true,
            _ => self.probe_said_no(attempt),
        };
        Invariant::PlainIsNotRepeated.holds(known, || {
            format!("`{attempt}` is intended, and nobody knows what came of `{before}`")
        })
    }

    fn probe_said_no(&self, attempt: &AttemptId) -> bool {
        self.outcomes.iter().any(|(probe, outcome)| {
            probe.execution == attempt.execution
                && probe.step == attempt.step
                && probe.role == StepRole::Probe
                && matches!(outcome, Outcome::Failed { .. })
        })
    }

    /// Proof is what the playbook asks for, seen in the world.
    fn verified(&mut self, id: &ExecutionId, passed: bool) -> Result<(), Violation> {
        let Some(run) = self.runs.get_mut(id) else {
            return Ok(());
        };
        run.verified = passed;
        let until = playbook(&self.bundles, &self.plans, &run.plan)
            .and_then(|playbook| Some(playbook.verify.as_ref()?.until.text()));
        let detection = self
            .plans
            .get(&run.plan)
            .and_then(|plan| plan.detection.as_ref());
        let seen = until != Some("detection.resolved")
            || detection.is_some_and(|detection| self.resolved.contains(detection));
        Invariant::ProofOrNoSuccess.holds(!passed || seen, || {
            format!("`{id}` passed its verification, and what it answers was not resolved")
        })
    }

    fn ended(
        &mut self,
        id: &ExecutionId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Result<(), Violation> {
        self.reached.hit(format!("ended {status}"));
        let Some(run) = self.runs.get(id) else {
            let text = format!("`{id}` ended, and never began");
            return Err(Invariant::DecidedBeforeDone.broken(text));
        };
        Invariant::ProofOrNoSuccess
            .holds(status != ExecutionStatus::Succeeded || run.verified, || {
                format!("`{id}` succeeded without proof")
            })?;
        Invariant::RunsStayPinned.holds(status != ExecutionStatus::Cancelled, || {
            format!("`{id}` was cancelled, and nobody asked for it")
        })?;
        self.busy.remove(&run.target);
        self.ended
            .insert((run.playbook.clone(), run.target.clone()), at);
        Ok(())
    }

    /// A person paused, or lifted a pause, and was told that it holds.
    pub(crate) fn pause_given(&mut self, pause: Pause) {
        if self.pauses.iter().all(|known| known.id != pause.id) {
            self.pauses.push(pause);
        }
    }

    /// A node starts, and finds the file that means this pause.
    pub(crate) fn pause_found(&mut self, pause: &Pause) {
        self.found_at_start = Some(pause.id.clone());
        self.pause_given(pause.clone());
    }

    fn pause_lifted(&mut self, id: &PauseId) {
        self.pauses.retain(|pause| pause.id != *id);
    }

    /// A person said something, and it was taken in.
    pub(crate) fn commanded(&mut self, command: &Command, done: CommandDone) {
        self.word.given(command, done.seq);
        match command {
            Command::Pause { scope, reason } => {
                if let Some(id) = done.pause {
                    self.pause_given(Pause {
                        id,
                        scope: scope.clone(),
                        reason: reason.clone(),
                        by: person(),
                        at: Timestamp::EPOCH,
                    });
                }
            }
            Command::Resume { pause, .. } => self.pause_lifted(pause),
            Command::Approve { .. } | Command::Note { .. } => {}
        }
    }

    /// The node died: of pauses, only what is durable is left.
    pub(crate) fn node_died(&mut self) {
        self.pauses.clear();
        self.found_at_start = None;
        self.word.died();
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries {
            match &entry.draft.fact {
                Fact::Paused(pause) => self.pause_given(pause.clone()),
                Fact::Resumed { pause, .. } => self.pause_lifted(pause),
                _ => {}
            }
        }
        self.entries = entries;
    }

    /// A call is made.
    pub(crate) fn called(&mut self, request: &EffectRequest) -> Result<(), Violation> {
        let attempt = &request.attempt;
        Invariant::EffectAfterDurableIntent.holds(self.intents.contains_key(attempt), || {
            format!("`{attempt}` left without a durable intent")
        })?;
        Invariant::OneCallPerAttempt.holds(self.made.insert(attempt.clone()), || {
            format!("`{attempt}` was made twice")
        })?;
        let by_person = self
            .runs
            .get(&attempt.execution)
            .is_some_and(|run| self.by_person.contains(&run.plan));
        let pause = self
            .pauses
            .iter()
            .find(|pause| !by_person && covers(&pause.scope, request));
        if let Some(pause) = pause {
            let text = format!("`{attempt}` left while `{}` holds", pause.scope);
            return Err(Invariant::PausedDispatchesNothing.broken(text));
        }
        self.calls.push(request.clone());
        Ok(())
    }

    /// Nothing is under way any more.
    pub(crate) fn settled(&self) -> Result<(), Violation> {
        self.word.settled()
    }

    /// The pauses that hold.
    pub(crate) fn pauses(&self) -> Vec<PauseId> {
        self.pauses.iter().map(|pause| pause.id.clone()).collect()
    }

    /// The latest plan that waits for a person and was not answered.
    pub(crate) fn waiting_decision(&self) -> Option<DecisionId> {
        let mut waiting: Vec<&DecisionId> = Vec::new();
        for entry in &self.entries {
            match &entry.draft.fact {
                Fact::Decided { decision, .. }
                    if matches!(decision.verdict, Verdict::Approve | Verdict::Suggest) =>
                {
                    waiting.push(&decision.id);
                }
                Fact::Approval { decision, .. } => waiting.retain(|known| *known != decision),
                _ => {}
            }
        }
        waiting.pop().cloned()
    }

    /// Runs that are not over, and since when.
    pub(crate) fn open_runs(&self) -> Vec<(ExecutionId, Timestamp)> {
        let mut open = BTreeMap::new();
        for entry in &self.entries {
            match &entry.draft.fact {
                Fact::ExecutionStarted { execution, .. } => {
                    open.insert(execution.clone(), entry.draft.at);
                }
                Fact::ExecutionEnded { execution, .. } => {
                    open.remove(execution);
                }
                _ => {}
            }
        }
        open.into_iter().collect()
    }

    /// Walks the chain and builds the tree anew.
    pub(crate) fn journal_is_whole(&self, tree: &CompactRange) -> Result<(), Violation> {
        let mut prev = Digest::default();
        let mut anew = CompactRange::default();
        for (place, entry) in self.entries.iter().enumerate() {
            let body = serde_json::to_vec(&entry.draft).unwrap_or_default();
            let hash = entry_hash(prev, entry.draft.seq, &body);
            let sound = entry.draft.seq == Seq(place as u64 + 1)
                && entry.prev == prev
                && entry.hash == hash;
            Invariant::JournalIsWhole.holds(sound, || {
                format!("entry {} does not follow the one before", entry.draft.seq)
            })?;
            anew.push(leaf_hash(&hash.0), |_| {});
            prev = hash;
        }
        Invariant::JournalIsWhole.holds(anew.root() == tree.root(), || {
            "the tree has another root than its leaves give".to_owned()
        })
    }
}

/// Whether a pause covers a call that nobody asked for.
fn covers(scope: &PauseScope, request: &EffectRequest) -> bool {
    match scope {
        PauseScope::All => true,
        PauseScope::Playbook(name) => *name == request.playbook,
        PauseScope::Target(target) => *target == request.target,
    }
}

fn playbook<'b>(
    bundles: &'b BTreeMap<BundleHash, Arc<Bundle>>,
    plans: &BTreeMap<PlanHash, Plan>,
    plan: &PlanHash,
) -> Option<&'b Playbook> {
    let plan = plans.get(plan)?;
    bundles.get(&plan.bundle)?.playbooks.get(&plan.playbook)
}

/// Somebody who may pause, agree and so on.
pub(crate) fn person() -> Actor {
    Actor::Person("sre".to_owned())
}
