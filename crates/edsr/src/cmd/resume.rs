//! `edsr resume`: lift a pause. Only a person does.

use clap::Args;
use edsr_server::types::{CommandAnswer, Pause, ReasonRequest};
use serde_json::Value;

use super::Context;
use super::list::reason;
use super::pause::pauses;
use crate::client::{Client, typed};
use crate::exit::{Exit, Failure, Outcome};
use crate::text::printable;

/// Lift a pause.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Id of the pause (see `edsr pause list`)
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    id: Option<String>,
    /// Lift every pause that holds
    #[arg(long)]
    all: bool,
    /// Why; kept in the journal with your name
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Lifts it, or all of them.
pub(crate) async fn run(args: ResumeArgs, context: &Context) -> Outcome {
    let client = context.client()?;
    let body = ReasonRequest {
        reason: reason(&args.reason)?,
    };
    let wanted = match args.id {
        Some(id) => vec![whole(&client, id).await?],
        None => ids(&client).await?,
    };
    let mut answers: Vec<Value> = Vec::new();
    for id in &wanted {
        let value = client.post(&["pauses", id, "resume"], &body).await?;
        if context.out.is_table() {
            let answer: CommandAnswer = typed(&value)?;
            let line = format!("resumed {id} (journal entry {})", answer.seq);
            context.out.line(printable(&line))?;
        }
        answers.push(value);
    }
    if !context.out.is_table() {
        context.out.document(&answers)?;
    } else if wanted.is_empty() {
        context.out.line("nothing is paused")?;
    }
    Ok(Exit::Ok)
}

/// The pause that `id` is the beginning of; what fits none is left to the server to refuse.
async fn whole(client: &Client, id: String) -> Result<String, Failure> {
    let all = ids(client).await?;
    if all.contains(&id) {
        return Ok(id);
    }
    let fit: Vec<&String> = all.iter().filter(|whole| whole.starts_with(&id)).collect();
    match fit.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Ok(id),
        many => {
            let names: Vec<&str> = many.iter().map(|id| id.as_str()).collect();
            Err(
                Failure::usage(format!("`{id}` is the beginning of several pauses"))
                    .help(format!("it may be: {}", names.join(", "))),
            )
        }
    }
}

async fn ids(client: &Client) -> Result<Vec<String>, Failure> {
    let pauses = pauses(client).await?;
    pauses
        .iter()
        .map(|pause| Ok(typed::<Pause>(pause)?.id))
        .collect()
}
