//! Which journal, and what to hold it against.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use edsr_bundle::Settings;
use edsr_journal::PublicKey;
use edsr_journal::prove::EXPORT_LINE_BYTES_MAX;

use crate::exit::{Exit, Failure};
use crate::places::{JOURNAL_FILE, node_settings, public_key_of, witness_of};

/// The longest key, witness, checkpoint or proof that is read, in bytes: the largest entry, and its hashes.
const FILE_BYTES_MAX: u64 = EXPORT_LINE_BYTES_MAX as u64;

/// Which journal, and what to hold it against.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Directory of the bundle, whose edsr.yaml says where journal and key are
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The data directory, instead of the one in edsr.yaml
    #[arg(long, value_name = "DIR", env = "EDSR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The journal file itself
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    journal: Option<PathBuf>,
    /// The public key [default: the one beside the key file in edsr.yaml]
    #[arg(long, value_name = "FILE.pub")]
    key: Option<PathBuf>,
}

/// A journal and its key.
#[derive(Debug)]
pub(super) struct Place {
    /// The journal file, which is there.
    pub(super) journal: PathBuf,
    /// The public key.
    pub(super) key: PublicKey,
    /// Where the key was found.
    pub(super) key_path: PathBuf,
    /// Where the witness should be.
    pub(super) witness: PathBuf,
}

impl PlaceArgs {
    /// Finds the journal.
    pub(super) fn journal(&self) -> Result<PathBuf, Failure> {
        let journal = match (&self.journal, &self.data_dir) {
            (Some(journal), _) => journal.clone(),
            (None, Some(data_dir)) => data_dir.join(JOURNAL_FILE),
            (None, None) => self.settings()?.data_dir.join(JOURNAL_FILE),
        };
        present(&journal)?;
        Ok(journal)
    }

    /// Finds the journal and its key.
    pub(super) fn find(&self) -> Result<Place, Failure> {
        let journal = self.journal()?;
        let key_path = match &self.key {
            Some(path) => path.clone(),
            None => public_key_of(&self.settings()?.key_file),
        };
        let key = key(&key_path)?;
        let private = key_path.with_extension("");
        Ok(Place {
            journal,
            key,
            witness: witness_of(&private),
            key_path,
        })
    }

    fn settings(&self) -> Result<Settings, Failure> {
        node_settings(&self.dir).map_err(|why| {
            Failure::usage(why).help("name the files with --journal and --key instead")
        })
    }
}

/// The public key in a file.
pub(super) fn key(path: &Path) -> Result<PublicKey, Failure> {
    let text = read(path, "the public key").map_err(|failure| {
        failure.help("name it with --key; the node writes it beside its key file, as `….key.pub`")
    })?;
    text.parse().map_err(|error: edsr_journal::note::PublicKeyError| {
        Failure::usage(format!("in `{}`: {error}", path.display()))
    })
}

/// A small file as text.
pub(super) fn read(path: &Path, what: &str) -> Result<String, Failure> {
    let fail = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Usage,
        };
        let text = format!("{what} `{}` cannot be read: {error}", path.display());
        Failure::new(exit, text)
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(fail)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(fail)?;
    Ok(text)
}

fn present(journal: &Path) -> Result<(), Failure> {
    match fs::File::open(journal) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Failure::new(
            Exit::NotFound,
            format!("there is no journal `{}`", journal.display()),
        )
        .help("name the directory of the bundle, or use --data-dir or --journal")),
        Err(error) => Err(Failure::usage(format!(
            "the journal `{}` cannot be read: {error}",
            journal.display()
        ))),
    }
}
