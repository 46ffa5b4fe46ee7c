//! `absent`: something that should have happened within a time, and did not.

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::look::Seen;
use super::reading::Reading;
use crate::bundle::AbsentSpec;
use edsr_expr::{EvalError, Vars};

/// Whether an event is what is expected, and whether it begins a wait. Where one of the two reads a field that the
/// event does not have, the other one decides.
pub(super) fn see(spec: &AbsentSpec, vars: &dyn Vars) -> Result<Seen, EvalError> {
    let arrived = spec.expect.truth(vars);
    let Some(after) = &spec.after else {
        return Ok(Seen::Wait {
            arrived: arrived?,
            begun: false,
        });
    };
    let begun = after.truth(vars);
    if let (Err(_), Err(error)) = (&arrived, &begun) {
        return Err(error.clone());
    }
    Ok(Seen::Wait {
        arrived: arrived.unwrap_or(false),
        begun: begun.unwrap_or(false),
    })
}

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

    /// Takes an event in; tells whether it counts as evidence. What is expected is looked at first, so an event that
    /// is both ends one wait and begins the next.
    pub(super) fn event(&mut self, spec: &AbsentSpec, seen: &Seen, at: Timestamp) -> bool {
        let Seen::Wait { arrived, begun } = *seen else {
            return false;
        };
        if arrived {
            self.waiting_since = spec.after.is_none().then_some(at);
        }
        if begun {
            self.waiting_since.get_or_insert(at);
        }
        if spec.after.is_none() { arrived } else { begun }
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
