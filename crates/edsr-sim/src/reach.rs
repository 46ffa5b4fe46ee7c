//! What a world came across. A campaign that never reached something proves nothing about it, so what it must reach
//! is listed, and counted.

use std::collections::BTreeMap;

/// How often each thing was come across, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<String, u64>);

impl Reached {
    /// Counts one.
    pub fn hit(&mut self, name: impl Into<String>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    /// Adds what another world came across.
    pub fn join(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }

    /// How often `name` was come across.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Everything, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// What of `wanted` was never come across.
    #[must_use]
    pub fn missing(&self, wanted: &[String]) -> Vec<String> {
        let missing = wanted.iter().filter(|name| self.count(name) == 0);
        missing.cloned().collect()
    }
}
