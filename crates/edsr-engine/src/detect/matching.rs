//! `match`: single events that say that something is wrong, or that it is over.

use serde::{Deserialize, Serialize};

use super::reading::Reading;
use crate::bundle::MatchSpec;
use crate::expr::{EvalError, Vars};

/// What the last event said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct MatchState {
    bad: bool,
}

impl MatchState {
    /// Takes an event in; says whether it counts as evidence.
    pub(crate) fn event(&mut self, spec: &MatchSpec, vars: &dyn Vars) -> Result<bool, EvalError> {
        if let Some(clear) = &spec.clear
            && clear.truth(vars)?
        {
            self.bad = false;
            return Ok(false);
        }
        match &spec.when {
            None => self.bad = true,
            Some(when) if when.truth(vars)? => self.bad = true,
            // With a clearing condition of its own, an event that is neither says nothing.
            Some(_) if spec.clear.is_some() => return Ok(false),
            Some(_) => self.bad = false,
        }
        Ok(self.bad)
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
