//! What every event log must do, as checks that take any log. A backend is finished when it passes them.
//!
//! Each check panics with what it saw. `make` gives a new, empty log each time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a check that fails must say where, and runs in tests only"
)]

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use edsr_model::{Lsn, Timestamp};

use crate::error::LogError;
use crate::port::{
    EventLog, LogReader, NEVER, RECORD_BYTES_MAX, ReadLimit, Retained, Retention, StoredRecord,
};

/// Runs every check that a single life of a log allows.
///
/// # Panics
/// When the log does not do what the port says.
pub fn check_all(make: impl Fn() -> Box<dyn EventLog>) {
    check_empty(make());
    check_places_and_times(make());
    check_refusals_leave_the_log_as_it_was(make());
    check_readers_see_committed_records_only(make());
    check_read_limits(make());
    check_time_lookup(make());
    check_retention(make());
    check_reader_beside_writer(make());
    check_close(make());
}

/// Checks that what was committed is there when the log is opened again; `open` opens the same, at first
/// empty, storage each time.
///
/// # Panics
/// When the log does not do what the port says.
pub fn check_reopen(open: impl Fn() -> Box<dyn EventLog>) {
    let mut written = 0;
    for life in 0..6 {
        let mut log = open();
        assert_eq!(log.end(), Lsn(written), "life {life}");
        assert_eq!(log.durable(), log.end(), "what an open finds is durable");
        if written > 0 {
            assert_eq!(log.last_at(), time(written));
            let refused = log.append(time(written), b"again").unwrap_err();
            assert!(matches!(refused, LogError::NotLater { .. }), "{refused}");
        }
        fill(log.as_mut(), written + 1, written + 40);
        written += 40;
        log.commit().unwrap();
        check_holds(log.reader().as_ref(), 1, written);
        if life % 2 == 0 {
            log.close().unwrap();
        }
    }
}

fn check_empty(mut log: Box<dyn EventLog>) {
    assert_eq!(
        (log.first(), log.end(), log.durable()),
        (Lsn(1), Lsn(0), Lsn(0))
    );
    assert_eq!(log.last_at(), NEVER);
    assert_eq!(log.commit().unwrap(), Lsn::ZERO, "nothing to make durable");
    let reader = log.reader();
    assert_eq!((reader.first(), reader.durable()), (Lsn(1), Lsn(0)));
    assert_eq!(reader.read(Lsn(1), ReadLimit::default()).unwrap(), []);
    assert_eq!(reader.get(Lsn(1)).unwrap(), None);
    assert_eq!(reader.get(Lsn::ZERO).unwrap(), None);
    assert_eq!(reader.lsn_at(time(5)).unwrap(), Lsn(1));
    let retained = retain(log.as_mut(), Some(0), Lsn(9));
    assert_eq!((retained.first, retained.records), (Lsn(1), 0));
}

fn check_places_and_times(mut log: Box<dyn EventLog>) {
    for number in 1..=300 {
        let lsn = log.append(time(number), &payload(number)).unwrap();
        assert_eq!(lsn, Lsn(number), "counted from 1 without holes");
        assert_eq!((log.end(), log.last_at()), (lsn, time(number)));
        if number % 7 == 0 {
            assert_eq!(log.commit().unwrap(), lsn);
            assert_eq!(log.durable(), lsn);
        }
    }
    assert_eq!(log.commit().unwrap(), Lsn(300));
    check_holds(log.reader().as_ref(), 1, 300);
}

fn check_refusals_leave_the_log_as_it_was(mut log: Box<dyn EventLog>) {
    fill(log.as_mut(), 1, 3);
    for at in [time(3), time(2), NEVER] {
        let refused = log.append(at, b"late").unwrap_err();
        let last = time(3);
        assert_eq!(refused, LogError::NotLater { at, last });
    }
    let huge = vec![0; RECORD_BYTES_MAX + 1];
    let refused = log.append(time(4), &huge).unwrap_err();
    assert!(matches!(refused, LogError::TooLarge { .. }), "{refused}");
    assert_eq!((log.end(), log.last_at()), (Lsn(3), time(3)));
    let largest = vec![7; RECORD_BYTES_MAX];
    assert_eq!(log.append(time(4), &largest).unwrap(), Lsn(4));
    log.commit().unwrap();
    let stored = log.reader().get(Lsn(4)).unwrap().unwrap();
    assert!(stored.payload == largest, "the largest record reads back");
    check_holds(log.reader().as_ref(), 1, 3);
}

