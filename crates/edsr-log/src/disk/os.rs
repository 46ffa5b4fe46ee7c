//! A directory of the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Disk, DiskError, DiskFile};

/// The file whose lock says that a process uses the directory. It holds nothing and is never removed:
/// removing it would let two processes lock two files of one name.
pub(super) const LOCK_NAME: &str = "log.lock";

/// A directory that this process alone uses, for as long as the value lives.
#[derive(Debug)]
pub struct OsDisk {
    dir: PathBuf,
    _lock: File,
}

impl OsDisk {
    /// Makes the directory where it is missing (durably, with its parents) and locks it.
    ///
    /// # Errors
    /// When the system refuses, or another process (or another value in this one) holds the lock.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let dir = dir.into();
        create_dir_durably(&dir)
            .map_err(|error| DiskError::new("create", dir.display().to_string(), &error))?;
        let path = dir.join(LOCK_NAME);
        let shown = path.display().to_string();
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| DiskError::new("open", shown.clone(), &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DiskError {
                op: "lock",
                file: shown,
                kind: io::ErrorKind::WouldBlock,
                text: "another process uses this log; stop it, or choose another directory"
                    .to_owned(),
            },
            TryLockError::Error(error) => DiskError::new("lock", shown, &error),
        })?;
        Ok(Self { dir, _lock: lock })
    }

    fn with<T>(
        &self,
        op: &'static str,
        name: &str,
        act: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        act(&self.dir.join(name)).map_err(|error| DiskError::new(op, name, &error))
    }
}

impl Disk for OsDisk {
    type File = OsFile;

    fn create(&self, name: &str) -> Result<OsFile, DiskError> {
        let file = self.with("create", name, |path| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
        })?;
        Ok(OsFile::new(file, name))
    }

    fn open(&self, name: &str) -> Result<OsFile, DiskError> {
        let file = self.with("open", name, |path| {
            OpenOptions::new().read(true).write(true).open(path)
        })?;
        Ok(OsFile::new(file, name))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.with("list", ".", list)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.with("remove", name, |path| fs::remove_file(path))
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.with("sync", ".", |path| File::open(path)?.sync_all())
    }
}

/// The names of all files, sorted.
pub(super) fn list(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A name that is no UTF-8 is none of ours.
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type()?.is_file()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// An open file of an [`OsDisk`].
#[derive(Debug)]
pub struct OsFile {
    file: File,
    name: String,
}

impl OsFile {
    pub(super) fn new(file: File, name: &str) -> Self {
        Self {
            file,
            name: name.to_owned(),
        }
    }

    fn fail(&self, op: &'static str) -> impl FnOnce(io::Error) -> DiskError + '_ {
        move |error| DiskError::new(op, self.name.as_str(), &error)
    }
}

impl DiskFile for OsFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.file
            .write_all_at(bytes, offset)
            .map_err(self.fail("write"))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail("read")(error)),
            }
        }
        Ok(done)
    }

    fn size(&self) -> Result<u64, DiskError> {
        let meta = self.file.metadata().map_err(self.fail("measure"))?;
        Ok(meta.len())
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(self.fail("cut"))?;
        // Whether a data sync covers a file that became shorter differs between file systems.
        self.file.sync_all().map_err(self.fail("sync"))
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(self.fail("sync"))
    }
}

fn create_dir_durably(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir_durably(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}
