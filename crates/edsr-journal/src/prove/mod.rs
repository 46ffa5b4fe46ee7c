//! Evidence for others: that an entry is in the journal, that the journal only grew, and a copy that proves itself.
//!
//! None of it needs the journal, or trust in whoever hands it over: a public key and a signed checkpoint are enough.

mod archive;
mod export;

use std::path::Path;

use edsr_model::{Digest, Draft, Entry, Seq};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chain::{entry_hash, open_entry};
use crate::error::JournalError;
use crate::merkle::{
    PROOF_HASHES_MAX, consistency_path, inclusion_path, is_consistent, leaf_hash, root_of_inclusion,
};
use crate::note::{Checkpoint, PublicKey};
use crate::sqlite::rows::StoredNodes;
use archive::Archive;

pub use export::{EXPORT_LINE_BYTES_MAX, ExportReport, export, verify_export};

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

fn open(key: &PublicKey, note: &str) -> Result<Checkpoint, JournalError> {
    let what = "the checkpoint cannot be believed".to_owned();
    key.open(note)
        .map_err(|cause| JournalError::Note { what, cause })
}

fn unproven(text: &str) -> JournalError {
    JournalError::Unproven(text.to_owned())
}

#[cfg(test)]
mod tests;
