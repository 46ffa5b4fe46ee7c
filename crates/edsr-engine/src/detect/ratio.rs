//! `ratio`: which share of events in a sliding window.

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::count::{threshold, warm_at};
use super::look::Seen;
use super::reading::Reading;
use super::window::{Grid, Tally};
use crate::bundle::RatioSpec;
use edsr_expr::{EvalError, Vars};

/// Whether an event is in the numerator.
pub(super) fn see(spec: &RatioSpec, vars: &dyn Vars) -> Result<Seen, EvalError> {
    Ok(Seen::Share(spec.of.truth(vars)?))
}

/// A window of events, some of which are in the numerator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RatioState {
    armed_at: Timestamp,
    tally: Tally,
}

impl RatioState {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self {
            armed_at: at,
            tally: Tally::default(),
        }
    }

    /// Takes an event in; tells whether it counts as evidence.
    pub(super) fn event(&mut self, spec: &RatioSpec, seen: &Seen, at: Timestamp) -> bool {
        let Seen::Share(hit) = *seen else {
            return false;
        };
        self.tally.add(Grid::new(spec.over), at, hit);
        hit != spec.open.is_low()
    }

    pub(crate) fn read(&mut self, spec: &RatioSpec, now: Timestamp) -> Reading {
        let grid = Grid::new(spec.over);
        self.tally.expire(grid, now);
        let change = self.tally.next_change(grid);
        #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let (hit, all) = (self.tally.hit() as f64, self.tally.all() as f64);
        if self.tally.all() < spec.min_count.max(1) {
            // Too few events to say anything: neither wrong nor right.
            return Reading::default().figure("count", all).wake(change);
        }
        let ratio = hit / all;
        threshold(
            spec.open,
            spec.clear,
            ratio,
            warm_at(spec.open, self.armed_at, spec.over),
            now,
        )
        .figure("count", all)
        .figure("hits", hit)
        .figure("ratio", ratio)
        .earlier(change)
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.tally.all() == 0
    }
}
