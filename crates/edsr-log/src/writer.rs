//! A thread that owns a log, so that many appenders share one sync.
//!
//! ```text
//! batches -> [bounded queue] -> append all that waits -> one commit -> on_durable
//! ```
//!
//! While a sync runs the queue fills; the next commit takes all of it. So the group grows with the load and
//! with the slowness of the disk, and nobody waits for a timer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError as QueueError, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use edsr_model::{Lsn, Timestamp};

use crate::disk::DiskError;
use crate::error::LogError;
use crate::port::{EventLog, Retained, Retention};

/// Records that go into the log together, numbered by who sends them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The place the first record must get.
    pub first: Lsn,
    /// Times and payloads, in order.
    pub records: Vec<(Timestamp, Bytes)>,
}

/// The arguments of [`EventLog::retain`], sent to the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetainRequest {
    /// What may be dropped.
    pub retention: Retention,
    /// What a restart still needs.
    pub floor: Lsn,
    /// The time ages are counted from.
    pub now: Timestamp,
}

/// Is told what became of what was sent. Called on the log's thread: it must not wait.
pub trait LogObserver: Send + 'static {
    /// Everything up to and with `durable` is durable. Grows from call to call.
    fn on_durable(&mut self, durable: Lsn);

    /// The log stopped. Called at most once, as the last call: of what lies past the last
    /// [`LogObserver::on_durable`] nobody can say whether it is in the log.
    fn on_failed(&mut self, error: LogError);

    /// What came of a [`RetainRequest`] that did not stop the log.
    fn on_retained(&mut self, result: Result<Retained, LogError>) {
        if let Err(error) = result {
            tracing::warn!(%error, "old segments could not be removed");
        }
    }
}

/// The bounds of a [`LogThread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogThreadSettings {
    /// Batches that may wait; a sender blocks, or is told, past that.
    pub queue_batches_max: usize,
    /// A commit takes no further batch once it holds so many records.
    pub group_records_max: usize,
    /// A commit takes no further batch once it holds so many bytes of payload.
    pub group_bytes_max: usize,
}

