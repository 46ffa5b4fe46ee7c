//! `edsr note`: a remark for the journal.

use clap::Args;
use edsr_server::types::{CommandAnswer, NoteRequest};

use super::Context;
use super::list::reason;
use crate::client::typed;
use crate::exit::{Exit, Outcome};

/// Put a remark into the journal.
#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// The remark
    text: String,
}

/// Puts it there.
pub(crate) async fn run(args: NoteArgs, context: &Context) -> Outcome {
    let body = NoteRequest {
        text: reason(&args.text)?,
    };
    let value = context.client()?.post(&["notes"], &body).await?;
    if !context.out.is_table() {
        context.out.document(&value)?;
        return Ok(Exit::Ok);
    }
    let answer: CommandAnswer = typed(&value)?;
    context
        .out
        .line(format!("noted (journal entry {})", answer.seq))?;
    Ok(Exit::Ok)
}
