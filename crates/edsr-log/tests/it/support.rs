//! What the tests write, and how they compare it.

use bytes::Bytes;
use edsr_log::{
    EventLog, FileLog, FileLogSettings, LogError, LogReader, MemDisk, ReadLimit, StoredRecord,
};
use edsr_model::{Lsn, Timestamp};

/// Small enough that a few records fill a segment.
pub(crate) fn settings() -> FileLogSettings {
    FileLogSettings {
        segment_bytes: 700,
        index_bytes: 200,
        pending_bytes_max: 4096,
        ..FileLogSettings::new(0xed5a)
    }
}

pub(crate) fn open(disk: &MemDisk) -> Result<FileLog<MemDisk>, LogError> {
    FileLog::open(disk.clone(), settings())
}

pub(crate) fn time(number: u64) -> Timestamp {
    Timestamp::from_secs(number.cast_signed())
}

/// The record every test writes at this place in this life of a log.
pub(crate) fn record(number: u64, life: u64) -> StoredRecord {
    let mut payload = format!("{life}:{number}:").into_bytes();
    payload.resize(
        payload.len() + (number * 37 % 90) as usize,
        b'a' + life as u8 % 26,
    );
    StoredRecord {
        lsn: Lsn(number),
        at: time(number),
        payload: Bytes::from(payload),
    }
}

pub(crate) fn append(
    log: &mut dyn EventLog,
    number: u64,
    life: u64,
) -> Result<StoredRecord, LogError> {
    let record = record(number, life);
    let lsn = log.append(record.at, &record.payload)?;
    assert_eq!(lsn, record.lsn);
    Ok(record)
}

/// Appends the records `from..=to` of life 0 and commits them.
pub(crate) fn group(log: &mut dyn EventLog, from: u64, to: u64) {
    for number in from..=to {
        append(log, number, 0).unwrap();
    }
    assert_eq!(log.commit().unwrap(), Lsn(to));
}

pub(crate) fn read_all(log: &dyn EventLog) -> Result<Vec<StoredRecord>, LogError> {
    read_from(log.reader().as_ref(), log.first())
}

pub(crate) fn read_from(reader: &dyn LogReader, first: Lsn) -> Result<Vec<StoredRecord>, LogError> {
    let mut all = Vec::new();
    let mut next = first;
    loop {
        let got = reader.read(next, ReadLimit::default())?;
        let Some(last) = got.last() else {
            return Ok(all);
        };
        next = last.lsn.next();
        all.extend(got);
    }
}

pub(crate) fn records(from: u64, to: u64) -> Vec<StoredRecord> {
    (from..=to).map(|number| record(number, 0)).collect()
}
