//! The journal in one SQLite file: write-ahead log, synced at every commit, one writer.

pub(crate) mod end;
pub(crate) mod known;
pub(crate) mod mentions;
mod query;
mod reader;
pub(crate) mod rows;
pub(crate) mod schema;
mod witness;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use edsr_model::{Draft, Entry};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::chain::{Chain, Columns, Extension, Sealed};
use crate::error::JournalError;
use crate::files::{beside, sync_parent};
use crate::merkle::Subtree;
use crate::port::{Head, Journal, JournalReader};
use crate::signer::Signer;
use known::KnownEnd;
use reader::SqliteReader;
use rows::tree_bytes;
use witness::Witness;

/// A signed checkpoint stays in the journal at least every this many entries, unless set otherwise.
pub const CHECKPOINT_EVERY_DEFAULT: u64 = 256;
/// The largest journal file, unless set otherwise.
pub const BYTES_MAX_DEFAULT: u64 = 64 * 1024 * 1024 * 1024;

/// How a journal file is used.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Where the latest checkpoint is kept against rollbacks: outside the data directory, beside the key. `None` keeps none.
    pub witness: Option<PathBuf>,
    /// Take the journal as it stands and write the witness anew: after an older copy was put back on purpose.
    pub renew_witness: bool,
    /// A signed checkpoint stays at least every this many entries. Fixed when the journal is made.
    pub checkpoint_every: u64,
    /// The file grows no larger than this, in bytes; an append that does not fit fails the journal.
    pub bytes_max: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            witness: None,
            renew_witness: false,
            checkpoint_every: CHECKPOINT_EVERY_DEFAULT,
            bytes_max: BYTES_MAX_DEFAULT,
        }
    }
}

/// The one writer of a journal file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    connection: Connection,
    signer: Signer,
    chain: Chain,
    /// The signed checkpoint of the head, as stored.
    note: String,
    checkpoint_every: u64,
    witness: Option<Witness>,
    /// The first failure; nothing is taken after it.
    failed: Option<String>,
    known: KnownEnd,
    /// Held as long as the journal is open.
    _lock: File,
}

impl SqliteJournal {
    /// Opens the journal file at `path`, which is made where there is none.
    ///
    /// Looks whether head, last entry, tree, latest checkpoint and witness agree, which does not depend on the
    /// length of the journal; [`verify`](crate::verify()) looks at everything.
    ///
    /// # Errors
    /// [`JournalError::Locked`] while another process writes it; `Differs`, `RolledBack`, `WitnessMissing`,
    /// `WrongKey`, `Format` where it is not the journal it was; `Storage` where the file cannot be used.
    pub fn open(path: &Path, signer: Signer, options: SqliteOptions) -> Result<Self, JournalError> {
        let lock = lock(path)?;
        let mut connection = connect(path, options.bytes_max)?;
        if schema::is_empty(&connection, path)? {
            schema::create(&mut connection, path, &signer, options.checkpoint_every)?;
        }
        let meta = schema::check(&connection, path)?;
        if meta.key != signer.public().name() {
            let found = signer.public().name().to_owned();
            return Err(JournalError::WrongKey {
                path: path.to_owned(),
                expected: meta.key,
                found,
            });
        }
        let end = end::load(&connection, path, signer.public())?;
        let known = KnownEnd::open(path);
        let known = known
            .map_err(|error| JournalError::storage("open the known end of", path)(error.into()))?;
        let mut journal = Self {
            known,
            path: path.to_owned(),
            witness: options.witness.map(Witness::new),
            connection,
            signer,
            chain: end.chain,
            note: end.note,
            checkpoint_every: meta.checkpoint_every,
            failed: None,
            _lock: lock,
        };
        if let Some(witness) = &journal.witness
            && !options.renew_witness
        {
            let nodes = rows::StoredNodes(&journal.connection);
            witness.check(path, journal.signer.public(), &journal.chain, &nodes)?;
        }
        if !options.renew_witness
            && let Some(differs) = known::differs(path, &journal.chain.head)
        {
            return Err(JournalError::Differs {
                path: path.to_owned(),
                differs: vec![differs],
            });
        }
        let written = journal.known.write(&journal.chain.head);
        written
            .map_err(|error| JournalError::storage("write the known end of", path)(error.into()))?;
        journal.witness()?;
        Ok(journal)
    }

    /// Reads the journal file at `path`, and changes nothing. [`verify`](crate::verify()) says whether it is sound.
    ///
    /// # Errors
    /// `Storage` where there is no such file.
    pub fn look(path: &Path) -> Result<Box<dyn JournalReader>, JournalError> {
        std::fs::metadata(path)
            .map_err(|error| JournalError::storage("read", path)(error.into()))?;
        Ok(Box::new(SqliteReader::new(path.to_owned())))
    }

