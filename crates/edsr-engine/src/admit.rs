//! Admit: each event once. The same (source, id) inside the horizon is the same event.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use edsr_model::{Digest, Event, Lsn, Timestamp};

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

/// Remembers which events were taken. A fold over the event log: after a restart it is rebuilt from the log's tail.
#[derive(Debug, Default)]
pub struct Dedupe {
    settings: DedupeSettings,
    seen: BTreeMap<[u8; 16], Lsn>,
    order: VecDeque<(Timestamp, [u8; 16])>,
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
    pub fn find(&self, event: &Event) -> Option<Lsn> {
        self.seen.get(&fingerprint(event)).copied()
    }

    /// Notes that `event` was taken at `lsn`, and forgets what is beyond the horizon.
    pub fn note(&mut self, event: &Event, lsn: Lsn, at: Timestamp) {
        let key = fingerprint(event);
        if self.seen.insert(key, lsn).is_none() {
            self.order.push_back((at, key));
        }
        let oldest = at.before(self.settings.horizon);
        while let Some((taken, key)) = self.order.front().copied() {
            let full = self.order.len() > self.settings.keys_max;
            if taken >= oldest && !full {
                break;
            }
            self.forgotten_early += u64::from(taken >= oldest);
            self.order.pop_front();
            self.seen.remove(&key);
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

fn fingerprint(event: &Event) -> [u8; 16] {
    let digest = Digest::of_parts([event.source.as_bytes(), event.id.as_bytes()]);
    let mut key = [0; 16];
    key.copy_from_slice(&digest.0[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64) -> Event {
        Event {
            id: id.to_string(),
            source: "/s".into(),
            kind: "t".into(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: BTreeMap::new(),
            data: edsr_model::Data::None,
        }
    }

    #[test]
    fn a_repetition_is_known_inside_the_horizon_and_no_longer() {
        let mut dedupe = Dedupe::new(DedupeSettings {
            horizon: Duration::from_secs(10),
            keys_max: 100,
        });
        dedupe.note(&event(1), Lsn(1), Timestamp::from_secs(0));
        assert_eq!(dedupe.find(&event(1)), Some(Lsn(1)));
        dedupe.note(&event(2), Lsn(2), Timestamp::from_secs(10));
        assert_eq!(
            dedupe.find(&event(1)),
            Some(Lsn(1)),
            "exactly at the horizon"
        );
        dedupe.note(&event(3), Lsn(3), Timestamp::from_secs(11));
        assert_eq!(dedupe.find(&event(1)), None);
        assert_eq!(dedupe.forgotten_early(), 0);
    }

    #[test]
    fn too_many_events_are_forgotten_early_and_counted() {
        let mut dedupe = Dedupe::new(DedupeSettings {
            horizon: Duration::from_secs(10),
            keys_max: 3,
        });
        for id in 1..=5 {
            dedupe.note(&event(id), Lsn(id), Timestamp::from_secs(1));
        }
        assert_eq!((dedupe.len(), dedupe.forgotten_early()), (3, 2));
        assert_eq!(dedupe.find(&event(2)), None);
        assert_eq!(dedupe.find(&event(3)), Some(Lsn(3)));
    }
}
