//! Doing the steps: intend, wait for the outcome, repeat, probe, give up.

use edsr_model::{
    AttemptId, Cause, EffectRequest, ExecutionId, ExecutionStatus, Fact, Outcome, Plan, Seq,
    StepRole, StepStatus,
};
use serde_json::{Value, json};

use super::{Execution, InFlight, UNKNOWN_REPEATS_MAX, backoff, index};
use crate::bundle::{Call, Playbook};
use crate::decide::{covers, detection_value};
use crate::engine::Engine;
use crate::template::is_bounded;
use edsr_expr::Scope;

impl Engine {
    /// Begins a run of `plan`.
    pub(crate) fn start_execution(
        &mut self,
        plan: &Plan,
        by: Option<edsr_model::Actor>,
        cause: Cause,
    ) {
        let Some(steps) = self.playbook(plan).map(|playbook| playbook.steps.len()) else {
            return;
        };
        let ordinal = self.next_ordinal().to_be_bytes();
        let id = ExecutionId::derive([plan.hash.0.as_slice(), ordinal.as_slice()]);
        let seed = u64::from_be_bytes(
            edsr_model::Digest::of(id.as_str().as_bytes()).0[..8]
                .try_into()
                .unwrap_or_default(),
        );
        let fact = Fact::ExecutionStarted {
            execution: id.clone(),
            plan: plan.hash,
            playbook: plan.playbook.clone(),
            target: plan.target.clone(),
            detection: plan.detection.clone(),
            seed,
        };
        let seq = self.emit(fact, Some(cause), Some(plan.incident.to_string()));
        self.state.ledger.started(plan, &id, self.state.now);
        self.remember(&id, plan.depth);
        let execution = Execution::new(id.clone(), plan.clone(), steps, seed, by, seq);
        self.state.executions.insert(id.clone(), execution);
        self.progress(&id);
    }

    /// Does whatever a run can do next.
    pub(crate) fn progress(&mut self, id: &ExecutionId) {
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        if execution.in_flight.is_some() {
            return;
        }
        match execution.status {
            ExecutionStatus::Running if execution.cursor < execution.steps.len() => {
                self.dispatch(id, StepRole::Do);
            }
            ExecutionStatus::Running => self.begin_verification(id),
            ExecutionStatus::Compensating => self.undo_next(id),
            _ => {}
        }
    }

    /// Intends the next call of the step at the cursor.
    pub(crate) fn dispatch(&mut self, id: &ExecutionId, role: StepRole) {
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let cause = execution.seq;
        match self.prepare(execution, role) {
            Prepared::Unknown => self.end_execution(
                id,
                ExecutionStatus::Cancelled,
                "its bundle is not known any more".to_owned(),
            ),
            Prepared::Nothing => {}
            Prepared::Held => self.with_execution(id, |execution| {
                execution.held = Some(role);
                execution.wake = None;
            }),
            Prepared::Wrong(error) => self.cannot_render(id, role, &error),
            Prepared::Ready(request) => self.intend(*request, cause),
        }
    }

    fn intend(&mut self, request: EffectRequest, cause: Seq) {
        let (attempt, class) = (request.attempt.clone(), request.class);
        let correlation = Some(request.incident.to_string());
        let fact = Fact::StepIntended(request.clone());
        let seq = self.emit(fact, Some(Cause::Entry(cause)), correlation);
        self.call(seq, request);
        let role = attempt.role;
        self.with_execution(&attempt.execution.clone(), |execution| {
            execution.held = None;
            execution.wake = None;
            execution.in_flight = Some(InFlight {
                attempt,
                class,
                seq,
            });
            let step = &mut execution.steps[execution.cursor];
            step.attempts[index(role)] += 1;
            step.status = match role {
                StepRole::Do => StepStatus::Running,
                StepRole::Undo => StepStatus::Undoing,
                StepRole::Probe => StepStatus::Probing,
            };
        });
    }

    /// What would be called next.
    fn prepare(&self, execution: &Execution, role: StepRole) -> Prepared {
        let Some(playbook) = self.playbook(&execution.plan) else {
            return Prepared::Unknown;
        };
        let step = &playbook.steps[execution.cursor];
        let Some(call) = call_of(&playbook, execution.cursor, role) else {
            return Prepared::Nothing;
        };
        if self.is_held(execution) {
            return Prepared::Held;
        }
        let with = match call.with.render(&self.scope(execution, &playbook)) {
            Ok(with) => with,
            Err(error) => return Prepared::Wrong(error.to_string()),
        };
        if !is_bounded(&with) {
            let error = "the arguments are too large or too deep to be written down";
            return Prepared::Wrong(error.to_owned());
        }
        let arguments = call.with.get("argv").zip(with.get("argv"));
        if let Some(place) = arguments.and_then(|(argv, values)| argv.computed_option(values)) {
            return Prepared::Wrong(format!(
                "argv[{place}] is computed and begins with `-`; put the option itself into the playbook"
            ));
        }
        let id = &execution.id;
        let detection = execution.plan.detection.as_ref();
        let detection = detection.and_then(|id| self.state.detections.get(id));
        Prepared::Ready(Box::new(EffectRequest {
            idempotency_key: format!("{id}/{}/{}", step.id, role_word(role)),
            attempt: AttemptId {
                execution: id.clone(),
                step: step.id.clone(),
                role,
                attempt: execution.steps[execution.cursor].attempts[index(role)] + 1,
            },
            uses: call.uses.clone(),
            with,
            class: call.class,
            timeout: call.timeout,
            playbook: execution.plan.playbook.clone(),
            target: execution.plan.target.clone(),
            incident: execution.plan.incident.clone(),
            correlation: detection.and_then(|open| open.detection.correlation.clone()),
            traceparent: detection.and_then(|open| open.detection.traceparent.clone()),
            depth: execution.plan.depth + 1,
        }))
    }

