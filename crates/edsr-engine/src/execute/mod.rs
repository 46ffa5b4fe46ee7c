//! Execute: make it so, once. A run is a small state machine over the steps of its playbook.
//!
//! It intends a call, the call is made after the intent is durable, and the outcome comes back as a stated fact.
//! "Intended, no outcome" is a state with a name and an answer, never a guess.

mod run;
mod undo;
mod verify;

use std::time::Duration;

use edsr_model::{
    Actor, AttemptId, EffectClass, ExecutionId, ExecutionStatus, Plan, Seq, StepRole, StepStatus,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::Retry;

/// How long past twice its own timeout (once to wait for its turn, once to run) a call's outcome is waited for.
///
/// The shell then states that the outcome is unknown. It is not a timer of the engine's, because only the shell knows
/// when the call was really made: the engine's time may lie behind after a stall.
pub const OUTCOME_GRACE: Duration = Duration::from_secs(15);

/// How often a call that may be repeated is sent again after an unknown outcome, and how often a probe is asked.
pub const UNKNOWN_REPEATS_MAX: u32 = 3;

/// One run of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) id: ExecutionId,
    pub(crate) plan: Plan,
    pub(crate) status: ExecutionStatus,
    pub(crate) seed: u64,
    pub(crate) steps: Vec<StepState>,
    /// The step that is done, or undone.
    pub(crate) cursor: usize,
    pub(crate) in_flight: Option<InFlight>,
    /// Waits for this instant: the next attempt, or the end of verification.
    pub(crate) wake: Option<Timestamp>,
    /// The call it would make now if a pause did not cover it.
    pub(crate) held: Option<StepRole>,
    /// A person asked for it, so pauses do not hold it.
    pub(crate) by: Option<Actor>,
    /// The entry that began it.
    pub(crate) seq: Seq,
    /// Why it is compensating.
    pub(crate) failure: Option<String>,
}

/// Where a step stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepState {
    pub(crate) status: StepStatus,
    /// Calls intended so far, by role: do, undo, probe.
    pub(crate) attempts: [u32; 3],
    /// Attempts that failed or stayed unknown, by role.
    pub(crate) failures: [u32; 3],
    pub(crate) output: Value,
}

/// A call that was intended and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) attempt: AttemptId,
    pub(crate) class: EffectClass,
    /// The entry of the intent.
    pub(crate) seq: Seq,
}

impl Execution {
    pub(crate) fn new(
        id: ExecutionId,
        plan: Plan,
        steps: usize,
        seed: u64,
        by: Option<Actor>,
        seq: Seq,
    ) -> Self {
        let step = StepState {
            status: StepStatus::Waiting,
            attempts: [0; 3],
            failures: [0; 3],
            output: Value::Null,
        };
        Self {
            id,
            plan,
            status: ExecutionStatus::Running,
            seed,
            steps: vec![step; steps],
            cursor: 0,
            in_flight: None,
            wake: None,
            held: None,
            by,
            seq,
            failure: None,
        }
    }
}

pub(crate) const fn index(role: StepRole) -> usize {
    match role {
        StepRole::Do => 0,
        StepRole::Undo => 1,
        StepRole::Probe => 2,
    }
}

/// The wait before the attempt after `failures` failed ones: at least `min`, with full jitter up to the doubled wait.
pub(crate) fn backoff(retry: &Retry, failures: u32, seed: u64, attempt: &AttemptId) -> Duration {
    let doubled = retry
        .min
        .saturating_mul(1_u32.checked_shl(failures.min(30)).unwrap_or(u32::MAX))
        .min(retry.max)
        .max(retry.min);
    let spread = u64::try_from((doubled - retry.min).as_micros()).unwrap_or(u64::MAX);
    let salt = edsr_model::Digest::of(attempt.to_string().as_bytes());
    let salt = u64::from_be_bytes(salt.0[..8].try_into().unwrap_or_default());
    let jitter = splitmix64(seed ^ salt) % spread.saturating_add(1).max(1);
    retry.min + Duration::from_micros(jitter)
}

/// Sebastiano Vigna's SplitMix64 (public domain, <https://prng.di.unimi.it/splitmix64.c>), one step.
const fn splitmix64(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_inside_their_bounds_and_repeat_from_the_seed() {
        let retry = Retry {
            attempts: 10,
            min: Duration::from_secs(1),
            max: Duration::from_secs(30),
        };
        let attempt = |attempt| AttemptId {
            execution: ExecutionId::derive([b"x".as_slice()]),
            step: "a".into(),
            role: StepRole::Do,
            attempt,
        };
        for failures in 1..10 {
            let wait = backoff(&retry, failures, 7, &attempt(failures));
            let most = Duration::from_secs(30.min(1 << failures));
            assert!(wait >= retry.min && wait <= most, "{failures}: {wait:?}");
            assert_eq!(wait, backoff(&retry, failures, 7, &attempt(failures)));
        }
        assert_ne!(
            backoff(&retry, 5, 7, &attempt(5)),
            backoff(&retry, 5, 8, &attempt(5)),
            "another seed, another wait"
        );
    }
}
