//! A bounded table in order of arrival whose copy is cheap.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use edsr_model::Seq;

/// A write after a copy duplicates one shard and one chunk of order, not the table.
const SHARDS: usize = 128;
/// Keys in one chunk of order.
const CHUNK: usize = 128;

/// Values by key, the oldest of which give way once there are `max`.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    max: usize,
    len: usize,
    shards: Vec<Arc<BTreeMap<K, Arc<V>>>>,
    order: VecDeque<Arc<Vec<(Seq, K)>>>,
    /// How many keys at the front of the first chunk are gone already.
    gone: usize,
}

impl<K: Clone + Ord + Hash, V: Clone> Table<K, V> {
    /// An empty table that keeps the newest `max` (at least one).
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            len: 0,
            shards: (0..SHARDS).map(|_| Arc::default()).collect(),
            order: VecDeque::new(),
            gone: 0,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&Arc<V>> {
        self.shards[shard(key)].get(key)
    }

    /// All values, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = (Seq, &Arc<V>)> {
        self.newest_before(None)
    }

    /// The values that arrived before `before`, newest first; all of them without it.
    pub fn newest_before(&self, before: Option<Seq>) -> impl Iterator<Item = (Seq, &Arc<V>)> {
        let before = before.unwrap_or(Seq(u64::MAX));
        let live = |(place, chunk): (usize, &Arc<Vec<(Seq, K)>>)| {
            (if place == 0 { self.gone } else { 0 }, chunk.len())
        };
        self.order
            .iter()
            .enumerate()
            .rev()
            .filter(move |(_, chunk)| chunk.first().is_some_and(|(seq, _)| *seq < before))
            .flat_map(move |(place, chunk)| {
                let (from, to) = live((place, chunk));
                chunk[from..to].iter().rev()
            })
            .filter(move |(seq, _)| *seq < before)
            .filter_map(|(seq, key)| self.get(key).map(|value| (*seq, value)))
    }

    /// Keys and values in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<V>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// Adds or replaces the value of `key`; a new key is the newest from here on.
    pub fn put(&mut self, seq: Seq, key: K, value: V) {
        let home = Arc::make_mut(&mut self.shards[shard(&key)]);
        if home.insert(key.clone(), Arc::new(value)).is_some() {
            return;
        }
        self.len += 1;
        match self.order.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push((seq, key)),
            _ => self.order.push_back(Arc::new(vec![(seq, key)])),
        }
        while self.len > self.max {
            self.drop_oldest();
        }
    }

    /// The value of `key` to change in place.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = shard(key);
        if !self.shards[place].contains_key(key) {
            return None; // nothing is copied for a key that is not there
        }
        Arc::make_mut(&mut self.shards[place])
            .get_mut(key)
            .map(Arc::make_mut)
    }

    fn drop_oldest(&mut self) {
        let Some(chunk) = self.order.front() else {
            return;
        };
        if let Some((_, key)) = chunk.get(self.gone) {
            Arc::make_mut(&mut self.shards[shard(key)]).remove(key);
            self.len -= 1;
        }
        self.gone += 1;
        if self.gone >= chunk.len() {
            self.order.pop_front();
            self.gone = 0;
        }
    }
}

fn shard<K: Hash>(key: &K) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_order_and_listed_by_page() {
        for (max, count) in [(1, 5), (10, 10), (10, 11), (CHUNK, 3 * CHUNK), (300, 1_000)] {
            let mut table = Table::new(max);
            for n in 1..=count as u64 {
                table.put(Seq(n * 10), n, n);
            }
            let kept: Vec<u64> = table.newest_first().map(|(_, value)| **value).collect();
            let expected: Vec<u64> = (1..=count as u64).rev().take(max).collect();
            assert_eq!(kept, expected, "max {max} count {count}");
            assert_eq!(table.len(), kept.len());
            assert_eq!(table.iter().count(), kept.len());
            let below = Seq(expected[kept.len() / 2] * 10);
            let page: Vec<u64> = table.newest_before(Some(below)).map(|(_, v)| **v).collect();
            assert_eq!(page, expected[kept.len() / 2 + 1..], "page below {below}");
        }
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut table = Table::new(10);
        table.put(Seq(1), "a", 1);
        let copy = table.clone();
        *table.get_mut(&"a").unwrap() = 2;
        table.put(Seq(2), "b", 3);
        assert_eq!(copy.get(&"a").map(|v| **v), Some(1));
        assert_eq!((copy.len(), table.len()), (1, 2));
        assert_eq!(table.get(&"a").map(|v| **v), Some(2));
        assert!(table.get_mut(&"c").is_none());
    }
}
