//! `absent`: something that should have happened within a time, and did not.

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::reading::Reading;
use crate::bundle::AbsentSpec;
use crate::expr::{EvalError, Vars};

/// A clock that runs while something is expected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct AbsentState {
    /// Since when it is expected.
    waiting_since: Option<Timestamp>,
}

impl AbsentState {
    /// The state of a key whose clock starts now: it is in an expected set, or is the only key of a heartbeat.
    pub(crate) fn armed(at: Timestamp) -> Self {
        Self {
            waiting_since: Some(at),
        }
    }

    /// Takes an event in; says whether it counts as evidence. What is expected is looked at first, so an event that
    /// is both ends one wait and begins the next.
    pub(crate) fn event(
        &mut self,
        spec: &AbsentSpec,
        vars: &dyn Vars,
        at: Timestamp,
    ) -> Result<bool, EvalError> {
        let arrived = spec.expect.truth(vars);
        if matches!(arrived, Ok(true)) {
            self.waiting_since = spec.after.is_none().then_some(at);
        }
        let Some(after) = &spec.after else {
            return arrived;
        };
        match after.truth(vars) {
            Ok(true) => {
                self.waiting_since.get_or_insert(at);
                Ok(true)
            }
            // One of the two reads a field the event does not have; the other one decides.
            Ok(false) => arrived.map(|_| false).or(Ok(false)),
            Err(error) => arrived.map(|_| false).map_err(|_| error),
        }
    }

    pub(crate) fn read(&self, spec: &AbsentSpec, now: Timestamp) -> Reading {
        let Some(since) = self.waiting_since else {
            return Reading::of(false, true);
        };
        let due = since.after(spec.within);
        if now < due {
            return Reading::of(false, true).wake(Some(due));
        }
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        let waited = now.since(since).as_micros() as f64 / 1e6;
        Reading::of(true, false).figure("waitedSeconds", waited)
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.waiting_since.is_none()
    }
}
