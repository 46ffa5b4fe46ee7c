//! Where a node keeps what it writes: the same names for the node that writes and for commands that read offline.

use std::fs;
use std::path::{Path, PathBuf};

use edsr_bundle::{NODE_FILE, Settings, SourceFile};

use crate::catalog::Catalog;

/// The journal in a data directory.
pub(crate) const JOURNAL_FILE: &str = "journal.db";

/// The public half of a key: what the journal's signer writes beside it.
pub(crate) fn public_key_of(key_file: &Path) -> PathBuf {
    beside(key_file, ".pub")
}

/// The witness: beside the key, so that whoever can only write the data directory cannot change it.
pub(crate) fn witness_of(key_file: &Path) -> PathBuf {
    beside(key_file, ".witness")
}

/// The settings in the directory of a bundle, with paths made absolute from there. Nothing else in it is looked at,
/// so a mistake in a detector does not keep anybody from the record.
///
/// # Errors
/// Why the settings are not understood.
pub(crate) fn node_settings(dir: &Path) -> Result<Settings, String> {
    let path = dir.join(NODE_FILE);
    let mut settings = if path.exists() {
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("the file `{}` cannot be read: {error}", path.display()))?;
        let file = SourceFile::new(NODE_FILE, text);
        edsr_bundle::load_files(vec![file], &Catalog)
            .map_err(|report| report.to_string().trim_end().to_owned())?
            .settings
    } else {
        Settings::default()
    };
    settings.data_dir = dir.join(&settings.data_dir);
    settings.key_file = dir.join(&settings.key_file);
    Ok(settings)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_beside_documents_that_are_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let settings = node_settings(dir.path()).unwrap();
        assert_eq!(settings.data_dir, dir.path().join(".edsr/data"));
        fs::write(dir.path().join("bad.yaml"), "kind: Nonsense\n").unwrap();
        let node = "apiVersion: edsr.dev/v1\nkind: Node\nspec: { dataDir: d, keyFile: k/j.key }\n";
        fs::write(dir.path().join(NODE_FILE), node).unwrap();
        let settings = node_settings(dir.path()).unwrap();
        assert_eq!(settings.data_dir, dir.path().join("d"));
        let key = dir.path().join("k/j.key.pub");
        assert_eq!(public_key_of(&settings.key_file), key);
        fs::write(dir.path().join(NODE_FILE), "kind: 7\n").unwrap();
        assert!(node_settings(dir.path()).is_err());
    }
}
