//! The witness file: the latest checkpoint, where whoever can write the journal file cannot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::rows::StoredNodes;
use crate::chain::Chain;
use crate::error::JournalError;
use crate::files::replace;
use crate::merkle::compact_range;
use crate::note::PublicKey;

#[derive(Debug)]
pub(super) struct Witness {
    path: PathBuf,
    /// What the file holds, so that nothing is written when nothing happened.
    written: Option<String>,
}

impl Witness {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: None,
        }
    }

    /// Whether the journal goes on from what the witness saw.
    pub(super) fn check(
        &self,
        journal: &Path,
        key: &PublicKey,
        chain: &Chain,
        nodes: &StoredNodes<'_>,
    ) -> Result<(), JournalError> {
        let note = match fs::read_to_string(&self.path) {
            Ok(note) => note,
            // It is written before the first entry, so only an empty journal has none.
            Err(error) if error.kind() == io::ErrorKind::NotFound && chain.head.seq.0 == 0 => {
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::WitnessMissing(self.path.clone()));
            }
            Err(error) => {
                return Err(JournalError::storage("read the witness of", journal)(
                    error.into(),
                ));
            }
        };
        let seen = key.open(&note).map_err(|cause| JournalError::Note {
            what: format!(
                "the witness file `{}` cannot be believed",
                self.path.display()
            ),
            cause,
        })?;
        let rolled_back = |reason: String| JournalError::RolledBack {
            path: journal.to_owned(),
            reason,
        };
        let size = chain.head.seq.0;
        if seen.size > size {
            let witness = seen.size;
            return Err(rolled_back(format!(
                "it has {size} entries, its witness saw {witness}"
            )));
        }
        let root = compact_range(nodes, seen.size)
            .map_err(|error| rolled_back(error.to_string()))?
            .root();
        if root == seen.root {
            Ok(())
        } else {
            Err(rolled_back(format!(
                "its first {} entries are not those its witness saw",
                seen.size
            )))
        }
    }

    pub(super) fn write(&mut self, note: &str) -> Result<(), JournalError> {
        if self.written.as_deref() == Some(note) {
            return Ok(());
        }
        let write = || {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            replace(&self.path, 0o600, note.as_bytes())
        };
        write().map_err(|error: io::Error| {
            JournalError::storage("write the witness of", &self.path)(error.into())
        })?;
        self.written = Some(note.to_owned());
        Ok(())
    }
}
