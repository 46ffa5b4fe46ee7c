//! Taking events in: each once, in order, with a time of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use edsr_model::{Event, Lsn, Record, Timestamp};

use super::{Desk, Records, Work};
use crate::admit::Fingerprint;
use crate::detect::Looked;
use crate::engine::Input;

/// An event that came in, and the bytes it is stored as.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The event.
    pub event: Event,
    /// What tells it from all others.
    pub fingerprint: Fingerprint,
    /// Its stored form, from which the same event can be read again.
    pub stored: Bytes,
    /// What detectors see in it, where that was looked up already.
    pub looked: Option<Looked>,
}

/// What became of the events of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Events that are durable now.
    pub accepted: u64,
    /// Events that were taken before.
    pub duplicates: u64,
    /// The places of the accepted ones: first and last.
    pub lsns: Option<(Lsn, Lsn)>,
}

/// Nothing is taken any more, and why. Whether what was refused is in the log nobody knows before a restart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// The books of a node since it started: every event that was offered went one way, and one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that were offered.
    pub offered: u64,
    /// Events that were known already.
    pub duplicates: u64,
    /// Events that came after a log had failed.
    pub refused: u64,
    /// Events that were numbered, and shown to every detector.
    pub evaluated: u64,
}

impl Counts {
    /// Whether what came in is what went one of the ways.
    #[must_use]
    pub const fn balance(&self) -> bool {
        self.offered == self.duplicates + self.refused + self.evaluated
    }
}

impl<T> Desk<T> {
    /// Takes the events of one request in. `ticket` comes back in a [`Work::Answer`] once all of them are durable.
    pub fn ingest(&mut self, now: Timestamp, events: Vec<Incoming>, ticket: T) {
        self.counts.offered += events.len() as u64;
        if let Some(reason) = &self.failed {
            self.counts.refused += events.len() as u64;
            let refused = Refused(reason.clone());
            return self.ready.push_back(Work::Answer(ticket, Err(refused)));
        }
        let mut taken = Taken::default();
        let mut records = Vec::with_capacity(events.len());
        let mut last = Lsn::ZERO;
        for incoming in events {
            let Incoming {
                event,
                fingerprint,
                stored,
                looked,
            } = incoming;
            if let Some(known) = self.dedupe.find(fingerprint) {
                taken.duplicates += 1;
                last = last.max(known);
                continue;
            }
            let at = self.stamp(now);
            self.lsn = self.lsn.next();
            last = self.lsn;
            self.dedupe.note(fingerprint, last, at);
            taken.accepted += 1;
            taken.lsns = Some((taken.lsns.map_or(last, |(first, _)| first), last));
            records.push((at, stored));
            let record = Record {
                lsn: last,
                at,
                event,
            };
            self.watched.note(&record);
            self.drive.offer(match looked {
                Some(looked) => Input::Looked(record, looked),
                None => Input::Event(record),
            });
        }
        self.counts.duplicates += taken.duplicates;
        self.counts.evaluated += taken.accepted;
        if let Some((first, _)) = taken.lsns {
            self.ready.push_back(Work::Log(Records { first, records }));
        }
        if last <= self.drive.durable_lsn() {
            self.ready.push_back(Work::Answer(ticket, Ok(taken)));
        } else {
            self.answers.wait(last, taken, ticket);
        }
    }

    /// Whether somebody watches events, so that each is shown once it is durable.
    pub fn watch(&mut self, watched: bool) {
        self.watched.on = watched;
    }
}

/// Those who wait until their events are durable, in the order of what they wait for.
#[derive(Debug)]
pub(super) struct Answers<T>(VecDeque<(Lsn, Taken, T)>);

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Answers<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a repetition waits for may lie before what others wait for; being told a little late does no harm.
    fn wait(&mut self, lsn: Lsn, taken: Taken, ticket: T) {
        let lsn = self.0.back().map_or(lsn, |(last, ..)| lsn.max(*last));
        self.0.push_back((lsn, taken, ticket));
    }

    pub(super) fn release(&mut self, durable: Lsn, ready: &mut VecDeque<Work<T>>) {
        while self.0.front().is_some_and(|(lsn, ..)| *lsn <= durable) {
            if let Some((_, taken, ticket)) = self.0.pop_front() {
                ready.push_back(Work::Answer(ticket, Ok(taken)));
            }
        }
    }

    pub(super) fn refuse(&mut self, reason: &str, ready: &mut VecDeque<Work<T>>) {
        for (_, _, ticket) in self.0.drain(..) {
            ready.push_back(Work::Answer(ticket, Err(Refused(reason.to_owned()))));
        }
    }
}

/// Events that are shown to whoever watches once they are durable.
#[derive(Debug, Default)]
pub(super) struct Watched {
    on: bool,
    records: VecDeque<Record>,
}

impl Watched {
    fn note(&mut self, record: &Record) {
        if self.on {
            self.records.push_back(record.clone());
        }
    }

    pub(super) fn release<T>(&mut self, durable: Lsn, ready: &mut VecDeque<Work<T>>) {
        while let Some(record) = self.records.pop_front_if(|record| record.lsn <= durable) {
            ready.push_back(Work::Show(record));
        }
    }
}
