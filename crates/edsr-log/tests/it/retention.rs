//! Old segments go whole, durably, and by the mark.

use std::time::Duration;

use edsr_log::{EventLog, Fault, LogError, MemDisk, ReadLimit, Retention};
use edsr_model::Lsn;

use crate::support::{group, open, read_all, read_from, records, time};

fn written(disk: &MemDisk) -> edsr_log::FileLog<MemDisk> {
    let mut log = open(disk).unwrap();
    for number in 1..=60 {
        group(&mut log, number, number);
    }
    log
}

fn segments(disk: &MemDisk) -> Vec<u64> {
    let image = disk.image();
    let names = image.keys().filter_map(|name| name.strip_suffix(".log"));
    names.map(|digits| digits.parse().unwrap()).collect()
}

#[test]
fn whole_segments_go_by_size_age_and_floor() {
    let none = Retention::default();
    let size = |bytes| Retention {
        bytes_max: Some(bytes),
        ..none
    };
    let age = |secs| Retention {
        age_max: Some(Duration::from_secs(secs)),
        ..none
    };
    let disk = MemDisk::new(1);
    written(&disk);
    let begins = segments(&disk);
    let image = disk.image();
    let mut newest_first = image.iter().filter(|(name, _)| *name != "log.mark").rev();
    let newest_three: usize = newest_first
        .by_ref()
        .take(3)
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert!(begins.len() >= 6, "{begins:?}");
    let active = begins.len() - 1;
    // (what, floor, which of the segments is the oldest afterwards)
    for (retention, floor, oldest) in [
        (none, 60, 0),
        (size(1 << 30), 60, 0),
        (size(0), 60, active),
        (size(0), 1_000, active),
        (size(0), begins[3], 3),
        (size(0), begins[3] - 1, 2),
        (size(newest_three as u64), 60, active - 2),
        (size(newest_three as u64 - 1), 60, active - 1),
        (age(1_000), 60, 0),
        (age(0), 60, active),
        (age(60 - begins[2]), 60, 2),
    ] {
        let disk = MemDisk::new(1);
        let mut log = written(&disk);
        let case = format!("{retention:?}, floor {floor}");
        let retained = log.retain(&retention, Lsn(floor), time(60)).unwrap();
        assert_eq!(retained.first, Lsn(begins[oldest]), "{case}");
        assert_eq!(retained.records, begins[oldest] - 1, "{case}");
        assert_eq!(retained.bytes > 0, oldest > 0, "{case}");
        assert_eq!(segments(&disk), begins[oldest..], "{case}");
        assert_eq!(read_all(&log).unwrap(), records(begins[oldest], 60));
        disk.crash();
        let log = open(&disk).unwrap();
        assert_eq!(log.first(), Lsn(begins[oldest]), "{case}");
        assert_eq!(read_all(&log).unwrap(), records(begins[oldest], 60));
    }
}

#[test]
fn a_file_that_cannot_be_removed_goes_at_the_next_open() {
    let disk = MemDisk::new(1);
    let mut log = written(&disk);
    let all = segments(&disk);
    let everything = Retention {
        bytes_max: Some(0),
        ..Retention::default()
    };
    // The mark takes two writes and two syncs; then the files go.
    disk.fail_call(disk.calls() + 4, Fault::Eio);
    let error = log.retain(&everything, Lsn(60), time(60)).unwrap_err();
    assert!(matches!(error, LogError::Disk(_)), "{error}");
    let active = *all.last().unwrap();
    assert_eq!(segments(&disk), [all[0], active]);
    assert_eq!(log.first(), Lsn(active), "readers are past it all the same");
    group(&mut log, 61, 62);
    let log = open(&disk).unwrap();
    assert_eq!(log.recovery().removed_segments, 1);
    assert_eq!(segments(&disk), [active]);
    assert_eq!(read_all(&log).unwrap(), records(active, 62));
}

#[test]
fn a_missing_oldest_segment_is_no_retention() {
    let disk = MemDisk::new(1);
    written(&disk).close().unwrap();
    let mut image = disk.image();
    let oldest = image.keys().next().unwrap().clone();
    image.remove(&oldest);
    let error = open(&MemDisk::from_image(1, &image)).map(|log| log.end());
    assert!(matches!(error, Err(LogError::Damaged(_))), "{error:?}");
}

#[test]
fn a_reader_is_told_when_its_place_is_gone() {
    let disk = MemDisk::new(1);
    let mut log = written(&disk);
    let reader = log.reader();
    assert_eq!(read_from(reader.as_ref(), Lsn(1)).unwrap(), records(1, 60));
    let half = Retention {
        bytes_max: Some(2_500),
        ..Retention::default()
    };
    let first = log.retain(&half, Lsn(60), time(60)).unwrap().first;
    let gone = reader.read(Lsn(1), ReadLimit::default()).unwrap_err();
    assert_eq!(gone, LogError::Retained { first });
    assert_eq!(
        read_from(reader.as_ref(), first).unwrap(),
        records(first.0, 60)
    );
    assert_eq!(reader.lsn_at(time(1)).unwrap(), first);
}

/// The mark that moved may read well and not be on disk; what it gave up must not go before it is.
#[test]
fn a_mark_whose_sync_failed_does_not_lose_the_segments_it_gave_up() {
    let everything = Retention {
        bytes_max: Some(0),
        ..Retention::default()
    };
    for seed in 0..40 {
        for failing in [1, 3] {
            let made = || {
                let disk = MemDisk::new(seed);
                let mut log = written(&disk);
                disk.fail_call(disk.calls() + failing, Fault::Eio);
                let error = log.retain(&everything, Lsn(60), time(60)).unwrap_err();
                assert!(matches!(error, LogError::Failed { .. }), "{error}");
                disk
            };
            let disk = made();
            let before = disk.calls();
            open(&disk).unwrap();
            for call in 0..disk.calls() - before {
                let disk = made();
                disk.fail_call(disk.calls() + call, Fault::Eio);
                open(&disk).map(|log| log.end()).unwrap_err();
                disk.crash();
                let log = open(&disk).unwrap_or_else(|error| panic!("{seed} {call}: {error}"));
                let first = log.first().0;
                assert_eq!(read_all(&log).unwrap(), records(first, 60), "{seed} {call}");
            }
        }
    }
}
