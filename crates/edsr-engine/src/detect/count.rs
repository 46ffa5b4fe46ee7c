//! `count`: how many events, or distinct values, in a sliding window.

use std::collections::BTreeMap;
use std::time::Duration;

use edsr_model::{Scalar, Timestamp};
use serde::{Deserialize, Serialize};

use super::look::Seen;
use super::reading::Reading;
use super::window::{Grid, Tally};
use crate::bundle::{CountSpec, Threshold};
use edsr_expr::{EvalError, Vars};

/// The most distinct values one window remembers. At the bound the count stays there: it is at least that many.
pub const DISTINCT_MAX: usize = 10_000;

/// What an event adds.
pub(super) fn see(spec: &CountSpec, vars: &dyn Vars) -> Result<Seen, EvalError> {
    if let Some(of) = &spec.of
        && !of.truth(vars)?
    {
        return Ok(Seen::Nothing);
    }
    let Some(distinct) = &spec.distinct else {
        return Ok(Seen::One);
    };
    let value = Scalar::from_value(&distinct.value(vars)?);
    Ok(value.map_or(Seen::Nothing, Seen::Value))
}

/// A window of events, or of distinct values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CountState {
    armed_at: Timestamp,
    tally: Tally,
    /// The slice each value was last seen in.
    distinct: BTreeMap<Scalar, i64>,
    /// No value was last seen before this slice; so nothing can have left while the window still covers it.
    oldest: i64,
}

impl CountState {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self {
            armed_at: at,
            tally: Tally::default(),
            distinct: BTreeMap::new(),
            oldest: i64::MAX,
        }
    }

    /// Takes in what an event adds; tells whether it counts as evidence.
    pub(super) fn event(&mut self, spec: &CountSpec, seen: &Seen, at: Timestamp) -> bool {
        let grid = Grid::new(spec.over);
        match seen {
            Seen::One => self.tally.add(grid, at, true),
            Seen::Value(value) => {
                self.expire_distinct(grid, at);
                if self.distinct.len() < DISTINCT_MAX || self.distinct.contains_key(value) {
                    let slice = grid.slice(at);
                    self.distinct.insert(value.clone(), slice);
                    self.oldest = self.oldest.min(slice);
                }
            }
            _ => return false,
        }
        true
    }

    pub(crate) fn read(&mut self, spec: &CountSpec, now: Timestamp) -> Reading {
        let grid = Grid::new(spec.over);
        self.tally.expire(grid, now);
        self.expire_distinct(grid, now);
        let (name, count, change) = if spec.distinct.is_some() {
            let change = (!self.distinct.is_empty()).then(|| grid.leaves(self.oldest));
            ("distinct", self.distinct.len() as u64, change)
        } else {
            ("count", self.tally.all(), self.tally.next_change(grid))
        };
        #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let figure = count as f64;
        threshold(
            spec.open,
            spec.clear,
            figure,
            warm_at(spec.open, self.armed_at, spec.over),
            now,
        )
        .figure(name, figure)
        .earlier(change)
    }

    pub(crate) fn is_idle(&self, spec: &CountSpec) -> bool {
        !spec.open.is_low() && self.tally.all() == 0 && self.distinct.is_empty()
    }

    fn expire_distinct(&mut self, grid: Grid, at: Timestamp) {
        let covered = grid.oldest(at);
        if self.oldest < covered {
            self.distinct.retain(|_, slice| *slice >= covered);
            self.oldest = self.distinct.values().copied().min().unwrap_or(i64::MAX);
        }
    }
}

/// A line below which a figure is wrong says nothing until the window has been filled once.
pub(crate) fn warm_at(open: Threshold, armed_at: Timestamp, over: Duration) -> Option<Timestamp> {
    open.is_low().then(|| armed_at.after(over))
}

/// Holds a figure against the line that opens and the one that clears.
pub(crate) fn threshold(
    open: Threshold,
    clear: Option<Threshold>,
    figure: f64,
    warm_at: Option<Timestamp>,
    now: Timestamp,
) -> Reading {
    if let Some(warm_at) = warm_at.filter(|warm_at| now < *warm_at) {
        return Reading::default().wake(Some(warm_at));
    }
    let bad = open.holds(figure);
    let good = clear.map_or(!bad, |clear| clear.holds(figure) && !bad);
    Reading::of(bad, good)
}

impl Reading {
    /// Also looks again at `at`, if that is earlier.
    pub(crate) fn earlier(mut self, at: Option<Timestamp>) -> Self {
        self.wake = match (self.wake, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }
}