fn check_readers_see_committed_records_only(mut log: Box<dyn EventLog>) {
    let reader = log.reader();
    fill(log.as_mut(), 1, 2);
    assert_eq!(reader.durable(), Lsn::ZERO);
    assert_eq!(reader.read(Lsn(1), ReadLimit::default()).unwrap(), []);
    assert_eq!(reader.get(Lsn(1)).unwrap(), None);
    log.commit().unwrap();
    let later = reader.clone_box();
    check_holds(reader.as_ref(), 1, 2);
    fill(log.as_mut(), 3, 4);
    check_holds(later.as_ref(), 1, 2);
    assert_eq!(later.lsn_at(time(4)).unwrap(), Lsn(3));
    log.commit().unwrap();
    check_holds(later.as_ref(), 1, 4);
}

fn check_read_limits(mut log: Box<dyn EventLog>) {
    for number in 1..=10 {
        log.append(time(number), &[0; 100]).unwrap();
    }
    log.commit().unwrap();
    let reader = log.reader();
    for (from, records, bytes, expected) in [
        (1, 0, 1_000, 0),
        (1, 3, 1_000, 3),
        (1, 99, 250, 2),
        (1, 99, 300, 3),
        (1, 99, 0, 1),
        (9, 99, 10_000, 2),
        (11, 99, 10_000, 0),
        (99, 99, 10_000, 0),
    ] {
        let limit = ReadLimit { records, bytes };
        let got = reader.read(Lsn(from), limit).unwrap();
        assert_eq!(got.len(), expected, "from {from}, {limit:?}");
        assert!(got.first().is_none_or(|record| record.lsn == Lsn(from)));
    }
    let before_all = reader.read(Lsn::ZERO, ReadLimit::default()).unwrap_err();
    assert_eq!(before_all, LogError::Retained { first: Lsn(1) });
}

fn check_time_lookup(mut log: Box<dyn EventLog>) {
    for number in 1..=500 {
        log.append(time(2 * number), &payload(number)).unwrap();
    }
    log.commit().unwrap();
    let reader = log.reader();
    assert_eq!(reader.lsn_at(NEVER).unwrap(), Lsn(1));
    assert_eq!(reader.lsn_at(Timestamp::MAX).unwrap(), Lsn(501));
    for number in 1..=500 {
        assert_eq!(reader.lsn_at(time(2 * number)).unwrap(), Lsn(number));
        assert_eq!(
            reader.lsn_at(time(2 * number + 1)).unwrap(),
            Lsn(number + 1)
        );
    }
}

fn check_retention(mut log: Box<dyn EventLog>) {
    for number in 1..=400 {
        log.append(time(number), &payload(number)).unwrap();
        log.commit().unwrap();
    }
    let kept = retain(log.as_mut(), None, Lsn(400));
    assert_eq!((kept.first, kept.records), (Lsn(1), 0), "no bound, no loss");
    let young = Retention {
        age_max: Some(Duration::from_secs(1_000)),
        bytes_max: None,
    };
    let kept = log.retain(&young, Lsn(400), time(400)).unwrap();
    assert_eq!(kept.records, 0, "nothing is that old");
    let kept = retain(log.as_mut(), Some(0), Lsn::ZERO);
    assert_eq!(kept.records, 0, "a restart still needs all of it");

    let kept = retain(log.as_mut(), Some(0), Lsn(100));
    assert!(kept.first <= Lsn(100), "the floor stays: {kept:?}");
    assert_eq!(kept.records, kept.first.0 - 1);
    check_gone(log.as_ref(), kept.first);

    let old = Retention {
        age_max: Some(Duration::from_secs(100)),
        bytes_max: None,
    };
    let kept = log.retain(&old, Lsn(400), time(400)).unwrap();
    assert!(kept.first <= Lsn(300), "young ones stay: {kept:?}");
    check_gone(log.as_ref(), kept.first);

    let kept = retain(log.as_mut(), Some(0), Lsn(1_000));
    assert!(kept.first <= Lsn(400), "the newest segment stays: {kept:?}");
    check_gone(log.as_ref(), kept.first);
    fill(log.as_mut(), 401, 410);
    log.commit().unwrap();
    check_holds(log.reader().as_ref(), kept.first.0, 410);
}

