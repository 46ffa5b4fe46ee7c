//! The past of a node as it is kept on disk: both logs, snapshots and bundles.

use std::sync::Arc;

use edsr_engine::bundle::Bundle;
use edsr_engine::desk::Snapshot;
use edsr_engine::drive::Past;
use edsr_journal::JournalReader;
use edsr_journal::port::READ_MAX;
use edsr_log::{LogReader, ReadLimit, StoredRecord};
use edsr_model::{BundleHash, Entry, Lsn, Record, Seq, Timestamp};

use crate::bundles::BundleStore;
use crate::snapshots::SnapshotStore;
use crate::start::StartError;

/// Everything a start reads.
pub(crate) struct Kept<'k> {
    pub(crate) log: &'k dyn LogReader,
    pub(crate) journal: &'k dyn JournalReader,
    pub(crate) bundles: &'k BundleStore,
    pub(crate) snapshots: &'k SnapshotStore,
}

impl Past for Kept<'_> {
    type Error = StartError;

    fn first(&self) -> Lsn {
        self.log.first()
    }

    fn durable(&self) -> Lsn {
        self.log.durable()
    }

    fn records(&self, from: Lsn) -> Result<Vec<Record>, StartError> {
        let stored = self.log.read(from, ReadLimit::default())?;
        stored.into_iter().map(record).collect()
    }

    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, StartError> {
        Ok(self.log.lsn_at(at)?)
    }

    fn entries(&self, from: Seq) -> Result<Vec<Entry>, StartError> {
        Ok(self.journal.read(from, READ_MAX)?)
    }

    fn snapshots(&self, lsn: Lsn, seq: Seq) -> Vec<Snapshot> {
        self.snapshots.usable(lsn, seq)
    }

    fn bundle(&self, hash: BundleHash) -> Result<Arc<Bundle>, StartError> {
        Ok(self.bundles.load(hash)?)
    }
}

fn record(stored: StoredRecord) -> Result<Record, StartError> {
    let event = serde_json::from_slice(&stored.payload).map_err(|error| StartError::Event {
        lsn: stored.lsn,
        reason: error.to_string(),
    })?;
    Ok(Record {
        lsn: stored.lsn,
        at: stored.at,
        event,
    })
}
