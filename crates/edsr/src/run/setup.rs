//! From settings to what a node is made of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edsr_actuate::{ExecSettings, HttpPolicy, Limits, Settings as ActuateSettings};
use edsr_bundle::{Compiled, Report, Settings, SourceFile};
use edsr_engine::admit::DedupeSettings;
use edsr_journal::{JournalError, Signer, SqliteJournal, SqliteOptions};
use edsr_log::{FileLog, FileLogSettings, LogError, OsDisk, Retention};
use edsr_model::Digest;
use edsr_node::bundles::{BundleFiles, Compile};
use edsr_node::{Activation, Setup, SnapshotEvery, Token};

use super::{doors, layout};
use crate::catalog::Catalog;
use crate::cli::RunArgs;
use crate::exit::{Exit, Failure};
use crate::text::shown;

/// The most bytes of events that may wait to become durable before senders are told to come back.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How often a lock that somebody holds is tried again, and the pause before each. A node that was killed while it
/// began to start a program leaves a copy of itself with its locks, for the moment until that program has taken over.
const LOCK_TRIES_MAX: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// What to do when the system does not let us read or write.
const DISK_HELP: &str = "where the disk is full or failing, make room or mend it and start again; else restore a backup of data and keys";

/// The shortest token that is taken where other machines can reach the node, in bytes.
const TOKEN_BYTES_MIN: usize = 16;

/// Checks the bundle and opens everything a node needs.
pub(crate) fn setup(args: &RunArgs) -> Result<(Setup, Settings), Failure> {
    let compiled = load(&args.dir)?;
    let mut settings = compiled.settings.clone();
    override_settings(args, &mut settings);
    let tokens = tokens(&settings)?;
    refuse_open_door(&settings, &tokens)?;
    let data_dir = settings.data_dir.clone();
    let log = patiently(|| open_log(&data_dir))?;
    let journal = patiently(|| open_journal(&data_dir, &settings.key_file, args.renew_witness))?;
    let setup = Setup {
        data_dir,
        log: Box::new(log),
        journal: Box::new(journal),
        compile: compile(),
        actuate: actuate(&settings)?,
        dedupe: DedupeSettings {
            horizon: settings.dedupe.horizon,
            keys_max: usize::try_from(settings.dedupe.max_keys).unwrap_or(usize::MAX),
        },
        retention: Retention {
            age_max: Some(settings.retention.max_age),
            bytes_max: Some(settings.retention.max_bytes),
        },
        snapshot_every: SnapshotEvery::default(),
        pending_bytes_max: PENDING_BYTES_MAX,
        open: tokens.is_empty(),
        tokens,
        activation: activation(compiled)?,
    };
    Ok((setup, settings))
}

/// Loads the bundle in a directory; every mistake in it is in the failure's text.
pub(crate) fn load(dir: &Path) -> Result<Compiled, Failure> {
    edsr_bundle::load(dir, &Catalog).map_err(|report| {
        Failure::new(
            Exit::Usage,
            format!("the bundle in {} has mistakes\n{report}", shown(dir)),
        )
        .help(format!(
            "`edsr check {}` shows each with its line",
            shown(dir)
        ))
    })
}

/// What is put into force: the bundle, its files, and its doors with their secrets.
pub(crate) fn activation(compiled: Compiled) -> Result<Activation, Failure> {
    let (events, hooks) = doors::open(&compiled.settings, &compiled.sources)?;
    let documents = compiled.documents.into_iter();
    Ok(Activation {
        bundle: Arc::new(compiled.bundle),
        files: compiled
            .files
            .into_iter()
            .map(|file| (file.path, file.text))
            .collect(),
        events,
        hooks,
        documents: documents
            .map(|document| {
                (
                    document.kind.as_str().to_owned(),
                    document.name,
                    document.value,
                )
            })
            .collect(),
    })
}

/// Turns stored files into a bundle again.
pub(crate) fn compile() -> Compile {
    Arc::new(|files: &BundleFiles| {
        let files = files.iter();
        let files = files
            .map(|(path, text)| SourceFile::new(path.clone(), text.clone()))
            .collect();
        edsr_bundle::load_files(files, &Catalog)
            .map(|compiled| compiled.bundle)
            .map_err(|report: Report| report.to_string())
    })
}

fn override_settings(args: &RunArgs, settings: &mut Settings) {
    if let Some(listen) = args.listen {
        settings.listen = listen;
    }
    if let Some(data_dir) = &args.data_dir {
        let moved = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
        // A key that was not placed on purpose stays beside the data.
        if settings.key_file == layout::key(&settings.data_dir) {
            settings.key_file = layout::key(&moved);
        }
        settings.data_dir = moved;
    }
}

