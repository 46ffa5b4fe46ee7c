//! Copies of the journal, or of its end, that prove themselves.

use std::io::{BufRead, Write};
use std::path::Path;

use edsr_model::{Digest, Seq};
use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::{SealedEntry, open, unproven};
use crate::chain::ENTRY_BYTES_MAX;
use crate::error::JournalError;
use crate::merkle::{CompactRange, compact_range, leaf_hash};
use crate::note::PublicKey;
use crate::sqlite::rows::StoredNodes;

/// The longest line of an export, in bytes: the largest entry and its hashes.
pub const EXPORT_LINE_BYTES_MAX: usize = ENTRY_BYTES_MAX + 64 * 1024;

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// The first entry in it.
    pub from: Seq,
    /// The last one; less than `from` when there is none.
    pub to: Seq,
    /// How many entries are in it.
    pub entries: u64,
}

/// The last line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    from: Seq,
    /// The tree over the entries before, so that the root can be reached without them.
    before: Vec<Digest>,
    checkpoint: String,
}

/// Writes the entries from `from` on as lines of JSON, and a last line with the checkpoint that covers them.
///
/// # Errors
/// `Damaged` at the first entry that is not what was written, `Storage` where reading or writing fails.
pub fn export(
    path: &Path,
    from: Seq,
    writer: &mut dyn Write,
) -> Result<ExportReport, JournalError> {
    let archive = Archive::open(path)?;
    let archive = archive.snapshot()?;
    let (size, checkpoint) = archive.checkpoint(None)?;
    let from = Seq(from.0.max(1).min(size + 1));
    let written = JournalError::storage("export", path);
    let mut line = |value: serde_json::Result<String>| {
        let text = value.map_err(|error| written(error.into()))?;
        writeln!(writer, "{text}").map_err(|error| written(error.into()))
    };
    let mut seq = from;
    while seq.0 <= size {
        let entry = archive.entry(seq)?.ok_or_else(|| JournalError::Damaged {
            seq,
            reason: "it is missing".to_owned(),
        })?;
        line(serde_json::to_string(&entry))?;
        seq = seq.next();
    }
    let before = archive.nodes(compact_range(&StoredNodes(archive.connection), from.0 - 1))?;
    let before = before.hashes().collect();
    line(serde_json::to_string(&Seal {
        from,
        before,
        checkpoint,
    }))?;
    Ok(ExportReport {
        from,
        to: Seq(size),
        entries: size + 1 - from.0,
    })
}

/// Checks an export line by line: every entry is what was written, none is missing, and the checkpoint covers them.
///
/// # Errors
/// [`JournalError::Unproven`], `Damaged` or `Note` at the first thing that is wrong.
pub fn verify_export(
    reader: &mut dyn BufRead,
    key: &PublicKey,
) -> Result<ExportReport, JournalError> {
    let mut run: Option<(SealedEntry, CompactRange)> = None;
    let mut number = 0_u64;
    let seal = loop {
        number += 1;
        let line = read_line(reader, number)?;
        if let Ok(seal) = serde_json::from_str::<Seal>(&line) {
            break seal;
        }
        let entry: SealedEntry = serde_json::from_str(&line)
            .map_err(|error| unproven(&format!("line {number} is no entry: {error}")))?;
        run = Some(continue_run(run, entry)?);
    };
    if !reader
        .fill_buf()
        .map_err(|error| unproven(&error.to_string()))?
        .is_empty()
    {
        return Err(unproven("something follows the last line"));
    }
    close(run, &seal, key)
}

fn continue_run(
    run: Option<(SealedEntry, CompactRange)>,
    entry: SealedEntry,
) -> Result<(SealedEntry, CompactRange), JournalError> {
    entry.open()?;
    let seq = entry.seq;
    let mut range = match run {
        None => CompactRange::new(
            seq.0
                .checked_sub(1)
                .ok_or_else(|| unproven("an entry has seq 0"))?,
        ),
        Some((last, range))
            if last.seq.0.checked_add(1) == Some(seq.0) && last.hash == entry.prev =>
        {
            range
        }
        Some((last, _)) => {
            return Err(unproven(&format!(
                "entry {seq} does not continue entry {}",
                last.seq
            )));
        }
    };
    range.push(leaf_hash(&entry.hash.0), |_| {});
    Ok((entry, range))
}

fn close(
    run: Option<(SealedEntry, CompactRange)>,
    seal: &Seal,
    key: &PublicKey,
) -> Result<ExportReport, JournalError> {
    let checkpoint = open(key, &seal.checkpoint)?;
    let before = seal
        .from
        .0
        .checked_sub(1)
        .and_then(|size| CompactRange::from_hashes(size, &seal.before));
    let range = run.map_or_else(
        || CompactRange::new(seal.from.0.saturating_sub(1)),
        |(_, range)| range,
    );
    let whole = before.and_then(|before| before.join(&range));
    let whole =
        whole.ok_or_else(|| unproven("the first entry is not the one the last line names"))?;
    if whole.end() != checkpoint.size || whole.root() != checkpoint.root {
        return Err(unproven(
            "the entries are not those the checkpoint was signed for",
        ));
    }
    let (from, to) = (seal.from, Seq(checkpoint.size));
    Ok(ExportReport {
        from,
        to,
        entries: to.0 + 1 - from.0,
    })
}

fn read_line(reader: &mut dyn BufRead, number: u64) -> Result<String, JournalError> {
    let mut line = Vec::new();
    let mut limited = std::io::Read::take(reader, EXPORT_LINE_BYTES_MAX as u64);
    limited
        .read_until(b'\n', &mut line)
        .map_err(|error| unproven(&format!("line {number} cannot be read: {error}")))?;
    if line.pop() != Some(b'\n') {
        return Err(unproven(&format!(
            "the export ends in line {number}, before its last line"
        )));
    }
    String::from_utf8(line).map_err(|_| unproven(&format!("line {number} is not text")))
}
