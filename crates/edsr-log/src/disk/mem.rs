//! A simulated disk: what was written and what survives are two things, and any call can be made to fail.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::crash::{Change, DirChange, Node};
use super::{Disk, DiskError, DiskFile};
use crate::rng::SplitMix64;

/// How a call is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An input/output error. A sync that fails so forgets a part of what it should have written: the
    /// next one reports success without it, as operating systems do.
    Eio,
    /// No space is left; nothing is done.
    Enospc,
    /// A write stops half way for lack of space; any other call fails as with [`Fault::Eio`].
    ShortWrite,
}

/// A disk in memory; clones share it. Every choice it makes comes from the seed it was given.
///
/// It assumes of a real disk that a sync that reported success kept its word, and that overwriting a
/// byte leaves the old or the new one.
#[derive(Debug, Clone)]
pub struct MemDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    rng: SplitMix64,
    calls: u64,
    syncs: u64,
    faults: BTreeMap<u64, Fault>,
    capacity: Option<u64>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    dir_changes: Vec<DirChange>,
    nodes: BTreeMap<u64, Node>,
    nodes_made: u64,
    /// Counts crashes: a file opened before one is of no use after it.
    boot: u64,
}

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_image(seed, &BTreeMap::new())
    }

    /// A disk that holds `files` durably.
    #[must_use]
    pub fn from_image(seed: u64, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut inner = Inner {
            rng: SplitMix64::new(seed),
            calls: 0,
            syncs: 0,
            faults: BTreeMap::new(),
            capacity: None,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            dir_changes: Vec::new(),
            nodes: BTreeMap::new(),
            nodes_made: 0,
            boot: 0,
        };
        for (name, bytes) in files {
            let id = inner.add(Node::durable(bytes.clone()));
            inner.names.insert(name.clone(), id);
        }
        inner.durable_names = inner.names.clone();
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// From here on every choice comes from `seed`.
    pub fn reseed(&self, seed: u64) {
        self.lock().rng = SplitMix64::new(seed);
    }

    /// Every file as a reader sees it now, durable or not.
    #[must_use]
    pub fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.lock();
        let bytes = |id: &u64| inner.nodes.get(id).map(|node| node.bytes.clone());
        inner
            .names
            .iter()
            .filter_map(|(name, id)| Some((name.clone(), bytes(id)?)))
            .collect()
    }

    /// How many calls were made so far, of any kind, failed ones included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many syncs of files (not of the directory) were asked for so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Makes the call with this number fail, once; the next call has the number [`MemDisk::calls`].
    pub fn fail_call(&self, call: u64, fault: Fault) {
        self.lock().faults.insert(call, fault);
    }

    /// Forgets the calls that were to fail.
    pub fn forget_faults(&self) {
        self.lock().faults.clear();
    }

    /// Limits the bytes of all files together; what exceeds it gets "no space left". `None` lifts it.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Power is lost. Of every write, cut, creation and removal since the sync that would have covered it,
    /// all, nothing or a part remains, independently and in any order; what a file grew by may be zeros
    /// or garbage. Files opened before and planned faults are void; the capacity stays.
    pub fn crash(&self) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        for change in std::mem::take(&mut inner.dir_changes) {
            if inner.rng.one_in(2) {
                change.apply(&mut inner.durable_names);
            }
        }
        inner.names = inner.durable_names.clone();
        let live: Vec<u64> = inner.names.values().copied().collect();
        inner.nodes.retain(|id, _| live.contains(id));
        for node in inner.nodes.values_mut() {
            node.crash(&mut inner.rng);
        }
        inner.faults.clear();
        inner.boot += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, inner: &Inner, id: u64, name: &str) -> MemFile {
        MemFile {
            disk: self.clone(),
            id,
            name: name.to_owned(),
            boot: inner.boot,
        }
    }
}

impl Inner {
    fn add(&mut self, node: Node) -> u64 {
        let id = self.nodes_made;
        self.nodes_made += 1;
        self.nodes.insert(id, node);
        id
    }

    /// Counts a call and says whether it is to fail.
    fn count(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        self.faults.remove(&call)
    }

    fn call(&mut self, op: &'static str, name: &str) -> Result<(), DiskError> {
        match self.count() {
            None => Ok(()),
            Some(Fault::Enospc) => Err(no_space(op, name)),
            Some(Fault::Eio | Fault::ShortWrite) => Err(broken(op, name)),
        }
    }

