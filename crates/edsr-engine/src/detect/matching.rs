//! `match`: single events that say that something is wrong, or that it is over.

use serde::{Deserialize, Serialize};

use super::look::Seen;
use super::reading::Reading;
use crate::bundle::MatchSpec;
use edsr_expr::{EvalError, Vars};

/// What an event says.
pub(super) fn see(spec: &MatchSpec, vars: &dyn Vars) -> Result<Seen, EvalError> {
    if let Some(clear) = &spec.clear
        && clear.truth(vars)?
    {
        return Ok(Seen::Over);
    }
    Ok(match &spec.when {
        None => Seen::Bad,
        Some(when) if when.truth(vars)? => Seen::Bad,
        // With a clearing condition of its own, an event that is neither says nothing.
        Some(_) if spec.clear.is_some() => Seen::Nothing,
        Some(_) => Seen::Good,
    })
}

/// What the last event said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct MatchState {
    bad: bool,
}

impl MatchState {
    /// Takes in what an event says; tells whether it counts as evidence.
    pub(super) fn event(&mut self, seen: &Seen) -> bool {
        match seen {
            Seen::Bad => self.bad = true,
            Seen::Over | Seen::Good => self.bad = false,
            _ => return false,
        }
        self.bad
    }

    pub(crate) fn read(&self) -> Reading {
        Reading::of(self.bad, !self.bad)
    }

    /// Where nothing can say that it is over, every event is a pulse: wrong now, and over `keepFor` later.
    pub(crate) fn is_pulse(spec: &MatchSpec) -> bool {
        spec.when.is_none() && spec.clear.is_none()
    }

    /// Ends a pulse.
    pub(crate) fn release(&mut self) {
        self.bad = false;
    }

    pub(crate) const fn is_idle(&self) -> bool {
        !self.bad
    }
}
