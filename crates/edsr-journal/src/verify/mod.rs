//! Offline verification: is this journal what was written, all of it, in order, and nothing else?
//!
//! The walk reads every row once and holds a few of them. It names the entry that is wrong, not all that
//! follow: an entry's stored hash, the hash of its content and the link from the next one are compared
//! separately, and two of the three that agree convict the third. What a thorough attacker without the key
//! leaves consistent is found by the signed checkpoints.

mod anchors;
mod indexes;
mod row;
mod walk;

use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use crate::error::JournalError;
use crate::note::PublicKey;
use crate::sqlite::known;
use crate::sqlite::schema;

/// The most findings a report lists; all of them are counted.
pub const FINDINGS_MAX: usize = 100;
/// The most checkpoints from elsewhere that one verification compares with.
pub const ALSO_MAX: usize = 1000;

/// What to verify against.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The public half of the journal's key, from a place the journal's writer cannot change.
    pub public_key: PublicKey,
    /// The text of the witness file.
    pub witness: Option<String>,
    /// Checkpoints that anybody kept, at most [`ALSO_MAX`].
    pub also: Vec<String>,
}

impl VerifyOptions {
    /// With the public key alone.
    #[must_use]
    pub const fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            witness: None,
            also: Vec::new(),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The entry is not what was written; the text says which columns.
    Edited,
    /// The entry was there and is not.
    Missing,
    /// The entry was written, but at another place.
    Reordered,
    /// The journal was longer.
    Truncated,
    /// There is an entry that no checkpoint covers.
    Unsigned,
    /// An index over the entries does not show what they say.
    Index,
    /// The head does not fit the last entry.
    Head,
    /// A signed checkpoint does not fit the entries: something it covers was rewritten.
    CheckpointMismatch,
    /// A checkpoint that must be there is not.
    CheckpointMissing,
    /// A checkpoint is not signed by the key.
    Signature,
    /// A checkpoint from outside (witness or kept) shows that the journal was put back or rewritten.
    RolledBack,
    /// SQLite finds the file itself damaged.
    Damaged,
}

impl FindingKind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Unsigned => "unsigned",
            Self::Index => "index",
            Self::Head => "head",
            Self::CheckpointMismatch => "checkpoint-mismatch",
            Self::CheckpointMissing => "checkpoint-missing",
            Self::Signature => "signature",
            Self::RolledBack => "rolled-back",
            Self::Damaged => "damaged",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Which entry; for a checkpoint, its size. 0 where it concerns the file.
    pub seq: u64,
    /// In one sentence.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind.as_str(), self.seq, self.text)
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// How many entries were read.
    pub entries: u64,
    /// How many signed checkpoints were compared.
    pub checkpoints: u64,
    /// The last entry that is there.
    pub last: u64,
    /// How many things are wrong.
    pub wrong: u64,
    /// The first [`FINDINGS_MAX`] of them.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.wrong == 0
    }

    fn add(&mut self, kind: FindingKind, seq: u64, text: impl Into<String>) {
        self.wrong += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                kind,
                seq,
                text: text.into(),
            });
        }
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entries,
            checkpoints,
            wrong,
            ..
        } = self;
        write!(f, "{entries} entries and {checkpoints} checkpoints read, ")?;
        if self.is_ok() {
            return f.write_str("nothing is wrong");
        }
        write!(f, "{wrong} found wrong")?;
        self.findings
            .iter()
            .try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

/// Verifies the journal file at `path`: the live one, beside its writer, or a copy, which is not changed.
///
/// # Errors
/// [`JournalError::Storage`] or `Format` where the file cannot be read as a journal at all; whatever can be
/// read and is wrong is a finding. `TooManyCheckpoints` for more than [`ALSO_MAX`].
pub fn verify(path: &Path, options: &VerifyOptions) -> Result<VerifyReport, JournalError> {
    let stood_still = !schema::has_log(path);
    let report = verify_once(path, options);
    if stood_still && schema::has_log(path) {
        // A writer came while we took the file for one that nobody writes; what we saw may be half of something.
        return verify_once(path, options);
    }
    report
}

fn verify_once(path: &Path, options: &VerifyOptions) -> Result<VerifyReport, JournalError> {
    let fail = |error: rusqlite::Error| JournalError::storage("verify", path)(error.into());
    let connection = schema::open_readable(path).map_err(fail)?;
    // One transaction, so that a writer beside us does not move the end while we read.
    let transaction = connection.unchecked_transaction().map_err(fail)?;
    verify_in(&transaction, path, options)
}

pub(crate) fn verify_in(
    connection: &Connection,
    path: &Path,
    options: &VerifyOptions,
) -> Result<VerifyReport, JournalError> {
    let fail = |error: rusqlite::Error| JournalError::storage("verify", path)(error.into());
    if options.also.len() > ALSO_MAX {
        let (got, max) = (options.also.len(), ALSO_MAX);
        return Err(JournalError::TooManyCheckpoints { got, max });
    }
    let meta = schema::check(connection, path)?;
    let mut report = VerifyReport::default();
    if meta.key != options.public_key.name() {
        let (made, given) = (&meta.key, options.public_key.name());
        report.add(
            FindingKind::Signature,
            0,
            format!("it names the key `{made}`, given is `{given}`"),
        );
    }
    integrity(connection, &mut report).map_err(fail)?;
    let start = walk::Progress::none();
    walk::walk(connection, &meta, options, start, None, &mut report).map_err(fail)?;
    if let Some((seq, _)) = known::read(path).filter(|(seq, _)| seq.0 > report.last) {
        let text = format!(
            "{seq} entries were durable, and the last one that can be read is {}",
            report.last
        );
        report.add(FindingKind::Truncated, seq.0, text);
    }
    Ok(report)
}

/// SQLite's own look at pages and indexes: an index that was edited under SQLite's feet would hide rows from queries.
fn integrity(connection: &Connection, report: &mut VerifyReport) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            report.add(FindingKind::Damaged, 0, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