impl Default for LogThreadSettings {
    /// 256 batches waiting; 65,536 records or 4 MiB in a commit.
    fn default() -> Self {
        Self {
            queue_batches_max: 256,
            group_records_max: 65_536,
            group_bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// Why something could not be queued at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// The queue is full; the batch comes back to be sent later.
    #[error("the log's queue is full; send the batch again later")]
    Full(Batch),
    /// The thread has ended; the batch comes back.
    #[error("the log's thread has ended; what it reported last says why")]
    Stopped(Batch),
}

/// A thread that owns a log. Dropping it finishes what was queued and waits for the thread.
#[derive(Debug)]
pub struct LogThread {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Result<Lsn, LogError>>>,
}

#[derive(Debug)]
enum Message {
    Append(Batch),
    Retain(RetainRequest),
}

impl LogThread {
    /// Starts the thread. Take readers from the log before.
    ///
    /// # Errors
    /// [`LogError::Disk`] when the system gives no thread.
    pub fn spawn(
        log: Box<dyn EventLog>,
        settings: LogThreadSettings,
        observer: impl LogObserver,
    ) -> Result<Self, LogError> {
        let (queue, waiting) = sync_channel(settings.queue_batches_max);
        let worker = Worker {
            told: log.durable(),
            log,
            settings,
            observer,
        };
        let thread = Builder::new()
            .name("event-log".to_owned())
            .spawn(move || worker.run(waiting))
            .map_err(|error| DiskError::new("start", "the event log's thread", &error))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Queues a batch, waiting while the queue is full.
    ///
    /// # Errors
    /// [`LogError::Stopped`] when the thread has ended.
    pub fn send(&self, batch: Batch) -> Result<(), LogError> {
        self.queue(Message::Append(batch))
    }

    /// Queues a batch if there is room.
    ///
    /// # Errors
    /// The batch, and why it was not queued.
    pub fn try_send(&self, batch: Batch) -> Result<(), TrySendError> {
        let Some(queue) = &self.queue else {
            return Err(TrySendError::Stopped(batch));
        };
        match queue.try_send(Message::Append(batch)) {
            Err(QueueError::Full(Message::Append(batch))) => Err(TrySendError::Full(batch)),
            Err(QueueError::Disconnected(Message::Append(batch))) => {
                Err(TrySendError::Stopped(batch))
            }
            // What comes back is what was sent, and that was a batch.
            _ => Ok(()),
        }
    }

    /// Queues a request to drop old segments, waiting while the queue is full.
    ///
    /// # Errors
    /// [`LogError::Stopped`] when the thread has ended.
    pub fn retain(&self, request: RetainRequest) -> Result<(), LogError> {
        self.queue(Message::Retain(request))
    }

    /// Finishes what was queued, closes the log, waits for the thread and returns the last durable place.
    ///
    /// # Errors
    /// What stopped the log, if something did.
    pub fn close(mut self) -> Result<Lsn, LogError> {
        self.finish()
    }

    fn queue(&self, message: Message) -> Result<(), LogError> {
        let queue = self.queue.as_ref().ok_or(LogError::Stopped)?;
        queue.send(message).map_err(|_| LogError::Stopped)
    }

    fn finish(&mut self) -> Result<Lsn, LogError> {
        self.queue = None;
        let thread = self.thread.take().ok_or(LogError::Stopped)?;
        thread.join().unwrap_or(Err(LogError::Stopped))
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        if self.thread.is_some() {
            // The observer was told of a failure already.
            let _ = self.finish();
        }
    }
}

struct Worker<O> {
    log: Box<dyn EventLog>,
    settings: LogThreadSettings,
    observer: O,
    /// What the observer was told last.
    told: Lsn,
}

impl<O: LogObserver> Worker<O> {
    fn run(mut self, waiting: Receiver<Message>) -> Result<Lsn, LogError> {
        // A panic must reach those who wait for an acknowledgement as well.
        let end = catch_unwind(AssertUnwindSafe(|| self.serve(&waiting)));
        let end = end.unwrap_or(Err(LogError::Stopped));
        // Who hears of the failure finds the queue closed already.
        drop(waiting);
        if let Err(error) = &end {
            self.observer.on_failed(error.clone());
        }
        end
    }

    fn serve(&mut self, waiting: &Receiver<Message>) -> Result<Lsn, LogError> {
        while let Ok(message) = waiting.recv() {
            let request = self.append_waiting(message, waiting)?;
            // An append may have committed by itself; what counts is what was not told yet.
            if self.log.end() > self.told {
                self.told = self.log.commit()?;
                self.observer.on_durable(self.told);
            }
            if let Some(request) = request {
                self.retain(&request)?;
            }
        }
        self.log.close()
    }

    fn retain(&mut self, request: &RetainRequest) -> Result<(), LogError> {
        let result = self
            .log
            .retain(&request.retention, request.floor, request.now);
        if let Err(error @ LogError::Failed { .. }) = result {
            return Err(error);
        }
        self.observer.on_retained(result);
        Ok(())
    }

    /// Appends what waits, within the bounds of one commit; a request to drop segments ends it.
    fn append_waiting(
        &mut self,
        mut message: Message,
        waiting: &Receiver<Message>,
    ) -> Result<Option<RetainRequest>, LogError> {
        let (mut records, mut bytes) = (0, 0);
        loop {
            match message {
                Message::Retain(request) => return Ok(Some(request)),
                Message::Append(batch) => {
                    records += batch.records.len();
                    bytes += self.append(&batch)?;
                }
            }
            if records >= self.settings.group_records_max || bytes >= self.settings.group_bytes_max
            {
                return Ok(None);
            }
            match waiting.try_recv() {
                Ok(next) => message = next,
                Err(_) => return Ok(None),
            }
        }
    }

    fn append(&mut self, batch: &Batch) -> Result<usize, LogError> {
        let expected = self.log.end().next();
        if batch.first != expected {
            return Err(LogError::OutOfOrder {
                expected,
                got: batch.first,
            });
        }
        let mut bytes = 0;
        for (at, payload) in &batch.records {
            self.log.append(*at, payload)?;
            bytes += payload.len();
        }
        Ok(bytes)
    }
}
