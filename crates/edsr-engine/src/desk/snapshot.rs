//! When the state is written down, so that a start need not fold everything again.

use std::time::Duration;

use edsr_model::{Lsn, Seq, Timestamp};

use super::Desk;

/// A state, and where in the two logs it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event it has seen.
    pub lsn: Lsn,
    /// The last entry it has drafted.
    pub seq: Seq,
    /// The state.
    pub state: Vec<u8>,
}

/// When a snapshot is due: after so many events or so long, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotEvery {
    /// Events since the last one.
    pub events: u64,
    /// Time since the last one, if anything happened.
    pub time: Duration,
}

impl Default for SnapshotEvery {
    fn default() -> Self {
        Self {
            events: 50_000,
            time: Duration::from_secs(15),
        }
    }
}

/// The one that is being made, and when the next is due.
#[derive(Debug)]
pub(super) struct Snapshots {
    every: SnapshotEvery,
    last: (Lsn, Seq, Timestamp),
    /// Taken, and not true on disk yet: one of the logs is behind it.
    taken: Option<Snapshot>,
    /// One is being written.
    busy: bool,
}

impl Snapshots {
    pub(super) const fn new(every: SnapshotEvery, lsn: Lsn, seq: Seq, at: Timestamp) -> Self {
        Self {
            every,
            last: (lsn, seq, at),
            taken: None,
            busy: false,
        }
    }
}

impl<T> Desk<T> {
    /// Takes a snapshot when one is due, and hands it out once both logs are durable up to it. The shell keeps it and
    /// calls [`Desk::snapshot_kept`], whether that worked or not.
    ///
    /// # Errors
    /// When the state cannot be written down, which would be a mistake in the program.
    pub fn snapshot(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<Snapshot>, rmp_serde::encode::Error> {
        let engine = self.drive.engine();
        let (lsn, seq, at) = self.snapshots.last;
        let every = self.snapshots.every;
        let changed = engine.lsn() > lsn || engine.seq() > seq;
        let due = engine.lsn().0 - lsn.0 >= every.events || now.since(at) >= every.time;
        if self.snapshots.taken.is_none() && !self.snapshots.busy && changed && due {
            let (lsn, seq) = (engine.lsn(), engine.seq());
            let state = engine.snapshot()?;
            self.snapshots.last = (lsn, seq, now);
            self.snapshots.taken = Some(Snapshot { lsn, seq, state });
        }
        let (durable_lsn, durable_seq) = (self.durable_lsn(), self.durable_seq());
        let ready = |s: &mut Snapshot| s.lsn <= durable_lsn && s.seq <= durable_seq;
        let snapshot = self.snapshots.taken.take_if(ready);
        self.snapshots.busy |= snapshot.is_some();
        Ok(snapshot)
    }

    /// The snapshot that was handed out is written, or could not be.
    pub fn snapshot_kept(&mut self) {
        self.snapshots.busy = false;
    }

    /// The state as it is, where both logs are durable up to it: what a stop leaves for the next start.
    #[must_use]
    pub fn last_snapshot(&self) -> Option<Snapshot> {
        let engine = self.drive.engine();
        let state = self.is_settled().then(|| engine.snapshot().ok())??;
        Some(Snapshot {
            lsn: engine.lsn(),
            seq: engine.seq(),
            state,
        })
    }
}
