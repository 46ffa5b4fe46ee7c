//! Guards: what holds a playbook back, whatever policies say. All of it is a fold over the journal, so a restart
//! forgets none of it.

use std::collections::{BTreeMap, VecDeque};

use edsr_model::{
    ExecutionId, ExecutionStatus, Plan, Reason, ReasonCode, TargetRef, Timestamp, format_duration,
};
use serde::{Deserialize, Serialize};

use crate::bundle::Playbook;

/// The most starts remembered per playbook, for limits. A limit asks for no more.
pub const STARTS_MAX: usize = 1_000;

/// The most pairs of playbook and target whose history is remembered; the ones whose last run ended longest ago give way.
pub const RUNS_MAX: usize = 10_000;

/// What guards remember.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct GuardLedger {
    /// When the latest runs of a playbook began.
    starts: BTreeMap<String, VecDeque<Timestamp>>,
    /// How runs of a playbook on a target went.
    runs: BTreeMap<(String, TargetRef), Runs>,
    /// Who works on a target.
    busy: BTreeMap<TargetRef, ExecutionId>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Runs {
    ended_at: Option<Timestamp>,
    unverified_in_a_row: u32,
    /// A run was let through to see whether the breaker may close.
    probing: bool,
}

impl GuardLedger {
    pub(crate) fn started(&mut self, plan: &Plan, execution: &ExecutionId, now: Timestamp) {
        let starts = self.starts.entry(plan.playbook.clone()).or_default();
        if starts.len() >= STARTS_MAX {
            starts.pop_front();
        }
        starts.push_back(now);
        self.busy.insert(plan.target.clone(), execution.clone());
        let runs = self.runs_mut(plan);
        runs.probing = runs.unverified_in_a_row > 0;
    }

    pub(crate) fn ended(&mut self, plan: &Plan, status: ExecutionStatus, now: Timestamp) {
        self.busy.remove(&plan.target);
        let runs = self.runs_mut(plan);
        runs.ended_at = Some(now);
        runs.probing = false;
        match status {
            ExecutionStatus::Succeeded => runs.unverified_in_a_row = 0,
            // Stopped before it did anything: it says nothing about the playbook.
            ExecutionStatus::Cancelled => {}
            _ => runs.unverified_in_a_row += 1,
        }
    }

    /// Forgets the longest idle sixteenth when there are too many, so that the cost of looking for it is shared.
    fn make_room(&mut self) {
        if self.runs.len() < RUNS_MAX {
            return;
        }
        let mut idle: Vec<_> = self
            .runs
            .iter()
            .filter(|((_, target), _)| !self.busy.contains_key(target))
            .map(|(key, runs)| (runs.ended_at, key.clone()))
            .collect();
        idle.sort();
        for (_, key) in idle.into_iter().take(RUNS_MAX / 16) {
            self.runs.remove(&key);
        }
    }

    pub(crate) fn unverified_in_a_row(&self, plan: &Plan) -> u32 {
        self.runs(plan).map_or(0, |runs| runs.unverified_in_a_row)
    }

    /// Everything that speaks against starting `plan` now.
    pub(crate) fn weigh(&self, plan: &Plan, playbook: &Playbook, now: Timestamp) -> Vec<Reason> {
        let mut reasons = Vec::new();
        reasons.extend(self.target_busy(plan));
        reasons.extend(self.cooldown(plan, playbook, now));
        reasons.extend(self.limits(playbook, now));
        reasons.extend(self.breaker(plan, playbook, now));
        reasons
    }

    fn target_busy(&self, plan: &Plan) -> Option<Reason> {
        let execution = self.busy.get(&plan.target)?;
        let text = format!("`{execution}` works on `{}`", plan.target);
        Some(Reason::new(ReasonCode::GuardTargetBusy, text).with("execution", execution))
    }

    fn cooldown(&self, plan: &Plan, playbook: &Playbook, now: Timestamp) -> Option<Reason> {
        let ended = self.runs(plan)?.ended_at?;
        let until = ended.after(playbook.guards.cooldown);
        (now < until).then(|| {
            let text = format!(
                "the last run on `{}` ended {} ago; the cooldown is {}",
                plan.target,
                format_duration(now.since(ended)),
                format_duration(playbook.guards.cooldown),
            );
            Reason::new(ReasonCode::GuardCooldown, text)
                .with("cooldown", format_duration(playbook.guards.cooldown))
                .with("endedAt", ended)
                .until(until)
        })
    }

