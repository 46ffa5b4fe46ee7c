//! Numbers that follow from a seed, so that a run can be repeated as far as its delays go.

use std::time::Duration;

/// Set it to repeat a run.
const SEED_VARIABLE: &str = "EDSR_SEED";

/// A row of numbers that look random (xorshift).
pub(crate) struct Chance(u64);

impl Chance {
    /// From the seed that was asked for, which it prints.
    pub(crate) fn new(what: &str) -> Self {
        let seed = setting(SEED_VARIABLE, 20_261_121);
        println!("{what}: {SEED_VARIABLE}={seed}");
        Self::from(seed)
    }

    pub(crate) const fn from(seed: u64) -> Self {
        // Zero would stay zero for ever.
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A time below so many milliseconds, to the microsecond.
    pub(crate) const fn millis_below(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end * 1000))
    }
}

/// A number from the environment, or what is usual.
pub(crate) fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}
