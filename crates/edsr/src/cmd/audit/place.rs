//! Which journal, and what to hold it against.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use edsr_bundle::{FILE_BYTES_MAX, NODE_FILE, Settings, SourceFile};
use edsr_journal::PublicKey;
use edsr_journal::note::PublicKeyError;
use edsr_journal::prove::EXPORT_LINE_BYTES_MAX;

use crate::catalog::Catalog;
use crate::exit::{Exit, Failure};
use crate::run::layout;
use crate::text::shown;

/// Which journal, and what to hold it against.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Directory of the bundle, whose edsr.yaml says where journal and key are; or the data directory itself
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The data directory, instead of the one in edsr.yaml
    #[arg(long, value_name = "DIR", env = "EDSR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The journal file itself
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The public key [default: the one beside the node's key file]
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
        let journal = match &self.journal {
            Some(journal) => journal.clone(),
            None => layout::journal(&self.home()?.0),
        };
        present(&journal)?;
        Ok(journal)
    }

    /// Finds the journal and its key.
    pub(super) fn find(&self) -> Result<Place, Failure> {
        let journal = self.journal()?;
        let key_path = match &self.key {
            Some(path) => path.clone(),
            None => public_key_of(&self.home()?.1),
        };
        // The public key is named like the private one, with `.pub` behind it.
        let private = key_path.with_extension("");
        Ok(Place {
            journal,
            key: key(&key_path)?,
            witness: layout::witness(&private),
            key_path,
        })
    }

    /// The data directory and the key file, as a node that runs on the same arguments has them.
    fn home(&self) -> Result<(PathBuf, PathBuf), Failure> {
        home(&self.dir, self.data_dir.as_deref()).map_err(|why| {
            Failure::usage(why).help("name the files with --journal and --key instead")
        })
    }
}

/// The data directory and the key file, as a node that runs on the same arguments has them; `dir` is a bundle, or the
/// data directory itself.
pub(crate) fn home(dir: &Path, data_dir: Option<&Path>) -> Result<(PathBuf, PathBuf), String> {
    if data_dir.is_none() && layout::journal(dir).is_file() {
        let data_dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let key = layout::key(&data_dir);
        return Ok((data_dir, key));
    }
    let settings = settings(dir)?;
    let Some(data_dir) = data_dir else {
        return Ok((settings.data_dir, settings.key_file));
    };
    let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    // A key that was not placed on purpose stays beside the data.
    let key = if settings.key_file == layout::key(&settings.data_dir) {
        layout::key(&data_dir)
    } else {
        settings.key_file
    };
    Ok((data_dir, key))
}

/// The public key in a file.
pub(super) fn key(path: &Path) -> Result<PublicKey, Failure> {
    let text = read(path, "the public key").map_err(|failure| {
        failure.help("name it with --key; the node writes it beside its key file, as `….key.pub`")
    })?;
    text.parse()
        .map_err(|error: PublicKeyError| Failure::usage(format!("in `{}`: {error}", shown(path))))
}

/// A key, witness, checkpoint or proof as text: none is longer than the largest entry with its hashes.
pub(super) fn read(path: &Path, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    open(path, what)?
        .take(EXPORT_LINE_BYTES_MAX as u64)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(path, what, &error))?;
    Ok(text)
}

/// A file to read.
pub(super) fn open(path: &Path, what: &str) -> Result<File, Failure> {
    File::open(path).map_err(|error| unreadable(path, what, &error))
}

fn unreadable(path: &Path, what: &str, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Usage,
    };
    Failure::new(
        exit,
        format!("{what} `{}` cannot be read: {error}", shown(path)),
    )
}

fn present(journal: &Path) -> Result<(), Failure> {
    let opened = open(journal, "the journal");
    opened.map(drop).map_err(|failure| {
        failure.help("name the directory of the bundle, or use --data-dir or --journal")
    })
}

/// The settings in the directory of a bundle, with paths from there. Nothing else in it is looked at, so a mistake in a
/// detector does not keep anybody from the record.
fn settings(dir: &Path) -> Result<Settings, String> {
    let path = dir.join(NODE_FILE);
    let mut settings = if path.exists() {
        let file = SourceFile::new(NODE_FILE, text_of(&path)?);
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

fn text_of(path: &Path) -> Result<String, String> {
    let fail = |error: io::Error| format!("`{}` cannot be read: {error}", shown(path));
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > FILE_BYTES_MAX {
        let name = shown(path);
        return Err(format!("`{name}` is longer than {FILE_BYTES_MAX} bytes"));
    }
    fs::read_to_string(path).map_err(fail)
}

fn public_key_of(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(dir: &Path, data_dir: Option<&str>) -> (PathBuf, PathBuf) {
        let args = PlaceArgs {
            dir: dir.to_owned(),
            data_dir: data_dir.map(|name| dir.join(name)),
            journal: None,
            key: None,
        };
        args.home().unwrap()
    }

    #[test]
    fn journal_and_key_are_where_a_node_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let defaults = (at(".edsr/data"), at(".edsr/keys/journal.key"));
        assert_eq!(home(dir.path(), None), defaults);
        let moved = (at("moved"), at("moved-keys/journal.key"));
        assert_eq!(home(dir.path(), Some("moved")), moved);

        // A mistake elsewhere in the bundle does not matter.
        fs::write(at("bad.yaml"), "kind: Nonsense\n").unwrap();
        let node = "apiVersion: edsr.dev/v1\nkind: Node\nspec: { dataDir: d, keyFile: k/j.key }\n";
        fs::write(at(NODE_FILE), node).unwrap();
        assert_eq!(home(dir.path(), None), (at("d"), at("k/j.key")));
        assert_eq!(
            home(dir.path(), Some("moved")),
            (at("moved"), at("k/j.key"))
        );

        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/journal.db"), "").unwrap();
        assert_eq!(home(&at("d"), None), (at("d"), at("d-keys/journal.key")));
        fs::write(at(NODE_FILE), "kind: 7\n").unwrap();
        assert!(settings(dir.path()).is_err());
    }
}
