//! Every call fails once, in every way: nothing is acknowledged after the error, nothing acknowledged is lost.

use std::io;
use std::time::Duration;

use edsr_log::{EventLog, Fault, FileLog, LogError, MemDisk, Retention, StoredRecord};
use edsr_model::Lsn;

use crate::support::{append, group, open, read_all, records, time};

/// What a client of the log knows: what it gave, and how much of that it was told is durable.
#[derive(Default)]
struct Ledger {
    given: Vec<StoredRecord>,
    acknowledged: Lsn,
    floor: Lsn,
}

/// Opens, writes groups of growing size over several segments, drops old ones, closes. Stops at the first
/// error, after making sure that the log stays stopped.
fn work(disk: &MemDisk) -> Ledger {
    let mut ledger = Ledger {
        floor: Lsn(1),
        ..Ledger::default()
    };
    let Ok(mut log) = open(disk) else {
        return ledger;
    };
    if run(&mut log, &mut ledger).is_err() {
        check_stopped(&mut log, &ledger);
    }
    ledger
}

fn run(log: &mut FileLog<MemDisk>, ledger: &mut Ledger) -> Result<(), LogError> {
    let mut number = 0;
    for size in [1, 4, 9, 2, 30, 1, 6] {
        for _ in 0..size {
            number += 1;
            ledger.given.push(crate::support::record(number, 0));
            append(log, number, 0)?;
        }
        ledger.acknowledged = log.commit()?;
        if size == 30 {
            let all = Retention {
                bytes_max: Some(0),
                age_max: Some(Duration::ZERO),
            };
            ledger.floor = Lsn(12);
            // A file that cannot be removed does not stop the log.
            if let Err(error @ LogError::Failed { .. }) = log.retain(&all, Lsn(12), time(99)) {
                return Err(error);
            }
        }
    }
    log.close()?;
    Ok(())
}

fn check_stopped(log: &mut FileLog<MemDisk>, ledger: &Ledger) {
    let first = log.commit().unwrap_err();
    assert!(matches!(first, LogError::Failed { .. }), "{first}");
    assert_eq!(log.commit().unwrap_err(), first, "the first cause stays");
    assert_eq!(log.append(time(1_000), b"x").unwrap_err(), first);
    assert_eq!(log.close().unwrap_err(), first);
    assert_eq!(
        log.durable(),
        ledger.acknowledged,
        "nothing more is durable"
    );
    assert_eq!(log.reader().durable(), ledger.acknowledged);
}

/// Opens again and compares: all that was acknowledged, once, in order; past that only what was given.
fn check_kept(disk: &MemDisk, ledger: &Ledger, case: &str) {
    let log = open(disk).unwrap_or_else(|error| panic!("{case}: {error}"));
    let kept = read_all(&log).unwrap_or_else(|error| panic!("{case}: {error}"));
    let first = log.first();
    assert!(first <= ledger.floor, "{case}: begins with {first}");
    assert!(
        log.end() >= ledger.acknowledged,
        "{case}: ends with {}",
        log.end()
    );
    let before = first.0 as usize - 1;
    assert_eq!(kept, ledger.given[before..log.end().0 as usize], "{case}");
}

#[test]
fn every_call_fails_in_every_way() {
    let whole = MemDisk::new(0);
    let ledger = work(&whole);
    assert_eq!(ledger.acknowledged, Lsn(53));
    let calls = whole.calls();
    assert!(calls > 40, "the work makes {calls} calls");
    let mut stopped = 0;
    for call in 0..calls {
        for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
            for crash in [false, true] {
                let case = format!("call {call}, {fault:?}, crash {crash}");
                let disk = MemDisk::new(call * 7 + u64::from(crash));
                disk.fail_call(call, fault);
                let ledger = work(&disk);
                stopped += u32::from(ledger.acknowledged < Lsn(53));
                if crash {
                    disk.crash();
                }
                check_kept(&disk, &ledger, &case);
                // What an open has shown is durable, whatever an earlier sync lost.
                let shown = ends(&disk);
                disk.crash();
                assert!(ends(&disk) >= shown, "{case}");
                check_kept(&disk, &ledger, &case);
            }
        }
    }
    assert!(stopped > 200, "most faults stop the log: {stopped}");
}

#[test]
fn every_call_of_an_open_after_a_crash_fails_in_every_way() {
    for seed in 0..12 {
        let made = || {
            let disk = MemDisk::new(seed);
            let mut log = open(&disk).unwrap();
            group(&mut log, 1, 20);
            append(&mut log, 21, 0).unwrap();
            // The write goes through, its sync does not.
            disk.fail_call(disk.calls() + 1, Fault::Eio);
            let _ = log.commit().unwrap_err();
            let ledger = Ledger {
                given: records(1, 21),
                acknowledged: Lsn(20),
                floor: Lsn(1),
            };
            if seed % 2 == 0 {
                disk.crash();
            }
            (disk, ledger)
        };
        let (disk, _) = made();
        let before = disk.calls();
        open(&disk).unwrap();
        let calls = disk.calls() - before;
        for call in 0..calls {
            for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite] {
                let (disk, ledger) = made();
                disk.fail_call(disk.calls() + call, fault);
                let case = format!("seed {seed}, call {call}, {fault:?}");
                let refused = open(&disk).map(|log| log.end());
                assert!(
                    matches!(refused, Err(LogError::Disk(_))),
                    "{case}: {refused:?}"
                );
                disk.crash();
                check_kept(&disk, &ledger, &case);
            }
        }
    }
}

fn ends(disk: &MemDisk) -> Lsn {
    open(disk).unwrap().end()
}

#[test]
fn a_full_disk_stops_the_log_and_room_mends_it() {
    for capacity in (9_000..13_000).step_by(97) {
        let disk = MemDisk::new(capacity);
        disk.set_capacity(Some(capacity));
        let mut log = open(&disk).unwrap();
        let mut acknowledged = 0;
        let cause = loop {
            let number = log.end().0 + 1;
            let result = append(&mut log, number, 0).and_then(|_| log.commit());
            match result {
                Ok(durable) => acknowledged = durable.0,
                Err(LogError::Failed { cause }) => break cause,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(cause.kind, io::ErrorKind::StorageFull);
        if capacity % 2 == 0 {
            disk.crash();
        }
        // Still full: opening needs no space.
        assert!(
            open(&disk).unwrap().end() >= Lsn(acknowledged),
            "{capacity}"
        );
        disk.set_capacity(None);
        let mut log = open(&disk).unwrap();
        let end = log.end().0;
        group(&mut log, end + 1, end + 30);
        assert_eq!(read_all(&log).unwrap(), records(1, end + 30));
    }
}

#[test]
fn a_sync_is_never_tried_again() {
    let disk = MemDisk::new(5);
    let mut log = open(&disk).unwrap();
    group(&mut log, 1, 3);
    append(&mut log, 4, 0).unwrap();
    disk.fail_call(disk.calls() + 1, Fault::Eio);
    let syncs = disk.syncs();
    for _ in 0..5 {
        log.commit().unwrap_err();
        log.close().unwrap_err();
    }
    assert_eq!(disk.syncs(), syncs + 1);
}
