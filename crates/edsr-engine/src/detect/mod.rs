//! Detect: where did the system stop behaving?
//!
//! Every (detector, key) has a small state machine of its own, fed in log order. A detector kind is one file with
//! its settings' meaning, its state and its step. This module has no way to reach an actuator.

mod absent;
mod count;
mod key;
mod life;
mod look;
mod matching;
mod prefilter;
mod ratio;
mod reading;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use edsr_model::event::{EXT_CORRELATION, EXT_TRACEPARENT};
use edsr_model::{DetectionId, Digest, Event, Evidence, Key, Record, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bundle::{Detector, Kind};
use absent::AbsentState;
pub use count::DISTINCT_MAX;
use key::{KeyState, Machine, Outlook};
pub use life::UPDATE_EVERY;
use life::{Change, Life};
use look::{Found, Seen};
pub use look::{KEY_BYTES_MAX, Looked, look};
pub use prefilter::Prefilter;

/// What detection found out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signal {
    /// Name of the detector.
    pub(crate) detector: String,
    /// The key.
    pub(crate) key: Key,
    /// What it rests on.
    pub(crate) evidence: Evidence,
    /// What happened to the detection.
    pub(crate) turn: Turn,
}

/// What happened to a detection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// It opens; the engine names it with [`DetectState::opened`].
    Opens {
        since: Timestamp,
        depth: u32,
        context: EventContext,
    },
    /// It still holds.
    Updates(DetectionId),
    /// It is over, and why.
    Resolves(DetectionId, &'static str),
}

/// What the first events of a detection said about what they belong to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct EventContext {
    pub(crate) correlation: Option<String>,
    pub(crate) traceparent: Option<String>,
}

impl EventContext {
    fn note(&mut self, event: &Event) {
        for (known, name) in [
            (&mut self.correlation, EXT_CORRELATION),
            (&mut self.traceparent, EXT_TRACEPARENT),
        ] {
            if known.is_none() {
                let said = event
                    .extension_str(name)
                    .filter(|text| can_be_passed_on(text));
                *known = said.map(ToOwned::to_owned);
            }
        }
    }
}

