//! Things by key, some of which are due at an instant, so that the next one is found without asking all of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Deref;
use std::time::Duration;

use edsr_model::{Seq, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What may be due at an instant.
pub(crate) trait Due {
    /// When it is due; and of those that are due at once, the one with the lowest number comes first.
    fn due(&self) -> Option<(Timestamp, Seq)>;
}

/// Things by key. Read it as the map it is; what changes goes through here.
#[derive(Debug, Clone)]
pub(crate) struct Timed<K, V> {
    all: BTreeMap<K, V>,
    /// Those that are due, in the order they come.
    due: BTreeSet<(Timestamp, Seq, K)>,
}

impl<K, V> Default for Timed<K, V> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }
}

impl<K, V> Deref for Timed<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<K: Ord + Clone, V: Due> Timed<K, V> {
    /// The instant at which the first one is due, and its key.
    pub(crate) fn first_due(&self) -> Option<(Timestamp, &K)> {
        self.due.first().map(|(at, _, key)| (*at, key))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        self.note(&key, &value);
        self.all.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.all.remove(key)?;
        self.forget(key, &value);
        Some(value)
    }

    /// Changes the one with this key, where there is one.
    pub(crate) fn change<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let value = self.all.get_mut(key)?;
        let before = value.due();
        let result = change(value);
        let after = value.due();
        if before != after {
            if let Some((at, seq)) = before {
                self.due.remove(&(at, seq, key.clone()));
            }
            self.due
                .extend(after.map(|(at, seq)| (at, seq, key.clone())));
        }
        Some(result)
    }

    /// Keeps those for which `keep` says so.
    pub(crate) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.all.retain(|key, _| keep(key));
        self.due.retain(|(_, _, key)| keep(key));
    }

    /// Takes all of them out, in the order of their keys.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = V> + use<K, V> {
        self.due.clear();
        std::mem::take(&mut self.all).into_values()
    }

    fn note(&mut self, key: &K, value: &V) {
        let due = value.due();
        self.due.extend(due.map(|(at, seq)| (at, seq, key.clone())));
    }

    fn forget(&mut self, key: &K, value: &V) {
        if let Some((at, seq)) = value.due() {
            self.due.remove(&(at, seq, key.clone()));
        }
    }
}

impl<K: Serialize, V: Serialize> Serialize for Timed<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Timed<K, V>
where
    K: Ord + Clone + Deserialize<'de>,
    V: Due + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all: BTreeMap<K, V> = Deserialize::deserialize(deserializer)?;
        let mut timed = Self::default();
        for (key, value) in all {
            timed.insert(key, value);
        }
        Ok(timed)
    }
}

/// What was noted lately, by key: for so long, and at most so many.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lately<K: Ord, V> {
    by_key: BTreeMap<K, (Timestamp, V)>,
    /// As it was noted; time never runs backwards.
    order: VecDeque<(Timestamp, K)>,
}

impl<K: Ord, V> Default for Lately<K, V> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone, V> Lately<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// Notes a value, and forgets what is older than `memory`, and the oldest beyond `max`.
    pub(crate) fn note(&mut self, now: Timestamp, key: K, value: V, memory: Duration, max: usize) {
        let oldest = now.before(memory);
        while let Some((at, first)) = self.order.front() {
            if *at >= oldest && self.order.len() < max {
                break;
            }
            // Noted again since, it is not forgotten with its older note.
            if self.by_key.get(first).is_some_and(|(noted, _)| noted == at) {
                self.by_key.remove(first);
            }
            self.order.pop_front();
        }
        self.by_key.insert(key.clone(), (now, value));
        self.order.push_back((now, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Thing(Option<i64>, u64);

    impl Due for Thing {
        fn due(&self) -> Option<(Timestamp, Seq)> {
            self.0.map(|at| (Timestamp::from_secs(at), Seq(self.1)))
        }
    }

    #[test]
    fn the_first_is_the_one_that_a_walk_would_find() {
        let mut timed = Timed::default();
        let mut dice = 3_u64;
        for step in 0..20_000_u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (key, what) = (dice >> 33 & 0x1f, dice >> 50 & 7);
            let due = (dice >> 40 & 3 != 0).then_some((dice >> 42 & 0xf) as i64);
            match what {
                0..=2 => timed.insert(key, Thing(due, step)),
                3 => drop(timed.remove(&key)),
                4 if dice >> 60 == 0 => timed.retain(|key| key % 3 != 0),
                5 if dice >> 60 == 0 => assert!(timed.take().count() <= 32),
                _ => drop(timed.change(&key, |thing| thing.0 = due)),
            }
            let walked = timed
                .iter()
                .filter_map(|(key, thing)| Some((thing.due()?, key)));
            let walked = walked.min().map(|((at, _), key)| (at, key));
            assert_eq!(timed.first_due(), walked, "{step}");
        }
        let written = rmp_serde::to_vec(&timed).unwrap();
        let read: Timed<u64, Thing> = rmp_serde::from_slice(&written).unwrap();
        assert_eq!((&*read, &read.due), (&*timed, &timed.due));
    }

    #[test]
    fn what_was_noted_is_forgotten_in_time_and_beyond_the_bound() {
        let mut lately = Lately::default();
        let note = |lately: &mut Lately<u32, u32>, second, key| {
            let now = Timestamp::from_secs(second);
            lately.note(now, key, key * 10, Duration::from_secs(10), 3);
        };
        note(&mut lately, 0, 1);
        note(&mut lately, 5, 2);
        assert_eq!((lately.get(&1), lately.get(&2)), (Some(&10), Some(&20)));
        note(&mut lately, 10, 1);
        note(&mut lately, 11, 3);
        assert_eq!(lately.get(&1), Some(&10), "noted again");
        note(&mut lately, 12, 4);
        assert_eq!(lately.get(&2), None, "one too many");
        assert_eq!((lately.by_key.len(), lately.order.len()), (3, 3));
        note(&mut lately, 40, 5);
        assert_eq!((lately.by_key.len(), lately.order.len()), (1, 1));
    }
}
