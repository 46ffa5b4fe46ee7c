//! Retention: whole old segments go, the mark first.

use edsr_model::{Lsn, Timestamp};

use super::FileLog;
use super::header::segment_name;
use super::state::State;
use crate::disk::{Disk, DiskError};
use crate::error::LogError;
use crate::port::{Retained, Retention};

impl<D: Disk> FileLog<D> {
    /// The mark says durably where the log begins before a file goes, so that a missing file is never taken
    /// for a dropped one, nor a dropped one that a crash brought back for a part of the log.
    pub(super) fn drop_segments(
        &mut self,
        retention: &Retention,
        floor: Lsn,
        now: Timestamp,
    ) -> Result<Retained, LogError> {
        let (dropped, first_before, first) = {
            let state = self.shared.read();
            let count = expired(&state, retention, floor, now);
            let first = state.segments.get(count).map_or(state.first, |s| s.first);
            (state.segments[..count].to_vec(), state.first, first)
        };
        let retained = Retained {
            first,
            records: first.0 - first_before.0,
            bytes: dropped.iter().map(|segment| segment.len).sum(),
        };
        if dropped.is_empty() {
            return Ok(retained);
        }
        self.mark
            .write_firm(self.durable, first)
            .map_err(|cause| self.stop(cause))?;
        {
            let mut state = self.shared.write();
            state.segments.drain(..dropped.len());
            state.first = first;
        }
        self.remove_files(dropped.iter().map(|segment| segment.first))?;
        Ok(retained)
    }

    fn remove_files(&self, firsts: impl Iterator<Item = Lsn>) -> Result<(), DiskError> {
        let mut failed = None;
        for first in firsts {
            // One file that cannot go must not keep the others.
            if let Err(error) = self.disk.remove(&segment_name(first)) {
                failed.get_or_insert(error);
            }
        }
        failed.map_or_else(|| self.disk.sync_dir(), Err)
    }
}

/// How many of the oldest segments may go.
fn expired(state: &State, retention: &Retention, floor: Lsn, now: Timestamp) -> usize {
    let oldest = retention.age_max.map(|age| now.before(age));
    let mut bytes = state.bytes();
    let closed = state.segments.len().saturating_sub(1);
    let mut count = 0;
    for segment in &state.segments[..closed] {
        let too_old = oldest.is_some_and(|oldest| segment.last_at < oldest);
        let too_much = retention.bytes_max.is_some_and(|max| bytes > max);
        if segment.last >= floor || !(too_old || too_much) {
            break;
        }
        bytes -= segment.len;
        count += 1;
    }
    count
}
