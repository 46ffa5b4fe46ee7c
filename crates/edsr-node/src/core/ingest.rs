//! Taking events in: each once, in order, with a time of its own.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use edsr_engine::Input;
use edsr_log::{Batch, TrySendError};
use edsr_model::{Event, Lsn, Record};
use tokio::sync::oneshot;

use super::{Ack, Core};
use crate::api::{IngestError, Receipt};

impl Core {
    pub(super) fn ingest(
        &mut self,
        events: Vec<(Event, Bytes)>,
        reply: oneshot::Sender<Result<Receipt, IngestError>>,
    ) {
        let bytes: usize = events.iter().map(|(_, bytes)| bytes.len()).sum();
        if let Some(reason) = &self.log_failed {
            let _ = reply.send(Err(IngestError::Unavailable(reason.clone())));
            return self.release(bytes);
        }
        let mut receipt = Receipt::default();
        let mut records = Vec::with_capacity(events.len());
        let mut last = Lsn::ZERO;
        for (event, stored) in events {
            if let Some(known) = self.parts.dedupe.find(&event) {
                receipt.duplicates += 1;
                last = last.max(known);
                continue;
            }
            let at = self.parts.clock.tick();
            self.lsn = self.lsn.next();
            let lsn = self.lsn;
            self.parts.dedupe.note(&event, lsn, at);
            receipt.accepted += 1;
            receipt.lsns = Some((receipt.lsns.map_or(lsn, |(first, _)| first), lsn));
            last = lsn;
            records.push((at, stored));
            let record = Record { lsn, at, event };
            if self.parts.shared.happenings.receiver_count() > 0 {
                self.volatile.push_back(record.clone());
            }
            self.parts.drive.offer(Input::Event(record));
        }
        self.parts
            .shared
            .metrics
            .events_accepted
            .inc_by(receipt.accepted);
        self.parts
            .shared
            .metrics
            .events_duplicate
            .inc_by(receipt.duplicates);
        if let Some((first, _)) = receipt.lsns {
            self.unsent.push_back(Batch { first, records });
            self.send_unsent();
        }
        let durable = Lsn(self.parts.shared.durable_lsn.load(Ordering::Acquire));
        if last <= durable {
            self.release(bytes);
            let _ = reply.send(Ok(receipt));
            return;
        }
        // What a repetition waits for may lie before what others wait for; being told a little late does no harm.
        let lsn = self.acks.back().map_or(last, |ack| ack.lsn.max(last));
        self.acks.push_back(Ack {
            lsn,
            bytes,
            receipt,
            reply,
        });
    }

    /// Hands batches to the log while it has room. What has to wait is bounded by the bytes that may be pending.
    pub(super) fn send_unsent(&mut self) {
        while let Some(batch) = self.unsent.pop_front() {
            match self.parts.log.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch)) => {
                    self.unsent.push_front(batch);
                    return;
                }
                // Why it stopped comes in a message of its own.
                Err(TrySendError::Stopped(_)) => return,
            }
        }
    }

    pub(super) fn release(&self, bytes: usize) {
        self.parts
            .shared
            .pending_bytes
            .fetch_sub(bytes, Ordering::AcqRel);
    }
}
