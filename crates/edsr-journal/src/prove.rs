//! Evidence for others: that an entry is in the journal, that the journal only grew, and a copy that proves itself.
//!
//! None of it needs the journal, or trust in whoever hands it over: a public key and a signed checkpoint are enough.

use std::io::{BufRead, Write};
use std::path::Path;

use edsr_model::{Digest, Draft, Entry, Seq};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chain::{ENTRY_BYTES_MAX, entry_hash, open_entry};
use crate::error::JournalError;
use crate::merkle::{
    CompactRange, PROOF_HASHES_MAX, compact_range, consistency_path, inclusion_path, is_consistent,
    leaf_hash, root_of_inclusion,
};
use crate::note::{Checkpoint, PublicKey};
use crate::sqlite::end::HeadRow;
use crate::sqlite::rows::{NodesError, StoredNodes, bytes, digest};
use crate::sqlite::schema;

/// The longest line of an export, in bytes: the largest entry and its hashes.
pub const EXPORT_LINE_BYTES_MAX: usize = ENTRY_BYTES_MAX + 64 * 1024;

/// An entry with its body as it was hashed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealedEntry {
    /// Its place.
    pub seq: Seq,
    /// Hash of the entry before.
    pub prev: Digest,
    /// Its hash.
    pub hash: Digest,
    /// What was written, byte for byte.
    pub body: Box<RawValue>,
}

impl SealedEntry {
    /// The entry, when the hash covers it.
    fn open(&self) -> Result<Entry, JournalError> {
        let raw = self.body.get();
        if entry_hash(self.prev, self.seq, raw.as_bytes()) == self.hash {
            return open_entry(self.seq, self.prev, self.hash, raw.as_bytes());
        }
        // Other tools may have laid the JSON out anew; what it says can still be what was hashed.
        let plain =
            serde_json::from_str::<Draft>(raw).and_then(|draft| serde_json::to_string(&draft));
        let plain = plain.unwrap_or_default();
        open_entry(self.seq, self.prev, self.hash, plain.as_bytes())
    }
}

/// Shows that an entry is in the journal that a checkpoint was signed for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InclusionProof {
    /// The entry.
    pub entry: SealedEntry,
    /// Its place in the tree: one less than its seq.
    pub index: u64,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// The hashes from the entry's leaf to the root, lowest first.
    pub path: Vec<Digest>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Shows that one checkpoint is of the beginning of what another one is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// How many entries the older checkpoint covers.
    pub old_size: u64,
    /// How many entries the newer checkpoint covers.
    pub new_size: u64,
    /// The hashes that lead to both roots.
    pub path: Vec<Digest>,
    /// The newer signed checkpoint.
    pub checkpoint: String,
}

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

/// Proves that the entry `seq` of the journal at `path` is among the first `size` entries; `None` is all of them.
///
/// # Errors
/// [`JournalError::NoEntry`]; `NoCheckpoint` where no signed checkpoint of that size is kept; `Storage`, `Damaged`.
pub fn proof(path: &Path, seq: Seq, size: Option<u64>) -> Result<InclusionProof, JournalError> {
    let archive = Archive::open(path)?;
    let archive = archive.snapshot()?;
    let (size, checkpoint) = archive.checkpoint(size)?;
    if seq.0 == 0 || seq.0 > size {
        return Err(JournalError::NoEntry {
            seq,
            head: Seq(size),
        });
    }
    let entry = archive.entry(seq)?.ok_or(JournalError::NoEntry {
        seq,
        head: Seq(size),
    })?;
    let index = seq.0 - 1;
    let hashes = archive.nodes(inclusion_path(
        &StoredNodes(archive.connection),
        index,
        size,
    ))?;
    Ok(InclusionProof {
        entry,
        index,
        size,
        path: hashes,
        checkpoint,
    })
}

/// Proves that the first `old_size` entries of the journal at `path` are the beginning of its first `new_size` ones; `None` is all of them.
///
/// # Errors
/// As [`proof`]; `NoEntry` where `old_size` is the larger one.
pub fn consistency(
    path: &Path,
    old_size: u64,
    new_size: Option<u64>,
) -> Result<ConsistencyProof, JournalError> {
    let archive = Archive::open(path)?;
    let archive = archive.snapshot()?;
    let (new_size, checkpoint) = archive.checkpoint(new_size)?;
    if old_size > new_size {
        return Err(JournalError::NoEntry {
            seq: Seq(old_size),
            head: Seq(new_size),
        });
    }
    let nodes = StoredNodes(archive.connection);
    let path = archive.nodes(consistency_path(&nodes, old_size, new_size))?;
    Ok(ConsistencyProof {
        old_size,
        new_size,
        path,
        checkpoint,
    })
}

/// The entry that the proof proves to be in the journal of this key.
///
/// # Errors
/// [`JournalError::Note`] where the checkpoint cannot be believed, `Damaged` where the entry is not what its hash
/// covers, `Unproven` where it is not in the tree.
pub fn verify_proof(proof: &InclusionProof, key: &PublicKey) -> Result<Entry, JournalError> {
    let checkpoint = open(key, &proof.checkpoint)?;
    let entry = proof.entry.open()?;
    let place = proof.entry.seq.0.checked_sub(1) == Some(proof.index);
    if !place || checkpoint.size != proof.size || proof.path.len() > PROOF_HASHES_MAX {
        return Err(unproven(
            "the proof does not belong to its entry and checkpoint",
        ));
    }
    let leaf = leaf_hash(&entry.hash.0);
    if root_of_inclusion(proof.index, proof.size, leaf, &proof.path) == Some(checkpoint.root) {
        Ok(entry)
    } else {
        Err(unproven(
            "the entry is not among those the checkpoint was signed for",
        ))
    }
}

