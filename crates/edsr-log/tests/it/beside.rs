//! A reader whose every look at a file is overtaken by the writer, without threads.

use std::sync::{Arc, Mutex};

use edsr_log::{
    Disk, DiskError, EventLog, FileLog, LogReader, MemDisk, ReadLimit, Retention, disk::MemFile,
};
use edsr_model::Lsn;

use crate::support::{group, read_from, record, records, settings, time};

type Hook = Box<dyn FnMut() + Send>;

/// Runs a hook before each opening of a file, once it is set.
#[derive(Clone)]
struct Hooked {
    disk: MemDisk,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Disk for Hooked {
    type File = MemFile;

    fn create(&self, name: &str) -> Result<MemFile, DiskError> {
        self.disk.create(name)
    }
    fn open(&self, name: &str) -> Result<MemFile, DiskError> {
        // Taken out while it runs: what it does may open files too.
        let hook = self.hook.lock().unwrap().take();
        if let Some(mut hook) = hook {
            hook();
            *self.hook.lock().unwrap() = Some(hook);
        }
        self.disk.open(name)
    }
    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }
    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.disk.remove(name)
    }
    fn sync_dir(&self) -> Result<(), DiskError> {
        self.disk.sync_dir()
    }
}

/// A reader, while `meanwhile` happens to the log, which holds records 1 to 30, whenever a file is opened.
fn overtaken(
    mut meanwhile: impl FnMut(&mut FileLog<Hooked>) + Send + 'static,
) -> Box<dyn LogReader> {
    let disk = Hooked {
        disk: MemDisk::new(1),
        hook: Arc::default(),
    };
    let mut log = FileLog::open(disk.clone(), settings()).unwrap();
    for number in 1..=30 {
        group(&mut log, number, number);
    }
    let reader = log.reader();
    *disk.hook.lock().unwrap() = Some(Box::new(move || meanwhile(&mut log)));
    reader
}

fn grow(log: &mut FileLog<Hooked>) {
    let next = log.end().0 + 1;
    if next <= 120 {
        group(log, next, next);
    }
}

fn shrink(log: &mut FileLog<Hooked>) {
    let everything = Retention {
        bytes_max: Some(0),
        ..Retention::default()
    };
    log.retain(&everything, Lsn(1_000), time(1)).unwrap();
}

#[test]
fn every_record_is_read_once_while_the_segment_grows() {
    let reader = overtaken(grow);
    let limit = ReadLimit {
        records: 1_000,
        bytes: 1 << 20,
    };
    let got = reader.read(Lsn(1), limit).unwrap();
    assert_eq!(got, records(1, got.len() as u64));
    assert!(got.len() > 100, "it follows the writer: {}", got.len());
}

#[test]
fn a_time_is_found_while_the_log_grows_and_shrinks() {
    let reader = overtaken(grow);
    assert_eq!(reader.lsn_at(time(29)).unwrap(), Lsn(29));
    let reader = overtaken(shrink);
    let found = reader.lsn_at(time(3)).unwrap();
    assert_eq!(found, reader.first(), "its own segment went meanwhile");
    assert!(found > Lsn(3));
}

#[test]
fn a_read_overtaken_by_retention_says_so_and_can_go_on() {
    let reader = overtaken(shrink);
    let error = reader.read(Lsn(1), ReadLimit::default()).unwrap_err();
    let first = reader.first();
    assert_eq!(error, edsr_log::LogError::Retained { first });
    assert_eq!(
        read_from(reader.as_ref(), first).unwrap().first(),
        Some(&record(first.0, 0))
    );
}
