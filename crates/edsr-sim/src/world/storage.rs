//! What survives the death of a node: the disk of the event log, the journal, snapshots, and the pause file.

use std::sync::Arc;

use edsr_engine::bundle::Bundle;
use edsr_engine::desk::Snapshot;
use edsr_engine::drive::{Past, Told};
use edsr_engine::look;
use edsr_journal::{JournalReader, MemoryJournal, port::READ_MAX};
use edsr_log::{Fault, FileLog, FileLogSettings, LogError, LogReader, MemDisk, ReadLimit};
use edsr_model::{
    Actor, BundleHash, Entry, Event, Lsn, Pause, PauseId, PauseScope, Record, Seq, Timestamp,
};

use crate::kit::Kit;

/// How many snapshots are kept, as a node does.
const SNAPSHOTS_KEPT: usize = 3;

/// Tells the log of a world from any other.
const IDENTITY: u64 = 0x5eed;

/// Small, so that a story of some dozen events fills several segments.
const SEGMENT_BYTES: u64 = 2 * 1024;

#[derive(Debug)]
pub(super) struct Storage {
    disk: MemDisk,
    pub(super) journal: MemoryJournal,
    /// Newest first.
    pub(super) snapshots: Vec<Snapshot>,
    every_snapshot: Option<Vec<Snapshot>>,
    pause_file: Option<u64>,
    pause_files: u64,
}

impl Storage {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            disk: MemDisk::new(seed),
            journal: MemoryJournal::new(),
            snapshots: Vec::new(),
            every_snapshot: None,
            pause_file: None,
            pause_files: 0,
        }
    }

    /// What is torn from here on follows from `seed`.
    pub(super) fn reseed(&mut self, seed: u64) {
        self.disk.reseed(seed);
    }

    pub(super) fn open_log(&self) -> Result<FileLog<MemDisk>, LogError> {
        let mut settings = FileLogSettings::new(IDENTITY);
        settings.segment_bytes = SEGMENT_BYTES;
        FileLog::open(self.disk.clone(), settings)
    }

    /// Makes the call so many from now fail.
    pub(super) fn fail_log(&self, call: u64, fault: Fault) {
        self.disk.fail_call(self.disk.calls() + call, fault);
    }

    /// Leaves so many bytes.
    pub(super) fn fill(&self, left: u64) {
        let used: u64 = self
            .disk
            .image()
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum();
        self.disk.set_capacity(Some(used + left));
    }

    /// Power is lost, or only the process is gone. Either way there is room again.
    pub(super) fn die(&self, power: bool) {
        if power {
            self.disk.crash();
        }
        self.forget_faults();
        self.disk.set_capacity(None);
    }

    pub(super) fn forget_faults(&self) {
        self.disk.forget_faults();
    }

    pub(super) fn every_snapshot(&self) -> &[Snapshot] {
        self.every_snapshot.as_deref().unwrap_or_default()
    }

    pub(super) fn keep_every_snapshot(&mut self) {
        self.every_snapshot.get_or_insert_default();
    }

    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        if let Some(every) = &mut self.every_snapshot {
            every.push(snapshot.clone());
        }
        self.snapshots.insert(0, snapshot);
        self.snapshots.truncate(SNAPSHOTS_KEPT);
    }

    /// The oldest event that a start may need.
    pub(super) fn floor(&self) -> Lsn {
        let oldest = self.snapshots.iter().map(|snapshot| snapshot.lsn).min();
        oldest.map_or(Lsn(1), Lsn::next)
    }

    /// Keeps a snapshot every other time, and none in between.
    pub(super) fn alternate(&mut self, snapshot: Option<Snapshot>) {
        if self.snapshots.is_empty() {
            self.snapshots.extend(snapshot);
        } else {
            self.snapshots.clear();
        }
    }

    pub(super) fn write_pause_file(&mut self) {
        self.pause_files += 1;
        self.pause_file = Some(self.pause_files);
    }

    pub(super) fn remove_pause_file(&mut self) {
        self.pause_file = None;
    }

    pub(super) const fn has_pause_file(&self) -> bool {
        self.pause_file.is_some()
    }

    /// The pause that the file means: the same one for as long as it is the same file.
    pub(super) fn pause(&self, at: Timestamp) -> Option<Pause> {
        let file = self.pause_file?;
        Some(Pause {
            id: PauseId::derive([b"file".as_slice(), &file.to_be_bytes()]),
            scope: PauseScope::All,
            reason: "the file".to_owned(),
            by: Actor::Person("file".to_owned()),
            at,
        })
    }
}

/// Everything a start reads.
pub(super) struct Kept<'k> {
    pub(super) log: &'k dyn LogReader,
    pub(super) journal: &'k dyn JournalReader,
    pub(super) snapshots: &'k [Snapshot],
    pub(super) kit: &'k Kit,
}

impl Past for Kept<'_> {
    type Error = String;

    fn first(&self) -> Lsn {
        self.log.first()
    }

    fn durable(&self) -> Lsn {
        self.log.durable()
    }

    fn records(&self, from: Lsn, rules: Option<&Arc<Bundle>>) -> Result<Vec<Told>, String> {
        let limit = ReadLimit::default();
        let stored = self.log.read(from, limit).map_err(|e| e.to_string())?;
        stored
            .into_iter()
            .map(|stored| {
                let event: Event =
                    serde_json::from_slice(&stored.payload).map_err(|error| error.to_string())?;
                Ok(Told {
                    looked: rules.map(|rules| look(rules, &event)),
                    record: Record {
                        lsn: stored.lsn,
                        at: stored.at,
                        event,
                    },
                })
            })
            .collect()
    }

    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, String> {
        self.log.lsn_at(at).map_err(|error| error.to_string())
    }

    fn entries(&self, from: Seq) -> Result<Vec<Entry>, String> {
        self.journal
            .read(from, READ_MAX)
            .map_err(|error| error.to_string())
    }

    fn snapshots(&self, lsn: Lsn, seq: Seq) -> Vec<Snapshot> {
        let usable = self.snapshots.iter();
        usable
            .filter(|snapshot| snapshot.lsn <= lsn && snapshot.seq <= seq)
            .cloned()
            .collect()
    }

    fn bundle(&self, hash: BundleHash) -> Result<Arc<Bundle>, String> {
        self.kit
            .bundle(hash)
            .ok_or_else(|| format!("the bundle {} is not kept", hash.short()))
    }
}