    fn limits(&self, playbook: &Playbook, now: Timestamp) -> Vec<Reason> {
        let Some(starts) = self.starts.get(&playbook.name) else {
            return Vec::new();
        };
        let limits = playbook.guards.limits.iter();
        limits
            .filter_map(|limit| {
                let from = now.before(limit.per);
                let inside: Vec<_> = starts.iter().filter(|start| **start > from).collect();
                // The run that has to leave the window before another one fits.
                let leaves = inside.len().checked_sub(limit.runs.max(1) as usize)?;
                let until = inside.get(leaves)?.after(limit.per);
                let text = format!(
                    "{} runs in the last {}; the limit is {}",
                    inside.len(),
                    format_duration(limit.per),
                    limit.runs
                );
                let reason = Reason::new(ReasonCode::GuardLimit, text)
                    .with("runs", inside.len())
                    .with(
                        "limit",
                        format!("{} per {}", limit.runs, format_duration(limit.per)),
                    );
                Some(reason.until(until))
            })
            .collect()
    }

    fn breaker(&self, plan: &Plan, playbook: &Playbook, now: Timestamp) -> Option<Reason> {
        let runs = self.runs(plan)?;
        let breaker = playbook.guards.breaker;
        if runs.unverified_in_a_row < breaker.after {
            return None;
        }
        let until = runs.ended_at.unwrap_or(now).after(breaker.reset);
        let reason = |text: String| {
            Reason::new(ReasonCode::GuardBreakerOpen, text)
                .with("unverifiedInARow", runs.unverified_in_a_row)
                .with("after", breaker.after)
        };
        let row = format!(
            "{} runs in a row on `{}` were not verified",
            runs.unverified_in_a_row, plan.target
        );
        if runs.probing {
            return Some(reason(format!(
                "{row}; one more is under way to see whether it helps"
            )));
        }
        (now < until).then(|| {
            let reset = format_duration(breaker.reset);
            reason(format!(
                "{row}; one more is let through {reset} after the last"
            ))
            .until(until)
        })
    }

    fn runs(&self, plan: &Plan) -> Option<&Runs> {
        self.runs.get(&(plan.playbook.clone(), plan.target.clone()))
    }

    fn runs_mut(&mut self, plan: &Plan) -> &mut Runs {
        self.make_room();
        self.runs
            .entry((plan.playbook.clone(), plan.target.clone()))
            .or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edsr_model::{BundleHash, Digest, IncidentId, Risk, Severity};

    fn plan(target: usize) -> Plan {
        Plan {
            hash: Digest::default(),
            playbook: "fix".to_owned(),
            target: format!("service/{target}").parse().unwrap(),
            inputs: BTreeMap::new(),
            risk: Risk::Low,
            detection: None,
            incident: IncidentId::derive([b"x".as_slice()]),
            severity: Severity::Error,
            evidence_at: Timestamp::EPOCH,
            depth: 0,
            bundle: BundleHash::default(),
            made_at: Timestamp::EPOCH,
        }
    }

    #[test]
    fn histories_are_bounded_and_the_longest_idle_give_way() {
        let mut ledger = GuardLedger::default();
        let execution = ExecutionId::derive([b"x".as_slice()]);
        for target in 0..RUNS_MAX + 100 {
            let now = Timestamp::from_secs(target as i64);
            ledger.started(&plan(target), &execution, now);
            if target != 3 {
                ledger.ended(&plan(target), ExecutionStatus::Failed, now);
            }
        }
        assert!(ledger.runs.len() <= RUNS_MAX);
        assert_eq!(ledger.unverified_in_a_row(&plan(0)), 0, "forgotten");
        assert_eq!(ledger.unverified_in_a_row(&plan(RUNS_MAX)), 1, "remembered");
        assert!(ledger.runs(&plan(3)).is_some(), "busy ones stay");
        assert!(ledger.starts["fix"].len() <= STARTS_MAX);
    }
}
