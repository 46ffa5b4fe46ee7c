//! The thread that owns a log: many batches share a commit, and everybody is told what became of theirs.

use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use edsr_log::{
    Batch, EventLog, Fault, LogError, LogObserver, LogReader, LogThread, LogThreadSettings,
    MemDisk, RetainRequest, Retained, Retention, TrySendError,
};
use edsr_model::{Lsn, Timestamp};

use crate::support::{open, read_all, record, records, time};

/// What the observer was told, in order.
#[derive(Debug, PartialEq)]
enum Told {
    Durable(Lsn),
    Failed(LogError),
    Retained(Result<Retained, LogError>),
}

struct Teller(Sender<Told>);

impl LogObserver for Teller {
    fn on_durable(&mut self, durable: Lsn) {
        self.0.send(Told::Durable(durable)).unwrap();
    }

    fn on_failed(&mut self, error: LogError) {
        self.0.send(Told::Failed(error)).unwrap();
    }

    fn on_retained(&mut self, result: Result<Retained, LogError>) {
        self.0.send(Told::Retained(result)).unwrap();
    }
}

/// A log whose commits wait for leave, so that a test decides what queues up meanwhile.
struct Gated {
    log: Box<dyn EventLog>,
    begun: Sender<()>,
    leave: Receiver<()>,
}

impl EventLog for Gated {
    fn append(&mut self, at: Timestamp, payload: &[u8]) -> Result<Lsn, LogError> {
        assert_ne!(payload, b"panic");
        self.log.append(at, payload)
    }
    fn commit(&mut self) -> Result<Lsn, LogError> {
        let _ = self.begun.send(());
        // Without anybody to give leave, commits are free.
        let _ = self.leave.recv();
        self.log.commit()
    }
    fn first(&self) -> Lsn {
        self.log.first()
    }
    fn end(&self) -> Lsn {
        self.log.end()
    }
    fn durable(&self) -> Lsn {
        self.log.durable()
    }
    fn last_at(&self) -> Timestamp {
        self.log.last_at()
    }
    fn retain(
        &mut self,
        retention: &Retention,
        floor: Lsn,
        now: Timestamp,
    ) -> Result<Retained, LogError> {
        self.log.retain(retention, floor, now)
    }
    fn close(&mut self) -> Result<Lsn, LogError> {
        self.log.close()
    }
    fn reader(&self) -> Box<dyn LogReader> {
        self.log.reader()
    }
}

struct Bench {
    disk: MemDisk,
    thread: LogThread,
    told: Receiver<Told>,
    begun: Receiver<()>,
    leave: Sender<()>,
}

fn bench(settings: LogThreadSettings) -> Bench {
    let disk = MemDisk::new(1);
    let (begun_here, begun) = channel();
    let (leave, leave_there) = channel();
    let (tell, told) = channel();
    let log = Gated {
        log: Box::new(open(&disk).unwrap()),
        begun: begun_here,
        leave: leave_there,
    };
    let thread = LogThread::spawn(Box::new(log), settings, Teller(tell)).unwrap();
    Bench {
        disk,
        thread,
        told,
        begun,
        leave,
    }
}

fn batch(from: u64, to: u64) -> Batch {
    Batch {
        first: Lsn(from),
        records: (from..=to)
            .map(|number| record(number, 0))
            .map(|record| (record.at, record.payload))
            .collect(),
    }
}

/// Sends a batch and waits until its commit begins: whatever is sent next shares the one after.
fn occupy(bench: &Bench, from: u64) {
    bench.thread.send(batch(from, from)).unwrap();
    bench.begun.recv().unwrap();
}

#[test]
fn batches_that_wait_share_a_commit() {
    let bench = bench(LogThreadSettings::default());
    occupy(&bench, 1);
    for number in 2..=100 {
        bench.thread.send(batch(number, number)).unwrap();
    }
    let syncs = bench.disk.syncs();
    bench.leave.send(()).unwrap();
    bench.leave.send(()).unwrap();
    assert_eq!(bench.told.recv().unwrap(), Told::Durable(Lsn(1)));
    assert_eq!(bench.told.recv().unwrap(), Told::Durable(Lsn(100)));
    // The first one begins a segment, whose header is synced as well; 4 KiB pending commit once in between.
    let spent = bench.disk.syncs() - syncs;
    assert!(spent <= 8, "{spent} syncs for 100 batches");
    drop(bench.leave);
    assert_eq!(bench.thread.close().unwrap(), Lsn(100));
    assert_eq!(
        read_all(&open(&bench.disk).unwrap()).unwrap(),
        records(1, 100)
    );
}