    /// Takes the outcome of a call in. One that nobody waits for (late, or twice) changes nothing.
    pub(crate) fn outcome(&mut self, attempt: &AttemptId, outcome: &Outcome) {
        let id = &attempt.execution;
        let expected = self.state.executions.get(id).and_then(|execution| {
            let in_flight = execution.in_flight.as_ref()?;
            (in_flight.attempt == *attempt).then_some(in_flight.class)
        });
        let Some(class) = expected else {
            return;
        };
        self.with_execution(id, |execution| {
            execution.in_flight = None;
            execution.wake = None;
        });
        match attempt.role {
            StepRole::Do => self.step_outcome(attempt, outcome, class.may_repeat()),
            StepRole::Probe => self.probe_outcome(attempt, outcome),
            StepRole::Undo => self.undo_outcome(attempt, outcome, class.may_repeat()),
        }
    }

    fn step_outcome(&mut self, attempt: &AttemptId, outcome: &Outcome, may_repeat: bool) {
        let id = &attempt.execution;
        match outcome {
            Outcome::Ok { output } => self.step_done(id, output.clone()),
            Outcome::Failed { reason, .. } => self.step_failed(attempt, reason),
            Outcome::Unknown { reason } => {
                let failures = self.count_failure(attempt);
                if may_repeat && failures < UNKNOWN_REPEATS_MAX {
                    self.retry_later(attempt, failures);
                } else if self.has_probe(id) {
                    self.dispatch(id, StepRole::Probe);
                } else {
                    self.in_doubt(id, &attempt.step, reason);
                }
            }
        }
    }

    fn step_failed(&mut self, attempt: &AttemptId, reason: &str) {
        let id = &attempt.execution;
        let failures = self.count_failure(attempt);
        if failures < self.attempts_allowed(id, StepRole::Do) {
            self.retry_later(attempt, failures);
        } else {
            self.give_up(id, format!("step `{}` failed: {reason}", attempt.step));
        }
    }

    /// The probe's success says that the step happened, its failure that it did not.
    fn probe_outcome(&mut self, attempt: &AttemptId, outcome: &Outcome) {
        let id = &attempt.execution;
        match outcome {
            Outcome::Ok { output } => self.step_done(id, json!({"probe": output})),
            Outcome::Failed { .. } => {
                // It did not happen, so doing it now is not doing it twice. Once is always allowed.
                let step = self
                    .state
                    .executions
                    .get(id)
                    .map(|e| e.steps[e.cursor].clone());
                let Some(step) = step else { return };
                let do_failures = step.failures[index(StepRole::Do)];
                if step.attempts[index(StepRole::Probe)] <= 1
                    || do_failures < self.attempts_allowed(id, StepRole::Do)
                {
                    self.dispatch(id, StepRole::Do);
                } else {
                    self.give_up(id, format!("step `{}` did not happen", attempt.step));
                }
            }
            Outcome::Unknown { reason } => {
                let failures = self.count_failure(attempt);
                if failures < UNKNOWN_REPEATS_MAX {
                    self.retry_later(attempt, failures);
                } else {
                    self.in_doubt(id, &attempt.step, reason);
                }
            }
        }
    }

    fn step_done(&mut self, id: &ExecutionId, output: Value) {
        self.with_execution(id, |execution| {
            let step = &mut execution.steps[execution.cursor];
            step.status = StepStatus::Done;
            step.output = output;
            execution.cursor += 1;
        });
        self.progress(id);
    }

    fn in_doubt(&mut self, id: &ExecutionId, step: &str, reason: &str) {
        self.with_execution(id, |execution| {
            let cursor = execution.cursor;
            if let Some(step) = execution.steps.get_mut(cursor) {
                step.status = StepStatus::InDoubt;
            }
        });
        let text = format!("nobody knows whether step `{step}` happened: {reason}");
        self.end_execution(id, ExecutionStatus::InDoubt, text);
    }

    fn cannot_render(&mut self, id: &ExecutionId, role: StepRole, error: &str) {
        match role {
            StepRole::Do => self.give_up(id, format!("an argument has no value: {error}")),
            StepRole::Probe => self.in_doubt(id, "probe", error),
            StepRole::Undo => self.undo_failed(id),
        }
    }