    /// How many of `wanted` bytes that a file grows by still fit.
    fn room(&self, wanted: u64) -> u64 {
        let used: u64 = self
            .names
            .values()
            .filter_map(|id| self.nodes.get(id))
            .map(|node| node.bytes.len() as u64)
            .sum();
        self.capacity
            .map_or(wanted, |capacity| capacity.saturating_sub(used).min(wanted))
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn create(&self, name: &str) -> Result<MemFile, DiskError> {
        let mut inner = self.lock();
        inner.call("create", name)?;
        if inner.names.contains_key(name) {
            return Err(fail("create", name, io::ErrorKind::AlreadyExists));
        }
        let id = inner.add(Node::default());
        inner.names.insert(name.to_owned(), id);
        inner
            .dir_changes
            .push(DirChange::Create(name.to_owned(), id));
        Ok(self.file(&inner, id, name))
    }

    fn open(&self, name: &str) -> Result<MemFile, DiskError> {
        let mut inner = self.lock();
        inner.call("open", name)?;
        match inner.names.get(name) {
            Some(id) => Ok(self.file(&inner, *id, name)),
            None => Err(fail("open", name, io::ErrorKind::NotFound)),
        }
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let mut inner = self.lock();
        inner.call("list", ".")?;
        Ok(inner.names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut inner = self.lock();
        inner.call("remove", name)?;
        if inner.names.remove(name).is_none() {
            return Err(fail("remove", name, io::ErrorKind::NotFound));
        }
        inner.dir_changes.push(DirChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        let mut inner = self.lock();
        inner.call("sync", ".")?;
        for change in std::mem::take(&mut inner.dir_changes) {
            change.apply(&mut inner.durable_names);
        }
        Ok(())
    }
}

/// An open file of a [`MemDisk`].
#[derive(Debug)]
pub struct MemFile {
    disk: MemDisk,
    id: u64,
    name: String,
    boot: u64,
}

impl MemFile {
    /// Counts the call, then runs `act` on the file, telling it whether to fail.
    fn with<T>(
        &self,
        op: &'static str,
        act: impl FnOnce(&mut Inner, u64, Option<Fault>) -> Option<Result<T, DiskError>>,
    ) -> Result<T, DiskError> {
        let mut inner = self.disk.lock();
        if inner.boot != self.boot {
            return Err(fail(op, &self.name, io::ErrorKind::BrokenPipe));
        }
        let fault = inner.count();
        act(&mut inner, self.id, fault)
            .unwrap_or_else(|| Err(fail(op, &self.name, io::ErrorKind::NotFound)))
    }

    fn fault(&self, op: &'static str, fault: Fault) -> DiskError {
        match fault {
            Fault::Enospc => no_space(op, &self.name),
            Fault::Eio | Fault::ShortWrite => broken(op, &self.name),
        }
    }
}

impl DiskFile for MemFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.with("write", |inner, id, fault| {
            let len = inner.nodes.get(&id)?.bytes.len() as u64;
            let end = offset + bytes.len() as u64;
            let lacking = end.saturating_sub(len);
            let missing = usize::try_from(lacking - inner.room(lacking)).unwrap_or(usize::MAX);
            let (kept, error) = match fault {
                Some(Fault::ShortWrite) => (bytes.len() / 2, Some(no_space("write", &self.name))),
                Some(fault) => (0, Some(self.fault("write", fault))),
                None if missing > 0 => (
                    bytes.len().saturating_sub(missing),
                    Some(no_space("write", &self.name)),
                ),
                None => (bytes.len(), None),
            };
            if kept > 0 {
                inner.nodes.get_mut(&id)?.change(Change::Write {
                    offset,
                    bytes: bytes[..kept].to_vec(),
                });
            }
            Some(error.map_or(Ok(()), Err))
        })
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.with("read", |inner, id, fault| {
            if let Some(fault) = fault {
                return Some(Err(self.fault("read", fault)));
            }
            let bytes = &inner.nodes.get(&id)?.bytes;
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let len = buf.len().min(bytes.len() - start);
            buf[..len].copy_from_slice(&bytes[start..start + len]);
            Some(Ok(len))
        })
    }

    fn size(&self) -> Result<u64, DiskError> {
        self.with("measure", |inner, id, fault| {
            Some(match fault {
                Some(fault) => Err(self.fault("measure", fault)),
                None => Ok(inner.nodes.get(&id)?.bytes.len() as u64),
            })
        })
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.with("cut", |inner, id, fault| {
            if let Some(fault) = fault {
                return Some(Err(self.fault("cut", fault)));
            }
            inner.nodes.get_mut(&id)?.change(Change::Cut(len));
            Some(Ok(()))
        })
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.with("sync", |inner, id, fault| {
            inner.syncs += 1;
            let node = inner.nodes.get_mut(&id)?;
            Some(match fault {
                None => {
                    node.sync();
                    Ok(())
                }
                Some(fault) => {
                    node.fail_sync(&mut inner.rng);
                    Err(self.fault("sync", fault))
                }
            })
        })
    }
}

fn fail(op: &'static str, name: &str, kind: io::ErrorKind) -> DiskError {
    DiskError::new(op, name, &io::Error::from(kind))
}

fn no_space(op: &'static str, name: &str) -> DiskError {
    fail(op, name, io::ErrorKind::StorageFull)
}

fn broken(op: &'static str, name: &str) -> DiskError {
    DiskError::new(op, name, &io::Error::other("input/output error"))
}