/// An address that others can reach, and nobody asked who they are: refused, with the lines to add.
fn refuse_open_door(settings: &Settings, tokens: &[Token]) -> Result<(), Failure> {
    if settings.listen.ip().is_loopback() || !tokens.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} can be reached from other machines, and no token is configured",
        settings.listen
    );
    Err(Failure::new(Exit::Usage, text).help(
        "add to `spec` in edsr.yaml:\n  tokens:\n    - { name: me, secret: { env: EDSR_TOKEN_ME } }\nor listen on 127.0.0.1",
    ))
}

fn tokens(settings: &Settings) -> Result<Vec<Token>, Failure> {
    let mut known = Vec::new();
    for token in &settings.tokens {
        let secret = doors::secret(&token.secret)?;
        if secret.len() < TOKEN_BYTES_MIN && !settings.listen.ip().is_loopback() {
            let text = format!(
                "the token of `{}` has {} characters; where other machines can reach the node it needs {TOKEN_BYTES_MIN}",
                token.name,
                secret.len()
            );
            return Err(Failure::usage(text).help("make one with `openssl rand -hex 16`"));
        }
        known.push(Token {
            name: token.name.clone(),
            digest: Digest::of(secret.as_bytes()),
        });
    }
    Ok(known)
}

fn actuate(settings: &Settings) -> Result<ActuateSettings, Failure> {
    let mut http = HttpPolicy::default();
    for host in &settings.allow_hosts {
        let rule = host.parse().map_err(|error| {
            Failure::usage(format!(
                "`{host}` in `http.allowHosts` is not a host rule: {error}"
            ))
        })?;
        http.allow_hosts.push(rule);
    }
    let mut exec = ExecSettings::default();
    exec.work_dir.clone_from(&settings.work_dir);
    Ok(ActuateSettings {
        exec,
        http,
        limits: Limits::default(),
    })
}

/// Opens what another process may still hold for a moment.
fn patiently<T>(open: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 0..LOCK_TRIES_MAX {
        match open() {
            Err(failure) if failure.exit == Exit::Unreachable => pause(),
            opened => return opened,
        }
    }
    open()
}

#[allow(
    clippy::disallowed_methods,
    reason = "nothing runs yet that could be told to stop, and the system says nothing when a lock is given back"
)]
fn pause() {
    std::thread::sleep(LOCK_PAUSE);
}

fn open_log(data_dir: &Path) -> Result<FileLog<OsDisk>, Failure> {
    let folder = layout::events(data_dir);
    let fail = |error: &dyn std::fmt::Display| {
        Failure::new(
            Exit::Broken,
            format!(
                "the event log in {} cannot be opened: {error}",
                shown(&folder)
            ),
        )
    };
    let disk = OsDisk::open(&folder).map_err(|error| match error.kind {
        std::io::ErrorKind::WouldBlock => Failure::new(
            Exit::Unreachable,
            format!("another node runs on this data: {error}"),
        ),
        _ => fail(&error).help(DISK_HELP),
    })?;
    let mut identity = [0; 8];
    getrandom::fill(&mut identity).map_err(|error| fail(&error))?;
    let settings = FileLogSettings::new(u64::from_le_bytes(identity));
    FileLog::open(disk, settings).map_err(|error| match error {
        LogError::Disk(_) => fail(&error).help(DISK_HELP),
        // What is damaged says itself what to do.
        _ => fail(&error),
    })
}

fn open_journal(
    data_dir: &Path,
    key_file: &Path,
    renew_witness: bool,
) -> Result<SqliteJournal, Failure> {
    let path: PathBuf = layout::journal(data_dir);
    let signer = Signer::load_or_create(key_file).map_err(|error| {
        Failure::new(
            Exit::Broken,
            format!("the journal's key cannot be used: {error}"),
        )
    })?;
    let options = SqliteOptions {
        witness: Some(layout::witness(key_file)),
        renew_witness,
        ..SqliteOptions::default()
    };
    SqliteJournal::open(&path, signer, options).map_err(|error| {
        let failure = Failure::new(
            Exit::Broken,
            format!("the journal {} cannot be opened: {error}", shown(&path)),
        );
        match error {
            JournalError::Storage { .. } => failure.help(DISK_HELP),
            JournalError::Locked(_) => Failure {
                exit: Exit::Unreachable,
                ..failure
            },
            _ => failure,
        }
    })
}
