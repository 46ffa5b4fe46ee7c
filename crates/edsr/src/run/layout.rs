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

/// The key that signs the journal, where nothing else is said: beside the data directory, never in it. That is `keys`
/// for a directory named `data`, else its name with `-keys`, so that two of them side by side share nothing.
pub(crate) fn key(data_dir: &Path) -> PathBuf {
    let name = data_dir.file_name().unwrap_or_default().to_string_lossy();
    let keys = match name.as_ref() {
        "data" => "keys".to_owned(),
        name => format!("{name}-keys"),
    };
    data_dir.with_file_name(keys).join("journal.key")
}

/// The latest checkpoint, beside the key.
pub(crate) fn witness(key: &Path) -> PathBuf {
    key.with_extension("witness")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_beside_the_data_and_are_not_shared() {
        let key = |dir: &str| key(Path::new(dir)).display().to_string();
        assert_eq!(key("/ops/.edsr/data"), "/ops/.edsr/keys/journal.key");
        assert_eq!(key("/var/lib/edsr"), "/var/lib/edsr-keys/journal.key");
        assert_ne!(key("/x/a"), key("/x/b"));
    }
}