    /// The run's wake-up: the next attempt, or the end of verification.
    pub(crate) fn wake_execution(&mut self, id: &ExecutionId) {
        self.with_execution(id, |execution| execution.wake = None);
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        if execution.status == ExecutionStatus::Verifying {
            return self.verification_over(id);
        }
        let step = execution.steps.get(execution.cursor);
        match step.map(|step| step.status) {
            Some(StepStatus::Probing) => self.dispatch(id, StepRole::Probe),
            Some(StepStatus::Undoing) => self.dispatch(id, StepRole::Undo),
            _ => self.progress(id),
        }
    }

    pub(crate) fn retry_later(&mut self, attempt: &AttemptId, failures: u32) {
        let id = &attempt.execution;
        let Some(execution) = self.state.executions.get(id) else {
            return;
        };
        let Some(playbook) = self.playbook(&execution.plan) else {
            return;
        };
        let Some(call) = call_of(&playbook, execution.cursor, attempt.role) else {
            return;
        };
        let wait = backoff(&call.retry, failures, execution.seed, attempt);
        let at = self.state.now.after(wait);
        let (cause, correlation) = (execution.seq, execution.plan.incident.to_string());
        let fact = Fact::StepRetry {
            attempt: attempt.clone(),
            at,
        };
        self.emit(fact, Some(Cause::Entry(cause)), Some(correlation));
        let role = attempt.role;
        self.with_execution(id, |execution| {
            execution.wake = Some(at);
            if role == StepRole::Do {
                execution.steps[execution.cursor].status = StepStatus::Backoff;
            }
        });
    }

    pub(crate) fn count_failure(&mut self, attempt: &AttemptId) -> u32 {
        self.state
            .executions
            .change(&attempt.execution, |execution| {
                let failures = &mut execution.steps[execution.cursor].failures[index(attempt.role)];
                *failures += 1;
                *failures
            })
            .unwrap_or(0)
    }

    pub(crate) fn attempts_allowed(&self, id: &ExecutionId, role: StepRole) -> u32 {
        self.state
            .executions
            .get(id)
            .and_then(|execution| {
                let playbook = self.playbook(&execution.plan)?;
                Some(call_of(&playbook, execution.cursor, role)?.retry.attempts)
            })
            .unwrap_or(1)
    }

    fn has_probe(&self, id: &ExecutionId) -> bool {
        self.state.executions.get(id).is_some_and(|execution| {
            self.playbook(&execution.plan)
                .is_some_and(|playbook| playbook.steps[execution.cursor].probe.is_some())
        })
    }

    /// A run that a person asked for goes on during a pause; every other one waits.
    pub(crate) fn is_held(&self, execution: &Execution) -> bool {
        let plan = &execution.plan;
        execution.by.is_none()
            && self
                .state
                .pauses
                .values()
                .any(|pause| covers(pause, &plan.playbook, &plan.target))
    }

    /// What the strings of a playbook may read while it runs.
    pub(crate) fn scope<'s>(
        &'s self,
        execution: &'s Execution,
        playbook: &'s Playbook,
    ) -> Scope<'s> {
        let plan = &execution.plan;
        let detection = || {
            let id = plan.detection.as_ref();
            let open = id.and_then(|id| self.state.detections.get(id));
            open.map_or(Value::Null, |open| detection_value(&open.detection))
        };
        let steps = || {
            let steps = playbook.steps.iter().zip(&execution.steps);
            let done = steps.filter(|(_, state)| state.status == StepStatus::Done);
            let done = done.map(|(step, state)| (step.id.clone(), json!({"output": state.output})));
            Value::Object(done.collect())
        };
        Scope::new()
            .late("detection", detection)
            .late(
                "target",
                || json!({"kind": plan.target.kind(), "name": plan.target.name(), "id": plan.target}),
            )
            .late("inputs", || Value::Object(plan.inputs.clone().into_iter().collect()))
            .late("steps", steps)
            .late(
                "execution",
                || json!({"id": execution.id, "playbook": plan.playbook, "incident": plan.incident,
                          "failure": execution.failure}),
            )
    }
}

/// What there is to call.
enum Prepared {
    /// The bundle it began with is gone.
    Unknown,
    /// The step makes no call in this role.
    Nothing,
    /// A pause holds it.
    Held,
    /// The arguments cannot be made.
    Wrong(String),
    Ready(Box<EffectRequest>),
}

/// The call a step makes in a role.
pub(crate) fn call_of(playbook: &Playbook, step: usize, role: StepRole) -> Option<&Call> {
    let step = playbook.steps.get(step)?;
    match role {
        StepRole::Do => Some(&step.call),
        StepRole::Undo => step.undo.as_ref(),
        StepRole::Probe => step.probe.as_ref(),
    }
}

const fn role_word(role: StepRole) -> &'static str {
    match role {
        StepRole::Do => "do",
        StepRole::Undo => "undo",
        StepRole::Probe => "probe",
    }
}
