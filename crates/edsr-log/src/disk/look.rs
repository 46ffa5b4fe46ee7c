//! A directory of the operating system that is only looked at.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;

use super::os::{LOCK_NAME, OsFile};
use super::{Disk, DiskError};

/// A directory that nobody uses while it is looked at. Nothing in it is made, changed or removed.
#[derive(Debug)]
pub struct LookDisk {
    dir: PathBuf,
    /// Shared with others who look; none where no process ever used the directory.
    _lock: Option<File>,
}

impl LookDisk {
    /// Looks at a directory.
    ///
    /// # Errors
    /// When it is not there, or a process uses it ([`io::ErrorKind::WouldBlock`]).
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let dir = dir.into();
        let shown = dir.display().to_string();
        fs::read_dir(&dir).map_err(|error| DiskError::new("read", shown.clone(), &error))?;
        let lock = match File::open(dir.join(LOCK_NAME)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(DiskError::new("open", shown, &error)),
        };
        match lock.as_ref().map(File::try_lock_shared) {
            None | Some(Ok(())) => Ok(Self { dir, _lock: lock }),
            Some(Err(TryLockError::WouldBlock)) => Err(DiskError {
                op: "look at",
                file: shown,
                kind: io::ErrorKind::WouldBlock,
                text: "a node runs on it; stop it, or look at a copy".to_owned(),
            }),
            Some(Err(TryLockError::Error(error))) => Err(DiskError::new("lock", shown, &error)),
        }
    }

    fn refuse<T>(&self, op: &'static str, name: &str) -> Result<T, DiskError> {
        let error = io::Error::new(
            io::ErrorKind::ReadOnlyFilesystem,
            format!("{} is only looked at", self.dir.display()),
        );
        Err(DiskError::new(op, name, &error))
    }
}

impl Disk for LookDisk {
    type File = OsFile;

    fn create(&self, name: &str) -> Result<OsFile, DiskError> {
        self.refuse("create", name)
    }

    fn open(&self, name: &str) -> Result<OsFile, DiskError> {
        let file = File::open(self.dir.join(name));
        let file = file.map_err(|error| DiskError::new("open", name, &error))?;
        Ok(OsFile::new(file, name))
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        super::os::list(&self.dir).map_err(|error| DiskError::new("list", ".", &error))
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.refuse("remove", name)
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.refuse("sync", ".")
    }
}
