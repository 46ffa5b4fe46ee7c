//! The past of a node as it is kept on disk: both logs, snapshots and bundles.

use std::panic::resume_unwind;
use std::sync::Arc;

use edsr_engine::bundle::Bundle;
use edsr_engine::desk::Snapshot;
use edsr_engine::drive::{Past, Told};
use edsr_engine::look;
use edsr_journal::JournalReader;
use edsr_journal::port::READ_MAX;
use edsr_log::{LogReader, ReadLimit, StoredRecord};
use edsr_model::{BundleHash, Entry, Event, Lsn, Record, Seq, Timestamp};

use crate::bundles::BundleStore;
use crate::snapshots::SnapshotStore;
use crate::start::StartError;

/// Everything a start reads.
pub struct Kept<'k> {
    /// The event log.
    pub log: &'k dyn LogReader,
    /// The journal.
    pub journal: &'k dyn JournalReader,
    /// Every bundle that was in force.
    pub bundles: &'k BundleStore,
    /// States on the way.
    pub snapshots: &'k SnapshotStore,
    /// How many threads read events, and look at them with the detectors in force. What comes out is the same for any
    /// number, since they are folded in order.
    pub threads: usize,
    /// Which snapshot a fold begins from.
    pub begin: Begin,
}

/// Which snapshot a fold begins from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// The newest one that can be used, as a start does.
    #[default]
    Newest,
    /// The oldest one.
    Oldest,
    /// None: the beginning of both logs. The oldest one, where the beginning of the event log was dropped.
    First,
}

/// How much is read at once.
const PAGE: ReadLimit = ReadLimit {
    records: 8192,
    bytes: 4 * 1024 * 1024,
};

/// With fewer events than this a thread is not worth starting.
const SHARE_MIN: usize = 64;

impl Past for Kept<'_> {
    type Error = StartError;

    fn first(&self) -> Lsn {
        self.log.first()
    }

    fn durable(&self) -> Lsn {
        self.log.durable()
    }

    fn records(&self, from: Lsn, rules: Option<&Arc<Bundle>>) -> Result<Vec<Told>, StartError> {
        let stored = self.log.read(from, PAGE)?;
        let share = stored.len().div_ceil(self.threads.max(1)).max(SHARE_MIN);
        if share >= stored.len() {
            return stored
                .into_iter()
                .map(|stored| told(stored, rules))
                .collect();
        }
        let shares: Vec<Vec<StoredRecord>> = stored.chunks(share).map(<[_]>::to_vec).collect();
        std::thread::scope(|scope| {
            let workers: Vec<_> = shares
                .into_iter()
                .map(|share| {
                    scope.spawn(move || {
                        let told = share.into_iter().map(|stored| told(stored, rules));
                        told.collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut page = Vec::new();
            for worker in workers {
                // A panic in a worker is one of its caller.
                page.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            Ok(page)
        })
    }

    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, StartError> {
        Ok(self.log.lsn_at(at)?)
    }

    fn entries(&self, from: Seq) -> Result<Vec<Entry>, StartError> {
        Ok(self.journal.read(from, READ_MAX)?)
    }

    fn snapshots(&self, lsn: Lsn, seq: Seq) -> Vec<Snapshot> {
        let mut usable = self.snapshots.usable(lsn, seq);
        match self.begin {
            Begin::Newest => {}
            Begin::First if self.log.first() <= Lsn(1) => usable.clear(),
            Begin::Oldest | Begin::First => usable.reverse(),
        }
        usable
    }

    fn bundle(&self, hash: BundleHash) -> Result<Arc<Bundle>, StartError> {
        Ok(self.bundles.load(hash)?)
    }
}

fn told(stored: StoredRecord, rules: Option<&Arc<Bundle>>) -> Result<Told, StartError> {
    let event: Event =
        serde_json::from_slice(&stored.payload).map_err(|error| StartError::Event {
            lsn: stored.lsn,
            reason: error.to_string(),
        })?;
    Ok(Told {
        looked: rules.map(|rules| look(rules, &event)),
        record: Record {
            lsn: stored.lsn,
            at: stored.at,
            event,
        },
    })
}
