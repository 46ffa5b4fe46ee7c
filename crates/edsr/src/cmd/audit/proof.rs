//! `edsr audit proof`: that an entry is in the journal, for somebody who has nothing but the public key.

use std::path::PathBuf;

use clap::Args;
use edsr_journal::prove::{InclusionProof, proof, verify_proof};
use edsr_model::{Entry, Seq};
use serde_json::{Value, json};

use super::failure;
use super::place::{PlaceArgs, key, read};
use crate::cmd::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Tone;
use crate::text::{printable, shown};

/// Print a proof that an entry is in the journal.
#[derive(Debug, Args)]
pub(crate) struct ProofArgs {
    /// The entry's place in the journal
    #[arg(value_name = "SEQ")]
    seq: u64,
    /// Which journal.
    #[command(flatten)]
    place: PlaceArgs,
    /// Prove it against the checkpoint of so many entries [default: the latest]
    #[arg(long, value_name = "N")]
    size: Option<u64>,
}

/// Check a proof.
#[derive(Debug, Args)]
pub(crate) struct CheckProofArgs {
    /// File with the proof
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key, from a place you trust
    #[arg(long, value_name = "FILE.pub")]
    key: PathBuf,
}

/// Prints it, once it holds.
pub(super) fn run(args: &ProofArgs, context: &Context) -> Outcome {
    let place = args.place.find()?;
    let proof = proof(&place.journal, Seq(args.seq), args.size).map_err(|error| failure(&error))?;
    verify_proof(&proof, &place.key).map_err(|error| failure(&error))?;
    // Always JSON: a proof is for a program. Escapes change how the entry is written, not what it says, and that is what
    // a check falls back to.
    let text = serde_json::to_string(&proof)
        .map_err(|error| Failure::new(Exit::Broken, error.to_string()))?;
    context.out.line(crate::text::printable_json(&text))?;
    Ok(Exit::Ok)
}

/// Checks it.
pub(super) fn check(args: &CheckProofArgs, context: &Context) -> Outcome {
    let key = key(&args.key)?;
    let text = read(&args.file, "the proof")?;
    let proof: InclusionProof = serde_json::from_str(&text).map_err(|error| {
        let text = format!("`{}` is not a proof: {error}", shown(&args.file));
        Failure::usage(text).help("a proof is what `edsr audit proof SEQ` prints")
    })?;
    let entry = verify_proof(&proof, &key).map_err(|error| failure(&error))?;
    if !context.out.is_table() {
        context.out.document(&document(&entry, proof.size))?;
        return Ok(Exit::Ok);
    }
    let text = format!(
        "entry {} ({}, by {} at {}) is among the first {} of `{}`",
        entry.draft.seq,
        entry.draft.fact.kind(),
        entry.draft.actor,
        entry.draft.at,
        proof.size,
        key.name(),
    );
    let word = context.out.paint(Tone::Good, "proven");
    context.out.line(format!("{word}: {}", printable(&text)))?;
    Ok(Exit::Ok)
}

fn document(entry: &Entry, size: u64) -> Value {
    json!({"ok": true, "size": size, "entry": entry})
}
