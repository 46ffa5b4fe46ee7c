//! Admit: each event once. The same (source, id) inside the horizon is the same event.

use std::collections::VecDeque;
use std::time::Duration;

use edsr_model::{Digest, Event, Lsn, Timestamp};
use hashbrown::HashTable;

/// How far back a repetition is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupeSettings {
    /// A repetition is recognised for this long.
    pub horizon: Duration,
    /// The most events remembered; beyond it the oldest give way early, and that is counted.
    pub keys_max: usize,
}

impl Default for DedupeSettings {
    fn default() -> Self {
        Self {
            horizon: Duration::from_secs(3600),
            keys_max: 1_000_000,
        }
    }
}

/// What tells an event from all others: the first half of a SHA-256 over its source and its id. Nobody can make up an event
/// that would be taken for somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// That of `event`.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let digest = Digest::of_parts([event.source.as_bytes(), event.id.as_bytes()]);
        let mut key = [0; 16];
        key.copy_from_slice(&digest.0[..16]);
        Self(key)
    }

    /// Spread evenly, as it comes out of a digest.
    fn hash(self) -> u64 {
        self.0[..8]
            .iter()
            .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}

/// An event that was taken.
#[derive(Debug, Clone, Copy)]
struct Seen {
    key: Fingerprint,
    at: Timestamp,
    lsn: Lsn,
}

/// Remembers which events were taken. A fold over the event log: after a restart it is rebuilt from the log's tail.
#[derive(Debug, Default)]
pub struct Dedupe {
    settings: DedupeSettings,
    /// In the order they were taken.
    order: VecDeque<Seen>,
    /// How many have left `order` at its front.
    left: u64,
    /// Which one of all that ever were in `order` has a fingerprint. Nobody walks through it.
    places: HashTable<u64>,
    forgotten_early: u64,
}

impl Dedupe {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(settings: DedupeSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Where the same event was taken before, if it was.
    #[must_use]
    pub fn find(&self, key: Fingerprint) -> Option<Lsn> {
        let same = |place: &u64| self.at(*place).is_some_and(|seen| seen.key == key);
        let place = self.places.find(key.hash(), same)?;
        self.at(*place).map(|seen| seen.lsn)
    }

    fn at(&self, place: u64) -> Option<&Seen> {
        let index = place.checked_sub(self.left)?;
        self.order.get(usize::try_from(index).ok()?)
    }

    /// Notes that the event with this fingerprint was taken at `lsn`, and forgets what is beyond the horizon.
    pub fn note(&mut self, key: Fingerprint, lsn: Lsn, at: Timestamp) {
        if self.find(key).is_none() {
            let place = self.left + self.order.len() as u64;
            self.order.push_back(Seen { key, at, lsn });
            let (order, left) = (&self.order, self.left);
            // Invariant: whatever has a place is still in `order`.
            let hash = |place: &u64| {
                let index = usize::try_from(place - left).unwrap_or(0);
                order[index].key.hash()
            };
            self.places.insert_unique(key.hash(), place, hash);
        }
        let oldest = at.before(self.settings.horizon);
        while let Some(first) = self.order.front().copied() {
            let full = self.order.len() > self.settings.keys_max;
            if first.at >= oldest && !full {
                break;
            }
            self.forgotten_early += u64::from(first.at >= oldest);
            let left = self.left;
            if let Ok(place) = self
                .places
                .find_entry(first.key.hash(), |place| *place == left)
            {
                place.remove();
            }
            self.order.pop_front();
            self.left += 1;
        }
    }

    /// How many events are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many were forgotten before their time because there were too many.
    #[must_use]
    pub const fn forgotten_early(&self) -> u64 {
        self.forgotten_early
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64) -> Fingerprint {
        Fingerprint::of(&Event {
            id: id.to_string(),
            source: "/s".into(),
            kind: "t".into(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: std::collections::BTreeMap::new(),
            data: edsr_model::Data::None,
        })
    }

    #[test]
    fn a_repetition_is_known_inside_the_horizon_and_no_longer() {
        let mut dedupe = Dedupe::new(DedupeSettings {
            horizon: Duration::from_secs(10),
            keys_max: 100,
        });
        dedupe.note(event(1), Lsn(1), Timestamp::from_secs(0));
        assert_eq!(dedupe.find(event(1)), Some(Lsn(1)));
        dedupe.note(event(2), Lsn(2), Timestamp::from_secs(10));
        assert_eq!(
            dedupe.find(event(1)),
            Some(Lsn(1)),
            "exactly at the horizon"
        );
        dedupe.note(event(3), Lsn(3), Timestamp::from_secs(11));
        assert_eq!(dedupe.find(event(1)), None);
        assert_eq!(dedupe.forgotten_early(), 0);
    }

    #[test]
    fn too_many_events_are_forgotten_early_and_counted() {
        let mut dedupe = Dedupe::new(DedupeSettings {
            horizon: Duration::from_secs(10),
            keys_max: 3,
        });
        for id in 1..=5 {
            dedupe.note(event(id), Lsn(id), Timestamp::from_secs(1));
        }
        assert_eq!((dedupe.len(), dedupe.forgotten_early()), (3, 2));
        assert_eq!(dedupe.find(event(2)), None);
        assert_eq!(dedupe.find(event(3)), Some(Lsn(3)));
    }

    #[test]
    fn it_remembers_as_a_plain_list_would() {
        let settings = DedupeSettings {
            horizon: Duration::from_secs(40),
            keys_max: 60,
        };
        let mut dedupe = Dedupe::new(settings);
        let mut list: Vec<(u64, u64, u64)> = Vec::new();
        let mut dice = 7_u64;
        for lsn in 1..=5_000_u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (id, second) = (dice >> 40 & 0x7f, lsn / 2);
            let known = list.iter().find(|(known, ..)| *known == id);
            let known = known.map(|(_, lsn, _)| Lsn(*lsn));
            assert_eq!(dedupe.find(event(id)), known, "{lsn}");
            if known.is_none() {
                dedupe.note(event(id), Lsn(lsn), Timestamp::from_secs(second as i64));
                list.push((id, lsn, second));
                list.retain(|(_, _, taken)| taken + 40 >= second);
                let beyond = list.len().saturating_sub(settings.keys_max);
                list.drain(..beyond);
            }
            assert_eq!(dedupe.len(), list.len());
            assert_eq!(dedupe.places.len(), list.len());
        }
    }
}
