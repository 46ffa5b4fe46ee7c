//! How a node runs.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::auth::{Auth, SecretRef};

/// How a node runs. Paths are relative to the bundle's directory until [`crate::load`] made them absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the node.
    pub name: Option<String>,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the event log and the journal are kept.
    pub data_dir: PathBuf,
    /// The key that signs the journal; never inside `data_dir`.
    pub key_file: PathBuf,
    /// Who may use the API.
    pub tokens: Vec<Token>,
    /// How senders prove who they are at `POST /v1/events`; the API tokens count where nothing is said.
    pub ingest: Option<Auth>,
    /// Hosts that `http/request` and `notify/webhook` may reach beside public ones.
    pub allow_hosts: Vec<String>,
    /// How long events are kept.
    pub retention: Retention,
    /// How repeated events are recognised.
    pub dedupe: Dedupe,
    /// Where `exec/run` starts commands.
    pub work_dir: PathBuf,
}

/// An API token of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who it belongs to.
    pub name: String,
    /// Where it stands.
    pub secret: SecretRef,
}

/// How long events are kept; whichever is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age.
    pub max_age: Duration,
    /// Size on disk, in bytes.
    pub max_bytes: u64,
}

/// How repeated events are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedupe {
    /// For how long.
    pub horizon: Duration,
    /// The most ids that are remembered.
    pub max_keys: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 7310)),
            data_dir: ".edsr/data".into(),
            key_file: ".edsr/keys/journal.key".into(),
            tokens: Vec::new(),
            ingest: None,
            allow_hosts: Vec::new(),
            retention: Retention {
                max_age: Duration::from_secs(7 * 86_400),
                max_bytes: 10 * 1024 * 1024 * 1024,
            },
            dedupe: Dedupe {
                horizon: Duration::from_secs(3600),
                max_keys: 1_000_000,
            },
            work_dir: PathBuf::new(),
        }
    }
}

impl Settings {
    /// Makes every path absolute.
    pub(crate) fn resolve(&mut self, dir: &Path) {
        for path in [&mut self.data_dir, &mut self.key_file, &mut self.work_dir] {
            *path = tidy(&dir.join(&path));
        }
        for token in &mut self.tokens {
            token.secret.resolve(dir);
        }
        if let Some(auth) = &mut self.ingest {
            auth.resolve(dir);
        }
    }
}

/// The path without `.` and with `..` applied, as far as that can be told without looking at the disk.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}