#[test]
fn a_commit_is_bounded_by_records_and_bytes() {
    let few_records = LogThreadSettings {
        group_records_max: 10,
        ..LogThreadSettings::default()
    };
    let few_bytes = LogThreadSettings {
        group_bytes_max: 1,
        ..LogThreadSettings::default()
    };
    for (settings, ends) in [(few_records, [1, 13, 25, 37]), (few_bytes, [1, 5, 9, 13])] {
        let bench = bench(settings);
        occupy(&bench, 1);
        for from in (2..=37).step_by(4) {
            bench.thread.send(batch(from, from + 3)).unwrap();
        }
        drop(bench.leave);
        for end in ends {
            assert_eq!(bench.told.recv().unwrap(), Told::Durable(Lsn(end)));
        }
        assert_eq!(bench.thread.close().unwrap(), Lsn(37));
    }
}

#[test]
fn a_full_queue_gives_the_batch_back() {
    let bench = bench(LogThreadSettings {
        queue_batches_max: 2,
        ..LogThreadSettings::default()
    });
    occupy(&bench, 1);
    bench.thread.try_send(batch(2, 2)).unwrap();
    bench.thread.try_send(batch(3, 3)).unwrap();
    let full = bench.thread.try_send(batch(4, 4)).unwrap_err();
    assert_eq!(full, TrySendError::Full(batch(4, 4)));
    drop(bench.leave);
    assert_eq!(bench.thread.close().unwrap(), Lsn(3));
}

#[test]
fn a_failed_sync_is_told_once_and_ends_the_thread() {
    let bench = bench(LogThreadSettings::default());
    bench.leave.send(()).unwrap();
    occupy(&bench, 1);
    assert_eq!(bench.told.recv().unwrap(), Told::Durable(Lsn(1)));
    occupy(&bench, 2);
    bench.disk.fail_call(bench.disk.calls() + 1, Fault::Eio);
    bench.thread.send(batch(3, 3)).unwrap();
    drop(bench.leave);
    let Told::Failed(error) = bench.told.recv().unwrap() else {
        panic!("a failure comes next");
    };
    assert!(matches!(error, LogError::Failed { .. }), "{error}");
    assert!(bench.told.recv().is_err(), "and is the last that is told");
    assert_eq!(
        bench.thread.send(batch(4, 4)).unwrap_err(),
        LogError::Stopped
    );
    let back = bench.thread.try_send(batch(4, 4)).unwrap_err();
    assert_eq!(back, TrySendError::Stopped(batch(4, 4)));
    assert_eq!(bench.thread.close().unwrap_err(), error);
}

#[test]
fn a_batch_out_of_order_or_out_of_time_stops_the_log() {
    let early = Batch {
        first: Lsn(2),
        records: vec![(time(0), Bytes::new())],
    };
    for (bad, what) in [
        (batch(3, 3), "order"),
        (batch(1, 1), "order"),
        (early, "time"),
    ] {
        let bench = bench(LogThreadSettings::default());
        drop(bench.leave);
        bench.thread.send(batch(1, 1)).unwrap();
        assert_eq!(bench.told.recv().unwrap(), Told::Durable(Lsn(1)));
        bench.thread.send(bad).unwrap();
        let error = bench.thread.close().unwrap_err();
        match what {
            "order" => assert!(matches!(error, LogError::OutOfOrder { .. }), "{error}"),
            _ => assert!(matches!(error, LogError::NotLater { .. }), "{error}"),
        }
        assert_eq!(bench.told.recv().unwrap(), Told::Failed(error));
    }
}

#[test]
fn a_panic_is_told_as_a_failure() {
    let bench = bench(LogThreadSettings::default());
    drop(bench.leave);
    let bad = Batch {
        first: Lsn(1),
        records: vec![(time(1), Bytes::from_static(b"panic"))],
    };
    bench.thread.send(bad).unwrap();
    assert_eq!(bench.told.recv().unwrap(), Told::Failed(LogError::Stopped));
    assert_eq!(bench.thread.close().unwrap_err(), LogError::Stopped);
}

#[test]
fn retention_takes_its_turn_behind_the_batches_before_it() {
    let bench = bench(LogThreadSettings::default());
    drop(bench.leave);
    for number in 1..=60 {
        bench.thread.send(batch(number, number)).unwrap();
    }
    let retention = Retention {
        bytes_max: Some(0),
        ..Retention::default()
    };
    bench
        .thread
        .retain(RetainRequest {
            retention,
            floor: Lsn(60),
            now: time(60),
        })
        .unwrap();
    bench.thread.send(batch(61, 61)).unwrap();
    drop(bench.thread);
    let told: Vec<Told> = bench.told.iter().collect();
    let place = told
        .iter()
        .position(|told| matches!(told, Told::Retained(Ok(_))));
    let before = &told[place.unwrap() - 1];
    assert_eq!(*before, Told::Durable(Lsn(60)));
    assert_eq!(
        *told.last().unwrap(),
        Told::Durable(Lsn(61)),
        "dropping finishes the queue"
    );
}
