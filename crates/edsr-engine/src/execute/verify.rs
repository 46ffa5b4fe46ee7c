//! Verifying: a run has succeeded only when the world says so.

use edsr_model::{Cause, ExecutionId, ExecutionStatus, Fact, format_duration};

use crate::engine::Engine;
use edsr_expr::EvalError;

impl Engine {
    /// All steps are done; now watch for proof.
    pub(crate) fn begin_verification(&mut self, id: &ExecutionId) {
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let within = self
            .playbook(&execution.plan)
            .and_then(|playbook| playbook.verify.as_ref().map(|verify| verify.within));
        let Some(within) = within else {
            let reason = "the playbook does not say how to verify it".to_owned();
            return self.end_execution(id, ExecutionStatus::Unverified, reason);
        };
        let until = self.state.now.after(within);
        self.with_execution(id, |execution| {
            execution.status = ExecutionStatus::Verifying;
            execution.wake = Some(until);
        });
        self.check_verification(id);
    }

    /// Looks whether the proof is there.
    pub(crate) fn check_verification(&mut self, id: &ExecutionId) {
        if self.proof(id) == Some(Ok(true)) {
            self.verified(id, true, "the proof came".to_owned());
        }
    }

    /// The time for proof is over. What could not be evaluated is no proof.
    pub(crate) fn verification_over(&mut self, id: &ExecutionId) {
        if self.proof(id) == Some(Ok(true)) {
            return self.check_verification(id);
        }
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let playbook = self.playbook(&execution.plan);
        let verify = playbook
            .as_ref()
            .and_then(|playbook| playbook.verify.as_ref());
        let text = verify.map_or_else(String::new, |verify| {
            let why = match self.proof(id) {
                Some(Err(error)) => format!("; it has no value: {}", error.message),
                _ => String::new(),
            };
            format!(
                "`{}` did not become true within {}{why}",
                verify.until.text(),
                format_duration(verify.within)
            )
        });
        self.verified(id, false, text);
    }

    fn verified(&mut self, id: &ExecutionId, passed: bool, text: String) {
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let (cause, correlation) = (execution.seq, execution.plan.incident.to_string());
        let text = match (passed, self.playbook(&execution.plan)) {
            (true, Some(playbook)) => playbook
                .verify
                .as_ref()
                .map_or(text, |verify| format!("`{}` is true", verify.until.text())),
            _ => text,
        };
        let fact = Fact::Verified {
            execution: id.clone(),
            passed,
            text: text.clone(),
        };
        self.emit(fact, Some(Cause::Entry(cause)), Some(correlation));
        let status = if passed {
            ExecutionStatus::Succeeded
        } else {
            ExecutionStatus::Unverified
        };
        self.end_execution(id, status, text);
    }

    /// What `verify.until` says now; `None` where there is none.
    fn proof(&self, id: &ExecutionId) -> Option<Result<bool, EvalError>> {
        let execution = self.state.executions.get(id)?;
        let playbook = self.playbook(&execution.plan)?;
        let verify = playbook.verify.as_ref()?;
        Some(verify.until.truth(&self.scope(execution, &playbook)))
    }
}