fn check_gone(log: &dyn EventLog, first: Lsn) {
    assert_eq!(log.first(), first);
    let reader = log.reader();
    assert_eq!(reader.first(), first);
    check_holds(reader.as_ref(), first.0, 400);
    assert_eq!(reader.lsn_at(NEVER).unwrap(), first);
    if first > Lsn(1) {
        let gone = Err(LogError::Retained { first });
        let before = Lsn(first.0 - 1);
        assert_eq!(reader.read(before, ReadLimit::default()), gone);
        assert_eq!(
            reader.get(before).unwrap_err(),
            LogError::Retained { first }
        );
    }
}

fn check_reader_beside_writer(mut log: Box<dyn EventLog>) {
    const RECORDS: u64 = 2_000;
    let reader = log.reader();
    let follower = thread::spawn(move || {
        let mut next = 1;
        while next <= RECORDS {
            let got = reader.read(Lsn(next), ReadLimit::default()).unwrap();
            assert!(reader.durable().0 + 1 >= next + got.len() as u64);
            for stored in got {
                assert_eq!(stored, record(next));
                next += 1;
            }
            thread::yield_now();
        }
    });
    for number in 1..=RECORDS {
        log.append(time(number), &payload(number)).unwrap();
        if number % 50 == 0 {
            log.commit().unwrap();
        }
    }
    follower.join().expect("the follower saw every record once");
}

fn check_close(mut log: Box<dyn EventLog>) {
    fill(log.as_mut(), 1, 5);
    assert_eq!(log.close().unwrap(), Lsn(5), "closing commits");
    assert_eq!(log.append(time(6), b"").unwrap_err(), LogError::Closed);
    assert_eq!(log.commit().unwrap_err(), LogError::Closed);
    check_holds(log.reader().as_ref(), 1, 5);
}

/// The time these checks give to a record.
fn time(number: u64) -> Timestamp {
    Timestamp::from_secs(number.cast_signed())
}

/// What these checks put in a record; lengths from 0 to 96.
fn payload(number: u64) -> Vec<u8> {
    (0..number % 97)
        .map(|place| (number * 31 + place) as u8)
        .collect()
}

fn record(number: u64) -> StoredRecord {
    StoredRecord {
        lsn: Lsn(number),
        at: time(number),
        payload: Bytes::from(payload(number)),
    }
}

fn fill(log: &mut dyn EventLog, from: u64, to: u64) {
    for number in from..=to {
        log.append(time(number), &payload(number)).unwrap();
    }
}

fn retain(log: &mut dyn EventLog, bytes_max: Option<u64>, floor: Lsn) -> Retained {
    let retention = Retention {
        age_max: None,
        bytes_max,
    };
    log.retain(&retention, floor, time(10_000)).unwrap()
}

fn check_holds(reader: &dyn LogReader, first: u64, last: u64) {
    let limit = ReadLimit {
        records: 33,
        ..ReadLimit::default()
    };
    let mut next = first;
    loop {
        let got = reader.read(Lsn(next), limit).unwrap();
        if got.is_empty() {
            break;
        }
        for stored in got {
            // The one that is as large as can be is compared where it is written.
            if stored.payload.len() < RECORD_BYTES_MAX {
                assert_eq!(stored, record(next));
            }
            next += 1;
        }
    }
    assert!(
        next > last,
        "records {first} to {last}, got them before {next}"
    );
    assert_eq!(reader.get(Lsn(first)).unwrap(), Some(record(first)));
    assert_eq!(reader.get(Lsn(last)).unwrap(), Some(record(last)));
}
