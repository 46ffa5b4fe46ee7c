//! `edsr audit`: is the record whole, and how to show that to others. All of it works without a node.

mod export;
mod place;
mod proof;
mod verify;

pub(crate) use place::home;

use clap::Subcommand;
use edsr_journal::JournalError;

use super::Context;
use crate::exit::{Exit, Failure, Outcome};

/// Verify and export the record.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify a journal: every entry, every checkpoint
    Verify(verify::VerifyArgs),
    /// Print a proof that an entry is in the journal, for whoever has the public key
    Proof(proof::ProofArgs),
    /// Check such a proof
    CheckProof(proof::CheckProofArgs),
    /// Print the entries as JSON lines that prove themselves
    Export(export::ExportArgs),
    /// Check such an export
    CheckExport(export::CheckExportArgs),
}

/// Does it.
pub(crate) async fn run(command: AuditCommand, context: &Context) -> Outcome {
    match command {
        AuditCommand::Verify(args) => verify::run(&args, context),
        AuditCommand::Proof(args) => proof::run(&args, context),
        AuditCommand::CheckProof(args) => proof::check(&args, context),
        AuditCommand::Export(args) => export::run(&args),
        AuditCommand::CheckExport(args) => export::check(&args, context),
    }
}

/// What is asked for and not there is one thing; a record that does not hold is another.
fn failure(error: &JournalError) -> Failure {
    let exit = match error {
        JournalError::NoEntry { .. } | JournalError::NoCheckpoint { .. } => Exit::NotFound,
        _ => Exit::Broken,
    };
    Failure::new(exit, error.to_string())
}