    /// The signed checkpoint of everything appended so far.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.note
    }

    /// The journal file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, new: &Extension) -> rusqlite::Result<Option<String>> {
        let Self {
            connection,
            signer,
            chain,
            ..
        } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let note = signer.checkpoint(new.chain.tree.end(), new.chain.tree.root());
        if !move_head(&transaction, &chain.head, &new.chain, &note)? {
            return Ok(None);
        }
        insert_entries(&transaction, &new.sealed)?;
        mentions::insert(&transaction, chain.head.seq.0, &new.sealed)?;
        insert_subtrees(&transaction, &new.subtrees)?;
        for (size, root) in &new.milestones {
            transaction
                .prepare_cached("INSERT INTO checkpoint (size, note) VALUES (?1, ?2)")?
                .execute(params![size, signer.checkpoint(*size, *root)])?;
        }
        transaction.commit()?;
        Ok(Some(note))
    }

    fn fail(&mut self, error: JournalError) -> JournalError {
        self.failed = Some(error.to_string());
        error
    }
}

impl Journal for SqliteJournal {
    fn append(&mut self, drafts: &[Draft]) -> Result<Head, JournalError> {
        self.append_and_show(drafts)?;
        Ok(self.chain.head)
    }

    fn append_and_show(&mut self, drafts: &[Draft]) -> Result<Vec<Entry>, JournalError> {
        if let Some(cause) = &self.failed {
            return Err(JournalError::Failed {
                cause: cause.clone(),
            });
        }
        let new = self.chain.extend(drafts, self.checkpoint_every)?;
        let Some(first) = drafts.first() else {
            return Ok(Vec::new());
        };
        match self.write(&new) {
            Ok(Some(note)) => {
                self.chain = new.chain;
                self.note = note;
                if let Err(error) = self.known.write(&self.chain.head) {
                    let path = &self.path;
                    let error = JournalError::storage("write the known end of", path)(error.into());
                    return Err(self.fail(error));
                }
                Ok(new.sealed.into_iter().map(|sealed| sealed.entry).collect())
            }
            // Somebody wrote although the lock is ours; whatever we believe about the journal is out of date for good.
            Ok(None) => {
                let head = self.reader().head()?;
                let error = JournalError::Sequence {
                    expected: head.seq.next(),
                    got: first.seq,
                };
                Err(self.fail(error))
            }
            Err(error) => {
                let error = JournalError::storage("append to", &self.path)(error.into());
                Err(self.fail(error))
            }
        }
    }

    fn head(&self) -> Head {
        self.chain.head
    }

    fn reader(&self) -> Box<dyn JournalReader> {
        Box::new(SqliteReader::new(self.path.clone()))
    }

    fn witness(&mut self) -> Result<(), JournalError> {
        match &mut self.witness {
            Some(witness) => witness.write(&self.note),
            None => Ok(()),
        }
    }
}

fn insert_entries(connection: &Connection, all: &[Sealed]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO entry (seq, kind, correlation, body, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for Sealed { entry, body, .. } in all {
        let Columns { kind, correlation } = Columns::of(&entry.draft);
        let (seq, prev, hash) = (entry.draft.seq.0, &entry.prev.0, &entry.hash.0);
        insert.execute(params![seq, kind, correlation, body, prev, hash])?;
    }
    Ok(())
}

fn insert_subtrees(connection: &Connection, subtrees: &[Subtree]) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO subtree (level, position, hash) VALUES (?1, ?2, ?3)")?;
    for subtree in subtrees
        .iter()
        .filter(|subtree| rows::is_kept(subtree.level))
    {
        insert.execute(params![subtree.level, subtree.index, subtree.hash.0])?;
    }
    Ok(())
}

/// Moves the head on; false where it is not where this writer left it.
fn move_head(
    connection: &Connection,
    from: &Head,
    to: &Chain,
    note: &str,
) -> rusqlite::Result<bool> {
    let moved = connection
        .prepare_cached(
            "UPDATE head SET seq = ?1, hash = ?2, at = ?3, tree = ?4, note = ?5
             WHERE seq = ?6 AND hash = ?7",
        )?
        .execute(params![
            to.head.seq.0,
            to.head.hash.0,
            to.head.at.as_micros(),
            tree_bytes(&to.tree),
            note,
            from.seq.0,
            from.hash.0,
        ])?;
    Ok(moved == 1)
}

fn connect(path: &Path, bytes_max: u64) -> Result<Connection, JournalError> {
    let fail = JournalError::storage("open", path);
    // Made here, not by SQLite, so that others cannot read it; SQLite gives its side files the same mode.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .and_then(|_| sync_parent(path))
        .map_err(|error| fail(error.into()))?;
    schema::open_writable(path, bytes_max).map_err(|error| fail(error.into()))
}

/// A lock of its own, because SQLite's would keep readers out as well.
fn lock(path: &Path) -> Result<File, JournalError> {
    let fail = JournalError::storage("lock", path);
    let open = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(beside(path, ".lock"))
    };
    let file = open().map_err(|error| fail(error.into()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(fail(error.into())),
    }
}

#[cfg(test)]
mod tests;
