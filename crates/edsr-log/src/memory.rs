//! A log in memory, for tests and simulation. "Durable" means committed.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use edsr_model::{Lsn, Timestamp};

use crate::error::LogError;
use crate::port::{
    EventLog, LogReader, NEVER, RECORD_BYTES_MAX, ReadLimit, Retained, Retention, StoredRecord,
};

/// A log that lives as long as the process. Each record is a segment of its own to `retain`.
#[derive(Debug)]
pub struct MemoryLog {
    shared: Arc<RwLock<State>>,
    pending: Vec<StoredRecord>,
    end: Lsn,
    last_at: Timestamp,
    closed: bool,
}

#[derive(Debug)]
struct State {
    records: VecDeque<StoredRecord>,
    durable: Lsn,
    first: Lsn,
    bytes: u64,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            records: VecDeque::new(),
            durable: Lsn::ZERO,
            first: Lsn(1),
            bytes: 0,
        };
        Self {
            shared: Arc::new(RwLock::new(state)),
            pending: Vec::new(),
            end: Lsn::ZERO,
            last_at: NEVER,
            closed: false,
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl EventLog for MemoryLog {
    fn append(&mut self, at: Timestamp, payload: &[u8]) -> Result<Lsn, LogError> {
        if self.closed {
            return Err(LogError::Closed);
        }
        if payload.len() > RECORD_BYTES_MAX {
            return Err(LogError::TooLarge {
                bytes: payload.len(),
                max: RECORD_BYTES_MAX,
            });
        }
        if at <= self.last_at {
            return Err(LogError::NotLater {
                at,
                last: self.last_at,
            });
        }
        self.end = self.end.next();
        self.last_at = at;
        self.pending.push(StoredRecord {
            lsn: self.end,
            at,
            payload: Bytes::copy_from_slice(payload),
        });
        Ok(self.end)
    }

    fn commit(&mut self) -> Result<Lsn, LogError> {
        if self.closed {
            return Err(LogError::Closed);
        }
        let pending = std::mem::take(&mut self.pending);
        let mut state = self.state_mut();
        state.bytes += pending.iter().map(size).sum::<u64>();
        state.records.extend(pending);
        state.durable = self.end;
        Ok(self.end)
    }

    fn first(&self) -> Lsn {
        self.state().first
    }

    fn end(&self) -> Lsn {
        self.end
    }

    fn durable(&self) -> Lsn {
        self.state().durable
    }

    fn last_at(&self) -> Timestamp {
        self.last_at
    }

    fn retain(
        &mut self,
        retention: &Retention,
        floor: Lsn,
        now: Timestamp,
    ) -> Result<Retained, LogError> {
        let oldest = retention.age_max.map(|age| now.before(age));
        let mut state = self.state_mut();
        let (mut records, bytes_before) = (0, state.bytes);
        while let [Some(record), Some(_)] = [state.records.front(), state.records.get(1)] {
            let too_old = oldest.is_some_and(|oldest| record.at < oldest);
            let too_much = retention.bytes_max.is_some_and(|max| state.bytes > max);
            if record.lsn >= floor || !(too_old || too_much) {
                break;
            }
            let gone = size(record);
            state.first = record.lsn.next();
            state.bytes -= gone;
            state.records.pop_front();
            records += 1;
        }
        Ok(Retained {
            first: state.first,
            records,
            bytes: bytes_before - state.bytes,
        })
    }

    fn close(&mut self) -> Result<Lsn, LogError> {
        let durable = self.commit()?;
        self.closed = true;
        Ok(durable)
    }

    fn reader(&self) -> Box<dyn LogReader> {
        Box::new(MemoryReader(Arc::clone(&self.shared)))
    }
}

fn size(record: &StoredRecord) -> u64 {
    record.payload.len() as u64
}

struct MemoryReader(Arc<RwLock<State>>);

impl MemoryReader {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogReader for MemoryReader {
    fn read(&self, from: Lsn, limit: ReadLimit) -> Result<Vec<StoredRecord>, LogError> {
        let state = self.state();
        let Some(skip) = from.0.checked_sub(state.first.0) else {
            return Err(LogError::Retained { first: state.first });
        };
        let held = state.records.len();
        let skip = usize::try_from(skip).map_or(held, |skip| skip.min(held));
        let mut taken = Vec::new();
        let mut bytes = 0;
        for record in state.records.range(skip..).take(limit.records) {
            bytes += record.payload.len();
            if !taken.is_empty() && bytes > limit.bytes {
                break;
            }
            taken.push(record.clone());
        }
        Ok(taken)
    }

    fn get(&self, lsn: Lsn) -> Result<Option<StoredRecord>, LogError> {
        if lsn == Lsn::ZERO {
            return Ok(None);
        }
        let one = ReadLimit {
            records: 1,
            bytes: 0,
        };
        Ok(self.read(lsn, one)?.pop())
    }

    fn lsn_at(&self, at: Timestamp) -> Result<Lsn, LogError> {
        let state = self.state();
        let before = state.records.partition_point(|record| record.at < at);
        Ok(Lsn(state.first.0 + before as u64))
    }

    fn durable(&self) -> Lsn {
        self.state().durable
    }

    fn first(&self) -> Lsn {
        self.state().first
    }

    fn clone_box(&self) -> Box<dyn LogReader> {
        Box::new(Self(Arc::clone(&self.0)))
    }
}