/// Whether a text can stand in a header and in an environment: what an event says must not be able to break a call.
fn can_be_passed_on(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Where all detectors stand.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DetectState {
    detectors: BTreeMap<String, DetectorState>,
    #[serde(skip)]
    timers: BTreeSet<(Timestamp, String, Key)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DetectorState {
    hash: Digest,
    keys: BTreeMap<Key, KeyState>,
    counters: DetectorCounters,
}

/// How a detector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DetectorCounters {
    /// Events that concerned it.
    pub events: u64,
    /// Events for which one of its expressions had no value.
    pub errors: u64,
    /// Keys that gave way because there were too many.
    pub evicted: u64,
    /// Events that were not counted because no key could give way.
    pub refused: u64,
}

impl DetectState {
    /// Puts these detectors into force. One whose document did not change keeps its state; whatever was open for
    /// another is over.
    pub(crate) fn activate(&mut self, detectors: &[Detector], now: Timestamp) -> Vec<Signal> {
        let mut signals = Vec::new();
        let kept: BTreeMap<_, _> = detectors.iter().map(|d| (&d.name, d.hash)).collect();
        let old = std::mem::take(&mut self.detectors);
        for (name, state) in old {
            if kept.get(&name) == Some(&state.hash) {
                self.detectors.insert(name, state);
                continue;
            }
            for (key, state) in state.keys {
                if let Some(id) = state.life.open() {
                    signals.push(Signal {
                        detector: name.clone(),
                        key,
                        turn: Turn::Resolves(id.clone(), "detector-changed"),
                        evidence: state.evidence,
                    });
                }
            }
        }
        for detector in detectors {
            if !self.detectors.contains_key(&detector.name) {
                self.start(detector, now);
            }
        }
        self.rebuild_timers();
        signals
    }

    /// Rebuilds what is derived from the rest, after the state was read from a snapshot.
    pub(crate) fn rebuild_timers(&mut self) {
        self.timers = self
            .detectors
            .iter()
            .flat_map(|(name, state)| {
                let keys = state.keys.iter();
                keys.filter_map(|(key, state)| Some((state.wake?, name.clone(), key.clone())))
            })
            .collect();
    }

    /// When something may change without any event.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// Takes in what was seen in an event.
    pub(crate) fn event(
        &mut self,
        detectors: &[Detector],
        record: &Record,
        looked: Looked,
        depth: u32,
    ) -> Vec<Signal> {
        let mut signals = Vec::new();
        for found in looked.found {
            let detector = detectors.get(found.detector);
            if let Some(signal) =
                detector.and_then(|detector| self.offer(detector, record, found, depth))
            {
                signals.push(signal);
            }
        }
        signals
    }

    /// Looks at the earliest key that wanted to be woken by `now`.
    pub(crate) fn wake(&mut self, detectors: &[Detector], now: Timestamp) -> Option<Signal> {
        let (_, name, key) = self.timers.pop_first()?;
        let detector = detectors.iter().find(|detector| detector.name == name)?;
        let state = self.detectors.get_mut(&name)?;
        let entry = state.keys.get_mut(&key)?;
        entry.wake = None;
        let change = entry.read(detector, now);
        self.settle(detector, key, change)
    }

    /// Names the detection that just opened for a key.
    pub(crate) fn opened(&mut self, detector: &str, key: &Key, id: DetectionId, now: Timestamp) {
        let state = self.detectors.get_mut(detector);
        if let Some(state) = state.and_then(|state| state.keys.get_mut(key)) {
            state.life = Life::Open {
                id,
                told_at: now,
                clearing: None,
            };
        }
    }

    /// Reads a key again right after its detection opened: a pulse begins to fade, a condition may have gone.
    pub(crate) fn reread(
        &mut self,
        detector: &Detector,
        key: &Key,
        now: Timestamp,
    ) -> Option<Signal> {
        let state = self.detectors.get_mut(&detector.name)?;
        let entry = state.keys.get_mut(key)?;
        entry.release(detector);
        let change = entry.read(detector, now);
        self.settle(detector, key.clone(), change)
    }

    /// How each detector is doing, with its number of live keys.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&str, DetectorCounters, usize)> {
        self.detectors
            .iter()
            .map(|(name, state)| (name.as_str(), state.counters, state.keys.len()))
    }

    fn start(&mut self, detector: &Detector, now: Timestamp) {
        let mut keys = BTreeMap::new();
        let expected: &[Key] = match &detector.kind {
            Kind::Absent(spec) if !spec.keys.is_empty() => &spec.keys,
            // Without `by` there is one key, which is known from the start.
            _ if detector.by.is_empty() => &[Key(Vec::new())],
            _ => &[],
        };
        for key in expected {
            let mut state = KeyState::new(detector, now);
            if let Kind::Absent(spec) = &detector.kind
                && spec.after.is_none()
            {
                state.machine = Machine::Absent(AbsentState::armed(now));
            }
            state.wake = state.read(detector, now).wake;
            keys.insert(key.clone(), state);
        }
        let state = DetectorState {
            hash: detector.hash,
            keys,
            counters: DetectorCounters::default(),
        };
        self.detectors.insert(detector.name.clone(), state);
    }

    fn offer(
        &mut self,
        detector: &Detector,
        record: &Record,
        found: Found,
        depth: u32,
    ) -> Option<Signal> {
        let state = self.detectors.get_mut(&detector.name)?;
        let Some(key) = found.key else {
            state.counters.errors += 1;
            return None;
        };
        if !state.keys.contains_key(&key) && !state.room_for(detector, &key, &mut self.timers) {
            return None;
        }
        let entry = state
            .keys
            .entry(key.clone())
            .or_insert_with(|| KeyState::new(detector, record.at));
        entry.forget_the_past(detector);
        let counted = entry.event(detector, &found.seen, record.at);
        state.counters.errors += u64::from(found.seen == Seen::Unknown);
        state.counters.events += 1;
        entry.seen_at = record.at;
        if counted {
            entry.note(record, depth);
        }
        let mut change = entry.read(detector, record.at);
        if entry.life.open().is_some() && entry.release(detector) {
            let after = entry.read(detector, record.at);
            change.wake = after.wake;
            if matches!(after.change, Change::Resolve) {
                change.change = after.change;
            }
        }
        self.settle(detector, key, change)
    }

    /// Files the next wake-up of a key and says what there is to tell.
    fn settle(&mut self, detector: &Detector, key: Key, change: Outlook) -> Option<Signal> {
        let state = self.detectors.get_mut(&detector.name)?;
        let entry = state.keys.get_mut(&key)?;
        let wake = change.wake;
        if entry.wake != wake {
            if let Some(old) = entry.wake.take() {
                self.timers
                    .remove(&(old, detector.name.clone(), key.clone()));
            }
            entry.wake = wake;
        }
        if let Some(wake) = wake {
            self.timers
                .insert((wake, detector.name.clone(), key.clone()));
        }
        let turn = match change.change {
            Change::None => None,
            Change::Open { since } => Some(Turn::Opens {
                since,
                depth: entry.depths.iter().copied().max().unwrap_or(0),
                context: entry.context.clone(),
            }),
            Change::Update => change.open.map(Turn::Updates),
            Change::Resolve => change.open.map(|id| Turn::Resolves(id, "cleared")),
        };
        let signal = turn.map(|turn| Signal {
            detector: detector.name.clone(),
            key: key.clone(),
            evidence: entry.evidence.clone(),
            turn,
        });
        if matches!(change.change, Change::Resolve) {
            entry.forget_evidence();
        }
        if entry.is_spent(detector) {
            state.keys.remove(&key);
        }
        signal
    }
}

impl DetectorState {
    /// Makes room for one more key; `false` where the key is not wanted or nothing can give way.
    fn room_for(
        &mut self,
        detector: &Detector,
        key: &Key,
        timers: &mut BTreeSet<(Timestamp, String, Key)>,
    ) -> bool {
        if let Kind::Absent(spec) = &detector.kind
            && !spec.keys.is_empty()
            && !spec.keys.contains(key)
        {
            return false;
        }
        if self.keys.len() < detector.keys_max.max(1) {
            return true;
        }
        // The longest idle sixteenth goes at once, so that the cost of looking for it is shared.
        let mut idle: Vec<_> = self
            .keys
            .iter()
            .filter(|(_, state)| matches!(state.life, Life::Idle))
            .map(|(key, state)| (state.seen_at, key.clone()))
            .collect();
        idle.sort();
        idle.truncate((detector.keys_max / 16).max(1));
        for (_, key) in &idle {
            if let Some(state) = self.keys.remove(key)
                && let Some(wake) = state.wake
            {
                timers.remove(&(wake, detector.name.clone(), key.clone()));
            }
        }
        self.counters.evicted += idle.len() as u64;
        self.counters.refused += u64::from(idle.is_empty());
        !idle.is_empty()
    }
}
