//! What each input leads to: time passes, an event arrives, a fact is stated.

use std::sync::Arc;

use edsr_model::event::EXT_CAUSATION;
use edsr_model::{
    Actor, BundleHash, Cause, Event, ExecutionId, ExecutionStatus, Fact, Outcome, Record, Seq,
    Timestamp,
};

use crate::detect::{Looked, look};
use crate::engine::{CAUSE_MEMORY, CAUSES_MAX, Engine};
use crate::execute::Execution;

impl Engine {
    /// Lets time pass: everything that is due by then happens at the instant it is due.
    pub(crate) fn advance(&mut self, to: Timestamp) {
        while let Some(due) = self.next_wake().filter(|due| *due <= to) {
            self.state.now = self.state.now.max(due);
            if self.state.detect.next_wake() == Some(due) {
                let bundle = Arc::clone(&self.bundle);
                let now = self.state.now;
                if let Some(signal) = self.state.detect.wake(&bundle.detectors, now) {
                    self.signal(signal, Cause::Timer);
                }
            } else {
                self.wake_control(due);
            }
            self.settle_waiting();
        }
        self.state.now = self.state.now.max(to);
    }

    /// Runs and waiting plans that are due, the one that came first before the others.
    fn wake_control(&mut self, due: Timestamp) {
        let run = self.state.executions.first_due();
        let run = run.filter(|(at, _)| *at == due).map(|(_, id)| id.clone());
        if let Some(id) = run {
            return self.wake_execution(&id);
        }
        let waiting = self.state.waiting.first_due();
        let waiting = waiting.filter(|(at, _)| *at == due);
        if let Some(key) = waiting.map(|(_, key)| key.clone()) {
            self.judge_again(&key, Cause::Timer);
        }
    }

    pub(crate) fn event(&mut self, record: &Record, looked: Option<Looked>) {
        self.advance(record.at);
        self.state.lsn = record.lsn;
        let depth = self.depth_of(&record.event);
        let bundle = Arc::clone(&self.bundle);
        let looked = looked
            .filter(|looked| looked.bundle == bundle.hash)
            .unwrap_or_else(|| look(&bundle, &record.event));
        let signals = self
            .state
            .detect
            .event(&bundle.detectors, record, looked, depth);
        for signal in signals {
            self.signal(signal, Cause::Event(record.lsn));
        }
    }

    pub(crate) fn stated(&mut self, actor: Actor, fact: Fact) {
        let correlation = self.correlation_of(&fact);
        let seq = self.emit_by(actor.clone(), fact.clone(), None, correlation);
        let cause = Cause::Entry(seq);
        match fact {
            Fact::NodeStarted { durable, .. } => self.restarted(durable),
            Fact::BundleActivated { bundle, .. } => self.activate(bundle, cause),
            Fact::Paused(pause) => {
                self.state.pauses.insert(pause.id.clone(), pause);
            }
            Fact::Resumed { pause, .. } => {
                self.state.pauses.remove(&pause);
                self.release_held();
                self.judge_all_waiting(cause);
            }
            Fact::Approval {
                decision, granted, ..
            } => self.approval(&decision, granted, actor, cause),
            Fact::StepOutcome { attempt, outcome } => self.outcome(&attempt, &outcome),
            _ => {}
        }
    }

    fn activate(&mut self, hash: BundleHash, cause: Cause) {
        let Some(bundle) = self.bundles.get(&hash).map(Arc::clone) else {
            return;
        };
        self.bundle = Arc::clone(&bundle);
        self.state.bundle = hash;
        let now = self.state.now;
        for signal in self.state.detect.activate(&bundle.detectors, now) {
            self.signal(signal, cause);
        }
        self.plan_anew(cause);
    }

    /// After a crash: calls that may have been made and have no outcome are unknown now.
    fn restarted(&mut self, durable: Seq) {
        let mut lost: Vec<_> = self
            .state
            .executions
            .values()
            .filter_map(|run| run.in_flight.as_ref())
            .filter(|in_flight| in_flight.seq <= durable)
            .map(|in_flight| (in_flight.seq, in_flight.attempt.clone()))
            .collect();
        lost.sort();
        for (_, attempt) in lost {
            let reason = "the node stopped before the outcome was recorded".to_owned();
            self.outcome(&attempt, &Outcome::Unknown { reason });
        }
    }

    fn release_held(&mut self) {
        let runs = self.state.executions.values();
        let mut held: Vec<_> = runs
            .filter_map(|run| Some((run.seq, run.id.clone(), run.held?)))
            .collect();
        held.sort();
        for (_, id, _) in &held {
            self.with_execution(id, |run| run.held = None);
        }
        for (_, id, role) in held {
            self.dispatch(&id, role);
        }
    }

    pub(crate) fn end_execution(
        &mut self,
        id: &ExecutionId,
        status: ExecutionStatus,
        reason: String,
    ) {
        let Some(run) = self.state.executions.remove(id) else {
            return;
        };
        let fact = Fact::ExecutionEnded {
            execution: id.clone(),
            status,
            reason,
        };
        let seq = self.emit(
            fact,
            Some(Cause::Entry(run.seq)),
            Some(run.plan.incident.to_string()),
        );
        self.state.ledger.ended(&run.plan, status, self.state.now);
        self.after_end(&run, status, Cause::Entry(seq));
    }

    fn after_end(&mut self, run: &Execution, status: ExecutionStatus, cause: Cause) {
        if !matches!(
            status,
            ExecutionStatus::Succeeded | ExecutionStatus::Cancelled
        ) && let Some(detection) = &run.plan.detection
            && let Some(playbook) = self.playbook(&run.plan)
        {
            self.ask_otherwise(detection, &playbook.otherwise.clone(), cause);
        }
        // Not here: a plan that starts and ends at once would judge the others inside this call, and so on.
        self.rejudge = Some(cause);
        if let Some(detection) = &run.plan.detection {
            self.forget_if_over(detection);
        }
    }

    /// How many actions of ours lie behind an event: what it says itself, or what we know of its cause.
    fn depth_of(&self, event: &Event) -> u32 {
        let known = event
            .extension_str(EXT_CAUSATION)
            .and_then(|cause| cause.parse::<ExecutionId>().ok())
            .and_then(|id| self.state.recent.get(&id))
            .map_or(0, |depth| depth + 1);
        event.depth().max(known)
    }

    /// Remembers a run for as long as events that it caused may arrive.
    pub(crate) fn remember(&mut self, id: &ExecutionId, depth: u32) {
        let now = self.state.now;
        self.state
            .recent
            .note(now, id.clone(), depth, CAUSE_MEMORY, CAUSES_MAX);
    }
}
