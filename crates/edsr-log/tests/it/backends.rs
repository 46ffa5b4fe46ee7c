//! Every backend passes the same suite.

use std::io;

use edsr_log::{
    EventLog, FileLog, FileLogSettings, LogError, MemDisk, MemoryLog, OsDisk, conformance,
};
use edsr_model::Lsn;

use crate::support::{self, group, read_all, records, settings};

#[test]
fn memory() {
    conformance::check_all(|| Box::new(MemoryLog::new()));
}

#[test]
fn files_on_a_simulated_disk() {
    conformance::check_all(|| Box::new(support::open(&MemDisk::new(1)).unwrap()));
    let roomy = || FileLog::open(MemDisk::new(1), FileLogSettings::new(7)).unwrap();
    conformance::check_all(|| Box::new(roomy()));
    let disk = MemDisk::new(2);
    conformance::check_reopen(|| Box::new(support::open(&disk).unwrap()));
}

#[test]
fn files_on_the_systems_disk() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    conformance::check_all(|| {
        made.set(made.get() + 1);
        let disk = OsDisk::open(dir.path().join(format!("a/{}", made.get()))).unwrap();
        Box::new(FileLog::open(disk, FileLogSettings::new(7)).unwrap())
    });
    let same = dir.path().join("same");
    conformance::check_reopen(|| {
        let disk = OsDisk::open(&same).unwrap();
        Box::new(FileLog::open(disk, settings()).unwrap())
    });
}

#[test]
fn a_directory_belongs_to_one_log_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = OsDisk::open(dir.path()).unwrap();
    let refused = OsDisk::open(dir.path()).unwrap_err();
    assert_eq!(refused.kind, io::ErrorKind::WouldBlock);
    assert!(refused.text.contains("another process"), "{refused}");
    drop(first);
    OsDisk::open(dir.path()).unwrap();
}

#[test]
fn a_reader_keeps_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = FileLog::open(OsDisk::open(dir.path()).unwrap(), settings()).unwrap();
    group(&mut log, 1, 3);
    let reader = log.reader();
    drop(log);
    assert_eq!(reader.durable(), Lsn(3));
    assert!(OsDisk::open(dir.path()).is_err());
    drop(reader);
    let log = FileLog::open(OsDisk::open(dir.path()).unwrap(), settings()).unwrap();
    assert_eq!(read_all(&log).unwrap(), records(1, 3));
}

#[test]
fn bounds_are_kept() {
    let disk = MemDisk::new(3);
    let mut log = support::open(&disk).unwrap();
    // 4 KiB may be pending: an append past that commits first, and no segment grows beyond both bounds.
    for number in 1..=200 {
        support::append(&mut log, number, 0).unwrap();
    }
    assert!(log.durable() > Lsn::ZERO && log.durable() < Lsn(200));
    log.commit().unwrap();
    let image = disk.image();
    let segments = image.iter().filter(|(name, _)| *name != "log.mark");
    let longest = segments.map(|(_, bytes)| bytes.len()).max().unwrap();
    assert!(longest < 700 + 4096 + 200, "{longest}");
    assert!(image.len() > 3, "segments follow one another");
    assert_eq!(read_all(&log).unwrap(), records(1, 200));

    let too_large = FileLogSettings {
        record_bytes_max: 65 * 1024 * 1024,
        ..settings()
    };
    let refused = FileLog::open(MemDisk::new(4), too_large).unwrap_err();
    assert!(matches!(refused, LogError::Setting { .. }), "{refused}");
}