/// Checks that the journal of the older signed checkpoint `old` is the beginning of the one of the proof's.
///
/// # Errors
/// [`JournalError::Note`] where either checkpoint cannot be believed, `Unproven` where one is not the beginning of the other.
pub fn verify_consistency(
    proof: &ConsistencyProof,
    old: &str,
    key: &PublicKey,
) -> Result<(), JournalError> {
    let (old, new) = (open(key, old)?, open(key, &proof.checkpoint)?);
    if (old.size, new.size) != (proof.old_size, proof.new_size)
        || proof.path.len() > PROOF_HASHES_MAX
    {
        return Err(unproven("the proof does not belong to its checkpoints"));
    }
    if is_consistent((old.size, old.root), (new.size, new.root), &proof.path) {
        Ok(())
    } else {
        Err(unproven(
            "the older checkpoint is not of the beginning of the newer one: entries were rewritten",
        ))
    }
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

fn open(key: &PublicKey, note: &str) -> Result<Checkpoint, JournalError> {
    let what = "the checkpoint cannot be believed".to_owned();
    key.open(note)
        .map_err(|source| JournalError::Note { what, source })
}

fn unproven(text: &str) -> JournalError {
    JournalError::Unproven(text.to_owned())
}

struct Archive<'p> {
    path: &'p Path,
    connection: Connection,
}

/// A journal that stands still while it is read.
struct Snapshot<'a> {
    path: &'a Path,
    connection: &'a Connection,
    _transaction: rusqlite::Transaction<'a>,
}

impl<'p> Archive<'p> {
    fn open(path: &'p Path) -> Result<Self, JournalError> {
        let connection = schema::open_readable(path)
            .map_err(|error| JournalError::storage("read", path)(error.into()))?;
        schema::check(&connection, path)?;
        Ok(Self { path, connection })
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, JournalError> {
        let transaction = self.connection.unchecked_transaction();
        let transaction =
            transaction.map_err(|error| JournalError::storage("read", self.path)(error.into()))?;
        Ok(Snapshot {
            path: self.path,
            connection: &self.connection,
            _transaction: transaction,
        })
    }
}

impl Snapshot<'_> {
    fn fail(&self, error: rusqlite::Error) -> JournalError {
        JournalError::storage("read", self.path)(error.into())
    }

    fn nodes<T>(&self, result: Result<T, NodesError>) -> Result<T, JournalError> {
        result.map_err(|error| match error {
            NodesError::Sql(error) => self.fail(error),
            NodesError::Missing { .. } => JournalError::Differs {
                path: self.path.to_owned(),
                differs: vec![error.to_string()],
            },
        })
    }

    /// The signed checkpoint of that size; of all entries where none is asked for.
    fn checkpoint(&self, size: Option<u64>) -> Result<(u64, String), JournalError> {
        let head = HeadRow::read(self.connection).map_err(|error| self.fail(error))?;
        let head = head.ok_or_else(|| JournalError::Differs {
            path: self.path.to_owned(),
            differs: vec!["the head is missing".to_owned()],
        })?;
        match size {
            Some(size) if size > head.seq => {
                return Err(JournalError::NoEntry {
                    seq: Seq(size),
                    head: Seq(head.seq),
                });
            }
            Some(size) if size < head.seq => {
                let sql =
                    "SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size LIMIT 1";
                let kept: Option<(u64, String)> = self
                    .connection
                    .query_row(sql, params![size], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
                    .map_err(|error| self.fail(error))?;
                let nearest = kept.as_ref().map_or(head.seq, |(kept, _)| *kept);
                kept.filter(|(kept, _)| *kept == size)
                    .ok_or(JournalError::NoCheckpoint { size, nearest })
            }
            _ => Ok((head.seq, head.note)),
        }
    }

    fn entry(&self, seq: Seq) -> Result<Option<SealedEntry>, JournalError> {
        type Columns = (Option<Digest>, Option<Digest>, Vec<u8>);
        let columns: Option<Columns> = self
            .connection
            .prepare_cached("SELECT prev, hash, body FROM entry WHERE seq = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([seq.0], |row| {
                        let body = bytes(row.get_ref(2)?).to_vec();
                        Ok((digest(row.get_ref(0)?), digest(row.get_ref(1)?), body))
                    })
                    .optional()
            })
            .map_err(|error| self.fail(error))?;
        let Some((prev, hash, body)) = columns else {
            return Ok(None);
        };
        let damaged = |reason: &str| JournalError::Damaged {
            seq,
            reason: reason.to_owned(),
        };
        let (Some(prev), Some(hash)) = (prev, hash) else {
            return Err(damaged("a hash does not have 32 bytes"));
        };
        open_entry(seq, prev, hash, &body)?;
        let body = String::from_utf8(body)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok());
        let body = body.ok_or_else(|| damaged("its body is not JSON"))?;
        Ok(Some(SealedEntry {
            seq,
            prev,
            hash,
            body,
        }))
    }
}

#[cfg(test)]
#[path = "prove_tests.rs"]
mod tests;
