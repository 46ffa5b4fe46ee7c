//! The journal: one entry per fact, in order, durable before anything rests on it, and provable afterwards.
//!
//! | module | what it holds |
//! |---|---|
//! | [`port`] | [`Journal`] and [`JournalReader`]: what every backend promises |
//! | [`conformance`] | those promises as tests that take any backend |
//! | [`chain`] | how entries are hashed and chained |
//! | [`mention`] | which ids an entry is found by |
//! | [`merkle`] | the RFC 6962 tree over the entries' hashes, and its proofs |
//! | [`note`], [`signer`] | signed checkpoints of the tree, and the key |
//! | [`memory`], [`sqlite`] | the backends |
//! | [`verify`](mod@verify), [`prove`] | offline: is this journal what was written? and evidence of it for others |
//!
//! A journal is guarded in depth. Each entry's hash covers the one before; a signed checkpoint of the
//! whole is written with every append, so that not even the last entry can be cut off by someone
//! without the key; and a witness file outside the data directory keeps the latest checkpoint, so that
//! putting back an older copy of everything is found too.

pub mod chain;
pub mod conformance;
mod error;
mod files;
pub mod memory;
pub mod mention;
pub mod merkle;
pub mod note;
pub mod port;
pub mod prove;
pub mod sample;
pub mod signer;
pub mod sqlite;
pub mod verify;

pub use error::JournalError;
pub use memory::MemoryJournal;
pub use note::{Checkpoint, NoteError, PublicKey};
pub use port::{Head, Journal, JournalReader, Order, Query};
pub use prove::{
    ConsistencyProof, ExportReport, InclusionProof, consistency, export, proof, verify_consistency,
    verify_export, verify_proof,
};
pub use signer::{KeyError, Signer};
pub use sqlite::{SqliteJournal, SqliteOptions};
pub use verify::{Finding, FindingKind, VerifyOptions, VerifyReport, verify};
