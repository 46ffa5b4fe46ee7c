//! Undoing: when a step fails for good, what was done before it is taken back in reverse.

use edsr_model::{AttemptId, ExecutionId, ExecutionStatus, Outcome, StepRole, StepStatus};

use super::UNKNOWN_REPEATS_MAX;
use crate::engine::Engine;

impl Engine {
    /// The step at the cursor failed for good: undo what was done, or end.
    pub(crate) fn give_up(&mut self, id: &ExecutionId, reason: String) {
        let mut nothing_done = true;
        self.with_execution(id, |execution| {
            if let Some(step) = execution.steps.get_mut(execution.cursor) {
                step.status = StepStatus::Failed;
            }
            nothing_done = !execution
                .steps
                .iter()
                .any(|step| step.status == StepStatus::Done);
            execution.failure = Some(reason.clone());
            if !nothing_done {
                execution.status = ExecutionStatus::Compensating;
            }
        });
        if nothing_done {
            self.end_execution(id, ExecutionStatus::Failed, reason);
        } else {
            self.undo_next(id);
        }
    }

    /// Undoes the latest step that is done and can be undone; ends when there is none left.
    pub(crate) fn undo_next(&mut self, id: &ExecutionId) {
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let Some(playbook) = self.playbook(&execution.plan) else {
            return;
        };
        let undoable = execution.steps.iter().enumerate().rev();
        let next = undoable
            .filter(|(place, step)| {
                step.status == StepStatus::Done && playbook.steps[*place].undo.is_some()
            })
            .map(|(place, _)| place)
            .next();
        if let Some(place) = next {
            self.with_execution(id, |execution| execution.cursor = place);
            return self.dispatch(id, StepRole::Undo);
        }
        let whole = execution.steps.iter().all(|step| {
            matches!(
                step.status,
                StepStatus::Undone | StepStatus::Waiting | StepStatus::Failed
            )
        });
        let reason = execution.failure.clone().unwrap_or_default();
        let (status, how) = if whole {
            (
                ExecutionStatus::Compensated,
                "everything done before was undone",
            )
        } else {
            (
                ExecutionStatus::PartlyCompensated,
                "not everything done before could be undone",
            )
        };
        self.end_execution(id, status, format!("{reason}; {how}"));
    }

    pub(crate) fn undo_outcome(
        &mut self,
        attempt: &AttemptId,
        outcome: &Outcome,
        may_repeat: bool,
    ) {
        let id = &attempt.execution;
        match outcome {
            Outcome::Ok { .. } => {
                self.set_step(id, StepStatus::Undone);
                self.undo_next(id);
            }
            Outcome::Failed { .. } => {
                let failures = self.count_failure(attempt);
                if failures < self.attempts_allowed(id, StepRole::Undo) {
                    self.retry_later(attempt, failures);
                } else {
                    self.undo_failed(id);
                }
            }
            Outcome::Unknown { .. } => {
                let failures = self.count_failure(attempt);
                if may_repeat && failures < UNKNOWN_REPEATS_MAX {
                    self.retry_later(attempt, failures);
                } else {
                    self.undo_failed(id);
                }
            }
        }
    }

    pub(crate) fn undo_failed(&mut self, id: &ExecutionId) {
        self.set_step(id, StepStatus::UndoFailed);
        self.undo_next(id);
    }

    fn set_step(&mut self, id: &ExecutionId, status: StepStatus) {
        self.with_execution(id, |execution| {
            let cursor = execution.cursor;
            if let Some(step) = execution.steps.get_mut(cursor) {
                step.status = status;
            }
        });
    }
}
