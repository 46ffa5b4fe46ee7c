//! Sliding windows, cut into slices so that their memory does not depend on how many events they hold.

use std::collections::VecDeque;
use std::time::Duration;

use edsr_model::Timestamp;
use serde::{Deserialize, Serialize};

/// How many slices a window is cut into. It covers the running slice and the ones before it, so it is between
/// 59/60 of its length and its whole length long.
pub(crate) const SLICES: i64 = 60;

/// Where the slices of a window of this length lie; slices start at multiples of their width since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    width: i64,
}

impl Grid {
    pub(crate) fn new(over: Duration) -> Self {
        let micros = i64::try_from(over.as_micros()).unwrap_or(i64::MAX);
        Self {
            width: (micros / SLICES).max(1),
        }
    }

    pub(crate) fn slice(self, at: Timestamp) -> i64 {
        at.as_micros().div_euclid(self.width)
    }

    /// The oldest slice that a window at `at` still covers.
    pub(crate) fn oldest(self, at: Timestamp) -> i64 {
        self.slice(at) - (SLICES - 1)
    }

    /// When a slice leaves the window.
    pub(crate) fn leaves(self, slice: i64) -> Timestamp {
        Timestamp::from_micros((slice + SLICES).saturating_mul(self.width))
    }
}

/// Two counters per slice: all, and those that matter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    slices: VecDeque<(i64, u64, u64)>,
    all: u64,
    hit: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, grid: Grid, at: Timestamp, hit: bool) {
        self.expire(grid, at);
        let slice = grid.slice(at);
        let hit = u64::from(hit);
        match self.slices.back_mut() {
            Some(last) if last.0 == slice => {
                last.1 += 1;
                last.2 += hit;
            }
            _ => self.slices.push_back((slice, 1, hit)),
        }
        self.all += 1;
        self.hit += hit;
    }

    pub(crate) fn expire(&mut self, grid: Grid, at: Timestamp) {
        let oldest = grid.oldest(at);
        while let Some((slice, all, hit)) = self.slices.front().copied() {
            if slice >= oldest {
                break;
            }
            self.all -= all;
            self.hit -= hit;
            self.slices.pop_front();
        }
    }

    pub(crate) const fn all(&self) -> u64 {
        self.all
    }

    pub(crate) const fn hit(&self) -> u64 {
        self.hit
    }

    /// When the window changes by itself next.
    pub(crate) fn next_change(&self, grid: Grid) -> Option<Timestamp> {
        self.slices.front().map(|(slice, ..)| grid.leaves(*slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_slice_by_slice() {
        let grid = Grid::new(Duration::from_secs(60));
        let mut tally = Tally::default();
        for second in 0..120 {
            tally.add(grid, Timestamp::from_secs(second), second % 10 == 0);
            let covered = (second + 1).min(60);
            assert_eq!(tally.all(), covered as u64, "at {second}");
        }
        assert_eq!(tally.hit(), 6);
        assert_eq!(tally.next_change(grid), Some(Timestamp::from_secs(120)));
        tally.expire(grid, Timestamp::from_secs(119));
        assert_eq!(
            tally.all(),
            60,
            "one instant before the edge nothing has left"
        );
        tally.expire(grid, Timestamp::from_secs(120));
        assert_eq!(tally.all(), 59);
        tally.expire(grid, Timestamp::from_secs(500));
        assert_eq!(
            (tally.all(), tally.hit(), tally.next_change(grid)),
            (0, 0, None)
        );
    }
}
