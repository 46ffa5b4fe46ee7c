//! Which deliveries were there before, as long as a repetition of them would still be believed.

use std::collections::{BTreeMap, BTreeSet};

use edsr_model::{Digest, Timestamp};

/// The ids one window remembers, by default: about 10 MiB.
pub const REPLAY_IDS_MAX: usize = 100_000;

/// A delivery id as it is remembered: its digest, so that a long id takes no more room than a short one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplayKey(Digest);

impl ReplayKey {
    /// The key of a delivery id.
    #[must_use]
    pub fn of(id: &[u8]) -> Self {
        Self(Digest::of(id))
    }
}

/// Why a delivery is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayFault {
    /// It was there before.
    Seen,
    /// There is no room to remember it; holds how many are remembered.
    Full(usize),
}

/// The deliveries of one source that must not be taken again. It lives in memory: after a restart a delivery inside its
/// tolerance can be sent once more, and is then the same event by its id.
#[derive(Debug)]
pub struct ReplayWindow {
    until: BTreeMap<ReplayKey, Timestamp>,
    by_time: BTreeSet<(Timestamp, ReplayKey)>,
    ids_max: usize,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new(REPLAY_IDS_MAX)
    }
}

impl ReplayWindow {
    /// A window that remembers up to `ids_max` deliveries at a time.
    #[must_use]
    pub const fn new(ids_max: usize) -> Self {
        Self {
            until: BTreeMap::new(),
            by_time: BTreeSet::new(),
            ids_max,
        }
    }

    /// Remembers `key` up to and including `until`.
    ///
    /// # Errors
    /// [`ReplayFault::Seen`] where it is remembered already, [`ReplayFault::Full`] where there is no room: forgetting
    /// another one to make some would let that one be replayed.
    pub fn admit(
        &mut self,
        key: ReplayKey,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), ReplayFault> {
        self.evict(now);
        if self.until.contains_key(&key) {
            return Err(ReplayFault::Seen);
        }
        if self.until.len() >= self.ids_max {
            return Err(ReplayFault::Full(self.until.len()));
        }
        self.until.insert(key, until);
        self.by_time.insert((until, key));
        Ok(())
    }

    /// Forgets `key`, because its delivery was not kept after all and will come again.
    pub fn forget(&mut self, key: &ReplayKey) {
        if let Some(until) = self.until.remove(key) {
            self.by_time.remove(&(until, *key));
        }
    }

    /// How many deliveries are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    fn evict(&mut self, now: Timestamp) {
        while let Some((until, key)) = self.by_time.first().copied()
            && until < now
        {
            self.by_time.pop_first();
            self.until.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_full_window_refuses_rather_than_forgets() {
        let mut window = ReplayWindow::new(2);
        let key = |id: &str| ReplayKey::of(id.as_bytes());
        assert_eq!(window.admit(key("a"), at(0), at(10)), Ok(()));
        assert_eq!(window.admit(key("b"), at(1), at(5)), Ok(()));
        assert_eq!(
            window.admit(key("a"), at(2), at(12)),
            Err(ReplayFault::Seen)
        );
        assert_eq!(
            window.admit(key("c"), at(5), at(15)),
            Err(ReplayFault::Full(2))
        );
        assert_eq!(
            window.admit(key("c"), at(6), at(16)),
            Ok(()),
            "b is past its time"
        );
        assert_eq!(
            window.admit(key("a"), at(10), at(20)),
            Err(ReplayFault::Seen)
        );
        assert_eq!(window.admit(key("a"), at(11), at(21)), Ok(()));
        window.forget(&key("a"));
        window.forget(&key("a"));
        assert_eq!(window.len(), 1);
        assert_eq!(window.admit(key("a"), at(11), at(21)), Ok(()));
    }
}
