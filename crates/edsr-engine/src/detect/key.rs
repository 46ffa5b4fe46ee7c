//! One key of a detector: its machine, the life of its detection, and what that rests on.

use std::collections::VecDeque;

use edsr_model::detection::EVIDENCE_LSNS_MAX;
use edsr_model::{DetectionId, Evidence, Record, Timestamp};
use serde::{Deserialize, Serialize};

use super::EventContext;
use super::absent::AbsentState;
use super::count::CountState;
use super::life::{Change, Life};
use super::look::Seen;
use super::matching::MatchState;
use super::ratio::RatioState;
use super::reading::Reading;
use crate::bundle::{Detector, Kind};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyState {
    pub(super) machine: Machine,
    pub(super) life: Life,
    pub(super) seen_at: Timestamp,
    pub(super) wake: Option<Timestamp>,
    pub(super) evidence: Evidence,
    /// How many actions of ours lay behind each of the latest events of the evidence.
    pub(super) depths: VecDeque<u32>,
    pub(super) context: EventContext,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Machine {
    Match(MatchState),
    Count(CountState),
    Ratio(RatioState),
    Absent(AbsentState),
}

/// What a key looks like after it was read.
pub(super) struct Outlook {
    pub(super) change: Change,
    /// The detection that was open before.
    pub(super) open: Option<DetectionId>,
    pub(super) wake: Option<Timestamp>,
}

impl KeyState {
    pub(super) fn new(detector: &Detector, at: Timestamp) -> Self {
        Self {
            machine: match &detector.kind {
                Kind::Match(_) => Machine::Match(MatchState::default()),
                Kind::Count(_) => Machine::Count(CountState::new(at)),
                Kind::Ratio(_) => Machine::Ratio(RatioState::new(at)),
                Kind::Absent(_) => Machine::Absent(AbsentState::default()),
            },
            life: Life::Idle,
            seen_at: at,
            wake: None,
            evidence: Evidence::default(),
            depths: VecDeque::new(),
            context: EventContext::default(),
        }
    }

    /// Takes in what an event shows; tells whether it counts as evidence.
    pub(super) fn event(&mut self, detector: &Detector, seen: &Seen, at: Timestamp) -> bool {
        match (&mut self.machine, &detector.kind) {
            (Machine::Match(machine), Kind::Match(_)) => machine.event(seen),
            (Machine::Count(machine), Kind::Count(spec)) => machine.event(spec, seen, at),
            (Machine::Ratio(machine), Kind::Ratio(spec)) => machine.event(spec, seen, at),
            (Machine::Absent(machine), Kind::Absent(spec)) => machine.event(spec, seen, at),
            // Invariant: state is kept only while the detector's hash stays the same, so the kinds agree.
            _ => false,
        }
    }

    pub(super) fn note(&mut self, record: &Record, depth: u32) {
        if matches!(self.life, Life::Idle) && self.machine_is_calm() {
            self.forget_evidence();
        }
        if matches!(self.life, Life::Idle) && self.evidence.lsns.len() >= EVIDENCE_LSNS_MAX {
            // Nothing has begun yet, so the first event is no more telling than the others.
            self.evidence.lsns.pop_front();
        }
        self.evidence.note(record.lsn, record.at);
        if self.depths.len() >= EVIDENCE_LSNS_MAX {
            self.depths.pop_front();
        }
        self.depths.push_back(depth);
        self.context.note(&record.event);
    }

    /// Whether what was noted before belongs to something that is over.
    const fn machine_is_calm(&self) -> bool {
        match &self.machine {
            Machine::Match(_) => true,
            // What stands in a window may still be evidence.
            Machine::Count(_) | Machine::Ratio(_) => false,
            Machine::Absent(machine) => machine.is_idle(),
        }
    }

    pub(super) fn forget_evidence(&mut self) {
        self.evidence = Evidence::default();
        self.depths.clear();
        self.context = EventContext::default();
    }

    /// Ends a pulse, where the detector's events are pulses.
    pub(super) fn release(&mut self, detector: &Detector) -> bool {
        match (&mut self.machine, &detector.kind) {
            (Machine::Match(machine), Kind::Match(spec)) if MatchState::is_pulse(spec) => {
                machine.release();
                true
            }
            _ => false,
        }
    }

    pub(super) fn read(&mut self, detector: &Detector, now: Timestamp) -> Outlook {
        let reading = match (&mut self.machine, &detector.kind) {
            (Machine::Match(machine), Kind::Match(_)) => machine.read(),
            (Machine::Count(machine), Kind::Count(spec)) => machine.read(spec, now),
            (Machine::Ratio(machine), Kind::Ratio(spec)) => machine.read(spec, now),
            (Machine::Absent(machine), Kind::Absent(spec)) => machine.read(spec, now),
            _ => Reading::default(),
        };
        let open = self.life.open().cloned();
        let (change, due) = self
            .life
            .step(&reading, now, detector.hold_for, detector.keep_for);
        self.evidence.figures.clone_from(&reading.figures);
        if matches!(change, Change::Open { .. }) && self.evidence.lsns.is_empty() {
            self.evidence.at = now;
        }
        if matches!(detector.kind, Kind::Absent(_)) && reading.bad {
            // What is missing is seen now; the last event only says since when.
            self.evidence.at = now;
        }
        let reading = reading.earlier(due);
        Outlook {
            change,
            open,
            wake: reading.wake,
        }
    }

    /// Whether the key can be forgotten: nothing is open, nothing is counted, nothing is waited for.
    pub(super) fn is_spent(&self, detector: &Detector) -> bool {
        !detector.by.is_empty() && self.is_calm(detector)
    }

    /// Forgets what belongs to something that is over, before an event begins something new.
    pub(super) fn forget_the_past(&mut self, detector: &Detector) {
        if self.is_calm(detector) {
            self.forget_evidence();
        }
    }

    fn is_calm(&self, detector: &Detector) -> bool {
        if !matches!(self.life, Life::Idle) {
            return false;
        }
        match (&self.machine, &detector.kind) {
            (Machine::Match(machine), _) => machine.is_idle(),
            (Machine::Count(machine), Kind::Count(spec)) => machine.is_idle(spec),
            (Machine::Ratio(machine), _) => machine.is_idle(),
            (Machine::Absent(machine), _) => machine.is_idle(),
            _ => true,
        }
    }
}
