//! Where a node keeps what.

use std::path::{Path, PathBuf};

/// The event log's folder.
pub(crate) fn events(data_dir: &Path) -> PathBuf {
    data_dir.join("events")
}

/// The journal.
pub(crate) fn journal(data_dir: &Path) -> PathBuf {
    data_dir.join("journal.db")
}

/// The file that stops automatic dispatch while it is there.
pub(crate) fn pause_file(data_dir: &Path) -> PathBuf {
    data_dir.join("pause")
}

/// The key that signs the journal, where nothing else is said: beside the data directory, never in it.
pub(crate) fn key(data_dir: &Path) -> PathBuf {
    let beside = data_dir.parent().unwrap_or(data_dir);
    beside.join("keys").join("journal.key")
}

/// The latest checkpoint, beside the key.
pub(crate) fn witness(key: &Path) -> PathBuf {
    key.with_extension("witness")
}
