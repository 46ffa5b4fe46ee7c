//! What a machine says about its condition at one instant.

use std::collections::BTreeMap;

use edsr_model::Timestamp;

/// What a condition looks like now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reading {
    /// It is beyond the line that opens.
    pub(crate) bad: bool,
    /// It is beyond the line that clears. Neither of both: nothing can be said, so what was, stays.
    pub(crate) good: bool,
    /// The figures behind it.
    pub(crate) figures: BTreeMap<String, f64>,
    /// When it may look different without any further event.
    pub(crate) wake: Option<Timestamp>,
}

impl Reading {
    pub(crate) fn of(bad: bool, good: bool) -> Self {
        Self {
            bad,
            good,
            ..Self::default()
        }
    }

    pub(crate) fn figure(mut self, name: &str, value: f64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn wake(mut self, at: Option<Timestamp>) -> Self {
        self.wake = at;
        self
    }
}
