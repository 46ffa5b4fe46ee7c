//! The disk port: the few operations a log needs, so that a simulated disk can stand in.

mod crash;
mod look;
mod mem;
mod os;

pub use look::LookDisk;
pub use mem::{Fault, MemDisk, MemFile};
pub use os::{OsDisk, OsFile};

use std::io;

/// A flat directory of files. Names are relative and contain no separator.
pub trait Disk: Send + Sync + 'static {
    /// An open file. It stays readable after its name was removed.
    type File: DiskFile;

    /// Creates an empty file that was not there. Its name is durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// When the file exists or the system refuses.
    fn create(&self, name: &str) -> Result<Self::File, DiskError>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// When the file does not exist or the system refuses.
    fn open(&self, name: &str) -> Result<Self::File, DiskError>;

    /// The names of all files, sorted.
    ///
    /// # Errors
    /// When the system refuses.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// Removes a name. The removal is durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// When the file does not exist or the system refuses.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// Makes every earlier creation and removal durable.
    ///
    /// # Errors
    /// When the system refuses; what is durable is then unknown.
    fn sync_dir(&self) -> Result<(), DiskError>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`, growing the file as needed. Durable after
    /// [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// When the system refuses; any part of `bytes` may then have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Reads into `buf` from `offset`; returns fewer bytes than asked for only at the end of the file.
    ///
    /// # Errors
    /// When the system refuses.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError>;

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// When the system refuses.
    fn size(&self) -> Result<u64, DiskError>;

    /// Cuts the file to `len` bytes. Durable after [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// When the system refuses.
    fn truncate(&self, len: u64) -> Result<(), DiskError>;

    /// Makes every earlier write and cut of this file durable.
    ///
    /// # Errors
    /// When the system refuses. It must not be called again then: the system may have given up the
    /// writes and report success next time.
    fn sync_data(&self) -> Result<(), DiskError>;
}

/// An operation the disk refused. Cheap to clone, unlike [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {op} `{file}`: {text}")]
pub struct DiskError {
    /// The operation, as a verb.
    pub op: &'static str,
    /// The file or directory.
    pub file: String,
    /// The class of the error, for code that branches.
    pub kind: io::ErrorKind,
    /// What the system said.
    pub text: String,
}

impl DiskError {
    /// From what the system reported.
    #[must_use]
    pub fn new(op: &'static str, file: impl Into<String>, error: &io::Error) -> Self {
        Self {
            op,
            file: file.into(),
            kind: error.kind(),
            text: error.to_string(),
        }
    }
}
